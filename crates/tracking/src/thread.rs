//! What a thread keeps for itself: its seat, the shards that it used last, and what it is busy with.

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::seats::{Seat, Seats};
use crate::shard::Shard;

/// The key of the ledger that is used first in a program. A `#[global_allocator]` is, so its shard is
/// found by one comparison.
pub(crate) const FIRST: usize = 1;

/// The slots for all other ledgers. The next few have one each, and the rest share one.
pub(crate) const SLOTS: usize = 8;

/// A key that no ledger has.
const NOBODY: usize = usize::MAX;

static SEATS: Seats = Seats { first: AtomicPtr::new(ptr::null_mut()) };

/// Where this thread counts for one ledger.
struct Slot {
    /// The key of a ledger, which may be gone, or `NOBODY`.
    key: Cell<usize>,
    /// The shard of that ledger that is tied to this thread's seat. It is there as long as the ledger.
    shard: Cell<NonNull<Shard>>,
}

impl Slot {
    const fn new() -> Self {
        Self { key: Cell::new(NOBODY), shard: Cell::new(NonNull::dangling()) }
    }

    fn clear(&self) {
        self.key.set(NOBODY);
    }

    #[inline]
    fn holds(&self, key: usize) -> Option<NonNull<Shard>> {
        (self.key.get() == key).then(|| self.shard.get())
    }
}

/// What has no destructor, so that it is there from the first to the last moment of a thread.
struct Local {
    first: Slot,
    slots: [Slot; SLOTS],
    /// Set while the seat is being taken, in case that this allocates.
    sitting_down: Cell<bool>,
    /// 0 until it is asked for.
    number: Cell<u32>,
    /// For each task whether the thread is busy with it.
    busy: [Cell<bool>; 3],
}

/// Leaves the seat when the thread ends.
struct Seated(Cell<Option<&'static Seat>>);

thread_local! {
    /// Reading it is an access relative to the thread pointer.
    static LOCAL: Local = const {
        Local {
            first: Slot::new(),
            slots: [const { Slot::new() }; SLOTS],
            sitting_down: Cell::new(false),
            number: Cell::new(0),
            busy: [const { Cell::new(false) }; 3],
        }
    };
    static SEATED: Seated = const { Seated(Cell::new(None)) };
}

impl Drop for Seated {
    fn drop(&mut self) {
        // Destructors of other thread-locals may still come and allocate.
        let _ = LOCAL.try_with(|local| {
            local.first.clear();
            local.slots.iter().for_each(Slot::clear);
        });
        if let Some(seat) = self.0.take() {
            seat.leave();
        }
    }
}

/// The shard that this thread has for the ledger with this key, if it is at hand.
///
/// The shard is tied to this thread's seat, and is there as long as the ledger.
#[inline]
pub(crate) fn at_hand(key: usize) -> Option<NonNull<Shard>> {
    LOCAL.try_with(|local| local.first.holds(key)).ok().flatten()
}

/// As [`at_hand`], for ledgers that are not the first.
#[inline]
pub(crate) fn at_hand_beside(key: usize) -> Option<NonNull<Shard>> {
    LOCAL.try_with(|local| local.slots[key % SLOTS].holds(key)).ok().flatten()
}

/// Lets [`at_hand`] or [`at_hand_beside`] find a shard that is tied to this thread's [`seat`].
pub(crate) fn keep_at_hand(key: usize, shard: NonNull<Shard>) {
    let _ = LOCAL.try_with(|local| {
        let slot = if key == FIRST { &local.first } else { &local.slots[key % SLOTS] };
        slot.shard.set(shard);
        slot.key.set(key);
    });
}

/// This thread's seat: nothing at the end of the thread, when the seat has been left, or if there
/// is no memory for one.
pub(crate) fn seat() -> Option<&'static Seat> {
    let already = LOCAL.try_with(|local| local.sitting_down.replace(true)).unwrap_or(true);
    if already {
        return None;
    }
    let take = |seated: &Seated| {
        let seat = seated.0.get().or_else(|| SEATS.take());
        seated.0.set(seat);
        seat
    };
    let seat = SEATED.try_with(take).ok().flatten();
    let _ = LOCAL.try_with(|local| local.sitting_down.set(false));
    seat
}

/// This thread's number: 1 for the one that asks first.
pub(crate) fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = |local: &Local| {
        if local.number.get() == 0 {
            local.number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        local.number.get()
    };
    LOCAL.try_with(number).unwrap_or(0)
}

/// What a thread does not begin again before it has ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Writing a report.
    Report,
    /// Calling a program's function with what is found.
    Call,
    /// Looking up the name of a function.
    LookUp,
}

/// Whether this thread is busy with `task`.
pub(crate) fn is_busy(task: Task) -> bool {
    LOCAL.try_with(|local| local.busy[task as usize].get()).unwrap_or(true)
}

/// Marks this thread as busy with a task, until it is dropped.
pub(crate) struct Busy(Task);

impl Busy {
    /// Nothing if it is busy with it already.
    pub(crate) fn begin(task: Task) -> Option<Self> {
        let begin = |local: &Local| local.busy[task as usize].replace(true);
        let already = LOCAL.try_with(begin).unwrap_or(true);
        if already { None } else { Some(Self(task)) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = LOCAL.try_with(|local| local.busy[self.0 as usize].set(false));
    }
}
