//! The unique buffer as a library: what its methods promise.

use std::alloc::Layout;
use std::borrow::BorrowMut;
use std::io::{self, IoSlice, Write};
use std::ptr::NonNull;
use std::thread;

use allocator_api2::alloc::{AllocError, Allocator, Global};
use buffers::{OutOfMemory, SharedBuffer, UniqueBuffer};
use bytes::BufMut;
use strategy::contract::Probe;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// The guide's sketch has one alignment, 1, and makes slices over bytes that were never written.
#[test]
fn every_size_and_alignment_is_served_and_given_back_with_its_layout() {
    let probe = Probe::new();
    for shift in 0..=16 {
        for size in [0, 1, 7, 8, 63, 64, 65, 4096, 100_000] {
            let layout = layout(size, 1 << shift);
            let zeroed = UniqueBuffer::zeroed_in(layout, probe.clone());
            let mut filled = UniqueBuffer::with_layout_in(layout, probe.clone());
            assert_eq!((filled.len(), filled.capacity()), (0, size));
            assert_eq!(filled.align(), (1 << shift).max(8));
            filled.resize(size, 7);
            let (zeroed, filled) = (zeroed.freeze(), filled.freeze_local());
            assert!(zeroed.as_ptr().addr().is_multiple_of(1 << shift));
            assert!(filled.as_ptr().addr().is_multiple_of(1 << shift));
            assert!(zeroed.iter().all(|&byte| byte == 0) && filled.iter().all(|&byte| byte == 7));
            assert_eq!((zeroed.len(), filled.len()), (size, size));
        }
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }
}

/// A probe fills fresh memory, and nothing of that is ever seen. Under valgrind a byte that was
/// read and not written is found as such.
#[test]
fn nothing_is_read_that_was_not_written() {
    let mut buffer = UniqueBuffer::with_layout_in(layout(100, 1), Probe::new());
    assert_eq!((buffer.len(), buffer.iter().count(), buffer.capacity()), (0, 0, 100));
    buffer.extend_from_slice(&[1; 10]);
    buffer.truncate(50);
    buffer.resize(20, 2);
    buffer.reserve(1000);
    buffer.truncate(15);
    let expected = [[1; 10].as_slice(), &[2; 5]].concat();
    assert_eq!(buffer, expected);
    let frozen = buffer.freeze();
    assert_eq!((frozen.len(), &frozen[..]), (15, &expected[..]));
    let mut thawed = frozen.slice(5..12);
    drop(frozen);
    assert_eq!(thawed.get_mut().unwrap().len(), 7);
    let thawed = thawed.try_into_unique().unwrap();
    assert_eq!(thawed, [1, 1, 1, 1, 1, 2, 2]);
}

#[test]
fn bytes_that_were_written_one_by_one_are_part_of_it_when_it_is_told_so() {
    let mut buffer = UniqueBuffer::with_capacity(256);
    for (byte, value) in buffer.spare_capacity_mut().iter_mut().zip(0..=u8::MAX) {
        byte.write(value);
    }
    assert_eq!(buffer.len(), 0);
    // SAFETY: there are 256 bytes and as many values of `u8`.
    unsafe { buffer.set_len(256) };
    assert!(buffer.iter().copied().eq(0..=u8::MAX));
    assert!(buffer.spare_capacity_mut().is_empty());
}

#[test]
fn it_grows_to_twice_its_size_or_to_what_is_needed_and_keeps_its_alignment() {
    let probe = Probe::new();
    let mut buffer = UniqueBuffer::with_layout_in(layout(0, 256), probe.clone());
    let mut capacities = Vec::new();
    for number in 0..1000_u32 {
        buffer.extend_from_slice(&number.to_le_bytes());
        capacities.push(buffer.capacity());
        assert!(buffer.as_ptr().addr().is_multiple_of(256));
    }
    capacities.dedup();
    assert_eq!(capacities, [64, 128, 256, 512, 1024, 2048, 4096]);
    assert!(buffer.chunks(4).zip(0_u32..).all(|(bytes, number)| bytes == number.to_le_bytes()));
    buffer.reserve(10_000);
    assert_eq!((buffer.len(), buffer.capacity()), (4000, 14_000));
    buffer.shrink_to_fit();
    assert_eq!((buffer.capacity(), probe.bytes_out()), (4000, 4256));
    buffer.clear();
    buffer.shrink_to_fit();
    assert_eq!((buffer.capacity(), probe.bytes_out()), (0, 0));
    buffer.extend_from_slice(b"again");
    assert!(buffer == b"again" && buffer.as_ptr().addr().is_multiple_of(256));
}

