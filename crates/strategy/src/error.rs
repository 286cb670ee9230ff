//! The errors: each says what was asked for.

use core::alloc::Layout;
use core::error::Error;
use core::fmt;

/// Something that a strategy does not do. It reads as the end of a sentence that
/// begins with the strategy's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    reason: &'static str,
}

impl Unsupported {
    /// With a reason such as "frees only all at once".
    #[must_use]
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for Unsupported {}

/// A strategy could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// Its profile excludes the plan.
    Unsupported(Unsupported),
    /// The memory that it takes up front is not to be had.
    OutOfMemory {
        /// What it asked for, in bytes.
        bytes: usize,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(unsupported) => unsupported.fmt(f),
            Self::OutOfMemory { bytes } => write!(f, "out of memory for {bytes} bytes up front"),
        }
    }
}

impl Error for BuildError {}

impl From<Unsupported> for BuildError {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}

/// A strategy refused a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was asked for.
    pub layout: Layout,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, align) = (self.layout.size(), self.layout.align());
        write!(f, "refused a block of {size} bytes aligned to {align}")
    }
}

impl Error for Refused {}

/// A strategy served something else than what it was asked for: memory that is not aligned, or too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misserved {
    /// What was asked for.
    pub layout: Layout,
    /// Where the memory is.
    pub address: usize,
    /// How much it is, in bytes.
    pub bytes: usize,
}

impl fmt::Display for Misserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layout, address, bytes } = *self;
        let (size, align) = (layout.size(), layout.align());
        let fault = if bytes < size { "too short" } else { "misaligned" };
        write!(
            f,
            "served {bytes} bytes at {address:#x} when asked for {size} bytes aligned to {align}: {fault}"
        )
    }
}

impl Error for Misserved {}

/// Why there is no [`Block`](crate::Block).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The strategy has none.
    Refused(Refused),
    /// What it served is none.
    Misserved(Misserved),
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Misserved(misserved) => misserved.fmt(f),
        }
    }
}

impl Error for BlockError {}
