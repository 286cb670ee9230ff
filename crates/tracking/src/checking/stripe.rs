//! A stripe: the records of some of the blocks, and the quarantine of those of them that are freed.
//!
//! Records are in slots that do not move. A hash table of lists finds the record of an address; the
//! quarantine is a queue through the records, and so is the list of slots that are free.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::guard::{Damage, Guarded};
use super::mapped::Mapped;
use super::site::Site;

/// Gives a block back to the inner allocator, whose address is the first argument.
///
/// # Safety
///
/// The first argument points to the allocator that this function was made for, which the block came
/// from with the layout, and the block is freed once.
pub(super) type GiveBack = unsafe fn(NonNull<()>, NonNull<u8>, Layout);

/// Where and by whom something was done to a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub(super) site: &'static Site,
    pub(super) thread: u32,
}

/// What is known about a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Where the block starts: from `Guarded::surround` of `guarded`, for a block of the inner
    /// allocator that is not given back as long as this record is in a stripe.
    pub(super) start: NonNull<u8>,
    pub(super) guarded: Guarded,
    pub(super) give_back: GiveBack,
    /// 1, and the allocations of this allocator before this one.
    pub(super) birth: usize,
    pub(super) allocated: Deed,
    pub(super) freed: Option<Deed>,
    state: State,
    /// The next record with the same hash, or the next slot that is free.
    next: u32,
    /// The record that was freed after this one.
    later: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The slot is free.
    Unused,
    Live,
    /// Freed, and in the hands of the thread that does it.
    Retired,
    /// Freed and filled, in the queue.
    Held,
}

// SAFETY: it does nothing with the block by itself, and the functions that use it say who may.
unsafe impl Send for Record {}

impl Record {
    /// The record of a live block, which a stripe puts into a list.
    pub(super) fn new(
        start: NonNull<u8>,
        guarded: Guarded,
        give_back: GiveBack,
        birth: usize,
        allocated: Deed,
    ) -> Self {
        let (freed, state) = (None, State::Live);
        Self { start, guarded, give_back, birth, allocated, freed, state, next: NONE, later: NONE }
    }

    /// The record as it was before the block was freed.
    pub(super) fn before_free(self) -> Self {
        Self { freed: None, ..self }
    }

    pub(super) fn layout(&self) -> Layout {
        self.guarded.layout
    }
}

/// A record's slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(u32);

/// No slot.
const NONE: u32 = u32::MAX;

/// What a free finds.
pub(super) enum Found {
    /// A live block; it is retired now, and its record stays until it is [held](Stripe::hold).
    Live(Slot, Record),
    /// A block that was freed before.
    Freed(Record),
    /// No block.
    Nothing,
}

/// The records of some blocks.
pub(super) struct Stripe {
    records: Mapped<Record>,
    /// The first record of each hash. As many as a power of two, or none at all.
    lists: Mapped<u32>,
    used: usize,
    free: u32,
    /// The record that was held first and that which was held last.
    oldest: u32,
    newest: u32,
}

impl Stripe {
    pub(super) const fn new() -> Self {
        Self {
            records: Mapped::new(),
            lists: Mapped::new(),
            used: 0,
            free: NONE,
            oldest: NONE,
            newest: NONE,
        }
    }

    /// Puts in the record of a block: nothing if there is no memory for it.
    pub(super) fn insert(&mut self, record: Record) -> Option<()> {
        if self.used == self.lists.len() {
            self.spread((2 * self.used).max(64))?;
        }
        let slot = match self.free {
            NONE => {
                let slot = u32::try_from(self.records.len()).ok().filter(|slot| *slot != NONE)?;
                self.records.push(record)?;
                slot
            }
            slot => {
                self.free = self.records[slot as usize].next;
                self.records[slot as usize] = record;
                slot
            }
        };
        self.used += 1;
        self.link(slot);
        Some(())
    }

    /// The live block that starts at `address`.
    pub(super) fn live(&self, address: usize) -> Option<Record> {
        let record = self.records[self.find(address)? as usize];
        (record.state == State::Live).then_some(record)
    }

