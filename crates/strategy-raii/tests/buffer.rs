//! The buffer as a library: what its methods promise.

mod common;

use std::alloc::Layout;
use std::borrow::{Borrow, BorrowMut};
use std::collections::HashMap;
use std::io::{self, Cursor, IoSlice, Read, Seek, SeekFrom, Write};
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global};
use common::{Counting, Random};
use strategy_raii::{ManagedBuffer, OutOfMemory, SystemMemory};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn every_size_and_alignment_is_served_and_freed_with_its_layout() {
    let backing = Counting::default();
    for shift in 0..=16 {
        for size in [0, 1, 7, 8, 63, 64, 65, 4096, 100_000] {
            let layout = layout(size, 1 << shift);
            let mut zeroed = ManagedBuffer::zeroed_in(layout, &backing);
            let mut filled = ManagedBuffer::with_capacity_in(layout, &backing);
            assert_eq!((filled.len(), filled.capacity()), (0, size));
            filled.resize(size, 7);
            assert!(zeroed.as_ptr().addr().is_multiple_of(1 << shift));
            assert_eq!((zeroed.len(), filled.len(), zeroed.layout()), (size, size, layout));
            assert!(zeroed.iter().all(|&byte| byte == 0) && filled.iter().all(|&byte| byte == 7));
            zeroed.fill(1);
            assert!(filled.iter().all(|&byte| byte == 7));
            assert_eq!(backing.bytes(), 2 * size);
        }
        assert_eq!(backing.bytes(), 0);
    }
}

#[test]
fn a_copy_has_the_bytes_of_its_source_and_no_more_room() {
    let backing = Counting::default();
    let buffer = ManagedBuffer::copied_in(b"bytes", &backing);
    assert_eq!((&*buffer, buffer.capacity(), backing.bytes()), (&b"bytes"[..], 5, 5));
    assert_eq!(ManagedBuffer::from(b"bytes"), buffer);
    assert_eq!(ManagedBuffer::from(&[][..]), b"");
}

