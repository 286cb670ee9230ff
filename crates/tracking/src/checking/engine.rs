//! The engine: what a checking allocator does, whatever the allocator is that it wraps.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use super::guard::{Damage, FREED, FRESH, Guarded};
use super::locks::{self, STRIPES};
use super::misuse::{Kind, Misuse, Report};
use super::site::Site;
use super::stripe::{Deed, Found, GiveBack, Record, Stripe};
use crate::histogram::{BUCKETS, Histogram, bucket_of};
use crate::ledger::Ledger;
use crate::thread;

/// The bytes that are held back by default.
const MOST_HELD: usize = 16 << 20;

/// What to do with memory that is new.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum New {
    /// Fill it, so that who reads it sees that nobody has written it.
    Filled,
    /// Get it zeroed.
    Zeroed,
}

/// The allocator that is wrapped, by one of its two interfaces.
pub(super) trait Source {
    /// A block of a layout whose size is not 0.
    fn take(&self, layout: Layout, new: New) -> Option<NonNull<u8>>;

    /// Gives back a block that was just taken.
    ///
    /// # Safety
    ///
    /// It came from [`take`](Self::take) with this layout, and nobody uses it.
    unsafe fn put_back(&self, block: NonNull<u8>, layout: Layout);

    /// As [`put_back`](Self::put_back).
    const GIVE_BACK: GiveBack;
}

/// Records, quarantine and counts of one allocator.
pub(super) struct Engine {
    pub(super) ledger: Ledger,
    /// Each is used under the lock of the same number only, or by who owns the engine.
    stripes: [UnsafeCell<Stripe>; STRIPES],
    /// 1, and the allocations so far: no block is born at 0.
    clock: AtomicUsize,
    lifetimes: [AtomicUsize; BUCKETS],
    pub(super) backtraces: bool,
    /// The most bytes that the quarantine holds back, guards included.
    pub(super) most_held: usize,
    /// The bytes that it holds back, or is about to.
    held: AtomicUsize,
    /// Counts the stripes up from which a block is released next: in turns, so that the quarantine as a
    /// whole is nearly a queue.
    hand: AtomicUsize,
    pub(super) report: Report,
    /// For `at_exit`: the next engine that reports at the end of the program, and since which birth.
    pub(super) next_at_exit: AtomicPtr<Self>,
    pub(super) exit_since: AtomicUsize,
}

// SAFETY: a stripe is used under its lock only; records are `Send`. All else is atomic or does not
// change.
unsafe impl Sync for Engine {}

impl Engine {
    pub(super) const fn new() -> Self {
        Self {
            ledger: Ledger::new(),
            stripes: [const { UnsafeCell::new(Stripe::new()) }; STRIPES],
            clock: AtomicUsize::new(1),
            lifetimes: [const { AtomicUsize::new(0) }; BUCKETS],
            backtraces: false,
            most_held: MOST_HELD,
            held: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
            report: Report::Abort,
            next_at_exit: AtomicPtr::new(core::ptr::null_mut()),
            exit_since: AtomicUsize::new(0),
        }
    }

    /// A new block from `source`, or nothing if there is no memory. Its address is its own, also for
    /// size 0.
    pub(super) fn allocate(
        &self,
        source: &impl Source,
        layout: Layout,
        new: New,
    ) -> Option<NonNull<u8>> {
        let birth = self.clock.fetch_add(1, Relaxed);
        let block = self.make(source, layout, new, birth);
        self.ledger.allocated(layout.size(), block.is_some());
        block
    }

    /// Demands of a `GlobalAlloc` that its caller does not ask for size 0.
    pub(super) fn demand_a_size(&self, layout: Layout) {
        if layout.size() == 0 {
            self.found(Misuse::of_layout(Kind::ZeroSize, 0, layout).seen_at(self.deed(layout)));
        }
    }

    /// Reports that null was freed or reallocated as a block of `layout`.
    pub(super) fn found_null(&self, layout: Layout) {
        let misuse = Misuse::of_layout(Kind::ForeignPointer, 0, layout);
        self.found(misuse.seen_at(self.deed(layout)));
    }

