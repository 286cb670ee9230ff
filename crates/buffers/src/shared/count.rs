//! The count of a buffer's owners: atomic, or for one thread.

use core::cell::Cell;
use core::fmt;
use std::process;

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering, fence};

/// The count up to which owners are added. As the one that finds it exceeded aborts, it is passed
/// by at most one for each thread, and there are not as many threads as it would take to reach
/// zero.
const MOST: usize = isize::MAX as usize;

/// A way to count owners: [`AtomicCount`] or [`LocalCount`], and no other.
pub trait Count: sealed::Count {}

/// What a [`SharedBuffer`](crate::SharedBuffer) counts with: an atomic integer.
///
/// The orderings are those of `Arc`. An owner is made from one that is there, so adding one needs
/// no order ([Boost.Atomic, "Reference counting"]). Giving one up releases what its thread has
/// read, and the last one acquires that from all others before it frees the block.
///
/// [Boost.Atomic, "Reference counting"]: https://www.boost.org/doc/libs/release/libs/atomic/doc/html/atomic/usage_examples.html
pub struct AtomicCount(AtomicUsize);

/// What a [`LocalBuffer`](crate::LocalBuffer) counts with: a plain integer.
pub struct LocalCount(Cell<usize>);

impl Count for AtomicCount {}

impl Count for LocalCount {}

/// What is counted cannot be done from outside of the crate, where it would free a block in use.
pub(super) mod sealed {
    /// The operations of a count.
    pub trait Count {
        /// What a buffer that counts this way is called.
        const BUFFER: &'static str;

        /// The count of one owner.
        fn one() -> Self;

        /// Adds an owner. Aborts if there are more than `isize::MAX`, give or take one: they have been leaked,
        /// and a count that goes on would come to zero with owners left.
        fn increment(&self);

        /// Takes an owner away; true if it was the last, and then all that others did as owners
        /// happens before the return.
        fn decrement(&self) -> bool;

        /// Whether there is one owner, and then all that others did as owners happens before the
        /// return.
        fn is_one(&self) -> bool;

        /// Sets the count, as if clones had been leaked: more than a test lives to leak. A count
        /// that is too high leaks the block, and does nothing worse.
        #[cfg(test)]
        fn forge(&self, count: usize);
    }
}

impl sealed::Count for AtomicCount {
    const BUFFER: &'static str = "SharedBuffer";

    fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    #[inline]
    fn increment(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) > MOST {
            too_many();
        }
    }

    #[inline]
    fn decrement(&self) -> bool {
        let last = self.0.fetch_sub(1, Ordering::Release) == 1;
        if last {
            fence(Ordering::Acquire);
        }
        last
    }

    #[inline]
    fn is_one(&self) -> bool {
        self.0.load(Ordering::Acquire) == 1
    }

    #[cfg(test)]
    fn forge(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }
}

impl sealed::Count for LocalCount {
    const BUFFER: &'static str = "LocalBuffer";

    fn one() -> Self {
        Self(Cell::new(1))
    }

    #[inline]
    fn increment(&self) {
        let count = self.0.get().wrapping_add(1);
        self.0.set(count);
        if count > MOST {
            too_many();
        }
    }

    #[inline]
    fn decrement(&self) -> bool {
        let left = self.0.get() - 1;
        self.0.set(left);
        left == 0
    }

    #[inline]
    fn is_one(&self) -> bool {
        self.0.get() == 1
    }

    #[cfg(test)]
    fn forge(&self, count: usize) {
        self.0.set(count);
    }
}

impl fmt::Debug for AtomicCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for LocalCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

/// Ends the process. A panic could be caught, and the count would stay what it is.
#[cold]
#[inline(never)]
fn too_many() -> ! {
    process::abort()
}