    /// Retires the live block that starts at `address`, on behalf of `by`.
    pub(super) fn retire(&mut self, address: usize, by: Deed) -> Found {
        let Some(slot) = self.find(address) else { return Found::Nothing };
        let record = &mut self.records[slot as usize];
        if record.state != State::Live {
            return Found::Freed(*record);
        }
        record.state = State::Retired;
        record.freed = Some(by);
        Found::Live(Slot(slot), *record)
    }

    /// Puts a retired block at the end of the quarantine. It is filled.
    pub(super) fn hold(&mut self, Slot(slot): Slot) {
        let record = &mut self.records[slot as usize];
        debug_assert_eq!(record.state, State::Retired);
        record.state = State::Held;
        record.later = NONE;
        match self.newest {
            NONE => self.oldest = slot,
            newest => self.records[newest as usize].later = slot,
        }
        self.newest = slot;
    }

    /// Takes the block out of the quarantine that is there for longest. It is the caller's to check and
    /// to give back.
    pub(super) fn release(&mut self) -> Option<Record> {
        let slot = self.oldest;
        let record = *self.records.get(slot as usize)?;
        debug_assert_eq!(record.state, State::Held);
        self.oldest = record.later;
        if self.oldest == NONE {
            self.newest = NONE;
        }
        self.unlink(slot);
        Some(record)
    }

    /// Takes out the first block that is left from the slot `from` on, live or held: the slot behind
    /// it, its record, and whether it was live. No thread retires one meanwhile.
    pub(super) fn take(&mut self, from: usize) -> Option<(usize, Record, bool)> {
        let left = |slot: &usize| self.records[*slot].state != State::Unused;
        let slot = (from..self.records.len()).find(left)?;
        let record = self.records[slot];
        self.unlink(slot as u32);
        Some((slot + 1, record, record.state == State::Live))
    }

    /// The first damaged block from the slot `from` on, what is damaged, and the slot behind it. The damage
    /// is repaired.
    pub(super) fn damaged(&mut self, from: usize) -> Option<(usize, Record, Damage)> {
        for slot in from..self.records.len() {
            let record = self.records[slot];
            let freed = match record.state {
                State::Live => false,
                State::Held => true,
                State::Unused | State::Retired => continue,
            };
            // SAFETY: from `surround`, and not given back as long as the record is here (the invariant of
            // `start`), for which the caller of this function has the stripe to itself. Nobody is to
            // write to guards, nor to a freed block, which was filled before it was held.
            let damage = unsafe { record.guarded.damage(record.start, freed) };
            if let Some(damage) = damage {
                return Some((slot + 1, record, damage));
            }
        }
        None
    }

    /// The live blocks.
    pub(super) fn lives(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.state == State::Live)
    }

    fn list(&self, address: usize) -> usize {
        // Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, 6.4): the high bits are
        // the good ones.
        let hash = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.lists.len() - 1)
    }

    fn find(&self, address: usize) -> Option<u32> {
        if self.lists.is_empty() {
            return None;
        }
        let mut slot = self.lists[self.list(address)];
        while slot != NONE {
            let record = &self.records[slot as usize];
            if record.start.addr().get() == address {
                return Some(slot);
            }
            slot = record.next;
        }
        None
    }

    /// Puts a record first on its list.
    fn link(&mut self, slot: u32) {
        let list = self.list(self.records[slot as usize].start.addr().get());
        self.records[slot as usize].next = self.lists[list];
        self.lists[list] = slot;
    }

    /// Takes a record off its list, and frees its slot.
    fn unlink(&mut self, slot: u32) {
        let record = self.records[slot as usize];
        let list = self.list(record.start.addr().get());
        match self.lists[list] {
            first if first == slot => self.lists[list] = record.next,
            first => {
                let mut before = first;
                while self.records[before as usize].next != slot {
                    before = self.records[before as usize].next;
                }
                self.records[before as usize].next = record.next;
            }
        }
        let record = &mut self.records[slot as usize];
        record.state = State::Unused;
        record.next = self.free;
        self.free = slot;
        self.used -= 1;
    }

    /// Spreads the records over `lists` lists, a power of two.
    fn spread(&mut self, lists: usize) -> Option<()> {
        debug_assert!(lists.is_power_of_two());
        self.lists.fill(lists, NONE)?;
        for slot in 0..self.records.len() {
            if self.records[slot].state != State::Unused {
                self.link(slot as u32);
            }
        }
        Some(())
    }
}
