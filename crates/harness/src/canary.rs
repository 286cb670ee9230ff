//! A short fixed loop that tells whether a neighbour holds the core.
//!
//! On a shared machine the same pair of calls flips between one and two times its cost, in
//! episodes of milliseconds to seconds. The loop is register arithmetic, so it sees neither memory
//! nor caches nor the strategy: if it is slow, the core is.
//!
//! Its chains are independent of one another and keep every arithmetic unit busy, since what a
//! neighbour on the same core takes away is throughput. A single chain of dependent
//! multiplications was tried and lost: on an AMD EPYC it was 1.00 to 1.03 times its best while
//! `malloc` and `free` beside it took 1.6 times theirs, where this one was 1.6 times its best too.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Steps of the loop: about 10 microseconds, a hundredth of what it stands beside.
const STEPS: u32 = 6_000;

/// Independent chains: more than there are arithmetic units, fewer than there are registers.
const CHAINS: usize = 8;

/// How much slower than the fastest canary a quiet core may be: of the pieces that passed, half
/// were then within 0.2 % of the fastest and 95 of 100 within 11 %; at 1.3 these were 0.3 % and 16 %.
const TOLERANCE: f64 = 1.03;

/// The canary of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canary {
    best_ns: f64,
}

impl Canary {
    /// A canary that knows the fastest loop of the run so far, and has looked a few times itself.
    pub(crate) fn new(best_ns: f64) -> Self {
        let mut canary = Self { best_ns };
        for _ in 0..10 {
            canary.is_quiet();
        }
        canary
    }

    /// The fastest loop seen, in nanoseconds.
    pub(crate) fn best_ns(&self) -> f64 {
        self.best_ns
    }

    /// Runs the loop: whether the core was this process's own.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let start = Instant::now();
        let mut chains: [u64; CHAINS] = black_box([1, 2, 3, 4, 5, 6, 7, 8]);
        for _ in 0..STEPS {
            for state in &mut chains {
                // No two steps can be made one.
                *state = state.rotate_left(7) ^ state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            }
        }
        black_box(chains);
        let ns = start.elapsed().as_nanos() as f64;
        self.best_ns = self.best_ns.min(ns);
        ns <= self.best_ns * TOLERANCE
    }

    /// Runs the loop until the core is quiet, for at most `patience`. Returns whether it is, and
    /// how long that took.
    pub(crate) fn await_quiet(&mut self, patience: Duration) -> (bool, Duration) {
        let start = Instant::now();
        loop {
            let quiet = self.is_quiet();
            if quiet || start.elapsed() >= patience {
                return (quiet, start.elapsed());
            }
        }
    }
}
