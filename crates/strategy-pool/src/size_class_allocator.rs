//! `&SizeClassPool` as an `Allocator`.

use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::SizeClassPool;
use crate::class::class_of;

// SAFETY: a block of a class has the layout `class_layout`, at least the layout's size and alignment
// (`class_of`); a large block has the layout's own. Either lies in an allocation that is freed when the
// block is given back (large) or by `drop`, and is out, so it is handed to nobody else. `drop` and
// `reset` need the pool unborrowed, so blocks are valid while this reference or a copy of it is in
// use. Copies are the same pool, and moving a reference moves nothing.
unsafe impl<A: Allocator> Allocator for &SizeClassPool<A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.block_for(layout)
    }

    /// The slice has the size asked for and no more, so that no more has to be zeroed.
    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if class_of(layout).is_none() {
            // Fresh pages of the system are zero already.
            return self.block_without_class(layout, A::allocate_zeroed);
        }
        let block = self.block_for(layout)?.cast::<u8>();
        // SAFETY: the block has at least `layout.size()` bytes.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller got `block` from this pool, gives it up, and `layout` fits it.
        unsafe { self.give_back(block, layout) };
    }

    #[inline]
    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller's duty, for an allocation of `backing` with the layout `old`.
        let grow = |backing: &A, start, old, new| unsafe { backing.grow(start, old, new) };
        // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
        unsafe { self.change(block, old, new, grow) }
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties.
        let block = unsafe { self.grow(block, old, new) }?.cast::<u8>();
        // SAFETY: `old.size() <= new.size()`, and the block has at least `new.size()` bytes.
        let tail = unsafe { block.add(old.size()) };
        // SAFETY: from there on the block has at least that many bytes.
        unsafe { tail.write_bytes(0, new.size() - old.size()) };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }

    #[inline]
    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() <= old.size());
        // SAFETY: the caller's duty, for an allocation of `backing` with the layout `old`.
        let shrink = |backing: &A, start, old, new| unsafe { backing.shrink(start, old, new) };
        // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
        unsafe { self.change(block, old, new, shrink) }
    }
}