#[test]
fn bytes_that_were_written_one_by_one_are_part_of_it_when_it_is_told_so() {
    let mut buffer = ManagedBuffer::with_capacity(layout(256, 1));
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
fn it_grows_to_twice_its_size_or_to_what_is_needed() {
    let mut buffer = ManagedBuffer::new();
    let mut capacities = Vec::new();
    for number in 0..1000_u32 {
        buffer.extend_from_slice(&number.to_le_bytes());
        capacities.push(buffer.capacity());
    }
    capacities.dedup();
    assert_eq!(capacities, [64, 128, 256, 512, 1024, 2048, 4096]);
    assert!(buffer.chunks(4).zip(0_u32..).all(|(bytes, number)| bytes == number.to_le_bytes()));
    buffer.reserve(10_000);
    assert_eq!((buffer.len(), buffer.capacity()), (4000, 14_000));
    buffer.reserve(10_000);
    assert_eq!(buffer.capacity(), 14_000);
}

#[test]
fn it_becomes_longer_and_shorter_and_keeps_its_alignment() {
    let mut buffer = ManagedBuffer::with_capacity(layout(10, 64));
    buffer.resize(6, 1);
    buffer.resize(100, 2);
    buffer.resize(3, 3);
    buffer.resize(5, 4);
    assert_eq!(buffer, [1, 1, 1, 4, 4]);
    assert!(buffer.capacity() >= 100 && buffer.as_ptr().addr().is_multiple_of(64));
    buffer.truncate(9);
    buffer.truncate(4);
    buffer.shrink_to_fit();
    assert_eq!((&buffer[..], buffer.layout()), (&[1, 1, 1, 4][..], layout(4, 64)));
    buffer.clear();
    assert_eq!((buffer.len(), buffer.capacity()), (0, 4));
}

#[test]
fn what_is_written_to_it_is_appended() {
    let mut buffer = ManagedBuffer::copied_in(b"one ", SystemMemory::new());
    buffer.write_all(b"two ").unwrap();
    assert_eq!(buffer.write(b"three ").unwrap(), 6);
    let slices = [IoSlice::new(b"fo"), IoSlice::new(b""), IoSlice::new(b"ur")];
    assert_eq!(buffer.write_vectored(&slices).unwrap(), 4);
    write!(buffer, " {}", 5).unwrap();
    buffer.flush().unwrap();
    assert_eq!(buffer, b"one two three four 5");
}

#[test]
fn bytes_are_copied_in_and_out_of_it_by_the_standard_library() {
    let source: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut buffer = ManagedBuffer::new();
    assert_eq!(io::copy(&mut &source[..], &mut buffer).unwrap(), 100_000);
    let mut read = Vec::new();
    (&buffer[..]).read_to_end(&mut read).unwrap();
    assert_eq!(read, source);
    let mut cursor = Cursor::new(buffer);
    cursor.seek(SeekFrom::Start(256 + 7)).unwrap();
    let mut three = [0; 3];
    cursor.read_exact(&mut three).unwrap();
    assert_eq!(three, [7, 8, 9]);
}

#[test]
fn a_write_without_memory_is_an_error_and_the_buffer_whole() {
    let backing = Counting::default();
    let mut buffer = ManagedBuffer::copied_in(b"whole", &backing);
    backing.fail_after(0);
    let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    let errors = [buffer.write(b"x").err(), buffer.write_vectored(&slices).err()];
    for error in errors.into_iter().chain([buffer.write_all(b"x").err()]) {
        assert_eq!(error.unwrap().kind(), io::ErrorKind::OutOfMemory);
    }
    assert_eq!(buffer.write(b"").unwrap(), 0);
    assert_eq!(buffer, b"whole");
}

#[test]
fn it_compares_and_hashes_like_its_bytes() {
    let backing = Counting::default();
    let [one, two] = [b"one", b"two"].map(|bytes| ManagedBuffer::copied_in(bytes, &backing));
    assert!(one < two && one != two && one == one.clone() && one == *b"one" && one == "one");
    assert_eq!(one, Vec::from(b"one"));
    let numbers = HashMap::from([b"one", b"two"].map(|bytes| (ManagedBuffer::from(bytes), bytes)));
    assert_eq!((numbers.get(&b"two"[..]), numbers.get(&b"six"[..])), (Some(&b"two"), None));
}

#[test]
fn a_clone_is_another_block_of_the_same_alignment() {
    let backing = Counting::default();
    let mut buffer = ManagedBuffer::with_capacity_in(layout(100, 256), &backing);
    buffer.extend_from_slice(b"bytes");
    let clone = buffer.clone();
    buffer[0] = b'B';
    assert_eq!((&clone[..], &buffer[..]), (&b"bytes"[..], &b"Bytes"[..]));
    assert_eq!((clone.layout(), backing.bytes()), (layout(5, 256), 105));
    backing.fail_after(0);
    assert_eq!(buffer.try_clone().unwrap_err(), OutOfMemory { bytes: 5, align: 256 });
}

#[test]
fn the_bytes_can_be_borrowed_in_every_way() {
    let mut buffer = ManagedBuffer::from(b"bytes");
    AsMut::<[u8]>::as_mut(&mut buffer)[0] = b'B';
    BorrowMut::<[u8]>::borrow_mut(&mut buffer)[1] = b'Y';
    assert_eq!(AsRef::<[u8]>::as_ref(&buffer), b"BYtes");
    assert_eq!(Borrow::<[u8]>::borrow(&buffer), b"BYtes");
}

/// `Global` in multiples of 64 bytes, which grows in place as far as a block goes and then does not
/// touch it, as the contract of `grow_zeroed` allows.
struct RoundsUp;

impl RoundsUp {
    fn rounded(layout: Layout) -> Layout {
        self::layout(layout.size().next_multiple_of(64), layout.align())
    }
}

// SAFETY: the blocks are those of `Global` with the rounded layout, which is the same for every
// layout that fits a block but one whose size was 0.
unsafe impl Allocator for RoundsUp {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Global.allocate(Self::rounded(layout))
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the block came from `Global` with this layout.
        unsafe { Global.deallocate(pointer, Self::rounded(layout)) };
    }

    unsafe fn grow(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same, and rounding keeps the order.
        unsafe { Global.grow(pointer, Self::rounded(old), Self::rounded(new)) }
    }

    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: as in `grow`.
        unsafe { Global.grow_zeroed(pointer, Self::rounded(old), Self::rounded(new)) }
    }

    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: as in `grow`.
        unsafe { Global.shrink(pointer, Self::rounded(old), Self::rounded(new)) }
    }
}

#[test]
fn bytes_are_0_that_were_cut_off_and_added_again_in_a_longer_block() {
    let mut buffer = ManagedBuffer::zeroed_in(layout(60, 8), RoundsUp);
    buffer.fill(7);
    for (size, sevens) in [(20, 20), (50, 20), (64, 20), (200, 20), (0, 0), (30, 0)] {
        buffer.reallocate(layout(size, 8));
        buffer.resize(size, 0);
        let (kept, added) = buffer.split_at(sevens);
        assert!(kept.iter().all(|&byte| byte == 7), "{size}: {kept:?}");
        assert!(added.iter().all(|&byte| byte == 0), "{size}: {added:?}");
        assert_eq!(buffer.len(), size);
    }
}

