//! A `GlobalAlloc` as a strategy: the sizes and alignments at which the two interfaces differ.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use std::alloc::System as Malloc;
use std::sync::atomic::{AtomicUsize, Ordering};

use strategy::{
    AllocError, Allocator, BuildError, FromGlobal, Plan, Profile, StaticGlobal, Strategy,
};

struct System;

impl StaticGlobal for System {
    type Global = Malloc;
    const GLOBAL: &'static Malloc = &Malloc;
}

impl Strategy for System {
    const NAME: &'static str = "system";
    const ABOUT: &'static str = "the C library's malloc";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = FromGlobal<Self>;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    fn handle(&self) -> FromGlobal<Self> {
        FromGlobal::new()
    }
}

strategy::contract_tests!(System, shared);

/// Counts the calls that reach the wrapped allocator, and fails those for `POISON` bytes.
#[derive(Default)]
struct Counting {
    alloc: AtomicUsize,
    zeroed: AtomicUsize,
    realloc: AtomicUsize,
    dealloc: AtomicUsize,
}

impl Counting {
    const fn new() -> Self {
        Self {
            alloc: AtomicUsize::new(0),
            zeroed: AtomicUsize::new(0),
            realloc: AtomicUsize::new(0),
            dealloc: AtomicUsize::new(0),
        }
    }

    /// The calls of `alloc`, `alloc_zeroed`, `realloc` and `dealloc`.
    fn calls(&self) -> [usize; 4] {
        [&self.alloc, &self.zeroed, &self.realloc, &self.dealloc]
            .map(|count| count.load(Ordering::Relaxed))
    }
}

/// A size that the counting allocator does not have.
const POISON: usize = 12_345;

