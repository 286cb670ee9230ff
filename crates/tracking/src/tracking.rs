//! An allocator that counts what another one does.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use std::alloc::System;

use allocator_api2::alloc::{AllocError, Allocator};

use crate::ledger::Ledger;
use crate::region::{Region, Threads};
use crate::stats::Stats;

/// Counts what an allocator does, and changes nothing about it.
///
/// It wraps a [`GlobalAlloc`] or an [`Allocator`] of allocator-api2, or both, and is what it wraps. Two
/// lines make it the allocator of a program:
///
/// ```
/// use tracking::Tracking;
///
/// #[global_allocator]
/// static ALLOCATOR: Tracking = Tracking::system();
///
/// fn main() {
///     let text = String::from("a block of 23 bytes, so");
///     println!("{}", ALLOCATOR.stats());
///     assert!(ALLOCATOR.stats().live_bytes >= 23);
/// #   drop(text);
/// }
/// ```
///
/// A reference to one is the `Allocator`:
///
/// ```
/// use allocator_api2::vec::Vec;
/// use tracking::Tracking;
///
/// let tracking = Tracking::system();
/// let bytes = Vec::<u8, _>::with_capacity_in(64, &tracking);
/// assert_eq!((tracking.stats().live_bytes, tracking.stats().live_blocks), (64, 1));
/// drop(bytes);
/// assert_eq!((tracking.stats().live_bytes, tracking.stats().peak_bytes), (0, 64));
/// ```
///
/// # Threads
///
/// Each thread counts on a shard of its own, which only it writes. An allocation and its free take a few
/// instructions more, none of them an atomic read-modify-write. A shard, of 640 bytes from the C
/// library, is passed on when its thread ends, so there are as many as there were threads at the
/// same time. A thread that has none, since it is about to end or there is no memory, counts on one
/// that is shared.
///
/// It may be used by several threads at once if the wrapped allocator may:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<tracking::Tracking<std::cell::Cell<u8>>>();
/// ```
///
/// # Memory that is older than the counts
///
/// A pointer and a layout go through unchanged, so a block of the wrapped allocator may be freed here and
/// the other way round. What is freed without having been counted as allocated shows as
/// [`Stats::unseen_bytes`].
#[derive(Default)]
pub struct Tracking<A = System> {
    inner: A,
    ledger: Ledger,
    /// Whether `inner`, as an `Allocator`, has ever returned more than was asked for. `exact` hides
    /// it, so nobody may have written there.
    generous: AtomicBool,
}

impl Tracking {
    /// Counts what the C library's `malloc` does.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> Tracking<A> {
    /// Counts what `inner` does.
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self { inner, ledger: Ledger::new(), generous: AtomicBool::new(false) }
    }

    /// The wrapped allocator.
    #[must_use]
    pub const fn inner(&self) -> &A {
        &self.inner
    }

    /// What was counted so far, on all threads. It does not allocate; it costs a walk over the shards.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.ledger.stats()
    }

    /// A region that says what this thread does from now on. A block that another thread frees is
    /// that thread's.
    ///
    /// At the end of a thread, in destructors of thread-locals, it may have what other threads at
    /// their end do as well.
    pub fn region(&self) -> Region<'_> {
        Region::new(&self.ledger, Threads::This)
    }

    /// A region that says what all threads do from now on.
    pub fn region_of_all_threads(&self) -> Region<'_> {
        Region::new(&self.ledger, Threads::All)
    }
}

impl<A> fmt::Debug for Tracking<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracking").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

// SAFETY: every call is passed on as it is, to an allocator that keeps the contract. Counting
// neither unwinds nor allocates through `self`: a new shard is the C library's.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Tracking<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are the same.
        let block = unsafe { self.inner.alloc(layout) };
        self.ledger.allocated(layout.size(), !block.is_null());
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are the same.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        self.ledger.allocated(layout.size(), !block.is_null());
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.ledger.freed(layout.size());
        // SAFETY: the caller's duties are the same.
        unsafe { self.inner.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's duties are the same.
        let moved = unsafe { self.inner.realloc(block, layout, size) };
        self.ledger.resized(layout.size(), size, !moved.is_null());
        moved
    }
}

impl<A> Tracking<A> {
    /// The block that was got for `layout`, without what it has beyond: it comes back with exactly
    /// the size that is counted now.
    #[inline]
    fn exact(&self, block: NonNull<[u8]>, layout: Layout) -> NonNull<[u8]> {
        debug_assert!(block.len() >= layout.size());
        if block.len() != layout.size() {
            self.generous.store(true, Ordering::Relaxed);
        }
        NonNull::slice_from_raw_parts(block.cast(), layout.size())
    }

    #[inline]
    fn count_new(
        &self,
        layout: Layout,
        block: Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.ledger.allocated(layout.size(), block.is_ok());
        block.map(|block| self.exact(block, layout))
    }

    #[inline]
    fn count_resized(
        &self,
        old: Layout,
        new: Layout,
        block: Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.ledger.resized(old.size(), new.size(), block.is_ok());
        block.map(|block| self.exact(block, new))
    }
}

// SAFETY: every call is passed on as it is, to an allocator that keeps the contract and moves as
// part of `self`. A block is announced as shorter than it is at most, and never shorter than
// asked for.
unsafe impl<A: Allocator> Allocator for Tracking<A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.count_new(layout, self.inner.allocate(layout))
    }

    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.count_new(layout, self.inner.allocate_zeroed(layout))
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        self.ledger.freed(layout.size());
        // SAFETY: the caller's duties are the same.
        unsafe { self.inner.deallocate(block, layout) };
    }

    #[inline]
    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        self.count_resized(old, new, unsafe { self.inner.grow(block, old, new) })
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        let grown = unsafe { self.inner.grow_zeroed(block, old, new) };
        let grown = self.count_resized(old, new, grown)?;
        // Whoever returns more than was asked for may keep that as it is when it grows the block.
        if self.generous.load(Ordering::Relaxed) {
            // SAFETY: the block has `new.size()` bytes, which are not fewer (the caller's duty).
            let tail = unsafe { grown.cast::<u8>().add(old.size()) };
            // SAFETY: from there on the block has that many bytes, which nobody has yet.
            unsafe { tail.write_bytes(0, new.size() - old.size()) };
        }
        Ok(grown)
    }

    #[inline]
    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        self.count_resized(old, new, unsafe { self.inner.shrink(block, old, new) })
    }
}
