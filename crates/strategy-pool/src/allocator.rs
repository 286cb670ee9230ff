//! `&BlockPool` as an `Allocator`.

use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::BlockPool;
use crate::block_pool::LEAST_ALIGN;

impl<A: Allocator> BlockPool<A> {
    /// Whether a block is aligned to `layout.align()`. That is asked for size 0 as well: an
    /// alignment above the pool's is refused even where no block would be taken.
    #[inline]
    fn aligns(&self, layout: Layout) -> bool {
        layout.align() <= LEAST_ALIGN || layout.align() <= self.block().align()
    }

    /// A whole block for `layout`, or an empty slice if its size is 0.
    #[inline]
    fn block_for(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // One comparison for two questions: a size of 0 wraps around to the largest number.
        if layout.size().wrapping_sub(1) < self.block().size() && self.aligns(layout) {
            let block = self.take()?;
            debug_assert!(block.addr().get().is_multiple_of(layout.align()));
            return Ok(NonNull::slice_from_raw_parts(block, self.block().size()));
        }
        core::hint::cold_path();
        if layout.size() == 0 && self.aligns(layout) { Ok(empty(layout)) } else { Err(AllocError) }
    }

    /// A served block under a new layout: the same one, or a dangling pointer in its place.
    ///
    /// # Safety
    ///
    /// `pointer` was handed out by this pool for `old` and is owned by the caller.
    #[inline]
    unsafe fn change(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.block_for(new);
        }
        if new.size() > self.block().size() || !self.aligns(new) {
            return Err(AllocError);
        }
        if new.size() == 0 {
            // SAFETY: `old.size()` is above 0, so `pointer` came from `take`; the caller owns it.
            unsafe { self.give_back(pointer) };
            return Ok(empty(new));
        }
        Ok(NonNull::slice_from_raw_parts(pointer, self.block().size()))
    }
}

// SAFETY: a block has the pool's size and alignment, at least those of the layout (`block_for`
// and `change` test it), lies in a chunk that is freed by `drop` only, and is out, so it is handed to nobody else.
// `drop` and `reset` need the pool unborrowed, so blocks are valid while this reference or a copy
// of it is in use. Copies are the same pool, and moving a reference moves nothing.
unsafe impl<A: Allocator> Allocator for &BlockPool<A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.block_for(layout)
    }

    /// The slice has the size asked for and no more, so that no more has to be zeroed.
    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.block_for(layout)?.cast::<u8>();
        // SAFETY: the block has at least `layout.size()` bytes.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // A block got with a size above 0 is freed with a size above 0, since the layout fits.
        if layout.size() > 0 {
            // SAFETY: the caller got `pointer` from this pool with a size above 0, so it came from
            // `take`, and gives it up.
            unsafe { self.give_back(pointer) };
        }
    }

    #[inline]
    unsafe fn grow(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
        unsafe { self.change(pointer, old, new) }
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
        let block = unsafe { self.change(pointer, old, new) }?.cast::<u8>();
        // SAFETY: `old.size() <= new.size()`, and the block has at least `new.size()` bytes.
        let tail = unsafe { block.add(old.size()) };
        // SAFETY: from there on the block has at least that many bytes.
        unsafe { tail.write_bytes(0, new.size() - old.size()) };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }

    #[inline]
    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() <= old.size());
        // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
        unsafe { self.change(pointer, old, new) }
    }
}

/// What a request of size 0 gets: no block, aligned.
#[inline]
pub(crate) fn empty(layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0)
}
