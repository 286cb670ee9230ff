//! What passes did, and how they fail.

use allocator_api2::collections::TryReserveError;
use strategy::{BlockError, BuildError, Misserved, Refused, Unsupported};

/// What passes did: operations served, and the wrapping sum of the stamps read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations served.
    pub ops: u64,
    /// The wrapping sum of the stamps.
    pub checksum: u64,
}

impl Tally {
    /// Counts one operation whose block held `stamp`.
    #[inline]
    pub fn add(&mut self, stamp: u64) {
        self.ops += 1;
        self.checksum = self.checksum.wrapping_add(stamp);
    }

    /// This tally, if it is the one that the seed fixes.
    ///
    /// # Errors
    ///
    /// [`Failure::WrongAnswer`] if it is not.
    pub fn verified(self, expected: Self) -> Result<Self, Failure> {
        let found = self;
        if found == expected { Ok(found) } else { Err(Failure::WrongAnswer { expected, found }) }
    }

    /// This tally and another one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { ops: self.ops + other.ops, checksum: self.checksum.wrapping_add(other.checksum) }
    }

    /// The tally of `passes` passes that each did this.
    #[must_use]
    pub fn times(self, passes: u64) -> Self {
        Self { ops: self.ops * passes, checksum: self.checksum.wrapping_mul(passes) }
    }
}

impl FromIterator<u64> for Tally {
    fn from_iter<I: IntoIterator<Item = u64>>(stamps: I) -> Self {
        let mut tally = Self::default();
        stamps.into_iter().for_each(|stamp| tally.add(stamp));
        tally
    }
}

/// Why a workload stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The strategy could not be built.
    #[error("could not be built: {0}")]
    Build(#[from] BuildError),
    /// The strategy refused a block.
    #[error("{0}, which its profile promises; out of memory?")]
    Refused(#[from] Refused),
    /// The strategy served a block that is misaligned or too short.
    #[error("{0}")]
    Misserved(#[from] Misserved),
    /// The strategy refused to grow a block.
    #[error("refused to grow a block of {bytes} bytes, which its profile promises; out of memory?")]
    NotGrown {
        /// What the block held, in bytes.
        bytes: usize,
    },
    /// The strategy refused to reset.
    #[error("could not be reset: {0}")]
    Reset(#[from] Unsupported),
    /// Memory that was asked for zeroed was not.
    #[error("a zeroed block was not zero")]
    NotZero,
    /// The operations or the contents read back are not the seed's.
    #[error(
        "wrong answer: {} operations with checksum {:#018x}, the seed's are {} with {:#018x}; \
         blocks overlap, or a block did not keep its contents",
        found.ops, found.checksum, expected.ops, expected.checksum
    )]
    WrongAnswer {
        /// What the seed fixes.
        expected: Tally,
        /// What the passes returned.
        found: Tally,
    },
    /// The strategy broke the contract in a way that a checking wrapper saw.
    #[error("{0}")]
    Violation(String),
}

impl From<BlockError> for Failure {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Refused(refused) => refused.into(),
            BlockError::Misserved(misserved) => misserved.into(),
        }
    }
}

impl Failure {
    /// A vector of `bytes` could not grow.
    pub(crate) fn not_grown(_: TryReserveError, bytes: usize) -> Self {
        Self::NotGrown { bytes }
    }
}