#[test]
fn an_error_says_what_was_asked_for() {
    let backing = Counting::default();
    backing.fail_after(0);
    let asked = layout(100, 16);
    let refused = OutOfMemory { bytes: 100, align: 16 };
    assert_eq!(ManagedBuffer::try_zeroed_in(asked, &backing).unwrap_err(), refused);
    assert_eq!(ManagedBuffer::try_with_capacity_in(asked, &backing).unwrap_err(), refused);
    assert_eq!(refused.to_string(), "no memory for a buffer of 100 bytes aligned to 16");
    assert_eq!(ManagedBuffer::try_copied_in(&[0; 9], &backing).unwrap_err().bytes, 9);

    let largest = OutOfMemory { bytes: isize::MAX as usize, align: 1 };
    let layout = layout(largest.bytes, 1);
    assert_eq!(ManagedBuffer::try_zeroed(layout).unwrap_err(), largest);
    assert_eq!(ManagedBuffer::try_with_capacity(layout).unwrap_err(), largest);
}

#[test]
fn more_than_a_block_can_have_is_an_error() {
    let mut buffer = ManagedBuffer::with_capacity(layout(8, 8));
    buffer.extend_from_slice(b"whole");
    for bytes in [usize::MAX, usize::MAX - 4, isize::MAX as usize, isize::MAX as usize - 20] {
        let asked = OutOfMemory { bytes: bytes.saturating_add(5), align: 8 };
        assert_eq!(buffer.try_reserve(bytes).unwrap_err(), asked, "{bytes}");
        assert_eq!(buffer.try_resize(bytes, 0).unwrap_err().align, 8);
        assert_eq!((&buffer[..], buffer.capacity()), (&b"whole"[..], 8));
    }
}

#[test]
#[should_panic = "capacity overflow: no memory for a buffer of 18446744073709551615 bytes"]
fn more_than_a_block_can_have_is_a_panic_for_who_did_not_try() {
    ManagedBuffer::new().reserve(usize::MAX);
}

#[test]
fn twice_the_size_is_not_asked_for_where_it_cannot_be() {
    // As large as a layout can be with an alignment of 2^61: three times it, and not four times.
    let [once, twice] = [1_usize << 61, 1 << 62];
    let mut buffer = ManagedBuffer::with_capacity_in(layout(twice, once), Promises);
    buffer.try_reserve(twice + 1).unwrap();
    assert_eq!(buffer.capacity(), twice + 1);
    assert!(buffer.try_reserve(twice + once + 1).is_err());
}

/// Serves every size with memory that is not there.
struct Promises;

// SAFETY: not kept; nobody but the test above uses it, and it touches no byte.
unsafe impl Allocator for Promises {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Ok(NonNull::slice_from_raw_parts(layout.dangling_ptr(), layout.size()))
    }

    unsafe fn deallocate(&self, _block: NonNull<u8>, _layout: Layout) {}

    unsafe fn grow(
        &self,
        _block: NonNull<u8>,
        _old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.allocate(new)
    }
}

#[test]
fn a_buffer_that_cannot_be_resized_is_whole() {
    let backing = Counting::default();
    let mut buffer = ManagedBuffer::zeroed_in(layout(100, 8), &backing);
    buffer.fill(7);
    backing.fail_after(0);
    for new in [layout(200, 8), layout(100, 4096), layout(50, 8), layout(0, 1)] {
        let refused = OutOfMemory { bytes: new.size(), align: new.align() };
        assert_eq!(buffer.try_reallocate(new), Err(refused));
        assert_eq!((buffer.layout(), &*buffer), (layout(100, 8), &[7; 100][..]));
    }
    buffer.truncate(50);
    assert!(buffer.try_shrink_to_fit().is_err() && buffer.try_reserve(100).is_err());
    assert!(buffer.try_resize(101, 0).is_err() && buffer.try_extend_from_slice(&[0; 51]).is_err());
    assert_eq!((buffer.layout(), &*buffer), (layout(100, 8), &[7; 50][..]));
    drop(buffer);
    assert_eq!(backing.bytes(), 0);
}

