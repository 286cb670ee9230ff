//! The guide's owned buffers, beside ours.

use std::alloc::Layout;
use std::panic::catch_unwind;

use allocator_api2::alloc::Global;
use buffers::OwnedBlock;
use sketches::{
    ManagedBuffer as Sketch, OncePtr, Recorder, UNWRITTEN, allocate_buffer, allocate_simd_buffer,
    deallocate_buffer, record, safe_dealloc,
};
use strategy_raii::ManagedBuffer;
use strategy_simd::AlignedBuffer;

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn nothing_is_asked_for_with_size_0() {
    let sketch = record(|| Sketch::new(0));
    assert_eq!(sketch.1.size_0, 1, "undefined behaviour, but for the recorder");

    let ours = record(|| ManagedBuffer::with_capacity_in(layout(0, 1), Global));
    assert_eq!((ours.1.size_0, ours.1.allocs), (0, 0));
    let ours = record(|| AlignedBuffer::<f32>::zeroed(0));
    assert_eq!((ours.1.size_0, ours.1.allocs), (0, 0));
}

#[test]
fn a_new_buffer_shows_no_byte_that_nobody_wrote() {
    // The sketch shows what the recorder has left there.
    assert_eq!(Sketch::new(64).as_slice_mut(), [UNWRITTEN; 64]);

    let mut ours = ManagedBuffer::with_capacity(layout(64, 1));
    assert_eq!((ours.len(), ours.spare_capacity_mut().len()), (0, 64));
    ours.extend_from_slice(b"written");
    assert_eq!(ours, b"written");
    let unwritten = ManagedBuffer::with_capacity_in(layout(64, 1), Global);
    assert_eq!(*unwritten, [0; 0], "its memory is the recorder's as well, and is not shown");
    assert_eq!(ManagedBuffer::zeroed(layout(64, 1)), [0; 64]);
}

#[test]
fn a_buffer_has_the_alignment_that_it_was_asked_for_with() {
    assert_eq!(record(|| Sketch::new(64)).1.align, 1, "and there is no way to ask for more");

    let (ours, asked) = record(|| ManagedBuffer::with_capacity_in(layout(64, 4096), Global));
    assert_eq!(asked.align, 4096);
    assert!(ours.as_ptr().addr().is_multiple_of(4096));
    let (ours, asked) = record(|| AlignedBuffer::<f32, 128>::zeroed(16));
    assert_eq!(asked.align, 128);
    assert!(ours.as_ptr().addr().is_multiple_of(128));
}

#[test]
fn a_length_whose_bytes_overflow_is_an_error() {
    let too_many = usize::MAX / size_of::<f32>() + 2;
    // SAFETY: the sketch has no duty but to free, which is done.
    let (pointer, asked) = record(|| unsafe { allocate_simd_buffer(too_many) });
    assert_eq!((asked.allocs, asked.size), (1, 4), "4 bytes for {too_many} elements");
    // SAFETY: got just so.
    unsafe { std::alloc::dealloc(pointer.cast(), layout(4, 32)) };

    let ours = AlignedBuffer::<f32>::try_zeroed_in(too_many, Global);
    assert!(ours.is_err());
    assert!(catch_unwind(|| AlignedBuffer::<f32>::zeroed(too_many)).is_err());
}

#[test]
fn a_buffer_frees_itself() {
    // SAFETY: the sketch leaves it to its caller to free, which is done below.
    let (pointer, sketch) = record(|| unsafe { allocate_simd_buffer(16) });
    assert_eq!(sketch.blocks_out, 1);
    // SAFETY: got just so.
    unsafe { std::alloc::dealloc(pointer.cast(), layout(64, 32)) };

    assert_eq!(record(|| drop(AlignedBuffer::<f32>::zeroed(16))).1.blocks_out, 0);
}

#[test]
fn nobody_has_to_remember_the_size() {
    // SAFETY: the size is not 0.
    let pointer = unsafe { allocate_buffer(64) };
    // SAFETY: got just so.
    unsafe { deallocate_buffer(pointer, 64) };
    let wrong = record(|| {
        // SAFETY: the size is not 0.
        let pointer = unsafe { allocate_buffer(64) };
        // SAFETY: none: the size is another one. The system does not look at it.
        unsafe { deallocate_buffer(pointer, 32) };
    });
    assert_eq!(wrong.1.other_size, 1);

    let ours = record(|| OwnedBlock::new(layout(64, 1)).unwrap().free());
    assert_eq!((ours.1.allocs, ours.1.other_size, ours.1.blocks_out), (1, 0, 0));
}

#[test]
fn a_block_is_freed_if_nobody_thinks_of_it() {
    // SAFETY: the size is not 0.
    let block = || unsafe { std::alloc::alloc(layout(64, 8)) };
    let (pointer, sketch) = record(|| {
        let once = OncePtr(block(), layout(64, 8));
        once.0
    });
    assert_eq!(sketch.blocks_out, 1);
    let mut again = OncePtr(pointer, layout(64, 8));
    // SAFETY: it is the block from above, and freed once.
    unsafe { again.free() };

    let ours = record(|| drop(OwnedBlock::new(layout(64, 8)).unwrap()));
    assert_eq!(ours.1.blocks_out, 0);
}

#[test]
fn nobody_has_a_copy_of_what_was_freed() {
    // SAFETY: the size is not 0.
    let mut pointer = unsafe { std::alloc::alloc(layout(64, 8)) };
    let mut copy = pointer;
    // SAFETY: got just so, and freed once.
    let first = record(|| unsafe { safe_dealloc(&mut pointer, layout(64, 8)) });
    assert_eq!(first.1.blocks_out, -1);
    // A copy frees it again: shown with a layout of size 0, which goes no further than the recorder.
    // SAFETY: the recorder does nothing with a size of 0.
    let second = record(|| unsafe { safe_dealloc(&mut copy, layout(0, 8)) });
    assert_eq!(second.1.blocks_out, -1, "freed twice");

    // Ours has no copies: what does not compile stands at `OwnedBlock`.
    let ours = record(|| OwnedBlock::new(layout(64, 8)).unwrap().free());
    assert_eq!(ours.1.blocks_out, 0);
}
