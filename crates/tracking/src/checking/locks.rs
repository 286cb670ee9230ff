//! The locks of all checking allocators, which a fork takes before it happens.
//!
//! They belong to the process and not to an allocator, so that a fork finds all of them. Who groups
//! leaks takes the lock for that first, and the stripes' under it, one after another. What runs
//! under a stripe's lock takes no other.
//!
//! No allocator is called under one, nor a function of the program. What runs there is: a look-up, a list
//! that grows (memory is mapped, and its records are spread anew), and, in `check`, the comparison of
//! the guards of a stripe and of what it holds back.

use core::hint;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;

/// The parts that blocks are spread over, each with a lock of its own.
pub(super) const STRIPES: usize = 16;

/// One lock for each stripe of the allocators, and one for those that group leaks.
static LOCKS: [Lock; STRIPES + 1] = [const { Lock(AtomicBool::new(false)) }; STRIPES + 1];

/// How often a thread looks at a lock before it lets another one run.
const SPINS: usize = 100;

/// A spinning lock: the standard library's may allocate on some systems, and must be unlocked by
/// the thread that locked it, which a forked child is not.
struct Lock(AtomicBool);

/// Unlocks when it is dropped.
struct Held<'a>(&'a Lock);

impl Lock {
    fn acquire(&self) {
        let mut spins = 0;
        while self.0.swap(true, Ordering::Acquire) {
            while self.0.load(Ordering::Relaxed) {
                spins += 1;
                match spins % SPINS {
                    0 => thread::yield_now(),
                    _ => hint::spin_loop(),
                }
            }
        }
    }

    fn release(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Runs `work` with the lock of a stripe.
pub(super) fn with_stripe<T>(stripe: usize, work: impl FnOnce() -> T) -> T {
    with(&LOCKS[stripe], work)
}

/// Runs `work` with the lock of those that group leaks.
pub(super) fn with_groups<T>(work: impl FnOnce() -> T) -> T {
    with(&LOCKS[STRIPES], work)
}

fn with<T>(lock: &Lock, work: impl FnOnce() -> T) -> T {
    lock.acquire();
    let _held = Held(lock);
    work()
}

/// Sees to it that no lock is held by a thread that is missing in a forked child: a fork takes all
/// of them first. Nothing is left to do once a call has succeeded. Nobody waits for one that has begun, which
/// a forked child would do for ever.
#[cfg(unix)]
pub(super) fn survive_forks() {
    const TO_DO: u8 = 0;
    const BEGUN: u8 = 1;
    const DONE: u8 = 2;
    static STATE: AtomicU8 = AtomicU8::new(TO_DO);

    /// The lock of those that group leaks first, as they do.
    extern "C" fn acquire_all() {
        LOCKS.iter().rev().for_each(Lock::acquire);
    }

    extern "C" fn release_all() {
        LOCKS.iter().for_each(Lock::release);
    }

    if STATE.load(Ordering::Relaxed) != TO_DO
        || STATE.compare_exchange(TO_DO, BEGUN, Ordering::Relaxed, Ordering::Relaxed).is_err()
    {
        return;
    }
    // SAFETY: the functions touch nothing but the locks. They run on the thread that forks, and
    // in the child on its copy; both have all locks then. The C library may allocate here,
    // from itself.
    let failure =
        unsafe { libc::pthread_atfork(Some(acquire_all), Some(release_all), Some(release_all)) };
    STATE.store(if failure == 0 { DONE } else { TO_DO }, Ordering::Relaxed);
}

/// There is no fork on this system.
#[cfg(not(unix))]
pub(super) fn survive_forks() {}