// SAFETY: all memory is the C library's; null is a refusal.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.alloc.fetch_add(1, Ordering::Relaxed);
        assert_ne!(layout.size(), 0, "a `GlobalAlloc` is not asked for size 0");
        if layout.size() == POISON {
            return core::ptr::null_mut();
        }
        // SAFETY: the caller's duties are the same.
        unsafe { Malloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.zeroed.fetch_add(1, Ordering::Relaxed);
        assert_ne!(layout.size(), 0, "a `GlobalAlloc` is not asked for size 0");
        // SAFETY: the caller's duties are the same.
        unsafe { Malloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.realloc.fetch_add(1, Ordering::Relaxed);
        assert_ne!(layout.size(), 0, "a block of size 0 did not come from here");
        assert_ne!(size, 0, "a `GlobalAlloc` is not asked for size 0");
        if size == POISON {
            return core::ptr::null_mut();
        }
        // SAFETY: the caller's duties are the same.
        unsafe { Malloc.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.dealloc.fetch_add(1, Ordering::Relaxed);
        assert_ne!(layout.size(), 0, "a block of size 0 did not come from here");
        // SAFETY: the caller's duties are the same.
        unsafe { Malloc.dealloc(block, layout) }
    }
}

/// A name for a counting allocator of its own.
macro_rules! counted {
    ($name:ident) => {
        struct $name;
        impl StaticGlobal for $name {
            type Global = Counting;
            const GLOBAL: &'static Counting = {
                static COUNTING: Counting = Counting::new();
                &COUNTING
            };
        }
    };
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// A block of `size` bytes, all `byte`.
fn filled(allocator: &impl Allocator, size: usize, align: usize, byte: u8) -> NonNull<u8> {
    let block = allocator.allocate(layout(size, align)).unwrap();
    assert_eq!(block.len(), size);
    // SAFETY: the block has that many bytes.
    unsafe { block.cast::<u8>().write_bytes(byte, size) };
    block.cast()
}

/// The bytes of an initialized block.
fn bytes<'a>(block: NonNull<[u8]>) -> &'a [u8] {
    // SAFETY: the callers pass initialized blocks that nobody writes to.
    unsafe { block.as_ref() }
}

#[test]
fn size_0_costs_no_call() {
    counted!(Counted);
    let allocator = FromGlobal::<Counted>::new();
    for align in [1, 8, 4096, 1 << 20] {
        let nothing = layout(0, align);
        for block in [allocator.allocate(nothing), allocator.allocate_zeroed(nothing)] {
            let block = block.unwrap();
            assert_eq!(block.len(), 0);
            assert!(block.cast::<u8>().addr().get().is_multiple_of(align));
            // SAFETY: it came from `allocator` with this layout.
            unsafe { allocator.deallocate(block.cast(), nothing) };
        }
    }
    assert_eq!(Counted::GLOBAL.calls(), [0; 4]);
}

#[test]
fn growing_is_one_realloc() {
    counted!(Counted);
    let allocator = FromGlobal::<Counted>::new();
    let block = filled(&allocator, 16, 8, 7);
    // SAFETY: it came from `allocator` with this layout, and grows.
    let block = unsafe { allocator.grow(block, layout(16, 8), layout(64, 8)) }.unwrap();
    // SAFETY: the first 16 bytes were written before.
    let kept = unsafe { NonNull::slice_from_raw_parts(block.cast::<u8>(), 16).as_ref() };
    assert_eq!(kept, [7_u8; 16]);
    // SAFETY: it was resized by `allocator` to this layout.
    unsafe { allocator.deallocate(block.cast(), layout(64, 8)) };
    assert_eq!(Counted::GLOBAL.calls(), [1, 0, 1, 1]);
}

#[test]
fn growing_across_an_alignment_moves_the_block() {
    counted!(Counted);
    let allocator = FromGlobal::<Counted>::new();
    for (from, to) in [(1, 4096), (4096, 1), (8, 64)] {
        let block = filled(&allocator, 48, from, 7);
        // SAFETY: it came from `allocator` with this layout, and grows.
        let block = unsafe { allocator.grow_zeroed(block, layout(48, from), layout(100, to)) };
        let block = block.unwrap();
        assert!(block.cast::<u8>().addr().get().is_multiple_of(to));
        assert_eq!(bytes(block), [[7; 48].as_slice(), &[0; 52]].concat());
        // SAFETY: it was resized by `allocator` to this layout, and shrinks.
        let block = unsafe { allocator.shrink(block.cast(), layout(100, to), layout(40, from)) };
        let block = block.unwrap();
        assert_eq!(bytes(block), [7; 40]);
        // SAFETY: it was resized by `allocator` to this layout.
        unsafe { allocator.deallocate(block.cast(), layout(40, from)) };
    }
    assert_eq!(Counted::GLOBAL.calls(), [9, 0, 0, 9]);
}

#[test]
fn the_tail_of_a_grown_block_is_zeroed() {
    counted!(Counted);
    let allocator = FromGlobal::<Counted>::new();
    // What malloc gives next is dirty.
    for _ in 0..3 {
        let block = filled(&allocator, 200, 8, 0xFF);
        // SAFETY: it came from `allocator` with this layout.
        unsafe { allocator.deallocate(block, layout(200, 8)) };
    }
    let block = filled(&allocator, 8, 8, 7);
    // SAFETY: it came from `allocator` with this layout, and grows.
    let block = unsafe { allocator.grow_zeroed(block, layout(8, 8), layout(200, 8)) }.unwrap();
    assert_eq!(bytes(block), [[7; 8].as_slice(), &[0; 192]].concat());
    // SAFETY: it was resized by `allocator` to this layout.
    unsafe { allocator.deallocate(block.cast(), layout(200, 8)) };
}

#[test]
fn growing_zeroed_from_size_0_is_one_zeroed_call() {
    counted!(Counted);
    let allocator = FromGlobal::<Counted>::new();
    let nothing = allocator.allocate(layout(0, 8)).unwrap();
    // SAFETY: it came from `allocator` with this layout, and grows.
    let block = unsafe { allocator.grow_zeroed(nothing.cast(), layout(0, 8), layout(64, 8)) };
    let block = block.unwrap();
    assert_eq!(bytes(block), [0; 64]);
    // SAFETY: it was resized by `allocator` to this layout.
    unsafe { allocator.deallocate(block.cast(), layout(64, 8)) };
    assert_eq!(Counted::GLOBAL.calls(), [0, 1, 0, 1]);
}

#[test]
fn shrinking_to_size_0_frees() {
    counted!(Counted);
    let allocator = FromGlobal::<Counted>::new();
    let block = filled(&allocator, 64, 8, 7);
    // SAFETY: it came from `allocator` with this layout, and shrinks.
    let nothing = unsafe { allocator.shrink(block, layout(64, 8), layout(0, 8)) }.unwrap();
    assert_eq!(nothing.len(), 0);
    assert_eq!(Counted::GLOBAL.calls(), [1, 0, 0, 1]);
    // SAFETY: it was resized by `allocator` to this layout; shrinking from 0 to 0 is allowed.
    let nothing = unsafe { allocator.shrink(nothing.cast(), layout(0, 8), layout(0, 1)) }.unwrap();
    // SAFETY: as above.
    unsafe { allocator.deallocate(nothing.cast(), layout(0, 1)) };
    assert_eq!(Counted::GLOBAL.calls(), [1, 0, 0, 1]);
}

#[test]
fn a_failure_leaves_the_block() {
    counted!(Counted);
    let allocator = FromGlobal::<Counted>::new();
    assert_eq!(allocator.allocate(layout(POISON, 8)), Err(AllocError));
    let block = filled(&allocator, 64, 8, 7);
    for align in [8, 64] {
        // SAFETY: it came from `allocator` with this layout, and grows.
        let result = unsafe { allocator.grow(block, layout(64, 8), layout(POISON, align)) };
        assert_eq!(result, Err(AllocError));
        assert_eq!(bytes(NonNull::slice_from_raw_parts(block, 64)), [7; 64]);
    }
    // SAFETY: it came from `allocator` with this layout and was not resized.
    unsafe { allocator.deallocate(block, layout(64, 8)) };
    assert_eq!(Counted::GLOBAL.calls(), [3, 0, 1, 1]);
}

#[test]
fn the_largest_sizes_are_refused() {
    let allocator = FromGlobal::<System>::new();
    for align in [1, 16, 64, 4096] {
        let largest = layout(isize::MAX as usize + 1 - align, align);
        assert_eq!(allocator.allocate(largest), Err(AllocError));
        assert_eq!(allocator.allocate_zeroed(largest), Err(AllocError));
    }
}

#[test]
fn it_takes_no_space_and_says_its_name() {
    assert_eq!(size_of::<FromGlobal<System>>(), 0);
    let allocator = FromGlobal::<System>::default();
    assert_eq!(format!("{:?}", allocator.clone()), "FromGlobal");
}
