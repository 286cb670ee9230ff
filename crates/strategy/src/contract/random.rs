//! A small generator, so that this crate needs no other.

use core::ops::RangeInclusive;
use std::env;

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): a
/// counter that steps by the golden ratio, and a mix of its bits.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, but without, `end`. The small bias of the remainder does not
    /// matter here.
    pub(super) const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// The seeds of the long sequences: fixed ones, so that a test does the same each time, or the
/// one in the environment variable `CONTRACT_SEED`.
pub(super) fn seeds() -> RangeInclusive<u64> {
    numbered(3)
}

/// The seeds of the short sequences: as many as the environment variable `CONTRACT_SEQUENCES` says,
/// or the one in `CONTRACT_SEED`.
pub(super) fn short_seeds() -> RangeInclusive<u64> {
    numbered(number_in("CONTRACT_SEQUENCES").unwrap_or(10_000))
}

fn numbered(count: u64) -> RangeInclusive<u64> {
    number_in("CONTRACT_SEED").map_or(1..=count, |seed| seed..=seed)
}

/// The number in an environment variable, if it is set.
fn number_in(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_reference_implementation() {
        // From Sebastiano Vigna's splitmix64.c with the seed 1234567.
        let mut random = Random::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([random.next(), random.next()], expected);
    }
}
