//! The two interfaces of an inner allocator, as one.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;

use super::engine::{New, Source};
use super::stripe::GiveBack;

/// An allocator by its `GlobalAlloc`.
pub(super) struct ByGlobal<'a, A>(pub(super) &'a A);

/// An allocator by its `Allocator`.
pub(super) struct ByAllocator<'a, A>(pub(super) &'a A);

impl<A: GlobalAlloc> Source for ByGlobal<'_, A> {
    fn take(&self, layout: Layout, new: New) -> Option<NonNull<u8>> {
        debug_assert!(layout.size() > 0);
        NonNull::new(match new {
            // SAFETY: the size is not 0, by the contract of this function.
            New::Filled => unsafe { self.0.alloc(layout) },
            // SAFETY: as above.
            New::Zeroed => unsafe { self.0.alloc_zeroed(layout) },
        })
    }

    unsafe fn put_back(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duties.
        unsafe { self.0.dealloc(block.as_ptr(), layout) };
    }

    const GIVE_BACK: GiveBack = {
        /// # Safety
        ///
        /// As for `GiveBack`.
        unsafe fn give_back<A: GlobalAlloc>(
            inner: NonNull<()>,
            block: NonNull<u8>,
            layout: Layout,
        ) {
            // SAFETY: the first argument points to the allocator that this function was made for.
            let inner = unsafe { inner.cast::<A>().as_ref() };
            // SAFETY: the caller's duties.
            unsafe { inner.dealloc(block.as_ptr(), layout) };
        }
        give_back::<A>
    };
}

impl<A: Allocator> Source for ByAllocator<'_, A> {
    fn take(&self, layout: Layout, new: New) -> Option<NonNull<u8>> {
        let block = match new {
            New::Filled => self.0.allocate(layout),
            New::Zeroed => self.0.allocate_zeroed(layout),
        };
        block.ok().map(NonNull::cast)
    }

    unsafe fn put_back(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duties.
        unsafe { self.0.deallocate(block, layout) };
    }

    const GIVE_BACK: GiveBack = {
        /// # Safety
        ///
        /// As for `GiveBack`.
        unsafe fn give_back<A: Allocator>(inner: NonNull<()>, block: NonNull<u8>, layout: Layout) {
            // SAFETY: the first argument points to the allocator that this function was made for.
            let inner = unsafe { inner.cast::<A>().as_ref() };
            // SAFETY: the caller's duties.
            unsafe { inner.deallocate(block, layout) };
        }
        give_back::<A>
    };
}
