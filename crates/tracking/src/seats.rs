//! Seats: what a thread owns while it lives and passes on when it ends.
//!
//! A seat belongs to one thread at a time. Everything that is tied to a seat (the shards of all
//! allocators) goes with it from thread to thread, without being touched when a thread
//! ends: the next thread that needs a seat takes the first free one. So there are as many seats
//! as there were threads at the same time, however many there are one after another.

use core::ptr;

use allocator_api2::alloc::System;
use allocator_api2::boxed::Box;

use super::primitives::{AtomicBool, AtomicPtr, Ordering};

/// A list of seats that grows at its head and never shrinks.
pub(crate) struct Seats {
    /// The newest seat, or null. A seat is never freed, so each pointer here and in `Seat::next` is
    /// null or good for ever.
    pub(crate) first: AtomicPtr<Seat>,
}

/// A place for one thread at a time.
pub(crate) struct Seat {
    taken: AtomicBool,
    /// The next older seat, or null. It does not change once the seat is on the list.
    next: AtomicPtr<Seat>,
}

impl Seats {
    /// A seat that nobody has, until it is [left](Seat::leave). What its last owner did
    /// happened before.
    ///
    /// The cost is a walk over the seats; nothing if there is no memory for a new one. The memory is
    /// the C library's.
    pub(crate) fn take(&self) -> Option<&'static Seat> {
        let mut next = &self.first;
        while let Some(seat) = load(next) {
            if seat.try_take() {
                return Some(seat);
            }
            next = &seat.next;
        }
        let seat = Seat { taken: AtomicBool::new(true), next: AtomicPtr::new(ptr::null_mut()) };
        let seat: &'static Seat = Box::leak(Box::try_new_in(seat, System).ok()?);
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            seat.next.store(first, Ordering::Relaxed);
            let new = ptr::from_ref(seat).cast_mut();
            // Release: who finds the seat sees its fields, and those of all before it.
            match self.first.compare_exchange(first, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(seat),
                Err(now) => first = now,
            }
        }
    }
}

fn load(seat: &AtomicPtr<Seat>) -> Option<&'static Seat> {
    // SAFETY: null, or a seat, which is never freed and only shared (the invariant of `first`). Acquire,
    // so that its fields are seen.
    unsafe { seat.load(Ordering::Acquire).as_ref() }
}

impl Seat {
    fn try_take(&self) -> bool {
        // Acquire: what the last owner did happened before.
        !self.taken.load(Ordering::Relaxed)
            && self
                .taken
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Frees the seat for another thread. The caller has it, and does not use it from now on.
    pub(crate) fn leave(&self) {
        self.taken.store(false, Ordering::Release);
    }
}