#[test]
fn what_is_written_to_it_is_appended() {
    let mut buffer = UniqueBuffer::from(b"one ");
    buffer.write_all(b"two ").unwrap();
    assert_eq!(buffer.write(b"three ").unwrap(), 6);
    let slices = [IoSlice::new(b"fo"), IoSlice::new(b""), IoSlice::new(b"ur")];
    assert_eq!(buffer.write_vectored(&slices).unwrap(), 4);
    write!(buffer, " {}", 5).unwrap();
    buffer.flush().unwrap();
    buffer.extend(*b" six");
    assert_eq!(buffer, b"one two three four 5 six");
    buffer[0] = b'O';
    AsMut::<[u8]>::as_mut(&mut buffer)[1] = b'N';
    BorrowMut::<[u8]>::borrow_mut(&mut buffer)[2] = b'E';
    assert_eq!(&buffer[..4], b"ONE ");
}

#[test]
fn it_is_a_sink_of_the_crate_bytes() {
    // What is full has room for more when it is asked for some.
    let mut full = UniqueBuffer::from(b"full");
    assert!(full.chunk_mut().len() >= 64);
    assert_eq!(full, b"full");

    let mut buffer = UniqueBuffer::new();
    assert_eq!(buffer.remaining_mut(), isize::MAX as usize);
    buffer.put_u16(0x0102);
    buffer.put_slice(b"three");
    buffer.put_bytes(4, 4);
    buffer.put(&mut SharedBuffer::from(&[5; 200]));
    assert_eq!(buffer[..11], *b"\x01\x02three\x04\x04\x04\x04");
    assert_eq!(buffer[11..], [5; 200]);
    assert_eq!(buffer.remaining_mut(), isize::MAX as usize - 211);
    let mut limited = full.limit(2);
    limited.put_slice(b"er");
    assert_eq!((limited.remaining_mut(), limited.into_inner()), (0, UniqueBuffer::from(b"fuller")));
}

#[test]
#[should_panic = "more than there is room for"]
fn what_was_not_there_cannot_have_been_written() {
    let mut buffer = UniqueBuffer::with_capacity(8);
    // SAFETY: not kept, which is what is tested: it panics before it takes the bytes for written.
    unsafe { buffer.advance_mut(9) };
}

