//! What a thread keeps for itself: its seat, and the shards that it used last.

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicPtr;

use crate::seats::{Seat, Seats};
use crate::shard::Shard;

/// The slots of a thread. The first allocators of a program have one each and all later ones share
/// the first slot: a `#[global_allocator]` is always among the first.
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

struct Local {
    slots: [Slot; SLOTS],
    /// Set while the seat is being taken, in case that this allocates.
    sitting_down: Cell<bool>,
}

/// Leaves the seat when the thread ends.
struct Seated(Cell<Option<&'static Seat>>);

thread_local! {
    /// Without a destructor, so that it is there from the first to the last moment of a thread, and
    /// reading it is one access relative to the thread pointer.
    static LOCAL: Local = const {
        Local {
            slots: [const {
                Slot { key: Cell::new(NOBODY), shard: Cell::new(NonNull::dangling()) }
            }; SLOTS],
            sitting_down: Cell::new(false),
        }
    };
    static SEATED: Seated = const { Seated(Cell::new(None)) };
}

impl Drop for Seated {
    fn drop(&mut self) {
        // Destructors of other thread-locals may still come and allocate.
        let _ = LOCAL.try_with(|local| local.slots.iter().for_each(|slot| slot.key.set(NOBODY)));
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
    let find = |local: &Local| {
        let slot = &local.slots[key % SLOTS];
        (slot.key.get() == key).then(|| slot.shard.get())
    };
    LOCAL.try_with(find).ok().flatten()
}

/// Lets [`at_hand`] find a shard that is tied to this thread's [`seat`].
pub(crate) fn keep_at_hand(key: usize, shard: NonNull<Shard>) {
    let _ = LOCAL.try_with(|local| {
        let slot = &local.slots[key % SLOTS];
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
