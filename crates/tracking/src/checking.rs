//! An allocator that counts what another one does, and checks how its memory is used.

mod engine;
mod exit;
mod guard;
mod leaks;
mod locks;
mod mapped;
mod misuse;
mod site;
mod source;
mod stderr;
mod stripe;

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;
use std::alloc::System;

use allocator_api2::alloc::{AllocError, Allocator};

use self::engine::{Engine, New};
use self::misuse::Report;
use self::source::{ByAllocator, ByGlobal};
use crate::histogram::Histogram;
use crate::region::{Region, Threads};
use crate::stats::Stats;

pub use self::leaks::{Leak, Leaks};
pub use self::misuse::{Kind, Misuse};

/// Counts what an allocator does, knows every live block, and finds mistakes in the use of memory.
///
/// ```
/// use tracking::Checking;
///
/// #[global_allocator]
/// static ALLOCATOR: Checking = Checking::system();
///
/// fn main() {
///     ALLOCATOR.report_at_exit();
///     std::mem::forget(String::from("a leak of 20 bytes .")); // is written to standard error
/// }
/// ```
///
/// A reference to one is the `Allocator`, and blocks may go to other threads if the inner allocator may:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<tracking::Checking<std::cell::Cell<u8>>>();
/// ```
pub struct Checking<A = System> {
    inner: A,
    engine: Engine,
}

impl Checking {
    /// Checks the use of the C library's `malloc`.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> Checking<A> {
    /// Checks the use of `inner`.
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self { inner, engine: Engine::new() }
    }

    /// With the stack of each allocation and each free. It makes them slow: see the README.
    #[cfg(feature = "backtrace")]
    #[must_use]
    pub const fn with_backtraces(mut self) -> Self {
        self.engine.backtraces = true;
        self
    }

    /// Holds back up to `bytes` of what is freed, with its guards, instead of 16 MiB.
    #[must_use]
    pub const fn with_quarantine(mut self, bytes: usize) -> Self {
        self.engine.most_held = bytes;
        self
    }

    /// Calls `function` with what is found, and goes on, instead of writing it to standard error and
    /// ending the program.
    ///
    /// It may allocate. If it panics the program ends, since nothing may unwind out of a global
    /// allocator. What is found on its thread before it returns, or while names of functions
    /// are looked up, is the first line of its report on standard error: the function is not called with it.
    #[must_use]
    pub const fn on_misuse(mut self, function: fn(&Misuse)) -> Self {
        self.engine.report = Report::Call(function);
        self
    }

    /// The wrapped allocator.
    #[must_use]
    pub const fn inner(&self) -> &A {
        &self.inner
    }

    /// As [`Tracking::stats`](crate::Tracking::stats).
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.ledger.stats()
    }

    /// As [`Tracking::region`](crate::Tracking::region).
    pub fn region(&self) -> Region<'_> {
        Region::new(&self.engine.ledger, Threads::This)
    }

    /// As [`Tracking::region_of_all_threads`](crate::Tracking::region_of_all_threads).
    pub fn region_of_all_threads(&self) -> Region<'_> {
        Region::new(&self.engine.ledger, Threads::All)
    }

    /// How long the blocks lived that were freed, in allocations: for a block, the number of those that
    /// came after it and before its free.
    ///
    /// Unlike time, it is the same in every run of a program that does the same. A block that is
    /// resized lives on.
    #[must_use]
    pub fn lifetimes(&self) -> Histogram {
        self.engine.lifetimes()
    }

    /// The blocks that are live.
    #[must_use]
    pub fn leaks(&self) -> Leaks {
        Leaks::of(&self.engine, 0)
    }

    /// Looks at the guards of all live blocks, and at all that is held back: how many blocks are damaged. Each
    /// is reported before it returns.
    pub fn check(&self) -> usize {
        self.engine.check()
    }

    /// Has all blocks checked when the program ends, and those that are live then and were allocated after
    /// this call written to standard error.
    ///
    /// It ends by a return from `main`, or by `std::process::exit`. A second call only begins
    /// anew: blocks that were allocated before it are left out.
    pub fn report_at_exit(&'static self) {
        let before = self.engine.exit_since.swap(self.engine.now(), Ordering::Relaxed);
        if before == 0 {
            exit::add(&self.engine);
        }
    }

    fn address(&self) -> NonNull<()> {
        NonNull::from(&self.inner).cast()
    }
}

