//! A strategy's handle from any `GlobalAlloc`.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::{AllocError, Allocator};

/// A type that names a `GlobalAlloc` with static lifetime, so that [`FromGlobal`] takes no space.
///
/// The allocator is `Sync`, since a `FromGlobal` goes to any thread and calls it from there:
///
/// ```compile_fail,E0277
/// # use std::alloc::{GlobalAlloc, Layout, System};
/// use std::marker::PhantomData;
/// use strategy::StaticGlobal;
///
/// struct OneThread(PhantomData<*const u8>);
/// # unsafe impl GlobalAlloc for OneThread {
/// #     unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
/// #         unsafe { System.alloc(layout) }
/// #     }
/// #     unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
/// #         unsafe { System.dealloc(block, layout) }
/// #     }
/// # }
///
/// struct Name;
/// impl StaticGlobal for Name {
///     type Global = OneThread; // is not `Sync`
///     const GLOBAL: &'static OneThread = &OneThread(PhantomData);
/// }
/// ```
pub trait StaticGlobal: 'static {
    /// The type of the allocator.
    type Global: GlobalAlloc + Sync + 'static;

    /// The allocator.
    const GLOBAL: &'static Self::Global;
}

/// Serves the memory of the `GlobalAlloc` that `N` names as an [`Allocator`].
///
/// Every call is one call of the wrapped allocator: growing and shrinking is its
/// `realloc`, unless the alignment changes; zeroed memory is its `alloc_zeroed`. A
/// block of size 0 is a dangling pointer and costs nothing, since `GlobalAlloc` does not
/// serve size 0.
///
/// ```
/// use strategy::{FromGlobal, StaticGlobal};
///
/// struct Libc;
/// impl StaticGlobal for Libc {
///     type Global = std::alloc::System;
///     const GLOBAL: &'static std::alloc::System = &std::alloc::System;
/// }
///
/// let bytes = allocator_api2::vec::Vec::<u8, _>::with_capacity_in(64, FromGlobal::<Libc>::new());
/// assert!(bytes.capacity() >= 64);
/// ```
pub struct FromGlobal<N>(
    /// Invariant in `N`: of two types of which one is a subtype of the other, such as
    /// `for<'a> fn(&'a u8)` and `fn(&'static u8)`, each may name an allocator of its own, so a
    /// value of one must not turn into one of the other.
    PhantomData<fn(N) -> N>,
);

impl<N> FromGlobal<N> {
    /// The allocator that `N` names.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<N> Clone for FromGlobal<N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for FromGlobal<N> {}

impl<N> Default for FromGlobal<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N> fmt::Debug for FromGlobal<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromGlobal")
    }
}

impl<N: StaticGlobal> FromGlobal<N> {
    /// A block of `layout` from `allocate`, which is called with a size above 0 only.
    #[inline]
    fn block(
        layout: Layout,
        allocate: impl FnOnce() -> *mut u8,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let pointer = match layout.size() {
            0 => layout.dangling_ptr(),
            _ => NonNull::new(allocate()).ok_or(AllocError)?,
        };
        Ok(NonNull::slice_from_raw_parts(pointer, layout.size()))
    }

    /// Moves a block to one of `new`, keeping the first `kept` bytes.
    ///
    /// # Safety
    ///
    /// The block at `old_pointer` is owned by the caller, was got from `self` with `old`, and
    /// `kept` is at most the size of either. `block` is what `self` has just returned when it was
    /// asked for `new`, and nobody else has it.
    unsafe fn moved(
        &self,
        old_pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
        kept: usize,
        block: Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let block = block?;
        debug_assert!(kept <= old.size() && kept <= new.size());
        // SAFETY: both blocks have at least `kept` bytes, and a block that was just allocated
        // overlaps no live one (the caller's duties).
        unsafe { block.cast::<u8>().copy_from_nonoverlapping(old_pointer, kept) };
        // SAFETY: the caller owns the old block, and it was got with `old`.
        unsafe { self.deallocate(old_pointer, old) };
        Ok(block)
    }
}

// SAFETY: blocks come from `N::GLOBAL`, whose contract makes them valid until they are freed with
// the layout that they were got with; every method below passes that layout on. `N::GLOBAL` is a
// shared reference with static lifetime, so it neither moves nor ends, and every value of this
// type stands for the same one. It is `Sync`, so a block may be freed on any thread that a value of
// this type gets to.
unsafe impl<N: StaticGlobal> Allocator for FromGlobal<N> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: `block` calls this only with a size above 0.
        Self::block(layout, || unsafe { N::GLOBAL.alloc(layout) })
    }

    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: `block` calls this only with a size above 0.
        Self::block(layout, || unsafe { N::GLOBAL.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            // SAFETY: the caller got the block from `self` with a layout that fits, which for
            // this allocator is the very same one, and with a size above 0 it came
            // from `N::GLOBAL`.
            unsafe { N::GLOBAL.dealloc(pointer.as_ptr(), layout) };
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
        if old.size() == 0 || old.align() != new.align() {
            // SAFETY: the caller owns the block, got with `old`, which is the smaller one; the new one
            // is fresh.
            return unsafe { self.moved(pointer, old, new, old.size(), self.allocate(new)) };
        }
        // SAFETY: `pointer` came from `N::GLOBAL` with `old` (size above 0); the new size is above 0 and,
        // being that of a layout with the same alignment, does not overflow when rounded up.
        Self::block(new, || unsafe { N::GLOBAL.realloc(pointer.as_ptr(), old, new.size()) })
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            // A block that held nothing: zeroed memory from `N::GLOBAL` may cost no memset.
            // SAFETY: the caller owns the block, got with `old`, which is the smaller one; the new one
            // is fresh.
            return unsafe { self.moved(pointer, old, new, 0, self.allocate_zeroed(new)) };
        }
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
        if new.size() == 0 || old.align() != new.align() {
            // SAFETY: the caller owns the block, got with `old`; `new` is the smaller one, and its
            // block is fresh.
            return unsafe { self.moved(pointer, old, new, new.size(), self.allocate(new)) };
        }
        // SAFETY: `pointer` came from `N::GLOBAL` with `old` (whose size is at least the new one, which
        // is above 0); the new size rounded up does not overflow, as in `grow`.
        Self::block(new, || unsafe { N::GLOBAL.realloc(pointer.as_ptr(), old, new.size()) })
    }
}
