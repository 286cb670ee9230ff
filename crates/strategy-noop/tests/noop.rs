//! The control: blocks that are distinct, whole and touched.

use std::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec as NoopVec;
use strategy::contract::Probe;
use strategy::{BuildError, Plan, Strategy};
use strategy_noop::Noop;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn noop(plan: &Plan) -> Noop {
    Noop::new(plan).unwrap()
}

#[test]
fn there_are_as_many_distinct_blocks_as_live_ones_and_two() {
    let mut noop = noop(&Plan::sizes(1, 40).live(1000));
    for _ in 0..2 {
        let mut blocks: Vec<NonNull<u8>> =
            (0..1002).map(|_| (&noop).allocate(layout(40, 16)).unwrap().cast()).collect();
        assert!((&noop).allocate(layout(1, 1)).is_err());
        blocks.sort();
        assert!(blocks.is_sorted_by(|left, right| right.addr().get() - left.addr().get() >= 48));
        assert_eq!(noop.stats().unwrap().live_bytes, 1002 * 48);
        noop.reset().unwrap();
    }
}

#[test]
fn every_block_is_touched_beforehand() {
    let noop = noop(&Plan::sizes(64, 4096).live(100));
    for _ in 0..100 {
        let block = (&noop).allocate(layout(4096, 16)).unwrap();
        // SAFETY: all bytes of the region were written when it was built.
        assert!(unsafe { block.as_ref() }.iter().all(|byte| *byte == 0xA5));
    }
}

#[test]
fn every_alignment_of_a_plan_is_honoured() {
    for align in (0..22).map(|shift| 1 << shift) {
        let noop = noop(&Plan { max_align: align, ..Plan::sizes(1, 24) }.live(5));
        for _ in 0..5 {
            let block = (&noop).allocate(layout(24, align)).unwrap();
            assert!(block.addr().get().is_multiple_of(align.max(16)));
        }
        assert!((&noop).allocate(layout(1, 32.max(2 * align))).is_err());
    }
}

#[test]
fn what_is_too_large_is_an_error() {
    let noop = noop(&Plan::sizes(1, 64));
    for size in [65, 1 << 20, isize::MAX as usize - 7] {
        assert!((&noop).allocate(layout(size, 8)).is_err());
    }
    let live = Plan::sizes(64, 64).live(usize::MAX);
    for plan in [live, Plan::sizes(1 << 62, 1 << 62), live.live(1 << 58)] {
        let error = <Noop>::new(&plan).unwrap_err();
        assert!(matches!(error, BuildError::OutOfMemory { .. }), "{error}");
    }
    for plan in [Plan::sizes(1, usize::MAX), Plan { threads: 2, ..Plan::default() }] {
        let error = <Noop>::new(&plan).unwrap_err();
        assert!(matches!(error, BuildError::Unsupported(_)), "{error}");
    }
}

#[test]
fn a_refusal_of_the_backing_is_an_error() {
    let backing = Probe::new();
    backing.fail_on(1);
    let plan = Plan::sizes(64, 64).live(8);
    let error = Noop::new_in(&plan, backing.clone()).unwrap_err();
    assert_eq!(error, BuildError::OutOfMemory { bytes: 640 });
    drop(Noop::new_in(&plan, backing.clone()).unwrap());
    assert_eq!((backing.calls(), backing.bytes_out(), backing.fault()), (2, 0, None));
}

#[test]
fn size_0_takes_no_block_and_a_box_without_size_leaves_the_blocks_alone() {
    let noop = noop(&Plan::sizes(0, 0));
    for _ in 0..10 {
        let empty = (&noop).allocate(layout(0, 8)).unwrap();
        assert_eq!((empty.len(), empty.addr().get() % 8), (0, 0));
        // Such a `Box` of allocator-api2 frees a pointer that it has not allocated.
        drop(Box::new_in((), &noop));
    }
    assert_eq!(noop.stats().unwrap().live_bytes, 0);
    let blocks = [(); 3].map(|()| (&noop).allocate(layout(1, 1)).unwrap());
    assert!(blocks.iter().all(|block| block.addr().get() > 16));
}

#[test]
fn a_vector_grows_in_place() {
    let noop = noop(&Plan::sizes(8, 1 << 16).growing());
    let mut bytes = NoopVec::with_capacity_in(8, &noop);
    let place = bytes.as_ptr();
    bytes.extend((0..1 << 16).map(|index: usize| index as u8));
    assert_eq!(bytes.as_ptr(), place);
    assert!(bytes.iter().enumerate().all(|(index, byte)| *byte == index as u8));
}

#[test]
fn it_moves_to_another_thread_with_its_memory() {
    let noop = <Noop>::new(&Plan::default()).unwrap();
    let noop = std::thread::spawn(move || {
        assert_eq!(*Box::new_in(7_u64, &noop), 7);
        noop
    })
    .join()
    .unwrap();
    assert_eq!(noop.stats().unwrap().live_bytes, 0);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not one of this strategy's")]
fn a_block_of_another_strategy_is_caught_in_debug() {
    let (noop, other) = (noop(&Plan::default()), self::noop(&Plan::default()));
    let block = (&other).allocate(layout(64, 16)).unwrap();
    // SAFETY: it is not: the test breaks the contract, and relies on the check in debug.
    unsafe { (&noop).deallocate(block.cast(), layout(64, 16)) };
}