#[test]
fn random_operations_agree_with_the_model_whichever_call_fails() {
    for seed in 0..1000 {
        let backing = Counting::default();
        let mut random = Random::seeded(seed);
        let mut buffer = ManagedBuffer::zeroed_in(layout(0, 1), &backing);
        let mut model = Vec::new();
        for _ in 0..50 {
            match random.below(4) {
                0 => backing.fail_after(0),
                _ => backing.never_fail(),
            }
            let len = random.below(600);
            let byte = random.number().to_le_bytes()[0];
            match random.below(7) {
                0 => {
                    let new = layout(len, 1 << random.below(9));
                    if buffer.try_reallocate(new).is_ok() {
                        model.truncate(len);
                        assert_eq!(buffer.layout(), new);
                    }
                }
                1 => {
                    if buffer.try_resize(len, byte).is_ok() {
                        model.resize(len, byte);
                    }
                }
                2 | 3 => {
                    let bytes = vec![byte; len];
                    if buffer.write(&bytes).is_ok() {
                        model.extend(bytes);
                    }
                }
                4 => {
                    if buffer.try_reserve(len).is_ok() {
                        assert!(buffer.capacity() - buffer.len() >= len);
                    }
                }
                5 => {
                    buffer.truncate(len);
                    model.truncate(len);
                }
                _ => {
                    if buffer.try_shrink_to_fit().is_ok() {
                        assert_eq!(buffer.capacity(), model.len());
                    }
                }
            }
            assert!(buffer.as_ptr().addr().is_multiple_of(buffer.layout().align()));
            assert_eq!(buffer, model);
            assert_eq!(backing.bytes(), buffer.capacity());
        }
        drop(buffer);
        assert_eq!(backing.bytes(), 0);
    }
}

#[test]
fn taken_apart_and_put_together_it_is_the_same_buffer() {
    let backing = Counting::default();
    let mut buffer = ManagedBuffer::with_capacity_in(layout(100, 64), &backing);
    buffer.resize(60, 7);
    let start = buffer.as_ptr();
    let (pointer, len, parts, allocator) = buffer.into_raw_parts();
    assert_eq!((backing.blocks(), len, parts), (1, 60, layout(100, 64)), "not freed");
    // SAFETY: the four are the parts of one buffer.
    let buffer = unsafe { ManagedBuffer::from_raw_parts(pointer, len, parts, allocator) };
    assert_eq!((buffer.as_ptr(), &*buffer), (start, &[7; 60][..]));
    drop(buffer);
    assert_eq!(backing.blocks(), 0);
}

#[test]
fn an_allocator_with_a_destructor_is_dropped_once() {
    use std::rc::Rc;
    let allocator = Rc::new(allocator_api2::alloc::Global);
    let buffer = ManagedBuffer::zeroed_in(layout(8, 8), SharedGlobal(Rc::clone(&allocator)));
    let (pointer, len, parts, shared) = buffer.into_raw_parts();
    assert_eq!(Rc::strong_count(&allocator), 2);
    // SAFETY: the four are the parts of one buffer.
    drop(unsafe { ManagedBuffer::from_raw_parts(pointer, len, parts, shared) });
    assert_eq!(Rc::strong_count(&allocator), 1);
}

struct SharedGlobal(std::rc::Rc<allocator_api2::alloc::Global>);

// SAFETY: the blocks are those of `Global`, which keeps the contract.
unsafe impl strategy::Allocator for SharedGlobal {
    fn allocate(&self, layout: Layout) -> Result<std::ptr::NonNull<[u8]>, strategy::AllocError> {
        self.0.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: std::ptr::NonNull<u8>, layout: Layout) {
        // SAFETY: the block came from `Global` in `allocate`.
        unsafe { self.0.deallocate(pointer, layout) };
    }
}

#[test]
fn a_buffer_is_freed_on_another_thread() {
    let mut buffer = ManagedBuffer::zeroed(layout(1000, 64));
    buffer.fill(7);
    let sum = std::thread::spawn(move || buffer.iter().map(|&byte| u32::from(byte)).sum::<u32>());
    assert_eq!(sum.join().unwrap(), 7000);
}

#[test]
fn it_takes_four_words_from_the_c_library() {
    assert_eq!(size_of::<ManagedBuffer>(), 4 * size_of::<usize>());
    assert_eq!(size_of::<Option<ManagedBuffer>>(), 4 * size_of::<usize>());
    let buffer = ManagedBuffer::zeroed(layout(8, 8));
    assert_eq!(
        format!("{buffer:?}"),
        "ManagedBuffer { len: 8, layout: Layout { size: 8, align: 8 (1 << 3) }, .. }"
    );
}
