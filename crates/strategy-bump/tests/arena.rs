//! The arena as a library: what its methods promise.

mod common;

use std::cell::Cell;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use common::layout;
use strategy::contract::Probe;
use strategy_bump::{Bump, Refused};

#[test]
fn a_new_arena_takes_nothing() {
    let backing = Probe::new();
    let mut arena = Bump::new_in(&backing);
    arena.reset();
    assert_eq!((arena.reserved_bytes(), arena.used_bytes(), backing.calls()), (0, 0, 0));
}

#[test]
fn blocks_go_downward_without_gaps() {
    let arena = Bump::new();
    let first = arena.alloc_layout(layout(24, 8));
    let second = arena.alloc_layout(layout(8, 8));
    let third = arena.alloc_layout(layout(1, 1));
    assert_eq!(first.addr().get() - second.addr().get(), 8);
    assert_eq!(second.addr().get() - third.addr().get(), 1);
    assert_eq!(arena.used_bytes(), 33);
}

#[test]
fn size_0_takes_no_chunk_and_no_more_than_padding() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    for shift in 0..usize::BITS {
        let block = arena.alloc_layout(layout(0, 1 << shift));
        assert!(block.addr().get().is_multiple_of(1 << shift));
    }
    assert_eq!(arena.alloc([0_u128; 0]).len(), 0);
    assert_eq!(backing.calls(), 0);
    arena.alloc(1_u8);
    let chunks = backing.calls();
    arena.alloc_layout(layout(0, 16));
    assert!(arena.used_bytes() <= 16, "{}", arena.used_bytes());
    for shift in 0..usize::BITS {
        arena.alloc_layout(layout(0, 1 << shift));
    }
    assert_eq!(backing.calls(), chunks);
}

#[test]
fn every_alignment_is_served() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    for shift in 0..=20 {
        for size in [1, 3, 16, 5000] {
            let block = arena.alloc_layout(layout(size, 1 << shift));
            assert!(block.addr().get().is_multiple_of(1 << shift), "{size} at {shift}");
        }
    }
}

#[test]
fn chunks_double_up_to_64_mib() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let block = layout(496, 8);
    for power in 10..19 {
        let (chunks, before) = (backing.blocks_out(), backing.bytes_out());
        while backing.blocks_out() == chunks {
            arena.alloc_layout(block);
        }
        assert_eq!(backing.bytes_out() - before, (1 << power) - 16);
    }
    // A block that is larger has a chunk of its own size, and growth starts from there.
    arena.alloc_layout(layout(100 << 20, 8));
    assert_eq!(backing.largest_out().unwrap().1.size(), (100 << 20) + 32);
    let before = backing.bytes_out();
    arena.alloc_layout(block);
    assert_eq!(backing.bytes_out() - before, (64 << 20) - 16);
}

#[test]
fn reset_keeps_the_largest_chunk() {
    let backing = Probe::new();
    let mut arena = Bump::new_in(&backing);
    arena.alloc_layout(layout(100, 8));
    arena.alloc_layout(layout(100 << 20, 8));
    arena.alloc_layout(layout(1000, 8));
    assert_eq!(backing.blocks_out(), 3);

    arena.reset();
    assert_eq!(backing.blocks_out(), 1);
    assert_eq!(backing.bytes_out(), (100 << 20) + 32, "neither the oldest nor the newest");
    assert_eq!((arena.reserved_bytes(), arena.used_bytes()), ((100 << 20) + 32, 0));

    // All of it is free again.
    let calls = backing.calls();
    arena.alloc_layout(layout(100 << 20, 8));
    assert_eq!(backing.calls(), calls);
}

#[test]
fn an_arena_reset_in_a_loop_ends_with_one_chunk() {
    let backing = Probe::new();
    let mut arena = Bump::new_in(&backing);
    let mut calls = 0;
    for _ in 0..5 {
        arena.reset();
        calls = backing.calls();
        for _ in 0..1000 {
            arena.alloc_layout(layout(100, 8));
        }
    }
    assert_eq!((backing.blocks_out(), backing.calls()), (1, calls));
}

