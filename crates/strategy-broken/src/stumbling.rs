//! The C library's malloc, with one call that goes wrong.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use strategy::{AllocError, Allocator, BuildError, Plan, Profile, Strategy};

/// The C library's malloc for several threads, which refuses one block, that after the first `BLOCKS`, and
/// panics in one free, that after the first `FREES`. A number of `usize::MAX` is never reached.
///
/// It is the one here that is sound for everyone: what it serves is malloc's.
#[derive(Debug, Default)]
pub struct Stumbling<const BLOCKS: usize, const FREES: usize> {
    blocks: AtomicUsize,
    frees: AtomicUsize,
}

impl<const BLOCKS: usize, const FREES: usize> Strategy for Stumbling<BLOCKS, FREES> {
    const NAME: &'static str = "stumbling";
    const ABOUT: &'static str = "malloc, which refuses one block and panics in one free";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = &'a Self;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self::default())
    }

    fn handle(&self) -> &Self {
        self
    }
}

// SAFETY: blocks are `System`'s, which serves and frees them on every thread, and they are freed with the
// layout that they were got with (the duty of `deallocate`'s caller), which has a size above 0: others
// are refused. A panic frees nothing. Moving the reference moves no block.
unsafe impl<const BLOCKS: usize, const FREES: usize> Allocator for &Stumbling<BLOCKS, FREES> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 || self.blocks.fetch_add(1, Ordering::Relaxed) == BLOCKS {
            return Err(AllocError);
        }
        // SAFETY: the size is not 0 (tested above).
        let pointer = NonNull::new(unsafe { System.alloc(layout) }).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(pointer, layout.size()))
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        assert!(self.frees.fetch_add(1, Ordering::Relaxed) != FREES, "free list corrupt");
        // SAFETY: the caller got the block from `allocate`, which is `System`'s, with this layout.
        unsafe { System.dealloc(pointer.as_ptr(), layout) };
    }
}