    fn make<S: Source>(
        &self,
        source: &S,
        layout: Layout,
        new: New,
        birth: usize,
    ) -> Option<NonNull<u8>> {
        locks::survive_forks();
        let guarded = Guarded::new(layout)?;
        let outer = source.take(guarded.outer, new)?;
        // SAFETY: a block of that layout, just allocated.
        let start = unsafe { guarded.surround(outer) };
        if new == New::Filled {
            // SAFETY: as above.
            unsafe { guarded.fill(start, FRESH) };
        }
        let record = Record::new(start, guarded, S::GIVE_BACK, birth, self.deed(layout));
        match self.with(start.addr().get(), |stripe| stripe.insert(record)) {
            Some(()) => Some(start),
            None => {
                // SAFETY: just allocated, with that layout.
                unsafe { source.put_back(outer, guarded.outer) };
                None
            }
        }
    }

    /// Frees a block: nothing happens to one that is not live, but for the report.
    ///
    /// # Safety
    ///
    /// `inner` is the allocator that was the source of all blocks. If `block` is live, the caller
    /// owns it.
    pub(super) unsafe fn free(&self, inner: NonNull<()>, block: NonNull<u8>, layout: Layout) {
        if let Some(record) = self.retire(block, layout) {
            self.ledger.freed(record.layout().size());
            let age = self.clock.load(Relaxed).wrapping_sub(record.birth).wrapping_sub(1);
            self.lifetimes[bucket_of(age)].fetch_add(1, Relaxed);
            // Last, since the inner allocator may unwind.
            self.release(inner);
        }
    }