#[test]
fn dropping_the_arena_gives_everything_back() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    for size in (0..20_000).step_by(777) {
        arena.alloc_layout(layout(size, 1 << (size % 9)));
        assert_eq!(arena.reserved_bytes(), backing.bytes_out());
    }
    drop(arena);
    assert_eq!((backing.bytes_out(), backing.blocks_out()), (0, 0));
}

#[test]
fn moving_the_arena_moves_no_block() {
    let arena = Bump::new();
    let block = arena.alloc_layout(layout(64, 8));
    // SAFETY: the block has 64 bytes.
    unsafe { block.write_bytes(7, 64) };
    let moved = Box::new(arena);
    moved.alloc_layout(layout(64, 8));
    // SAFETY: the block stays until the arena is dropped or reset, and was written above.
    assert_eq!(unsafe { block.read() }, 7);
}

#[test]
fn a_block_too_large_is_an_error_that_names_it() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    arena.alloc(1_u8);
    for too_large in [
        layout(isize::MAX as usize, 1),
        layout(isize::MAX as usize - 15, 16),
        layout(isize::MAX as usize - 31, 1),
        layout(1 << 62, 1 << 62),
        layout(1, 1 << 62),
    ] {
        assert_eq!(arena.try_alloc_layout(too_large), Err(Refused { layout: too_large }));
    }
    assert_eq!((arena.used_bytes(), backing.blocks_out()), (1, 1));
    arena.alloc(2_u8);
}

#[test]
fn a_refused_chunk_leaves_the_arena_usable_whichever_call_it_was() {
    // Without failures the calls are as many as the chunks.
    let script = [16, 2000, 2000, 500, 9000, 40_000, 1, 100_000];
    for first in 1..=script.len() + 1 {
        for only in [true, false] {
            let backing = Probe::new();
            if only {
                backing.fail_on(first);
            } else {
                backing.fail_from(first);
            }
            let mut arena = Bump::new_in(&backing);
            let mut served = Vec::new();
            for (stamp, size) in (0_u8..).zip(script) {
                let Ok(block) = arena.try_alloc_layout(layout(size, 1)) else { continue };
                // SAFETY: the block has `size` bytes.
                unsafe { block.write_bytes(stamp, size) };
                served.push((block, stamp, size));
            }
            for (block, stamp, size) in served {
                let block = NonNull::slice_from_raw_parts(block, size);
                // SAFETY: the block is live, written above in its whole length, and nobody
                // writes it.
                let bytes = unsafe { block.as_ref() };
                assert!(bytes.iter().all(|&byte| byte == stamp), "{first} {only} at {size}");
            }
            assert_eq!(arena.reserved_bytes(), backing.bytes_out());
            arena.reset();
            backing.heal();
            arena.alloc_layout(layout(1_000_000, 1));
            drop(arena);
            assert_eq!(backing.bytes_out(), 0, "{first} {only}");
        }
    }
}

#[test]
fn a_smaller_chunk_does_when_a_larger_one_is_refused() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    arena.alloc_layout(layout(1000, 8));
    for chunks in 1..4 {
        assert_eq!(backing.bytes_out(), chunks * (1000_usize.next_multiple_of(16) + 32));
        backing.fail_on(1);
        arena.alloc_layout(layout(1000, 8));
    }
    assert_eq!(backing.failed(), 3);
}

/// Memory at the end of the address space, as a 32-bit system may have it. It is never touched.
#[derive(Default)]
struct High {
    out: Cell<usize>,
}

// SAFETY: it is not: its blocks do not exist. The arena has to refuse them unseen.
unsafe impl Allocator for &High {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.out.set(self.out.get() + 1);
        let start = std::num::NonZero::new(isize::MAX as usize & !(layout.align() - 1)).unwrap();
        Ok(NonNull::slice_from_raw_parts(NonNull::without_provenance(start), layout.size()))
    }

    unsafe fn deallocate(&self, _pointer: NonNull<u8>, _layout: Layout) {
        self.out.set(self.out.get() - 1);
    }
}

