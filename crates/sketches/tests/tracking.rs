//! The guide's counting allocator, beside ours.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

use sketches::{Recorder, TrackingAllocator, record};
use tracking::Tracking;

const BLOCK: Layout = Layout::new::<[u64; 8]>();

fn sketch() -> TrackingAllocator<Recorder> {
    TrackingAllocator { allocated: AtomicUsize::new(0), inner: Recorder }
}

#[test]
fn memory_from_before_the_counting_does_not_wrap() {
    // SAFETY: the size is not 0.
    let older = unsafe { Recorder.alloc(BLOCK) };
    let sketch = sketch();
    // SAFETY: the block is of the inner allocator, with this layout, and freed once.
    unsafe { sketch.dealloc(older, BLOCK) };
    assert_eq!(sketch.allocated.load(Ordering::Relaxed), usize::MAX - 63);

    // SAFETY: as above.
    let older = unsafe { Recorder.alloc(BLOCK) };
    let ours = Tracking::new(Recorder);
    // SAFETY: as above.
    unsafe { ours.dealloc(older, BLOCK) };
    let stats = ours.stats();
    assert_eq!((stats.live_bytes, stats.unseen_bytes, stats.unseen_blocks), (0, 64, 1));
}

/// Grows a zeroed block and frees it: what the inner allocator was asked for.
fn asked(allocator: &impl GlobalAlloc) -> sketches::Record {
    record(|| {
        // SAFETY: the size is not 0.
        let block = unsafe { allocator.alloc_zeroed(BLOCK) };
        // SAFETY: the block has this layout, and the new size is not 0.
        let block = unsafe { allocator.realloc(block, BLOCK, 128) };
        let grown = Layout::from_size_align(128, BLOCK.align()).unwrap();
        // SAFETY: the block has this layout, and is freed once.
        unsafe { allocator.dealloc(block, grown) };
    })
    .1
}

#[test]
fn zeroing_and_growing_are_left_to_the_allocator() {
    let sketch = asked(&sketch());
    assert_eq!((sketch.zeroed, sketch.reallocs, sketch.allocs), (0, 0, 2), "all by hand");

    let ours = asked(&Tracking::new(Recorder));
    assert_eq!((ours.zeroed, ours.reallocs, ours.allocs), (1, 1, 1));
    assert_eq!(ours.blocks_out, 0);
}
