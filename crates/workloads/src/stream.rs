//! Streams of operations, all from one seed.
//!
//! The generator is PCG XSL 128/64, whose stream is fixed by its documentation; the
//! answers that the workloads pin in their tests notice if a new version of `rand` draws
//! another number from it.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::SEED;

/// A stream of operations: what a workload draws, its order and its sizes.
///
/// Stream `n` begins at the generator that [`seed_from_u64`](SeedableRng::seed_from_u64) makes of
/// [`SEED`]` + n`, which spreads neighbouring numbers over the whole state. The streams that PCG selects by
/// its increment are not used, since its documentation warns that two of them may be correlated.
///
/// ```
/// use workloads::{Batch, Order, Stream};
/// let batch = Batch { order: Order::Random };
/// assert_eq!(batch.frees(Stream::FIRST), batch.frees(Stream::numbered(0)));
/// assert_ne!(batch.frees(Stream::FIRST), batch.frees(Stream::numbered(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(u32);

impl Stream {
    /// Stream number 0.
    pub const FIRST: Self = Self::numbered(0);

    /// The stream with this number.
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// A generator at the beginning of the stream.
    #[must_use]
    pub fn generator(self) -> Pcg64 {
        Pcg64::seed_from_u64(SEED.wrapping_add(self.0.into()))
    }

    /// The numbers below `len`, shuffled.
    pub(crate) fn shuffled(self, len: u16) -> Vec<u16> {
        let mut order: Vec<u16> = (0..len).collect();
        order.shuffle(&mut self.generator());
        order
    }
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
    fn the_first_stream_draws_what_it_has_always_drawn() {
        let mut random = Stream::FIRST.generator();
        let uniform: [u16; 6] = std::array::from_fn(|_| random.random_range(16..=1024));
        assert_eq!(uniform, [765, 708, 564, 770, 617, 311]);
        let pareto: [u16; 6] = std::array::from_fn(|_| skewed(&mut random, 16, 1024, 6));
        assert_eq!(pareto, [221, 18, 17, 59, 17, 16]);
        assert_eq!(Stream::FIRST.shuffled(1000)[..6], [318, 269, 553, 560, 680, 812]);
    }

    #[test]
    fn a_later_stream_draws_what_it_has_always_drawn() {
        let mut random = Stream::numbered(7).generator();
        let uniform: [u16; 6] = std::array::from_fn(|_| random.random_range(16..=1024));
        assert_eq!(uniform, [285, 927, 468, 989, 26, 782]);
    }

    #[test]
    fn a_shuffle_keeps_every_number_and_moves_some() {
        let order = Stream::FIRST.shuffled(1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(order, sorted);
    }

    #[test]
    fn skewed_sizes_stay_in_range_and_are_mostly_small() {
        let mut random = Stream::FIRST.generator();
        let sizes: Vec<u16> = (0..10_000).map(|_| skewed(&mut random, 16, 1024, 6)).collect();
        assert!(sizes.iter().all(|size| (16..=1024).contains(size)));
        let in_lowest_fifth = sizes.iter().filter(|&&size| size <= 16 + 1008 / 5).count();
        assert!((7_800..=8_200).contains(&in_lowest_fifth), "{in_lowest_fifth} of 10,000");
    }
}
