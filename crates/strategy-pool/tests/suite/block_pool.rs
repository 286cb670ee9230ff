//! The untyped pool: what the contract does not say of it.

use std::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use strategy::contract::Probe;
use strategy::{BuildError, Plan, Strategy};
use strategy_pool::{BlockPool, OutOfMemory};

use crate::nested::{Address, Nested};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Takes `count` blocks and leaves them out.
fn take<A: Allocator>(pool: &BlockPool<A>, count: usize) -> Vec<NonNull<u8>> {
    (0..count).map(|_| pool.allocate(pool.block()).unwrap().cast()).collect()
}

fn give_back<A: Allocator>(pool: &BlockPool<A>, blocks: impl IntoIterator<Item = NonNull<u8>>) {
    for block in blocks {
        // SAFETY: the tests pass each block of `take` once.
        unsafe { pool.deallocate(block, pool.block()) };
    }
}

#[test]
fn reserved_bytes_are_what_the_backing_gave() {
    let probe = Probe::new();
    let pool = BlockPool::new_in(layout(48, 16), probe.clone());
    assert_eq!((probe.calls(), pool.reserved_bytes()), (0, 0));
    let blocks = take(&pool, 10_000);
    give_back(&pool, blocks.into_iter().step_by(2));
    assert_eq!(pool.live(), 5_000);
    assert_eq!(pool.reserved_bytes(), probe.bytes_out());
}

#[test]
fn a_block_is_aligned_to_a_pointer_at_least_and_no_more_is_served_than_it_is() {
    for align in (0..22).map(|shift| 1 << shift) {
        for size in [1, align, align + 1] {
            let pool = BlockPool::new(layout(size, align));
            let (size, align) = (pool.block().size(), pool.block().align());
            assert!(align >= 8 && size.is_multiple_of(align));
            for block in take(&pool, 5) {
                assert!(block.addr().get().is_multiple_of(align), "{size} at {align}");
            }
            assert!((&pool).allocate(layout(size, align)).is_ok());
            assert!((&pool).allocate(layout(1, 2 * align)).is_err());
            assert!((&pool).allocate(layout(0, 2 * align)).is_err());
            assert!((&pool).allocate(layout(size + 1, 1)).is_err());
        }
    }
}

#[test]
fn a_reserved_pool_calls_its_backing_twice_and_a_free_never() {
    let probe = Probe::new();
    let pool = BlockPool::with_capacity_in(layout(64, 8), 1000, probe.clone());
    assert_eq!((probe.calls(), pool.capacity()), (2, 1000));
    assert_eq!(probe.bytes_out(), 1000 * 64 + 40 + 1001 * 8);
    for _ in 0..3 {
        let blocks = take(&pool, 1000);
        give_back(&pool, blocks);
    }
    pool.reserve(1000);
    assert_eq!(probe.calls(), 2);
    pool.reserve(1001);
    assert_eq!((probe.calls(), pool.capacity()), (4, 1001));
}

#[test]
fn chunks_double_the_pool_up_to_a_mebibyte() {
    let pool = BlockPool::new(layout(1024, 8));
    let mut capacities = vec![0];
    for _ in 0..4000 {
        take(&pool, 1);
        if *capacities.last().unwrap() != pool.capacity() {
            capacities.push(pool.capacity());
        }
    }
    assert_eq!(capacities, [0, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3072, 4096]);
    let large = BlockPool::new(layout(3 << 20, 8));
    take(&large, 2);
    assert_eq!(large.capacity(), 2);
}

#[test]
fn the_last_block_freed_is_the_next_one_taken() {
    let pool = BlockPool::new(layout(64, 8));
    let blocks = take(&pool, 100);
    give_back(&pool, [blocks[7], blocks[3]]);
    assert_eq!(take(&pool, 2), [blocks[3], blocks[7]]);
}

#[test]
fn reset_keeps_all_memory_and_makes_every_block_free_once() {
    let probe = Probe::new();
    let mut pool = BlockPool::new_in(layout(64, 8), probe.clone());
    let mut before = take(&pool, pool.capacity() + 1000);
    give_back(&pool, before.iter().copied().step_by(3));
    let (bytes, calls) = (probe.bytes_out(), probe.calls());
    pool.reset();
    assert_eq!(pool.live(), 0);
    let mut after = take(&pool, pool.capacity());
    assert_eq!((probe.bytes_out(), probe.calls()), (bytes, calls));
    before.sort();
    after.sort();
    after.dedup();
    assert_eq!(after.len(), pool.capacity());
    assert!(before.iter().all(|block| after.binary_search(block).is_ok()));
}

#[test]
fn size_0_takes_no_block() {
    let probe = Probe::new();
    for block in [layout(0, 8), layout(64, 8)] {
        let pool = BlockPool::with_capacity_in(block, 0, probe.clone());
        let empty = (&pool).allocate(layout(0, 8)).unwrap();
        assert_eq!((empty.len(), empty.addr().get() % 8), (0, 0));
        // SAFETY: the block was just got with this layout.
        unsafe { (&pool).deallocate(empty.cast(), layout(0, 8)) };
        assert_eq!((pool.live(), probe.calls()), (0, 0));
    }
    let nothing = BlockPool::with_capacity_in(layout(0, 8), 1000, probe.clone());
    assert!((&nothing).allocate(layout(1, 1)).is_err());
    assert_eq!(probe.calls(), 0);
}

