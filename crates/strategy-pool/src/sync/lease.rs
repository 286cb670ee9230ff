//! The lease of a cache: what a thread and a pool share, so that either may end first.
//!
//! It is one byte with two owners. The thread's end takes no lock and touches no memory of the
//! pool, which may be gone: it says on the lease that it has ended, and the pool looks there when
//! it wants blocks. Whoever leaves last frees the lease.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use allocator_api2::alloc::{AllocError, Global};
use allocator_api2::boxed::Box;

use super::primitives::{AtomicU8, Cell};

/// The owner who uses the cache: a thread, or a handle.
const TENANT: u8 = 1;
/// The owner who has the cache: the pool.
const LANDLORD: u8 = 2;

/// The tenant's half of a lease.
pub(super) type Tenancy = Half<TENANT>;
/// The pool's half of a lease.
pub(super) type Grant = Half<LANDLORD>;

/// A lease, and both halves of it.
///
/// # Errors
///
/// If the global allocator has no memory.
pub(super) fn sign() -> Result<(Tenancy, Grant), AllocError> {
    let lease = Box::try_new_in(Lease::new(), Global)?;
    let (lease, Global) = Box::into_non_null(lease);
    Ok((Half(lease), Half(lease)))
}

/// What both halves point to.
struct Lease {
    /// The owners who have left: a sum of `TENANT` and `LANDLORD`.
    left: AtomicU8,
    /// For loom, which sees by it if the lease is freed while an owner uses it. It takes no space.
    used: Cell<()>,
    #[cfg(loom)]
    _tracked: loom::alloc::Track<()>,
}

impl Lease {
    fn new() -> Self {
        Self {
            left: AtomicU8::new(0),
            used: Cell::new(()),
            #[cfg(loom)]
            _tracked: loom::alloc::Track::new(()),
        }
    }
}

/// One owner's half of a lease. Dropping it is leaving.
pub(super) struct Half<const OWNER: u8>(
    /// From `Box::into_non_null`. The lease lives as long as either half, of which there is one
    /// for each owner.
    NonNull<Lease>,
);

impl<const OWNER: u8> Half<OWNER> {
    /// Whether the other owner has left. What it did before happened before what comes after this
    /// half is dropped.
    pub(super) fn is_alone(&self) -> bool {
        // SAFETY: the lease lives as long as this half.
        let lease = unsafe { self.0.as_ref() };
        lease.left.load(Ordering::Relaxed) & !OWNER != 0
    }
}

impl<const OWNER: u8> Drop for Half<OWNER> {
    fn drop(&mut self) {
        // SAFETY: the lease lives as long as this half.
        let lease = unsafe { self.0.as_ref() };
        lease.used.get();
        // Release, so that the other owner sees what this one did; Acquire, so that this one sees
        // what the other did, and frees the lease after it.
        let before = lease.left.fetch_or(OWNER, Ordering::AcqRel);
        debug_assert_eq!(before & OWNER, 0, "a half was dropped twice");
        if before != 0 {
            lease.used.set(());
            // SAFETY: from a box of `Global` (the invariant of the field). The other half is gone,
            // and this one is going.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_half_sees_the_other_leave() {
        let (tenancy, grant) = sign().unwrap();
        assert!(!tenancy.is_alone() && !grant.is_alone());
        drop(tenancy);
        assert!(grant.is_alone());
        drop(grant);
        let (tenancy, grant) = sign().unwrap();
        drop(grant);
        assert!(tenancy.is_alone());
    }
}