impl<A: Default> Default for Checking<A> {
    fn default() -> Self {
        Self::new(A::default())
    }
}

impl<A> fmt::Debug for Checking<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checking").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Gives every block back to the inner allocator, also those that were never freed.
impl<A> Drop for Checking<A> {
    fn drop(&mut self) {
        let inner = self.address();
        // SAFETY: all blocks came from `inner`, and a block is not used when its allocator is gone.
        unsafe { self.engine.give_all_back(inner) };
    }
}

// SAFETY: a block lies in one of the inner allocator that is larger by its guards, is aligned as
// that one is, and stays until it is freed. No call unwinds, unless the function for misuse does.
// Nothing is allocated through `self`: records are in mapped memory, sites and shards come from the C library.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Checking<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.engine.demand_a_size(layout);
        let block = self.engine.allocate(&ByGlobal(&self.inner), layout, New::Filled);
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.engine.demand_a_size(layout);
        let block = self.engine.allocate(&ByGlobal(&self.inner), layout, New::Zeroed);
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return self.engine.found_null(layout) };
        // SAFETY: blocks of both interfaces come from `inner`; the caller owns this one.
        unsafe { self.engine.free(self.address(), block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(block) = NonNull::new(block) else {
            self.engine.found_null(layout);
            return ptr::null_mut();
        };
        let Ok(new) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        self.engine.demand_a_size(new);
        let source = ByGlobal(&self.inner);
        // SAFETY: as in `dealloc`.
        let moved =
            unsafe { self.engine.resize(self.address(), &source, block, layout, new, New::Filled) };
        moved.map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

impl<A: Allocator> Checking<A> {
    fn serve(&self, layout: Layout, new: New) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.engine.allocate(&ByAllocator(&self.inner), layout, new);
        block.map(|block| NonNull::slice_from_raw_parts(block, layout.size())).ok_or(AllocError)
    }

    /// # Safety
    ///
    /// The caller owns the block, if it is live.
    unsafe fn resize(
        &self,
        block: NonNull<u8>,
        old: Layout,
        layout: Layout,
        new: New,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let source = ByAllocator(&self.inner);
        // SAFETY: blocks of both interfaces come from `inner`, and the caller's duty.
        let moved = unsafe { self.engine.resize(self.address(), &source, block, old, layout, new) };
        moved.map(|block| NonNull::slice_from_raw_parts(block, layout.size())).ok_or(AllocError)
    }
}

// SAFETY: as above. The inner allocator moves as part of `self`, and its blocks stay where they are.
unsafe impl<A: Allocator> Allocator for Checking<A> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.serve(layout, New::Filled)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.serve(layout, New::Zeroed)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: blocks of both interfaces come from `inner`; the caller owns this one.
        unsafe { self.engine.free(self.address(), block, layout) };
    }

    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties.
        unsafe { self.resize(block, old, new, New::Filled) }
    }

    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties.
        unsafe { self.resize(block, old, new, New::Zeroed) }
    }

    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties.
        unsafe { self.resize(block, old, new, New::Filled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_at_exit_is_about_the_first_block_as_well() {
        static CHECKING: Checking = Checking::system();
        CHECKING.report_at_exit();
        let block = CHECKING.allocate(Layout::new::<u64>()).unwrap().cast();
        let since = CHECKING.engine.exit_since.load(Ordering::Relaxed);
        assert_eq!(Leaks::of(&CHECKING.engine, since).blocks(), 1);
        // SAFETY: from the same allocator with this layout.
        unsafe { CHECKING.deallocate(block, Layout::new::<u64>()) };
    }
}
