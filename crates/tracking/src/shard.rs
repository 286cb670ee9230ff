//! A shard: the counters of one allocator that one thread writes.

use core::ptr;
use core::sync::atomic::{AtomicIsize, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use crate::histogram::{BUCKETS, bucket_of};
use crate::seats::Seat;

/// How far a shard's live bytes move before the others are told: 64 KiB.
///
/// It bounds the error of the peak: see [`Stats::peak_bytes`](crate::Stats::peak_bytes). At 64
/// bytes a block that is one shared write in 1,024 allocations.
pub(crate) const UNTOLD_BYTES: isize = 64 << 10;

/// What the shards of an allocator tell each other, so that there is a peak.
///
/// On a cache line of its own (two, since they are fetched in pairs): every shard reads what
/// is beside it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Common {
    /// The sum of what the shards have told: the live bytes but for what is untold.
    live: AtomicIsize,
    /// The most that `live` has been, and a shard's untold bytes on top of it.
    peak: AtomicIsize,
}

impl Common {
    pub(crate) const fn new() -> Self {
        Self { live: AtomicIsize::new(0), peak: AtomicIsize::new(0) }
    }

    /// The live bytes that were told.
    pub(crate) fn live(&self) -> isize {
        self.live.load(Relaxed)
    }

    /// The most live bytes that were told.
    pub(crate) fn peak(&self) -> isize {
        self.peak.load(Relaxed)
    }

    /// Adds `change`; on the way there the live bytes were `most` above what they are.
    fn tell(&self, change: isize, most: isize) {
        let before = self.live.fetch_add(change, Relaxed);
        self.peak.fetch_max(before.wrapping_add(most), Relaxed);
    }
}

/// The counters of one allocator for one seat.
///
/// Only the thread that has the seat writes, so a count is a load and a store and no atomic
/// read-modify-write; any thread may read. The fallback shard, which threads without a seat share, is
/// written through the methods that say `shared`.
///
/// Counters wrap; a difference of two is right as long as it fits.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Shard {
    // One cache line for what each call touches.
    allocated_bytes: AtomicUsize,
    /// What was allocated less what was freed, by this shard's thread: below 0 if it frees what
    /// others allocate.
    live: AtomicIsize,
    frees: AtomicUsize,
    /// The most that `live` was since it was told. `low + UNTOLD_BYTES <= high`.
    high: AtomicIsize,
    /// `UNTOLD_BYTES` below what `live` was when it was told: further down it has to be told again.
    low: AtomicIsize,
    reallocations: AtomicUsize,
    failures: AtomicUsize,
    /// The seat that this shard is tied to.
    seat: AtomicPtr<Seat>,
    /// What was asked for, by allocations and reallocations, by size. The sum of all is the number
    /// of both, so there is no counter of allocations.
    sizes: [AtomicUsize; BUCKETS],
    /// The next older shard of the allocator.
    pub(crate) next: AtomicPtr<Self>,
}

/// What a shard, or all of them, have counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) frees: usize,
    pub(crate) reallocations: usize,
    pub(crate) failures: usize,
    pub(crate) allocated_bytes: usize,
    /// Wrapped around if it is below 0.
    pub(crate) live_bytes: usize,
    pub(crate) sizes: [usize; BUCKETS],
}