#[test]
fn a_write_without_memory_is_an_error_and_the_buffer_whole() {
    let probe = Probe::new();
    let mut buffer = UniqueBuffer::copied_in(b"whole", probe.clone());
    let place = buffer.as_ptr();
    probe.fail_from(1);
    let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    let errors = [buffer.write(b"x").err(), buffer.write_vectored(&slices).err()];
    for error in errors.into_iter().chain([buffer.write_all(b"x").err()]) {
        assert_eq!(error.unwrap().kind(), io::ErrorKind::OutOfMemory);
    }
    assert_eq!(buffer.write(b"").unwrap(), 0);
    assert!(buffer.try_resize(6, 0).is_err() && buffer.try_reserve(1).is_err());
    buffer.truncate(3);
    assert!(buffer.try_shrink_to_fit().is_err());
    assert_eq!((buffer.as_ptr(), buffer.capacity(), &buffer[..]), (place, 5, &b"who"[..]));
    let frozen = buffer.freeze();
    assert_eq!(frozen.try_into_unique().unwrap(), b"who");
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_refusal_says_what_was_asked_for() {
    let probe = Probe::new();
    probe.fail_from(1);
    let asked = layout(100, 16);
    let refused = OutOfMemory { bytes: 100, align: 16 };
    let made = UniqueBuffer::try_zeroed_in(asked, probe.clone());
    assert_eq!(made.unwrap_err(), refused);
    let made = UniqueBuffer::try_with_layout_in(asked, probe.clone());
    assert_eq!(made.unwrap_err(), refused);
    assert_eq!(refused.to_string(), "no memory for 100 bytes aligned to 16");
    let mut empty = UniqueBuffer::with_layout_in(layout(0, 32), probe.clone());
    assert_eq!(empty.try_reserve(5), Err(OutOfMemory { bytes: 64, align: 32 }));
    assert_eq!(io::Error::from(refused).kind(), io::ErrorKind::OutOfMemory);
}

#[test]
fn more_than_a_block_can_have_is_an_error_and_does_not_wrap() {
    let most = isize::MAX as usize;
    for bytes in [usize::MAX, most + 1, most, most - 7, most - 30, most - 31] {
        let refused = OutOfMemory { bytes, align: 1 };
        assert_eq!(UniqueBuffer::try_with_capacity(bytes).unwrap_err(), refused);
        assert_eq!(UniqueBuffer::try_zeroed(bytes).unwrap_err(), refused);
    }
    let probe = Probe::new();
    let mut buffer = UniqueBuffer::copied_in(b"whole", probe.clone());
    for bytes in [usize::MAX, usize::MAX - 4, usize::MAX - 5, most, most - 5, most - 20] {
        let refused = OutOfMemory { bytes: bytes.saturating_add(5), align: 8 };
        assert_eq!(buffer.try_reserve(bytes), Err(refused), "{bytes}");
        assert_eq!(buffer.try_resize(bytes, 0).unwrap_err().align, 8);
        assert_eq!((&buffer[..], buffer.capacity()), (&b"whole"[..], 5));
    }
    assert_eq!(probe.calls(), 1, "none of it came as far as the allocator");
}

#[test]
#[should_panic = "capacity overflow: no memory for 18446744073709551615 bytes"]
fn more_than_a_block_can_have_is_a_panic_for_who_did_not_try() {
    UniqueBuffer::new().reserve(usize::MAX);
}

#[test]
fn an_allocator_is_dropped_once_whatever_became_of_the_buffer() {
    use std::rc::Rc;
    let count = Rc::new(());
    let make = |bytes: &[u8]| UniqueBuffer::copied_in(bytes, Counted(Rc::clone(&count)));
    for bytes in [&b""[..], b"bytes"] {
        drop(make(bytes));
        drop(make(bytes).freeze());
        let frozen = make(bytes).freeze_local();
        let held = Rc::strong_count(&count);
        assert_eq!(held, if bytes.is_empty() { 1 } else { 2 });
        let clone = frozen.clone();
        drop(frozen);
        assert_eq!(Rc::strong_count(&count), held);
        drop(clone.try_into_unique().map(UniqueBuffer::freeze));
        assert_eq!(Rc::strong_count(&count), 1);
    }
    drop(UniqueBuffer::new_in(Counted(Rc::clone(&count))));
    assert_eq!(Rc::strong_count(&count), 1);
}

/// `Global`, with a destructor.
struct Counted(std::rc::Rc<()>);

// SAFETY: the blocks are those of `Global`, which keeps the contract.
unsafe impl Allocator for Counted {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        assert!(std::rc::Rc::strong_count(&self.0) > 0);
        Global.allocate(layout)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the block came from `Global` in `allocate`.
        unsafe { Global.deallocate(block, layout) };
    }
}

#[test]
fn a_buffer_is_written_on_one_thread_and_freed_on_another() {
    let probe = Probe::new();
    let mut buffer = UniqueBuffer::zeroed_in(layout(1000, 64), probe.clone());
    buffer.fill(7);
    let sum = thread::spawn(move || buffer.iter().map(|&byte| u32::from(byte)).sum::<u32>());
    assert_eq!(sum.join().unwrap(), 7000);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

/// An allocator that frees a block and then unwinds, once.
#[derive(Clone, Debug)]
struct Unwinding(Probe, std::rc::Rc<std::cell::Cell<bool>>);

// SAFETY: all is handed on to a probe.
unsafe impl Allocator for Unwinding {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.0.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { self.0.deallocate(pointer, layout) };
        if self.1.take() {
            std::panic::resume_unwind(Box::new(()));
        }
    }
}

#[test]
fn a_block_is_not_freed_again_if_freeing_it_unwinds() {
    let probe = Probe::new();
    let allocator = Unwinding(probe.clone(), std::rc::Rc::new(std::cell::Cell::new(true)));
    let mut buffer = UniqueBuffer::copied_in(b"bytes", allocator);
    buffer.clear();
    let shrunk = std::panic::AssertUnwindSafe(|| buffer.shrink_to_fit());
    assert!(std::panic::catch_unwind(shrunk).is_err());
    assert_eq!(buffer.capacity(), 0);
    drop(buffer);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}
