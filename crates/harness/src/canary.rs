//! A short fixed loop that tells whether a neighbour holds the core.
//!
//! On a shared machine the same pair of calls flips between one and two times its cost, in
//! episodes of milliseconds to seconds. The loop is register arithmetic, so it sees neither memory
//! nor caches nor the strategy: if it is slow, the core is. It is a report and no gate: nothing waits for a quiet
//! core, since contenders that take turns have the same one.
//!
//! Its chains are independent of one another and keep every arithmetic unit busy, since what a
//! neighbour on the same core takes away is throughput. A single chain of dependent
//! multiplications was tried and lost: on an AMD EPYC it was 1.00 to 1.03 times its best while
//! `malloc` and `free` beside it took 1.6 times theirs, where this one was 1.6 times its best too.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

/// Steps of the loop: about 10 microseconds, half a hundredth of the turn that it stands in.
const STEPS: u32 = 6_000;

/// Independent chains: more than there are arithmetic units, fewer than there are registers.
const CHAINS: usize = 8;

/// How much slower than the middle of the canaries a quiet core may be.
const TOLERANCE: f64 = 1.05;

/// The canaries whose middle is the standard: those of some minutes of a run. The fastest was tried as the
/// standard and lost: on a machine whose clock rises in bursts a single loop made 60,129 of 60,200 samples noisy.
const REMEMBERED: usize = 4096;

/// Runs the loop, and returns its time in nanoseconds.
pub(crate) fn look() -> u64 {
    let start = Instant::now();
    let mut chains: [u64; CHAINS] = black_box([1, 2, 3, 4, 5, 6, 7, 8]);
    for _ in 0..STEPS {
        for state in &mut chains {
            // No two steps can be made one.
            *state = state.rotate_left(7) ^ state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        }
    }
    black_box(chains);
    start.elapsed().as_nanos() as u64
}

/// The standard that a canary is held to: the middle of the last ones, which a burst cannot set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standard {
    last: VecDeque<u64>,
    middle_ns: u64,
}

impl Standard {
    /// Takes the canaries of a row's round to those that are remembered.
    pub(crate) fn remember(&mut self, canaries: impl IntoIterator<Item = u64>) {
        self.last.extend(canaries);
        self.last.drain(..self.last.len().saturating_sub(REMEMBERED));
        let mut sorted: Vec<u64> = self.last.iter().copied().collect();
        if !sorted.is_empty() {
            let middle = sorted.len() / 2;
            self.middle_ns = *sorted.select_nth_unstable(middle).1;
        }
    }

    /// The middle, in nanoseconds; 0 before the first canary.
    pub(crate) fn middle_ns(&self) -> u64 {
        self.middle_ns
    }

    /// Whether a canary says that the core was busy.
    pub(crate) fn is_noisy(&self, canary_ns: u64) -> bool {
        canary_ns as f64 > self.middle_ns as f64 * TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_higher_clock_is_no_standard() {
        let mut standard = Standard::default();
        standard.remember([7_000; 10]);
        standard.remember([11_000; 1000]);
        assert_eq!(standard.middle_ns(), 11_000);
        assert!(!standard.is_noisy(11_100));
        assert!(standard.is_noisy(22_000));
    }

    #[test]
    fn the_standard_follows_a_machine_whose_clock_has_changed() {
        let mut standard = Standard::default();
        standard.remember([7_000; REMEMBERED]);
        standard.remember([11_000; REMEMBERED]);
        assert!(!standard.is_noisy(11_100));
        assert_eq!(standard.last.len(), REMEMBERED);
    }

    #[test]
    fn without_canaries_nothing_is_noisy_by_chance() {
        let mut standard = Standard::default();
        standard.remember([]);
        assert_eq!(standard.middle_ns(), 0);
    }
}
