//! A handle with magazines of its own, for a thread that makes many calls.

use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use strategy::memcheck::Blocks;

use super::SyncPool;
use super::cache::Cache;
use super::lease::Tenancy;

/// A handle to a [`SyncPool`] with magazines of its own.
///
/// `&SyncHandle` is an [`Allocator`] like `&SyncPool`, without the look at the thread's locals. The
/// blocks of both are the same: what one handed out may be freed to another, of the same pool.
/// When the handle is dropped, its magazines are the depot's.
///
/// ```
/// use allocator_api2::{alloc::Layout, boxed::Box};
/// use strategy_pool::SyncPool;
///
/// let pool = SyncPool::new(Layout::new::<u64>());
/// std::thread::scope(|scope| {
///     for number in 0..2_u64 {
///         let pool = &pool;
///         scope.spawn(move || {
///             let handle = pool.thread_handle();
///             assert_eq!(*Box::new_in(number, &handle), number);
///         });
///     }
/// });
/// ```
///
/// It belongs to its thread:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_pool::SyncHandle>();
/// ```
///
/// and so does what is allocated through it:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_pool::SyncHandle>();
/// ```
pub struct SyncHandle<'p, A: Allocator = Global> {
    pool: &'p SyncPool<A>,
    /// A cache of `pool`, open for `tenancy`.
    cache: &'p Cache,
    /// Dropped with the handle: from then on the pool may use the cache.
    _tenancy: Tenancy,
}

impl<'p, A: Allocator> SyncHandle<'p, A> {
    pub(super) const fn new(pool: &'p SyncPool<A>, cache: &'p Cache, tenancy: Tenancy) -> Self {
        Self { pool, cache, _tenancy: tenancy }
    }

    /// The pool.
    #[inline]
    #[must_use]
    pub const fn pool(&self) -> &'p SyncPool<A> {
        self.pool
    }

    /// The layout of a block: that of the pool.
    #[inline]
    #[must_use]
    pub const fn block(&self) -> Layout {
        self.pool.block()
    }

    /// The blocks of the pool that are out, for memcheck.
    #[inline]
    pub(crate) const fn out(&self) -> &Blocks {
        self.pool.out()
    }

    /// As [`SyncPool::take`].
    #[inline]
    pub(crate) fn take(&self) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: this handle is the tenant.
        if let Some(block) = unsafe { self.cache.pop() } {
            return Ok(block);
        }
        self.take_slowly()
    }

    /// As [`SyncPool::give_back`].
    ///
    /// # Safety
    ///
    /// That of `SyncPool::give_back`.
    #[inline]
    pub(crate) unsafe fn give_back(&self, block: NonNull<u8>) {
        debug_assert!(self.pool.carved(block), "the block is not one of this pool's");
        // SAFETY: this handle is the tenant, and the caller gives the block up.
        if unsafe { !self.cache.push(block, self.pool.magazine_blocks()) } {
            // SAFETY: the caller's duty; the block was not taken back above.
            unsafe { self.give_back_slowly(block) };
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&self) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: this handle is the tenant.
        unsafe { self.pool.take_through(self.cache) }
    }

    /// As [`give_back`](Self::give_back).
    ///
    /// # Safety
    ///
    /// That of `give_back`.
    #[cold]
    #[inline(never)]
    unsafe fn give_back_slowly(&self, block: NonNull<u8>) {
        // SAFETY: this handle is the tenant; of the block, the caller's duty.
        unsafe { self.pool.give_back_through(self.cache, block) };
    }
}

impl<A: Allocator> fmt::Debug for SyncHandle<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncHandle")
            .field("pool", self.pool)
            .field("free", &self.cache.blocks())
            .finish_non_exhaustive()
    }
}