    /// Moves a block to a new one of another layout: nothing if there is no memory, or if the block is not
    /// live. It keeps its birth.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    pub(super) unsafe fn resize(
        &self,
        inner: NonNull<()>,
        source: &impl Source,
        block: NonNull<u8>,
        old: Layout,
        layout: Layout,
        new: New,
    ) -> Option<NonNull<u8>> {
        let address = block.addr().get();
        let Some(record) = self.with(address, |stripe| stripe.live(address)) else {
            self.retire(block, old); // reports what it finds
            return None;
        };
        let old_bytes = record.layout().size();
        let moved = self.make(source, layout, new, record.birth);
        self.ledger.resized(old_bytes, layout.size(), moved.is_some());
        let moved = moved?;
        // SAFETY: the old block is live and has `old_bytes`, the new one `layout.size()`; as both are live,
        // they are apart.
        unsafe { moved.copy_from_nonoverlapping(record.start, old_bytes.min(layout.size())) };
        self.retire(block, old);
        self.release(inner);
        Some(moved)
    }

    /// Looks at every guard and at all that is held back: how many blocks are damaged.
    pub(super) fn check(&self) -> usize {
        let mut damaged = 0;
        for index in 0..STRIPES {
            let mut from = 0;
            let next = |from| self.with_index(index, |stripe| stripe.damaged(from));
            while let Some((behind, record, damage)) = next(from) {
                from = behind;
                damaged += 1;
                self.found_damage(&record, damage);
            }
        }
        damaged
    }

    /// How long blocks lived, in allocations.
    pub(super) fn lifetimes(&self) -> Histogram {
        Histogram::new(self.lifetimes.each_ref().map(|count| count.load(Relaxed) as u64))
    }

    /// The time, which is not 0: a block that is born later has this birth or a later one.
    pub(super) fn now(&self) -> usize {
        self.clock.load(Relaxed)
    }

    /// Runs `each` on every live block, under the lock of its stripe.
    pub(super) fn for_each_live(&self, mut each: impl FnMut(&Record)) {
        for index in 0..STRIPES {
            self.with_index(index, |stripe| stripe.lives().for_each(&mut each));
        }
    }

    /// Gives back every block that is left. Those in quarantine are checked.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free), and nobody uses a block from now on.
    pub(super) unsafe fn give_all_back(&mut self, inner: NonNull<()>) {
        for index in 0..STRIPES {
            let mut from = 0;
            let take = |from| self.with_index(index, |stripe| stripe.take(from));
            while let Some((behind, record, live)) = take(from) {
                from = behind;
                self.give_back(inner, &record, !live);
            }
        }
    }

    /// Takes a block out of the hands of its owner and holds it back: its record, if it was live. Then
    /// the quarantine may hold too much, until [`release`](Self::release).
    fn retire(&self, block: NonNull<u8>, layout: Layout) -> Option<Record> {
        let address = block.addr().get();
        let deed = self.deed(layout);
        let (slot, record) = match self.with(address, |stripe| stripe.retire(address, deed)) {
            Found::Live(slot, record) => (slot, record),
            Found::Freed(record) => {
                self.found(Misuse::of_block(Kind::DoubleFree, &record, deed));
                return None;
            }
            Found::Nothing => {
                let misuse = Misuse::of_layout(Kind::ForeignPointer, address, layout);
                self.found(misuse.seen_at(deed));
                return None;
            }
        };
        if record.layout() != layout {
            let misuse = Misuse::of_block(Kind::WrongLayout, &record.before_free(), deed);
            self.found(misuse.given(layout));
        }
        // SAFETY: it was live, so it is not given back before this thread holds it; and this thread
        // owns it now.
        let damage = unsafe { record.guarded.damage(record.start, false) };
        if let Some(damage) = damage {
            self.found_damage(&record.before_free(), damage);
        }
        // SAFETY: as above.
        unsafe { record.guarded.fill(record.start, FREED) };
        self.held.fetch_add(record.guarded.outer.size(), Relaxed);
        self.with(address, |stripe| stripe.hold(slot));
        Some(record)
    }

    /// Gives back what the quarantine has too much.
    fn release(&self, inner: NonNull<()>) {
        let mut empty = 0;
        // If all are empty, another thread is about to hold something, and will come here.
        while self.held.load(Relaxed) > self.most_held && empty < STRIPES {
            let index = self.hand.fetch_add(1, Relaxed) % STRIPES;
            match self.with_index(index, Stripe::release) {
                Some(record) => {
                    self.held.fetch_sub(record.guarded.outer.size(), Relaxed);
                    self.give_back(inner, &record, true);
                    empty = 0;
                }
                None => empty += 1,
            }
        }
    }

    /// Gives a block back that is in no stripe any more, checked before if it was `held`.
    fn give_back(&self, inner: NonNull<()>, record: &Record, held: bool) {
        // SAFETY: it was in a stripe until now, and has not been given back.
        let damage = unsafe { record.guarded.damage(record.start, held) };
        if let Some(damage) = damage {
            self.found_damage(record, damage);
        }
        // SAFETY: `start` came from `surround`.
        let outer = unsafe { record.guarded.outer(record.start) };
        // SAFETY: `inner` is the allocator that the block came from, by the interface that this
        // function is for, with this layout. The record was taken out of its stripe, which
        // happens once.
        unsafe { (record.give_back)(inner, outer, record.guarded.outer) };
    }

    fn found_damage(&self, record: &Record, damage: Damage) {
        let deed = self.deed(record.layout());
        let freed = record.freed.is_some();
        let (kind, at) = match damage {
            Damage::Before(at) if !freed => (Kind::WriteBeforeStart, at),
            Damage::Past(at) if !freed => (Kind::WritePastEnd, at),
            Damage::Before(at) | Damage::Past(at) | Damage::AfterFree(at) => {
                (Kind::WriteAfterFree, at)
            }
        };
        self.found(Misuse::of_block(kind, record, deed).byte(at));
    }

    fn found(&self, misuse: Misuse) {
        self.report.of(&misuse);
    }

    /// What this thread does here to a block of `layout`.
    fn deed(&self, layout: Layout) -> Deed {
        Deed { site: Site::here(self.backtraces, layout), thread: thread::number() }
    }

    /// Runs `work` on the stripe of an address, under its lock.
    fn with<T>(&self, address: usize, work: impl FnOnce(&mut Stripe) -> T) -> T {
        // Addresses are multiples of 16.
        self.with_index((address >> 4 ^ address >> 12) % STRIPES, work)
    }

    fn with_index<T>(&self, index: usize, work: impl FnOnce(&mut Stripe) -> T) -> T {
        locks::with_stripe(index, || {
            // SAFETY: this thread has the lock of the stripe (the invariant of `stripes`), and
            // `work` takes none, so it does not come here again.
            work(unsafe { &mut *self.stripes[index].get() })
        })
    }
}
