//! What a workload announces before it runs.

use core::alloc::Layout;

use crate::Frees;

/// What a workload announces: a strategy is built from it, and a profile is
/// checked against it.
///
/// ```
/// use core::alloc::Layout;
/// use strategy::Plan;
///
/// let plan = Plan::of(Layout::new::<[u64; 8]>()).live(1000);
/// assert_eq!((plan.max_size, plan.max_align, plan.live_blocks), (64, 8, 1000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The smallest block in bytes.
    pub min_size: usize,
    /// The largest block in bytes.
    pub max_size: usize,
    /// The largest alignment in bytes, a power of two.
    pub max_align: usize,
    /// The most blocks alive at one time.
    pub live_blocks: usize,
    /// How the workload gives memory back. [`Frees::Together`] means that it frees one by
    /// one for a strategy that must, and resets one that can.
    pub frees: Frees,
    /// Whether blocks are grown.
    pub grows: bool,
    /// The number of threads that use the strategy at the same time.
    pub threads: usize,
}

impl Default for Plan {
    /// One live block of 64 bytes aligned to 16, one thread.
    fn default() -> Self {
        Self::sizes(64, 64)
    }
}

impl Plan {
    /// Blocks of `min` to `max` bytes, aligned to 16, one alive at a time, freed one by
    /// one, on one thread.
    #[must_use]
    pub const fn sizes(min: usize, max: usize) -> Self {
        Self {
            min_size: min,
            max_size: max,
            max_align: 16,
            live_blocks: 1,
            frees: Frees::OneByOne,
            grows: false,
            threads: 1,
        }
    }

    /// Blocks of one layout; the rest as in [`Plan::sizes`].
    #[must_use]
    pub const fn of(layout: Layout) -> Self {
        Self { max_align: layout.align(), ..Self::sizes(layout.size(), layout.size()) }
    }

    /// With at most `blocks` alive at one time.
    #[must_use]
    pub const fn live(self, blocks: usize) -> Self {
        Self { live_blocks: blocks, ..self }
    }

    /// With all blocks given up together.
    #[must_use]
    pub const fn freed_together(self) -> Self {
        Self { frees: Frees::Together, ..self }
    }

    /// With blocks that grow.
    #[must_use]
    pub const fn growing(self) -> Self {
        Self { grows: true, ..self }
    }
}
