//! The arena as an allocator: [`Allocator`] for `&Bump`.

use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::Bump;

impl<A: Allocator> Bump<A> {
    /// Whether a block with at least one byte is the newest one: then no other stands between it
    /// and the free bytes. A dangling pointer of size 0 may be taken for it.
    #[inline]
    fn is_newest(&self, block: NonNull<u8>) -> bool {
        block == self.cursor()
    }
}

// SAFETY: a block is carved from free bytes of a chunk, so it overlaps no other, and the chunk
// stays as long as the arena does and is not reset, both of which the borrow in `&Bump` rules out.
// A copy of the reference is the same arena, and moving the reference moves nothing else. The free
// bytes grow only by those of a block that is freed, moved or shrunk by its owner.
unsafe impl<A: Allocator> Allocator for &Bump<A> {
    // `allocate_zeroed` is the trait's own: a chunk is reused, so its bytes have to be
    // written in any case.

    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.carve(layout).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        self.blocks.freed(pointer, layout.size());
        if self.is_newest(pointer) {
            // SAFETY: the caller's block starts at the cursor and has `layout.size()` bytes, which
            // nobody uses from now on.
            unsafe { self.raise_cursor(layout.size()) };
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
        let recarved = if self.is_newest(pointer) {
            // SAFETY: the caller's block starts at the cursor and has `old.size()` bytes, which
            // are not more than the new ones.
            unsafe { self.recarve(old.size(), new) }
        } else {
            None
        };
        let block = if let Some(block) = recarved {
            // The end of the block stays where it is, its start moves down.
            // SAFETY: both blocks have at least `old.size()` bytes, which may overlap.
            unsafe { block.copy_from(pointer, old.size()) };
            self.blocks.resized(pointer, old.size(), block, new.size());
            block
        } else {
            let block = self.carve(new).ok_or(AllocError)?;
            // SAFETY: both blocks have at least `old.size()` bytes, and one that was just
            // carved overlaps no live one.
            unsafe { block.copy_from_nonoverlapping(pointer, old.size()) };
            self.blocks.freed(pointer, old.size());
            block
        };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        let block = unsafe { self.grow(pointer, old, new) }?;
        // SAFETY: `old.size()` is inside the block, which has `new.size()` bytes.
        let tail = unsafe { block.cast::<u8>().add(old.size()) };
        // SAFETY: from there on the block has that many bytes.
        unsafe { tail.write_bytes(0, new.size() - old.size()) };
        Ok(block)
    }

    #[inline]
    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() <= old.size());
        let block = if new.size() == 0 {
            // SAFETY: the caller's block is not used from now on: its successor has no bytes.
            unsafe { self.deallocate(pointer, old) };
            new.dangling_ptr()
        } else if self.is_newest(pointer)
            // Moving the block up is worth it when more bytes become free than are moved.
            // Then the two places do not overlap either.
            && let Some(raise) = self.raise_of_shrunk(old.size(), new)
            && raise >= new.size()
        {
            // SAFETY: `raise + new.size() <= old.size()` (`raise_of_shrunk`), so the new place is
            // inside the old block.
            let block = unsafe { pointer.add(raise) };
            // SAFETY: both places have `new.size()` bytes inside the old block, and do not overlap,
            // since `raise >= new.size()`.
            unsafe { block.copy_from_nonoverlapping(pointer, new.size()) };
            // SAFETY: the block starts at the cursor, and its first `raise` bytes are in use by
            // nobody once its contents are moved.
            unsafe { self.raise_cursor(raise) };
            self.blocks.resized(pointer, old.size(), block, new.size());
            block
        } else if pointer.addr().get().is_multiple_of(new.align()) {
            self.blocks.resized(pointer, old.size(), pointer, new.size());
            pointer
        } else {
            let block = self.carve(new).ok_or(AllocError)?;
            // SAFETY: both blocks have at least `new.size()` bytes, and one that was just
            // carved overlaps no live one.
            unsafe { block.copy_from_nonoverlapping(pointer, new.size()) };
            self.blocks.freed(pointer, old.size());
            block
        };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }
}
