//! Who may use a pool: the one thread that has it, or all threads.
//!
//! Either keeps one free block of each class at hand, in a slot of its own, and the others on
//! shelves. A program that uses one buffer at a time finds it in the slot, and that is fast: for one
//! thread, a `RefCell` and a stack cost twice as much, since the length of a stack goes through
//! memory twice; for all threads, a slot is one atomic instruction where a `Mutex` is two.

use core::cell::{Cell, RefCell};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use strategy::Threads;

use crate::shelves::{Address, Class, Limits, Shelves};

/// Who may use a [`Pool`](crate::Pool): [`OneThread`] or [`AllThreads`]. Nobody else can implement it.
pub trait Lock: sealed::Lock {}

/// A pool that one thread has at a time, without a lock.
pub struct OneThread {
    /// A free block of each class, which is on no shelf.
    at_hand: [Cell<Option<Address>>; Class::COUNT],
    /// The classes of which a block may be at hand: those of which one may be kept.
    open: [bool; Class::COUNT],
    shelves: RefCell<Shelves>,
}

/// A pool that all threads use at once. Its `Mutex` is held for a few instructions, and never while
/// the backing allocator is called.
pub struct AllThreads {
    /// A free block of each class, which is on no shelf; or null.
    at_hand: [AtomicPtr<u8>; Class::COUNT],
    /// The classes of which a block may be at hand: those of which one may be kept.
    open: [bool; Class::COUNT],
    shelves: Mutex<Shelves>,
}

impl OneThread {
    pub(crate) const fn new(limits: Limits) -> Self {
        let mut shelves = Shelves::new(limits);
        let open = shelves.cede_one_each();
        let at_hand = [const { Cell::new(None) }; Class::COUNT];
        Self { at_hand, open, shelves: RefCell::new(shelves) }
    }
}

impl AllThreads {
    pub(crate) const fn new(limits: Limits) -> Self {
        let mut shelves = Shelves::new(limits);
        let open = shelves.cede_one_each();
        let at_hand = [const { AtomicPtr::new(ptr::null_mut()) }; Class::COUNT];
        Self { at_hand, open, shelves: Mutex::new(shelves) }
    }
}

impl Lock for OneThread {}

impl sealed::Lock for OneThread {
    const NAME: &'static str = "buffer-pool";
    const ABOUT: &'static str =
        "dropped buffers kept for reuse by powers of two, as many as a limit allows";
    const THREADS: Threads = Threads::Owner;

    fn new(limits: Limits) -> Self {
        Self::new(limits)
    }

    #[inline]
    fn take(&self, class: Class, align: usize) -> Option<Address> {
        let slot = &self.at_hand[class.place()];
        let block = slot.get()?;
        block.is_aligned_to(align).then(|| {
            slot.set(None);
            block
        })
    }

    #[inline]
    fn keep(&self, class: Class, block: Address) -> bool {
        let slot = &self.at_hand[class.place()];
        debug_assert_ne!(slot.get(), Some(block), "{block:?} is given back twice");
        let takes_it = self.open[class.place()] && slot.get().is_none();
        if takes_it {
            slot.set(Some(block));
        }
        takes_it
    }

    fn keeps(&self, class: Class) -> bool {
        self.at_hand[class.place()].get().is_some()
    }

    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut Shelves) -> R) -> R {
        work(&mut self.shelves.borrow_mut())
    }
}

impl Lock for AllThreads {}

impl sealed::Lock for AllThreads {
    const NAME: &'static str = "shared-buffer-pool";
    const ABOUT: &'static str = "dropped buffers kept for reuse by powers of two, for all threads: one of a size without a lock";
    const THREADS: Threads = Threads::Shared;

    fn new(limits: Limits) -> Self {
        Self::new(limits)
    }

