//! The owned block: freed once, with its layout, to its allocator.

use std::alloc::Layout;
use std::thread;

use buffers::{OutOfMemory, OwnedBlock};
use strategy::contract::Probe;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn every_size_and_alignment_is_served_and_freed_with_its_layout() {
    let probe = Probe::new();
    for shift in 0..=16 {
        for size in [0, 1, 7, 8, 63, 64, 65, 4096, 100_000] {
            let layout = layout(size, 1 << shift);
            let mut block = OwnedBlock::new_in(layout, &probe).unwrap();
            assert!(block.start().addr().get().is_multiple_of(1 << shift));
            assert_eq!(
                (block.layout(), block.bytes().len(), probe.bytes_out()),
                (layout, size, size)
            );
            let written = block.bytes_mut().write_copy_of_slice(&vec![7; size]);
            assert!(written.iter().all(|&byte| byte == 7));

            let zeroed = OwnedBlock::zeroed_in(layout, &probe).unwrap();
            // SAFETY: every byte is 0.
            let bytes = unsafe { zeroed.bytes().assume_init_ref() };
            assert!(bytes.iter().all(|&byte| byte == 0) && bytes.len() == size);
            assert_eq!(probe.bytes_out(), 2 * size);
            zeroed.free();
            assert_eq!(probe.bytes_out(), size);
            drop(block);
            assert_eq!((probe.bytes_out(), probe.blocks_out(), probe.fault()), (0, 0, None));
        }
    }
}

#[test]
fn memory_that_is_refused_is_an_error() {
    let probe = Probe::new();
    for nth in 1..=2 {
        probe.fail_on(nth);
        let blocks = [
            OwnedBlock::new_in(layout(48, 16), &probe),
            OwnedBlock::zeroed_in(layout(48, 16), &probe),
        ];
        let refused = blocks.map(|block| block.err());
        let mut expected = [None; 2];
        expected[nth - 1] = Some(OutOfMemory { bytes: 48, align: 16 });
        assert_eq!(refused, expected);
    }
    let largest = layout(isize::MAX as usize, 1);
    let refused = OutOfMemory { bytes: isize::MAX as usize, align: 1 };
    assert_eq!(OwnedBlock::new(largest).unwrap_err(), refused);
    assert_eq!(OwnedBlock::zeroed(largest).unwrap_err(), refused);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn taken_apart_it_is_not_freed_and_put_together_it_is() {
    let probe = Probe::new();
    let mut block = OwnedBlock::new_in(layout(5, 2), probe.clone()).unwrap();
    block.bytes_mut().write_copy_of_slice(b"bytes");
    let place = block.start();
    let (start, layout, allocator) = block.into_raw_parts();
    assert_eq!((start, probe.bytes_out()), (place, 5));
    // SAFETY: the three are those of one block, which is used once.
    let block = unsafe { OwnedBlock::from_raw_parts(start, layout, allocator) };
    // SAFETY: all five were written.
    assert_eq!(unsafe { block.bytes().assume_init_ref() }, b"bytes");
    assert_eq!((block.layout(), block.allocator().bytes_out()), (layout, 5));
    drop(block);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_panic_frees_it() {
    let probe = Probe::new();
    let owner = std::panic::AssertUnwindSafe(probe.clone());
    let panicked = std::panic::catch_unwind(move || {
        let _block = OwnedBlock::new_in(layout(8, 8), owner.clone()).unwrap();
        panic!("with a block");
    });
    assert!(panicked.is_err());
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn it_is_freed_by_another_thread() {
    let probe = Probe::new();
    let block = OwnedBlock::new_in(layout(8, 8), probe.clone()).unwrap();
    thread::spawn(move || block.free()).join().unwrap();
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    let block = OwnedBlock::zeroed(layout(8, 8)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(block.bytes().len(), 8));
        assert_eq!(block.layout(), layout(8, 8));
    });
}

#[test]
fn it_says_where_and_what_it_is() {
    let block = OwnedBlock::new(layout(8, 4)).unwrap();
    let text = format!("{block:?}");
    assert!(text.starts_with("OwnedBlock { start: 0x") && text.contains("size: 8"), "{text}");
}
