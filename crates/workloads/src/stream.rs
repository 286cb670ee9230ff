//! Operation streams from a seed.
//!
//! The generator is PCG XSL 128/64, whose stream is fixed by its documentation; the
//! answers that the workloads pin in their tests notice if a new version of `rand` draws
//! another number from it.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::SEED;

/// A generator at the beginning of the stream.
pub(crate) fn generator() -> Pcg64 {
    Pcg64::seed_from_u64(SEED)
}

/// The numbers below `len`, shuffled.
pub(crate) fn shuffled(len: u16) -> Vec<u16> {
    let mut order: Vec<u16> = (0..len).collect();
    order.shuffle(&mut generator());
    order
}

/// A number in `min..=max` that is skewed to small ones by the rule of 80 to 20, applied
/// `depth` times: four times in five it falls in the lowest fifth of the range, and again
/// inside that part. Source: the alloc-test of ITHare, where the depth is six.
pub(crate) fn skewed(random: &mut Pcg64, min: u16, max: u16, depth: u32) -> u16 {
    let (mut low, mut high) = (min, max);
    for _ in 0..depth {
        let fifth = low + (high - low) / 5;
        if random.random_range(0..5) < 4 {
            high = fifth;
        } else {
            low = high.min(fifth + 1);
        }
    }
    random.random_range(low..=high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers do not depend on the sizes drawn, so the draws are pinned by themselves.
    #[test]
    fn the_seed_draws_what_it_has_always_drawn() {
        let mut random = generator();
        let uniform: [u16; 6] = std::array::from_fn(|_| random.random_range(16..=1024));
        assert_eq!(uniform, [765, 708, 564, 770, 617, 311]);
        let pareto: [u16; 6] = std::array::from_fn(|_| skewed(&mut random, 16, 1024, 6));
        assert_eq!(pareto, [221, 18, 17, 59, 17, 16]);
        assert_eq!(shuffled(1000)[..6], [318, 269, 553, 560, 680, 812]);
    }

    #[test]
    fn a_shuffle_keeps_every_number_and_moves_some() {
        let order = shuffled(1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(order, sorted);
    }

    #[test]
    fn skewed_sizes_stay_in_range_and_are_mostly_small() {
        let mut random = generator();
        let sizes: Vec<u16> = (0..10_000).map(|_| skewed(&mut random, 16, 1024, 6)).collect();
        assert!(sizes.iter().all(|size| (16..=1024).contains(size)));
        let in_lowest_fifth = sizes.iter().filter(|&&size| size <= 16 + 1008 / 5).count();
        assert!((7_800..=8_200).contains(&in_lowest_fifth), "{in_lowest_fifth} of 10,000");
    }
}
