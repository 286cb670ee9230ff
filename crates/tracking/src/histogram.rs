//! Counts by powers of two.

use core::fmt;

use crate::grouped::Grouped;

/// The buckets of a histogram.
pub(crate) const BUCKETS: usize = 64;

/// The bucket of a value: bucket `n` holds the values above `2^(n - 1)` up to `2^n`. The last one
/// holds 0, to save an instruction, and what is larger than any block can be.
#[inline]
pub(crate) const fn bucket_of(value: usize) -> usize {
    // Odd, so there is no zero whose logarithm would have to be guarded against.
    // Of 64 bits on every machine, so that sizes above a half of 32 bits have their bucket.
    (value as u64).wrapping_mul(2).wrapping_sub(1).ilog2() as usize
}

/// How many values there were of each size, by powers of two.
///
/// A value is counted with those that are as large up to the next power of two: 64 with 33 to
/// 64, and 65 with 65 to 128.
///
/// ```
/// use tracking::Tracking;
///
/// let tracking = Tracking::system();
/// # use allocator_api2::vec::Vec;
/// let _buffer = Vec::<u8, _>::with_capacity_in(100, &tracking);
/// let sizes = tracking.stats().sizes;
/// assert_eq!(sizes.iter().collect::<std::vec::Vec<_>>(), [(128, 1)]); // 65 to 128 bytes: one
/// assert_eq!(sizes.count(), 1);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
}

impl Histogram {
    /// From the counts of the buckets that [`bucket_of`] gives.
    pub(crate) fn new(mut counts: [u64; BUCKETS]) -> Self {
        counts[0] += core::mem::take(&mut counts[bucket_of(0)]);
        Self { counts }
    }

    /// The buckets that are not empty, smallest first: the largest value that counts there, and how
    /// many there were.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let bucket = |(bucket, &count): (usize, &u64)| (1 << bucket, count);
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bucket)
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new([0; BUCKETS])
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A line for each bucket that is not empty: the values, how many there were, and their share as
/// a bar.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.iter().map(|(_, count)| count).max().unwrap_or(1);
        for (index, (largest, count)) in self.iter().enumerate() {
            let least = if largest == 1 { 0 } else { largest / 2 + 1 };
            let end = if index == 0 { "" } else { "\n" };
            let bar = (u128::from(count) * 30).div_ceil(u128::from(most)) as usize;
            let (least, largest) = (Grouped(least), Grouped(largest));
            write!(f, "{end}{least:>17} to {largest:<17} {:>15} {:#<bar$}", Grouped(count), "")?;
        }
        Ok(())
    }
}

/// As a map from the largest value of a bucket to its count.
#[cfg(feature = "serde")]
impl serde::Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> serde::de::Visitor<'de> for Map {
            type Value = Histogram;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from powers of two to counts")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<Histogram, M::Error> {
                let mut histogram = Histogram::default();
                while let Some((largest, count)) = map.next_entry::<u64, u64>()? {
                    if !largest.is_power_of_two() {
                        let seen = serde::de::Unexpected::Unsigned(largest);
                        return Err(serde::de::Error::invalid_value(seen, &self));
                    }
                    histogram.counts[largest.trailing_zeros() as usize] = count;
                }
                Ok(histogram)
            }
        }
        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_of_the_next_power_of_two() {
        assert_eq!([1, 2, 3, 4, 5].map(bucket_of), [0, 1, 2, 2, 3]);
        assert_eq!([63, 64, 65].map(bucket_of), [6, 6, 7]);
        assert_eq!(bucket_of(isize::MAX as usize), usize::BITS as usize - 1);
        assert!(bucket_of(usize::MAX) < BUCKETS);
        let mut counts = [0; BUCKETS];
        counts[bucket_of(0)] = 7;
        assert_eq!(Histogram::new(counts).iter().collect::<Vec<_>>(), [(1, 7)]);
    }

    #[test]
    fn it_is_drawn_with_a_line_for_each_bucket() {
        let mut counts = [0; BUCKETS];
        (counts[0], counts[6]) = (1, 3000);
        let drawn = Histogram::new(counts).to_string();
        let lines: Vec<String> = drawn
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let bar = "#".repeat(30);
        assert_eq!(lines, ["0 to 1 1 #".to_owned(), format!("33 to 64 3,000 {bar}")]);
    }
}