/// Adds to a counter that only this thread writes.
#[inline]
fn add(counter: &AtomicUsize, count: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

impl Shard {
    pub(crate) const fn new() -> Self {
        Self {
            allocated_bytes: AtomicUsize::new(0),
            live: AtomicIsize::new(0),
            frees: AtomicUsize::new(0),
            high: AtomicIsize::new(0),
            low: AtomicIsize::new(-UNTOLD_BYTES),
            reallocations: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            seat: AtomicPtr::new(ptr::null_mut()),
            sizes: [const { AtomicUsize::new(0) }; BUCKETS],
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// A shard for whoever has `seat`.
    pub(crate) fn tied_to(seat: &'static Seat) -> Self {
        Self { seat: AtomicPtr::new(ptr::from_ref(seat).cast_mut()), ..Self::new() }
    }

    pub(crate) fn is_tied_to(&self, seat: &Seat) -> bool {
        ptr::eq(self.seat.load(Relaxed), seat)
    }

    /// Counts an allocation.
    #[inline]
    pub(crate) fn allocated(&self, bytes: usize, common: &Common) {
        add(&self.sizes[bucket_of(bytes)], 1);
        self.gained(bytes, common);
    }

    /// Counts a free.
    #[inline]
    pub(crate) fn freed(&self, bytes: usize, common: &Common) {
        add(&self.frees, 1);
        self.lost(bytes, common);
    }

    /// Counts a reallocation.
    #[inline]
    pub(crate) fn resized(&self, old_bytes: usize, new_bytes: usize, common: &Common) {
        add(&self.sizes[bucket_of(new_bytes)], 1);
        add(&self.reallocations, 1);
        match new_bytes >= old_bytes {
            true => self.gained(new_bytes - old_bytes, common),
            false => self.lost(old_bytes - new_bytes, common),
        }
    }

    #[inline]
    fn gained(&self, bytes: usize, common: &Common) {
        add(&self.allocated_bytes, bytes);
        let live = self.live.load(Relaxed).wrapping_add_unsigned(bytes);
        self.live.store(live, Relaxed);
        if live > self.high.load(Relaxed) {
            self.rise(live, common);
        }
    }

    #[inline]
    fn lost(&self, bytes: usize, common: &Common) {
        let live = self.live.load(Relaxed).wrapping_sub_unsigned(bytes);
        self.live.store(live, Relaxed);
        if live < self.low.load(Relaxed) {
            self.tell(live, common);
        }
    }

    #[cold]
    #[inline(never)]
    fn rise(&self, live: isize, common: &Common) {
        self.high.store(live, Relaxed);
        if live.wrapping_sub(self.told()) >= UNTOLD_BYTES {
            self.tell(live, common);
        }
    }

    /// What `live` was when it was told.
    fn told(&self) -> isize {
        self.low.load(Relaxed).wrapping_add(UNTOLD_BYTES)
    }

    #[cold]
    #[inline(never)]
    fn tell(&self, live: isize, common: &Common) {
        let told = self.told();
        let most = self.high.load(Relaxed).wrapping_sub(told);
        common.tell(live.wrapping_sub(told), most);
        self.high.store(live, Relaxed);
        self.low.store(live.wrapping_sub(UNTOLD_BYTES), Relaxed);
    }

    /// The most that this shard was above what it has told: less than [`UNTOLD_BYTES`], also when its thread
    /// is at work and what is read here is of two moments.
    pub(crate) fn untold_peak(&self) -> isize {
        (self.high.load(Relaxed).wrapping_sub(self.told())).clamp(0, UNTOLD_BYTES)
    }

    /// Counts an allocation that failed.
    pub(crate) fn failed(&self) {
        add(&self.failures, 1);
    }

    /// As [`allocated`](Self::allocated), for several threads at once.
    pub(crate) fn allocated_shared(&self, bytes: usize, common: &Common) {
        self.sizes[bucket_of(bytes)].fetch_add(1, Relaxed);
        self.gained_shared(bytes, common);
    }

    /// As [`freed`](Self::freed), for several threads at once.
    pub(crate) fn freed_shared(&self, bytes: usize, common: &Common) {
        self.frees.fetch_add(1, Relaxed);
        self.lost_shared(bytes, common);
    }

    /// As [`resized`](Self::resized), for several threads at once.
    pub(crate) fn resized_shared(&self, old_bytes: usize, new_bytes: usize, common: &Common) {
        self.sizes[bucket_of(new_bytes)].fetch_add(1, Relaxed);
        self.reallocations.fetch_add(1, Relaxed);
        match new_bytes >= old_bytes {
            true => self.gained_shared(new_bytes - old_bytes, common),
            false => self.lost_shared(old_bytes - new_bytes, common),
        }
    }

    /// As [`failed`](Self::failed), for several threads at once.
    pub(crate) fn failed_shared(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    fn gained_shared(&self, bytes: usize, common: &Common) {
        self.allocated_bytes.fetch_add(bytes, Relaxed);
        self.live.fetch_add(bytes.cast_signed(), Relaxed);
        common.tell(bytes.cast_signed(), bytes.cast_signed());
    }

    fn lost_shared(&self, bytes: usize, common: &Common) {
        self.live.fetch_sub(bytes.cast_signed(), Relaxed);
        common.tell(bytes.cast_signed().wrapping_neg(), 0);
    }

    /// What was counted here.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            frees: self.frees.load(Relaxed),
            reallocations: self.reallocations.load(Relaxed),
            failures: self.failures.load(Relaxed),
            allocated_bytes: self.allocated_bytes.load(Relaxed),
            live_bytes: self.live.load(Relaxed).cast_unsigned(),
            sizes: self.sizes.each_ref().map(|size| size.load(Relaxed)),
        }
    }
}

impl Counts {
    /// These counts and others.
    pub(crate) fn and(self, other: Self) -> Self {
        self.each(other, usize::wrapping_add)
    }

    /// What was counted since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        self.each(earlier, usize::wrapping_sub)
    }

    fn each(self, other: Self, f: impl Fn(usize, usize) -> usize) -> Self {
        let mut sizes = self.sizes;
        sizes.iter_mut().zip(other.sizes).for_each(|(size, other)| *size = f(*size, other));
        Self {
            frees: f(self.frees, other.frees),
            reallocations: f(self.reallocations, other.reallocations),
            failures: f(self.failures, other.failures),
            allocated_bytes: f(self.allocated_bytes, other.allocated_bytes),
            live_bytes: f(self.live_bytes, other.live_bytes),
            sizes,
        }
    }

    /// The bytes that were freed, and by which blocks were shrunk: below 0 if what was read is of two
    /// moments.
    pub(crate) fn freed_bytes(&self) -> isize {
        self.allocated_bytes.wrapping_sub(self.live_bytes).cast_signed()
    }

    /// The allocations that were served: below 0 as `freed_bytes`.
    pub(crate) fn allocations(&self) -> isize {
        let asked = self.sizes.iter().fold(0, |sum: usize, size| sum.wrapping_add(*size));
        asked.wrapping_sub(self.reallocations).cast_signed()
    }
}