#[test]
fn a_box_without_size_leaves_the_pool_alone() {
    // Such a `Box` of allocator-api2 frees a pointer that it has not allocated.
    let pool = BlockPool::new(layout(8, 8));
    drop(Box::new_in((), &pool));
    let blocks = take(&pool, pool.capacity() + 1);
    assert!(blocks.iter().all(|block| block.addr().get() > 8));
}

#[test]
fn what_is_too_large_is_an_error() {
    let block = layout(64, 8);
    for blocks in [usize::MAX, isize::MAX as usize / 64, 1 << 50] {
        let error = OutOfMemory { blocks, block };
        assert_eq!(BlockPool::try_with_capacity(block, blocks).unwrap_err(), error);
    }
    let largest = layout(isize::MAX as usize - 7, 8);
    let pool = BlockPool::new(largest);
    assert!((&pool).allocate(largest).is_err());
    assert_eq!((pool.live(), pool.reserved_bytes()), (0, 16)); // the stack for one block
    let not_even_rounded = layout(isize::MAX as usize, 1);
    assert!((&BlockPool::new(not_even_rounded)).allocate(not_even_rounded).is_err());
    let pool = BlockPool::new(block);
    pool.reserve(1);
    assert!(pool.try_reserve(usize::MAX).is_err());
    take(&pool, 2); // what could not be reserved is forgotten
}

#[test]
fn growth_that_was_refused_is_forgotten() {
    let (probe, calm) = (Probe::new(), Probe::new());
    let pool = BlockPool::new_in(layout(64, 8), probe.clone());
    for _ in 0..100 {
        probe.fail_on(1);
        assert!((&pool).allocate(layout(64, 8)).is_err());
    }
    let never_refused = BlockPool::new_in(layout(64, 8), calm.clone());
    assert!((&pool).allocate(layout(64, 8)).is_ok());
    assert!((&never_refused).allocate(layout(64, 8)).is_ok());
    assert_eq!(probe.bytes_out(), calm.bytes_out());
}

#[test]
fn a_backing_that_uses_the_pool_itself_is_served() {
    unsafe fn one(pool: Address) -> Option<NonNull<u8>> {
        // SAFETY: the test passes such a pool.
        let pool = unsafe { pool.cast::<BlockPool<&Nested>>().as_ref() };
        pool.allocate(pool.block()).ok().map(NonNull::cast)
    }

    let backing = Nested::new(one);
    let pool = BlockPool::new_in(layout(1024, 8), &backing);
    // SAFETY: the pool is of this type, and moves only after `end`.
    unsafe { backing.begin(NonNull::from(&pool).cast()) };
    let mut blocks = take(&pool, 1000);
    blocks.extend(take(&pool, pool.capacity() - pool.live()));
    let kept = backing.end();
    assert!(!kept.is_empty());
    blocks.extend(kept);
    assert_eq!(pool.live(), blocks.len());
    let count = blocks.len();
    blocks.sort();
    blocks.dedup();
    assert_eq!(blocks.len(), count);
    give_back(&pool, blocks);
}

#[test]
fn a_pool_moves_to_another_thread_with_its_memory() {
    let pool = BlockPool::new(layout(64, 8));
    let blocks = take(&pool, 100);
    give_back(&pool, blocks);
    let pool = std::thread::spawn(move || {
        assert_eq!(*Box::new_in(7_u64, &pool), 7);
        pool
    })
    .join()
    .unwrap();
    assert_eq!(pool.live(), 0);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not one of this pool's")]
fn a_block_of_another_pool_is_caught_in_debug() {
    let (pool, other) = (BlockPool::new(layout(64, 8)), BlockPool::new(layout(64, 8)));
    let blocks = take(&other, 1);
    take(&pool, 1);
    give_back(&pool, blocks);
}

#[test]
fn a_plan_makes_the_block_and_reserves_its_live_blocks() {
    let plan = Plan::of(layout(100, 32)).live(77);
    let mut pool = <BlockPool as Strategy>::new(&plan).unwrap();
    assert_eq!((pool.block(), pool.capacity()), (layout(128, 32), 77));
    take(&pool, 2);
    assert_eq!(Strategy::stats(&pool).unwrap().live_bytes, 2 * 128);
    Strategy::reset(&mut pool).unwrap();
    assert_eq!(Strategy::stats(&pool).unwrap().live_bytes, 0);

    let refused = [Plan::sizes(1, 2), Plan::sizes(64, 64).growing(), Plan { threads: 2, ..plan }];
    for plan in refused {
        let error = <BlockPool as Strategy>::new(&plan).unwrap_err();
        assert!(matches!(error, BuildError::Unsupported(_)), "{error}");
    }
    let plan = plan.live(usize::MAX);
    let error = <BlockPool as Strategy>::new(&plan).unwrap_err();
    assert_eq!(error, BuildError::OutOfMemory { bytes: usize::MAX });
}
