//! The caches of this thread: which of its pools has lent it which.

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use allocator_api2::alloc::AllocError;

use super::cache::Cache;
use super::lease::Tenancy;
use super::primitives::thread_local;

/// An identity that no pool has.
const NO_POOL: u64 = u64::MAX;

/// The pool that this thread used last.
struct Latest {
    /// The identity of a pool that may be gone, or `NO_POOL`.
    pool: Cell<u64>,
    /// The cache that the pool has lent to this thread. It is there as long as the pool, and lent
    /// until `Leases` is dropped, which sets `pool` to `NO_POOL`.
    cache: Cell<NonNull<Cache>>,
}

/// A cache that a pool has lent to this thread.
struct Lent {
    /// The identity of the pool, which may be gone.
    pool: u64,
    /// A cache of the pool, open for `tenancy`. It is there as long as the pool.
    cache: NonNull<Cache>,
    tenancy: Tenancy,
}

/// All caches that are lent to this thread, given back when the thread ends.
struct Leases(RefCell<Vec<Lent>>);

thread_local! {
    /// It has no destructor, so that it is there to be asked to the very end of the thread.
    static LATEST: Latest =
        const { Latest { pool: Cell::new(NO_POOL), cache: Cell::new(NonNull::dangling()) } };
    static LEASES: Leases = const { Leases(RefCell::new(Vec::new())) };
}

impl Drop for Leases {
    fn drop(&mut self) {
        // Destructors of other thread-locals may still come and use a pool.
        let _ = LATEST.try_with(|latest| latest.pool.set(NO_POOL));
    }
}

/// The cache of a pool, if it is the pool that this thread used last: one comparison.
///
/// The cache is open, and this thread is its tenant, if the pool is alive.
#[inline]
pub(super) fn latest(pool: u64) -> Option<NonNull<Cache>> {
    let cache = LATEST.try_with(|latest| (latest.pool.get() == pool).then(|| latest.cache.get()));
    cache.ok().flatten()
}

/// The cache of a pool, if this thread has one, which [`latest`] will then find.
///
/// The cache is open, and this thread is its tenant, if the pool is alive. It costs a walk
/// over the pools that this thread uses.
pub(super) fn find(pool: u64) -> Option<NonNull<Cache>> {
    let find = |leases: &Leases| {
        let leases = leases.0.try_borrow().ok()?;
        leases.iter().find(|lent| lent.pool == pool).map(|lent| lent.cache)
    };
    let cache = LEASES.try_with(find).ok().flatten()?;
    set_latest(pool, cache);
    Some(cache)
}

/// Makes room for one more cache, and forgets those of pools that are gone.
///
/// # Errors
///
/// If there is no memory, or the thread is ending and has given its caches back.
pub(super) fn make_room() -> Result<(), AllocError> {
    let make_room = |leases: &Leases| {
        let mut leases = leases.0.try_borrow_mut().ok()?;
        leases.retain(|lent| !lent.tenancy.is_alone());
        leases.try_reserve(1).ok()
    };
    LEASES.try_with(make_room).ok().flatten().ok_or(AllocError)
}

/// Keeps a cache that a pool has just lent to this thread, for `latest` and `find`. If the thread
/// cannot keep it, it is given back, and `false` returned.
///
/// # Safety
///
/// The cache is one of the pool with this identity and open for `tenancy`.
pub(super) unsafe fn keep(pool: u64, cache: NonNull<Cache>, tenancy: Tenancy) -> bool {
    let lent = Lent { pool, cache, tenancy };
    let keep = |leases: &Leases| {
        let mut leases = leases.0.try_borrow_mut().ok()?;
        // Another pool's first use, under this one's backing allocator, may have taken the room.
        leases.try_reserve(1).ok()?;
        leases.push(lent);
        Some(())
    };
    let kept = LEASES.try_with(keep).ok().flatten().is_some();
    if kept {
        set_latest(pool, cache);
    }
    kept
}

fn set_latest(pool: u64, cache: NonNull<Cache>) {
    let _ = LATEST.try_with(|latest| {
        latest.cache.set(cache);
        latest.pool.set(pool);
    });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::SyncPool;
    use allocator_api2::alloc::Layout;
    use allocator_api2::boxed::Box;

    #[test]
    fn the_caches_of_pools_that_are_gone_are_forgotten() {
        let kept = SyncPool::new(Layout::new::<u64>());
        drop(Box::new_in(0_u64, &kept));
        for _ in 0..1000 {
            let pool = SyncPool::new(Layout::new::<u64>());
            drop(Box::new_in(0_u64, &pool));
        }
        drop(Box::new_in(0_u64, &kept));
        assert!(LEASES.with(|leases| leases.0.borrow().len()) <= 2);
    }
}
