//! What happened between two points of a program.

use core::fmt;
use core::marker::PhantomData;
use core::ptr;

use crate::ledger::Ledger;
use crate::shard::{Counts, Shard};
use crate::stats::Change;

/// Says what an allocator has done since the region began, on this thread or on all.
///
/// It is for a test of code that must not allocate, and for finding out who allocates how much.
///
/// ```
/// use tracking::Tracking;
///
/// #[global_allocator]
/// static ALLOCATOR: Tracking = Tracking::system();
///
/// let mut numbers = Vec::with_capacity(10);
/// let region = ALLOCATOR.region();
/// numbers.extend(0..10);
/// region.assert_no_allocation();
///
/// numbers.push(10);
/// assert_eq!(region.change().reallocations, 1);
/// ```
///
/// It does not go to another thread, where "this thread" would be another one:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<tracking::Region<'static>>();
/// ```
#[must_use = "a region says what has happened since it began"]
pub struct Region<'a> {
    ledger: &'a Ledger,
    threads: Threads,
    /// Where this thread counted when the region began, if it is about this thread.
    shard: Option<&'a Shard>,
    before: Counts,
    /// Not `Send`: a region may be about this thread.
    _thread: PhantomData<*const ()>,
}

/// Whose allocations a region is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Threads {
    This,
    All,
}

impl<'a> Region<'a> {
    pub(crate) fn new(ledger: &'a Ledger, threads: Threads) -> Self {
        let shard = match threads {
            Threads::This => Some(ledger.shard_of_this_thread()),
            Threads::All => None,
        };
        let before = shard.map_or_else(|| ledger.counts(), Shard::counts);
        Self { ledger, threads, shard, before, _thread: PhantomData }
    }

    /// What has happened since the region began.
    ///
    /// A region about a thread knows of nothing any more at the very end of the thread, in destructors
    /// of thread-locals, if it began before them: the thread counts elsewhere there.
    #[must_use]
    pub fn change(&self) -> Change {
        let now = match self.shard {
            None => self.ledger.counts(),
            Some(shard) if ptr::eq(shard, self.ledger.shard_of_this_thread()) => shard.counts(),
            Some(_) => return Change::default(),
        };
        Change::new(&now.since(self.before))
    }

    /// Demands that nothing was allocated or reallocated, nor tried to be. Freeing is allowed.
    ///
    /// # Panics
    ///
    /// With the figures, at the caller's place, if something was.
    #[track_caller]
    pub fn assert_no_allocation(&self) {
        let change = self.change();
        let tried = [change.allocations, change.reallocations, change.failures];
        assert!(tried == [0; 3], "no allocation was to happen {}: {change}", self.threads);
    }

    /// Demands that nothing was allocated, reallocated or freed.
    ///
    /// # Panics
    ///
    /// With the figures, at the caller's place, if something was.
    #[track_caller]
    pub fn assert_nothing_happened(&self) {
        let change = self.change();
        assert!(change == Change::default(), "nothing was to happen {}: {change}", self.threads);
    }
}

impl fmt::Debug for Region<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("threads", &self.threads)
            .field("change", &self.change())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::This => "on this thread",
            Self::All => "on any thread",
        })
    }
}
