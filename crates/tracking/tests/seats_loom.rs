//! Seats under loom, which explores every order of events between threads:
//! `RUSTFLAGS="--cfg loom" cargo test --package tracking --release --test seats_loom`.
//!
//! The file of the crate is compiled here a second time, with loom's atomics.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use loom::thread;

/// What the crate's file of this name has for threads that are real.
mod primitives {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
}

#[path = "../src/seats.rs"]
mod seats;

use seats::{Seat, Seats};

/// Seats, and what is tied to two of them: a count that is written as a shard is, and a cell that
/// loom watches.
struct Scene {
    seats: Seats,
    tied: [(AtomicUsize, UnsafeCell<usize>); 2],
    /// The seat that each of them is tied to, by its address.
    owners: [AtomicUsize; 2],
}

impl Scene {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            seats: Seats { first: AtomicPtr::new(std::ptr::null_mut()) },
            tied: [(); 2].map(|()| (AtomicUsize::new(0), UnsafeCell::new(0))),
            owners: [(); 2].map(|()| AtomicUsize::new(0)),
        })
    }

    /// What a thread does: it takes a seat, counts on what is tied to it, and leaves.
    fn sit(&self) {
        let seat = self.seats.take().unwrap();
        let (count, cell) = self.tied_to(seat);
        for _ in 0..2 {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            // SAFETY: loom checks that nobody else has it meanwhile.
            cell.with_mut(|cell| unsafe { *cell += 1 });
        }
        seat.leave();
    }

    fn tied_to(&self, seat: &'static Seat) -> &(AtomicUsize, UnsafeCell<usize>) {
        let address = std::ptr::from_ref(seat).addr();
        let index = (0..2).find(|index| {
            let owner = &self.owners[*index];
            match owner.compare_exchange(0, address, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => true,
                Err(owner) => owner == address,
            }
        });
        &self.tied[index.expect("there are no more seats than threads")]
    }

    fn count(&self) -> usize {
        self.tied.iter().map(|(count, _)| count.load(Ordering::Relaxed)).sum()
    }

    fn seats(&self) -> usize {
        self.owners.iter().filter(|owner| owner.load(Ordering::Relaxed) != 0).count()
    }
}

#[test]
fn no_seat_has_two_owners_and_no_count_is_lost() {
    loom::model(|| {
        let scene = Scene::new();
        let other = Arc::clone(&scene);
        let thread = thread::spawn(move || {
            other.sit();
            other.sit();
        });
        scene.sit();
        thread.join().unwrap();
        assert_eq!(scene.count(), 6);
        assert!(scene.seats() <= 2);
    });
}

#[test]
fn a_seat_is_passed_on() {
    loom::model(|| {
        let scene = Scene::new();
        let other = Arc::clone(&scene);
        let thread = thread::spawn(move || {
            other.sit();
            other.sit();
        });
        thread.join().unwrap();
        scene.sit();
        assert_eq!((scene.count(), scene.seats()), (6, 1));
    });
}