#[test]
fn a_chunk_beyond_the_signed_integers_is_refused_and_given_back() {
    let high = High::default();
    let arena = Bump::new_in(&high);
    assert!(arena.try_alloc(1_u64).is_err());
    assert_eq!(high.out.get(), 0);
}

thread_local! {
    static USED_BY_ITS_BACKING: Cell<Option<&'static Bump<Reentrant>>> = const { Cell::new(None) };
}

/// Uses the arena that it is the backing allocator of, once.
struct Reentrant;

// SAFETY: the blocks are those of `Global`, which keeps the contract.
unsafe impl Allocator for Reentrant {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if let Some(arena) = USED_BY_ITS_BACKING.take() {
            arena.alloc(0_u64);
        }
        Global.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the block came from `Global` in `allocate`.
        unsafe { Global.deallocate(pointer, layout) };
    }
}

#[test]
fn a_backing_allocator_that_uses_the_arena_loses_no_chunk() {
    let arena: &'static Bump<Reentrant> = Box::leak(Box::new(Bump::new_in(Reentrant)));
    USED_BY_ITS_BACKING.set(Some(arena));
    arena.alloc(1_u64);
    assert_eq!((arena.reserved_bytes(), arena.used_bytes()), (2 * 1008, 16));
}

#[test]
fn debug_says_what_it_holds() {
    let arena = Bump::new();
    arena.alloc(1_u64);
    assert_eq!(format!("{arena:?}"), "Bump { reserved_bytes: 1008, used_bytes: 8, .. }");
}

#[test]
fn an_arena_may_move_to_another_thread() {
    let arena = Bump::new();
    arena.alloc(1_u64);
    let used = std::thread::spawn(move || {
        arena.alloc(2_u64);
        arena.used_bytes()
    });
    assert_eq!(used.join().unwrap(), 16);
}

/// A [`Probe`] with a call of `deallocate` that panics and frees nothing.
struct PanicsAt<'a> {
    probe: &'a Probe,
    frees: &'a Cell<usize>,
    panics_at: usize,
}

// SAFETY: the blocks are those of the probe, which keeps the contract.
unsafe impl Allocator for PanicsAt<'_> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.probe.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        self.frees.set(self.frees.get() + 1);
        if self.frees.get() == self.panics_at {
            std::panic::resume_unwind(Box::new(()));
        }
        // SAFETY: the caller's duties are the same.
        unsafe { self.probe.deallocate(pointer, layout) };
    }
}

/// The probe has a fault if a chunk is freed twice, and a footer that is gone is read by a dropped
/// arena.
#[test]
fn a_panic_in_a_reset_leaves_no_chunk_that_is_gone() {
    for largest_at in 0..4 {
        for panics_at in 1..=3 {
            let (probe, frees) = (Probe::new(), Cell::new(0));
            let backing = PanicsAt { probe: &probe, frees: &frees, panics_at };
            // Each block gets a chunk of its own.
            let mut arena = Bump::builder().first_chunk(0).growth_factor(0).build_in(backing);
            for chunk in 0..4 {
                let bytes = if chunk == largest_at { 1 << 20 } else { 10_000 };
                arena.alloc_layout(layout(bytes, 1));
            }
            let chunks = probe.blocks_out();
            assert_eq!(chunks, 4);
            let largest = probe.largest_out();
            let reset = std::panic::AssertUnwindSafe(|| arena.reset());
            assert!(std::panic::catch_unwind(reset).is_err());
            // The arena has the largest, and works.
            assert_eq!((arena.used_bytes(), probe.largest_out()), (0, largest));
            let calls = probe.calls();
            arena.alloc_layout(layout(1 << 20, 1));
            assert_eq!(probe.calls(), calls, "{largest_at} {panics_at}");
            let frees_before = frees.get();
            drop(arena);
            // What came after the panic is lost, and so is the chunk that panicked.
            assert_eq!(frees.get(), frees_before + 1);
            assert_eq!((probe.blocks_out(), probe.fault()), (chunks - panics_at, None));
        }
    }
}
