//! A ledger: all that one allocator counts, on a shard for each thread.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use allocator_api2::alloc::System;
use allocator_api2::boxed::Box;

use crate::shard::{Common, Counts, Shard};
use crate::stats::Stats;
use crate::thread::{self, FIRST, SLOTS};

/// The counters of one allocator.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// What threads know this ledger by: 0 until it is used for the first time, then a number that
    /// no other ledger ever has. The first is `FIRST`; of the others the number modulo `SLOTS` is the slot
    /// that a thread keeps its shard in, which is 0 for all but a few.
    key: AtomicUsize,
    /// The newest shard. Each pointer here and in `Shard::next` is null or came from
    /// `Box::into_non_null` of `System`; shards are freed when the ledger is dropped, and not before.
    shards: AtomicPtr<Shard>,
    common: Common,
    /// For threads that have no seat, or not any more.
    fallback: Shard,
}

/// The key of the ledger that is used next. When there are no more, ledgers count on their fallback
/// alone.
static NEXT: AtomicUsize = AtomicUsize::new(FIRST);

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self {
            key: AtomicUsize::new(0),
            shards: AtomicPtr::new(ptr::null_mut()),
            common: Common::new(),
            fallback: Shard::new(),
        }
    }

    /// Counts an allocation of `bytes` that was `served` or not.
    #[inline]
    pub(crate) fn allocated(&self, bytes: usize, served: bool) {
        if !served {
            return self.failed();
        }
        match self.at_hand() {
            Some(shard) => shard.allocated(bytes, &self.common),
            None => self.allocated_slowly(bytes),
        }
    }

    /// Counts a free of `bytes`.
    #[inline]
    pub(crate) fn freed(&self, bytes: usize) {
        match self.at_hand() {
            Some(shard) => shard.freed(bytes, &self.common),
            None => self.freed_slowly(bytes),
        }
    }

    /// Counts a reallocation that was `served` or not.
    #[inline]
    pub(crate) fn resized(&self, old_bytes: usize, new_bytes: usize, served: bool) {
        if !served {
            return self.failed();
        }
        match self.at_hand() {
            Some(shard) => shard.resized(old_bytes, new_bytes, &self.common),
            None => self.resized_slowly(old_bytes, new_bytes),
        }
    }

    /// What all threads have counted.
    pub(crate) fn counts(&self) -> Counts {
        self.shards().fold(self.fallback.counts(), |sum, shard| sum.and(shard.counts()))
    }

    /// Where this thread counts, and all that had its seat before; where all threads at their
    /// end count if it has none.
    pub(crate) fn shard_of_this_thread(&self) -> &Shard {
        self.shard().unwrap_or(&self.fallback)
    }

    /// The most live bytes.
    fn peak(&self) -> isize {
        let live = self.common.live();
        let peaks = self.shards().map(|shard| live.wrapping_add(shard.untold_peak()));
        peaks.fold(self.common.peak(), isize::max)
    }

    pub(crate) fn stats(&self) -> Stats {
        let peak = self.peak();
        Stats::new(&self.counts(), peak)
    }

    /// This thread's shard, if this ledger is the program's first and this thread has used it.
    #[inline]
    fn at_hand(&self) -> Option<&Shard> {
        let shard = thread::at_hand(self.key.load(Ordering::Relaxed))?;
        // SAFETY: it is a shard of the ledger with this key, which is this one and is there; shards
        // are there as long as their ledger.
        Some(unsafe { shard.as_ref() })
    }

    /// This thread's shard, a new one if need be.
    fn shard(&self) -> Option<&Shard> {
        let Some(shard) = thread::at_hand_beside(self.key.load(Ordering::Relaxed)) else {
            return self.at_hand().or_else(|| self.seek());
        };
        // SAFETY: as in `at_hand`.
        Some(unsafe { shard.as_ref() })
    }

    /// Finds or makes the shard that is tied to this thread's seat, and keeps it at hand. Only this thread
    /// makes one for its seat.
    fn seek(&self) -> Option<&Shard> {
        let key = self.key()?;
        let seat = thread::seat()?;
        let shard = match self.shards().find(|shard| shard.is_tied_to(seat)) {
            Some(shard) => shard,
            None => self.add(Shard::tied_to(seat))?,
        };
        thread::keep_at_hand(key, NonNull::from(shard));
        Some(shard)
    }

    /// This ledger's key, which is made on the first call.
    fn key(&self) -> Option<usize> {
        let key = self.key.load(Ordering::Relaxed);
        if key != 0 {
            return Some(key);
        }
        let next = |key: usize| {
            let step = if key < FIRST + SLOTS { 1 } else { SLOTS - key % SLOTS };
            key.checked_add(step).filter(|next| *next < usize::MAX - SLOTS)
        };
        let new = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        // Another thread may have been faster, and then it is that one's.
        let made = self.key.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
        Some(made.map_or_else(|faster| faster, |_| new))
    }

    /// Puts a shard on the list: nothing if there is no memory.
    fn add(&self, shard: Shard) -> Option<&Shard> {
        let (shard, System) = Box::into_non_null(Box::try_new_in(shard, System).ok()?);
        // SAFETY: a live box until the ledger is dropped; from now on it is only shared.
        let shared = unsafe { shard.as_ref() };
        let mut first = self.shards.load(Ordering::Relaxed);
        loop {
            shared.next.store(first, Ordering::Relaxed);
            // Release: who finds the shard sees its fields, and those of all before it.
            let put = self.shards.compare_exchange(
                first,
                shard.as_ptr(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match put {
                Ok(_) => return Some(shared),
                Err(now) => first = now,
            }
        }
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        let load = |shard: &AtomicPtr<Shard>| {
            // SAFETY: null, or a shard that lives as long as `self` (the invariant of `shards`) and
            // is only shared. Acquire, so that its fields are seen.
            unsafe { shard.load(Ordering::Acquire).as_ref() }
        };
        core::iter::successors(load(&self.shards), move |shard| load(&shard.next))
    }

    #[cold]
    #[inline(never)]
    fn allocated_slowly(&self, bytes: usize) {
        match self.shard() {
            Some(shard) => shard.allocated(bytes, &self.common),
            None => self.fallback.allocated_shared(bytes, &self.common),
        }
    }

    #[cold]
    #[inline(never)]
    fn freed_slowly(&self, bytes: usize) {
        match self.shard() {
            Some(shard) => shard.freed(bytes, &self.common),
            None => self.fallback.freed_shared(bytes, &self.common),
        }
    }

    #[cold]
    #[inline(never)]
    fn resized_slowly(&self, old_bytes: usize, new_bytes: usize) {
        match self.shard() {
            Some(shard) => shard.resized(old_bytes, new_bytes, &self.common),
            None => self.fallback.resized_shared(old_bytes, new_bytes, &self.common),
        }
    }

    #[cold]
    #[inline(never)]
    fn failed(&self) {
        match self.shard() {
            Some(shard) => shard.failed(),
            None => self.fallback.failed_shared(),
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let mut next = *self.shards.get_mut();
        while !next.is_null() {
            // SAFETY: from `into_non_null` of a box of `System` (the invariant of `shards`). Nobody uses
            // it: what finds it borrows the ledger, and the key under which threads keep it at
            // hand is never used again.
            let mut shard = unsafe { Box::from_raw_in(next, System) };
            next = *shard.next.get_mut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_threads_in_a_row_take_no_more_shards_than_one() {
        let ledger = Ledger::new();
        for _ in 0..1000 {
            std::thread::scope(|scope| {
                scope.spawn(|| ledger.allocated(1, true));
            });
        }
        assert_eq!(ledger.counts().allocations(), 1000);
        // Threads of other tests may have had a seat meanwhile, and another one was taken.
        let shards = ledger.shards().count();
        assert!(shards <= 20, "{shards} shards");
    }
}
