//! A short fixed loop that tells whether a neighbour holds the core.
//!
//! On a shared machine the same pair of calls flips between one and two times its cost, in
//! episodes of milliseconds to seconds. The loop is register arithmetic with a chain of
//! dependences, so it sees neither memory nor caches nor the strategy: if it is slow, the core is.

use std::hint::black_box;
use std::time::Instant;

/// Steps of the loop: about 10 microseconds, a hundredth of what it stands beside.
const STEPS: u32 = 8_000;

/// How much slower than the fastest canary a quiet core may be.
const TOLERANCE: f64 = 1.08;

/// The canary of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canary {
    best_ns: f64,
}

impl Canary {
    /// A canary that knows the fastest loop of the run so far, and has looked once itself.
    pub(crate) fn new(best_ns: f64) -> Self {
        let mut canary = Self { best_ns };
        canary.is_quiet();
        canary
    }

    /// The fastest loop seen, in nanoseconds.
    pub(crate) fn best_ns(&self) -> f64 {
        self.best_ns
    }

    /// Runs the loop: whether the core was this process's own.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let start = Instant::now();
        let mut state = black_box(1_u64);
        for _ in 0..STEPS {
            // A step of a linear congruential generator: a multiplication and an addition, each
            // waiting for the one before. The constants are Knuth's (MMIX).
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
        }
        black_box(state);
        let ns = start.elapsed().as_nanos() as f64;
        self.best_ns = self.best_ns.min(ns);
        ns <= self.best_ns * TOLERANCE
    }
}
