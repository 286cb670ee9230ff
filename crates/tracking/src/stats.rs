//! What an allocator has counted, to be printed, read, or serialized.

use core::fmt;

use crate::grouped::Grouped;
use crate::histogram::Histogram;
use crate::shard::Counts;

/// What an allocator has counted at one moment.
///
/// While other threads allocate, the figures are of slightly different moments. With none at work
/// they are exact, but for the peak, whose bound is given there.
///
/// A size is the one that was asked for, not what the allocator took for it.
///
/// Totals are kept in machine words, and are right up to `isize::MAX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stats {
    /// Bytes that are allocated and not freed.
    pub live_bytes: u64,
    /// Blocks that are allocated and not freed.
    pub live_blocks: u64,
    /// The most that `live_bytes` has been. It is exact if one thread does all the allocating. With
    /// several, it is off by at most 64 KiB for each thread that ever was there at the same time, and 64 KiB
    /// more.
    pub peak_bytes: u64,
    /// Allocations that were served.
    pub allocations: u64,
    /// Frees.
    pub frees: u64,
    /// Reallocations that were served: a block was grown or shrunk, and perhaps moved. They are neither
    /// among the allocations nor among the frees.
    pub reallocations: u64,
    /// Allocations and reallocations that failed.
    pub failures: u64,
    /// Bytes that were allocated, and by which blocks were grown.
    pub allocated_bytes: u64,
    /// Bytes that were freed, and by which blocks were shrunk.
    pub freed_bytes: u64,
    /// How much more was freed than was ever allocated. With no thread at work it is 0 unless memory
    /// was freed that had been allocated past this allocator, for instance before it was wrapped; then the
    /// live figures are too small, by this much at the least, and stop at 0.
    pub unseen_bytes: u64,
    /// As `unseen_bytes`, in blocks.
    pub unseen_blocks: u64,
    /// The sizes in bytes that were asked for, by allocations and reallocations.
    pub sizes: Histogram,
}

/// A difference of counters, which others may be at work on while they are read.
fn positive(value: isize) -> u64 {
    value.max(0) as u64
}

impl Stats {
    pub(crate) fn new(counts: &Counts, peak: isize) -> Self {
        let allocations = counts.allocations();
        let bytes = counts.live_bytes.cast_signed();
        let blocks = allocations.wrapping_sub_unsigned(counts.frees);
        let negative = |value: isize| positive(value.saturating_neg());
        Self {
            live_bytes: positive(bytes),
            live_blocks: positive(blocks),
            peak_bytes: positive(peak.max(bytes)),
            allocations: positive(allocations),
            frees: counts.frees as u64,
            reallocations: counts.reallocations as u64,
            failures: counts.failures as u64,
            allocated_bytes: counts.allocated_bytes as u64,
            freed_bytes: positive(counts.freed_bytes()),
            unseen_bytes: negative(bytes),
            unseen_blocks: negative(blocks),
            sizes: Histogram::new(counts.sizes.map(|size| size as u64)),
        }
    }
}

/// A few lines, the sizes as bars.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, what: &str, bytes: u64, blocks: u64| {
            let (bytes, blocks) = (Grouped(bytes), Grouped(blocks));
            writeln!(f, "{what:<13}{bytes:>22} bytes {blocks:>18} blocks")
        };
        line(f, "live", self.live_bytes, self.live_blocks)?;
        writeln!(f, "{:<13}{:>22} bytes", "peak", Grouped(self.peak_bytes))?;
        line(f, "allocated", self.allocated_bytes, self.allocations)?;
        line(f, "freed", self.freed_bytes, self.frees)?;
        if self.unseen_bytes > 0 || self.unseen_blocks > 0 {
            line(f, "never seen", self.unseen_bytes, self.unseen_blocks)?;
        }
        writeln!(f, "{:<13}{:>22} times", "reallocated", Grouped(self.reallocations))?;
        write!(f, "{:<13}{:>22} times", "failed", Grouped(self.failures))?;
        if self.sizes.count() > 0 {
            write!(f, "\nsizes in bytes, allocated and reallocated\n{}", self.sizes)?;
        }
        Ok(())
    }
}

/// What has happened between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Change {
    /// Allocations that were served.
    pub allocations: u64,
    /// Frees.
    pub frees: u64,
    /// Reallocations that were served.
    pub reallocations: u64,
    /// Allocations and reallocations that failed.
    pub failures: u64,
    /// Bytes that were allocated, and by which blocks were grown.
    pub allocated_bytes: u64,
    /// Bytes that were freed, and by which blocks were shrunk.
    pub freed_bytes: u64,
}

impl Change {
    pub(crate) fn new(counts: &Counts) -> Self {
        Self {
            allocations: positive(counts.allocations()),
            frees: counts.frees as u64,
            reallocations: counts.reallocations as u64,
            failures: counts.failures as u64,
            allocated_bytes: counts.allocated_bytes as u64,
            freed_bytes: positive(counts.freed_bytes()),
        }
    }

    /// By how much the live bytes have grown; below 0 if more was freed than allocated.
    #[must_use]
    pub const fn live_bytes(&self) -> i64 {
        self.allocated_bytes.wrapping_sub(self.freed_bytes).cast_signed()
    }

    /// By how much the live blocks have grown; below 0 if more were freed than allocated.
    #[must_use]
    pub const fn live_blocks(&self) -> i64 {
        self.allocations.wrapping_sub(self.frees).cast_signed()
    }
}

/// One line.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} allocations and {} reallocations of {} bytes, {} frees of {} bytes, {} failures",
            Grouped(self.allocations),
            Grouped(self.reallocations),
            Grouped(self.allocated_bytes),
            Grouped(self.frees),
            Grouped(self.freed_bytes),
            Grouped(self.failures),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Shard;

    #[test]
    fn figures_of_two_moments_do_not_wrap_around() {
        // A reallocation whose size is not seen yet, and a block of which the total is not.
        let counts = Counts { reallocations: 1, live_bytes: 10, ..Shard::new().counts() };
        let stats = Stats::new(&counts, 0);
        assert_eq!((stats.allocations, stats.freed_bytes), (0, 0));
        assert_eq!((stats.live_blocks, stats.live_bytes), (0, 10));
        let change = Change::new(&counts);
        assert_eq!((change.allocations, change.freed_bytes), (0, 0));
    }
}
