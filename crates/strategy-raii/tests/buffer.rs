//! The buffer as a library: what its methods promise.

mod common;

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global};
use common::{Counting, Random};
use strategy_raii::{ManagedBuffer, Refused};

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
            let filled = ManagedBuffer::uninit_in(layout, &backing).filled(7);
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
fn a_copy_has_the_bytes_of_its_source() {
    let buffer = ManagedBuffer::uninit(layout(5, 32)).copied_from(b"bytes");
    assert_eq!(&*buffer, b"bytes");
}

#[test]
#[should_panic = "the source is as long as the buffer"]
fn a_source_of_another_length_is_a_panic() {
    let _ = ManagedBuffer::uninit(layout(5, 1)).copied_from(b"byte");
}

#[test]
fn bytes_that_were_written_one_by_one_are_a_buffer() {
    let mut buffer = ManagedBuffer::uninit(layout(256, 1));
    for (byte, value) in buffer.iter_mut().zip(0..=u8::MAX) {
        byte.write(value);
    }
    // SAFETY: there are 256 bytes and as many values of `u8`.
    let buffer = unsafe { buffer.assume_init() };
    assert!(buffer.iter().copied().eq(0..=u8::MAX));
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
fn bytes_are_0_that_were_shrunk_away_and_grown_back_in_a_longer_block() {
    let mut buffer = ManagedBuffer::zeroed_in(layout(60, 8), RoundsUp);
    buffer.fill(7);
    for (size, sevens) in [(20, 20), (50, 20), (64, 20), (200, 20), (0, 0), (30, 0)] {
        buffer.try_resize_zeroed(layout(size, 8)).unwrap();
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
    assert_eq!(
        ManagedBuffer::try_zeroed_in(asked, &backing).unwrap_err(),
        Refused { layout: asked }
    );
    let refused = ManagedBuffer::try_uninit_in(asked, &backing).unwrap_err();
    assert_eq!(refused.to_string(), "refused a block of 100 bytes aligned to 16");

    let too_large = layout(isize::MAX as usize, 1);
    assert_eq!(ManagedBuffer::try_zeroed(too_large).unwrap_err(), Refused { layout: too_large });
    assert_eq!(ManagedBuffer::try_uninit(too_large).unwrap_err(), Refused { layout: too_large });
}

#[test]
fn a_buffer_that_cannot_be_resized_is_whole() {
    let backing = Counting::default();
    let mut buffer = ManagedBuffer::uninit_in(layout(100, 8), &backing).filled(7);
    backing.fail_after(0);
    for new in [layout(200, 8), layout(100, 4096), layout(50, 8), layout(0, 1)] {
        assert_eq!(buffer.try_resize_zeroed(new), Err(Refused { layout: new }));
        assert_eq!((buffer.layout(), &*buffer), (layout(100, 8), &[7; 100][..]));
    }
    drop(buffer);
    assert_eq!(backing.bytes(), 0);
}

#[test]
fn random_resizes_agree_with_the_model_whichever_call_fails() {
    for seed in 0..100 {
        let backing = Counting::default();
        let mut random = Random::seeded(seed);
        let mut buffer = ManagedBuffer::zeroed_in(layout(0, 1), &backing);
        let mut model = Vec::new();
        for _ in 0..100 {
            match random.below(4) {
                0 => backing.fail_after(0),
                _ => backing.never_fail(),
            }
            let new = layout(random.below(600), 1 << random.below(9));
            if buffer.try_resize_zeroed(new).is_ok() {
                model.resize(new.size(), 0);
                assert_eq!(buffer.layout(), new);
            }
            assert!(buffer.as_ptr().addr().is_multiple_of(buffer.layout().align()));
            assert_eq!(*buffer, *model);
            assert_eq!(backing.bytes(), model.len());
            let byte = random.number().to_le_bytes()[0];
            buffer.fill(byte);
            model.fill(byte);
        }
        drop(buffer);
        assert_eq!(backing.bytes(), 0);
    }
}

#[test]
fn resizing_unwritten_bytes_keeps_what_was_written() {
    let mut buffer = ManagedBuffer::uninit(layout(10, 1));
    buffer.fill(MaybeUninit::new(7));
    for size in [2000, 20, 10, 300, 10] {
        buffer.try_resize(layout(size, 16)).unwrap();
        assert_eq!(buffer.len(), size);
    }
    // SAFETY: the first 10 bytes were written, and no size was smaller.
    let buffer = unsafe { buffer.assume_init() };
    assert_eq!(&*buffer, &[7; 10]);
}

#[test]
fn taken_apart_and_put_together_it_is_the_same_buffer() {
    let backing = Counting::default();
    let buffer = ManagedBuffer::uninit_in(layout(100, 64), &backing).filled(7);
    let start = buffer.as_ptr();
    let (pointer, parts, allocator) = buffer.into_raw_parts();
    assert_eq!((backing.blocks(), parts), (1, layout(100, 64)), "not freed");
    // SAFETY: the three are the parts of one buffer of initialized bytes.
    let buffer = unsafe { ManagedBuffer::<u8, _>::from_raw_parts(pointer, parts, allocator) };
    assert_eq!((buffer.as_ptr(), &*buffer), (start, &[7; 100][..]));
    drop(buffer);
    assert_eq!(backing.blocks(), 0);
}

#[test]
fn an_allocator_with_a_destructor_is_dropped_once() {
    use std::rc::Rc;
    let allocator = Rc::new(allocator_api2::alloc::Global);
    let buffer = ManagedBuffer::zeroed_in(layout(8, 8), SharedGlobal(Rc::clone(&allocator)));
    let (pointer, parts, shared) = buffer.into_raw_parts();
    assert_eq!(Rc::strong_count(&allocator), 2);
    // SAFETY: the three are the parts of one buffer of initialized bytes.
    drop(unsafe { ManagedBuffer::<u8, _>::from_raw_parts(pointer, parts, shared) });
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
    let buffer = ManagedBuffer::uninit(layout(1000, 64)).filled(7);
    let sum = std::thread::spawn(move || buffer.iter().map(|&byte| u32::from(byte)).sum::<u32>());
    assert_eq!(sum.join().unwrap(), 7000);
}

#[test]
fn it_takes_three_words_from_the_c_library() {
    assert_eq!(size_of::<ManagedBuffer>(), 3 * size_of::<usize>());
    assert_eq!(size_of::<Option<ManagedBuffer>>(), 3 * size_of::<usize>());
    let buffer = ManagedBuffer::zeroed(layout(8, 8));
    assert_eq!(
        format!("{buffer:?}"),
        "ManagedBuffer { layout: Layout { size: 8, align: 8 (1 << 3) }, .. }"
    );
}
