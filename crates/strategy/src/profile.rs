//! What a strategy can serve, and whether that covers a plan.

use crate::{Plan, Unsupported};

/// What a strategy can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The sizes.
    pub sizes: Sizes,
    /// The largest alignment in bytes, a power of two.
    pub max_align: usize,
    /// How memory is given back.
    pub frees: Frees,
    /// What [`Strategy::reset`](crate::Strategy::reset) does.
    pub reset: Reset,
    /// Who may call.
    pub threads: Threads,
}

impl Profile {
    /// Every size and alignment, freed one by one, from any thread: a general-purpose allocator.
    pub const GENERAL: Self = Self {
        sizes: Sizes::Any,
        max_align: Self::ANY_ALIGN,
        frees: Frees::OneByOne,
        reset: Reset::Unsupported,
        threads: Threads::Shared,
    };

    /// The largest alignment that a `Layout` can have with a size above 0: 2^62 bytes.
    pub const ANY_ALIGN: usize = 1 << (usize::BITS - 2);

    /// Checks that this profile covers `plan`.
    ///
    /// # Errors
    ///
    /// The first demand that it does not cover.
    pub fn serves(&self, plan: &Plan) -> Result<(), Unsupported> {
        if self.sizes == Sizes::OneBlock && plan.min_size != plan.max_size {
            return Err(Unsupported::new(
                "has one block size; the workload asks for several between its smallest and largest",
            ));
        }
        if plan.grows && self.sizes == Sizes::OneBlock {
            return Err(Unsupported::new("has one block size; the workload grows its blocks"));
        }
        if plan.max_align > self.max_align {
            return Err(Unsupported::new(
                "does not serve the alignment that the workload asks for",
            ));
        }
        if plan.frees == Frees::OneByOne && self.frees == Frees::Together {
            return Err(Unsupported::new(
                "frees only all at once; the workload frees one block at a time",
            ));
        }
        if plan.threads > 1 && self.threads == Threads::Owner {
            return Err(Unsupported::new("belongs to one thread; the workload has several"));
        }
        Ok(())
    }
}

/// The sizes that a strategy serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Every size.
    Any,
    /// Blocks of one size, set when the strategy is built to the plan's largest.
    /// A smaller request gets a whole block; a larger one is refused.
    OneBlock,
}

/// How memory is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frees {
    /// One block at a time, in any order.
    OneByOne,
    /// All at once, by `reset` or by dropping the strategy. Freeing one block is
    /// allowed and may do nothing.
    Together,
}

/// What [`Strategy::reset`](crate::Strategy::reset) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Nothing: it returns an error.
    Unsupported,
    /// Keeps the largest chunk for reuse and gives back the others.
    KeepsLargestChunk,
    /// Keeps all memory for reuse.
    KeepsAll,
}

/// Who may call a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The one thread that owns it.
    Owner,
    /// All threads at once; a block may be freed by another thread than the one that got it.
    Shared,
}