    #[inline]
    fn take(&self, class: Class, align: usize) -> Option<Address> {
        let slot = &self.at_hand[class.place()];
        let block = Address(NonNull::new(slot.load(Ordering::Relaxed))?);
        if !block.is_aligned_to(align) {
            return None;
        }
        // What comes out is what is in the slot now: perhaps another block that was made where this
        // one had been, which its own pointer has to be used for. `Acquire` makes everything
        // that was done to it before it was kept happen before what its new owner does.
        let taken = slot.compare_exchange(
            block.0.as_ptr(),
            ptr::null_mut(),
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        taken.ok().and_then(NonNull::new).map(Address)
    }

    #[inline]
    fn keep(&self, class: Class, block: Address) -> bool {
        let slot = &self.at_hand[class.place()];
        debug_assert_ne!(
            slot.load(Ordering::Relaxed),
            block.0.as_ptr(),
            "{block:?} is given back twice"
        );
        // `Release` is the other half of `Acquire` in `take`.
        let kept = || {
            slot.compare_exchange(
                ptr::null_mut(),
                block.0.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            )
        };
        // Looking first spares the exchange where it would fail.
        self.open[class.place()] && slot.load(Ordering::Relaxed).is_null() && kept().is_ok()
    }

    fn keeps(&self, class: Class) -> bool {
        !self.at_hand[class.place()].load(Ordering::Relaxed).is_null()
    }

    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut Shelves) -> R) -> R {
        // A panic while the lock was held came from an assertion, which changes nothing.
        work(&mut self.shelves.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) mod sealed {
    use strategy::Threads;

    use crate::shelves::{Address, Class, Limits, Shelves};

    /// What the two have in common.
    pub trait Lock: Sized {
        /// The name of a pool of this kind as a strategy.
        const NAME: &'static str;
        /// What it does, in a sentence.
        const ABOUT: &'static str;
        /// The threads that may use it.
        const THREADS: Threads;

        /// With nothing at hand and empty shelves.
        fn new(limits: Limits) -> Self;

        /// Takes the block of a class that is at hand, if it is aligned to `align`. From then on
        /// it is out.
        fn take(&self, class: Class, align: usize) -> Option<Address>;

        /// Keeps a block that is out at hand; false if it stays out, since another is or none may be.
        fn keep(&self, class: Class, block: Address) -> bool;

        /// Whether a block of a class is at hand.
        fn keeps(&self, class: Class) -> bool;

        /// Does work on the shelves while nobody else does. The work must not come here again.
        fn with<R>(&self, work: impl FnOnce(&mut Shelves) -> R) -> R;
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicBool;
    use std::thread;

    use super::sealed::Lock;
    use super::*;

    /// More threads than blocks, so that they meet when they take one and when they put one back.
    #[test]
    fn no_block_is_at_hand_for_two_threads_and_none_is_lost() {
        const BLOCKS: usize = 2;
        const ROUNDS: usize = 2_000_000;
        let class = Class::of(1).unwrap();
        let lock = AllThreads::new(Limits::DEFAULT);
        let taken = [const { AtomicBool::new(true) }; BLOCKS];
        // The addresses stand for blocks, which nobody touches.
        let blocks = taken.each_ref().map(|flag| Address(NonNull::from(flag).cast()));
        let places = blocks.map(|Address(block)| block.addr());
        let is_taken = |Address(block): Address| {
            &taken[places.iter().position(|&place| place == block.addr()).unwrap()]
        };
        let (lock, is_taken) = (&lock, &is_taken);
        let left = thread::scope(|scope| {
            let threads = [Some(blocks[0]), Some(blocks[1]), None, None].map(|mut spare| {
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        spare = match spare {
                            Some(block) => {
                                assert!(is_taken(block).swap(false, Ordering::Relaxed), "twice");
                                let kept = lock.keep(class, block);
                                (!kept).then(|| {
                                    is_taken(block).store(true, Ordering::Relaxed);
                                    block
                                })
                            }
                            None => lock.take(class, 1).inspect(|&block| {
                                let twice = is_taken(block).swap(true, Ordering::Relaxed);
                                assert!(!twice, "taken twice");
                            }),
                        };
                    }
                    usize::from(spare.is_some())
                })
            });
            threads.map(|thread| thread.join().unwrap()).iter().sum::<usize>()
        });
        assert_eq!(left + usize::from(lock.keeps(class)), BLOCKS, "blocks were lost or doubled");
    }
}
