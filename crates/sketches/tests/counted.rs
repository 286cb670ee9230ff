//! The guide's shared buffers, beside ours.

use std::sync::Arc;

use buffers::{LocalBuffer, SharedBuffer, UniqueBuffer};
use sketches::{Recorder, RefCountedBuffer, SharedBuffer as Sketch, UNWRITTEN, record};

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

#[test]
fn a_shared_buffer_is_one_allocation_with_one_count() {
    let (counted, sketch) = record(|| RefCountedBuffer::new(64));
    assert_eq!(sketch.allocs, 2);
    let another = Arc::clone(&counted);
    assert_eq!((Arc::strong_count(&another), another.ref_count()), (2, 1), "two counts");
    assert_eq!(record(|| Sketch::new(64)).1.allocs, 2);

    let (shared, ours) = record(|| UniqueBuffer::zeroed(64).freeze());
    assert_eq!(ours.allocs, 1);
    let another = shared.clone();
    assert!(!shared.is_unique());
    drop(another);
    assert!(shared.is_unique());
    assert_eq!(record(|| LocalBuffer::from(b"bytes")).1.allocs, 1);
    assert_eq!(record(|| SharedBuffer::from_static(b"bytes")).1.allocs, 0);
}

#[test]
fn a_new_buffer_shows_no_byte_that_nobody_wrote() {
    assert_eq!(RefCountedBuffer::new(64).as_slice(), [UNWRITTEN; 64]);

    let mut ours = UniqueBuffer::with_capacity(64);
    assert_eq!(ours.len(), 0);
    ours.extend_from_slice(b"written");
    assert_eq!(ours.freeze(), b"written");
}

#[test]
fn nothing_is_asked_for_with_size_0() {
    assert_eq!(record(|| RefCountedBuffer::new(0)).1.size_0, 1);

    let ours = record(|| UniqueBuffer::with_capacity(0).freeze());
    assert_eq!((ours.1.size_0, ours.1.allocs), (0, 0));
}

/// What the sketch's does not, stands at `RefCountedBuffer`: it does not compile.
#[test]
fn a_shared_buffer_goes_to_another_thread() {
    let shared = SharedBuffer::from(b"shared");
    let part = shared.slice(..3);
    let read = std::thread::spawn(move || part == b"sha").join().unwrap();
    assert!(read && shared.is_unique());
}
