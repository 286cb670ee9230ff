//! The error of a buffer that could not be made.

use core::error::Error;
use core::fmt;

use allocator_api2::alloc::{Layout, handle_alloc_error};

/// A buffer could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferError {
    /// Its size in bytes is more than a buffer can have, `isize::MAX`.
    Overflow {
        /// The number of elements asked for.
        len: usize,
        /// The size of each.
        element_bytes: usize,
    },
    /// There is no memory for it.
    OutOfMemory {
        /// What the allocator was asked for.
        layout: Layout,
    },
}

impl BufferError {
    /// What the infallible twins do: report it like `Vec` does.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_up(self) -> ! {
        match self {
            Self::Overflow { .. } => panic!("capacity overflow: {self}"),
            Self::OutOfMemory { layout } => handle_alloc_error(layout),
        }
    }
}

impl fmt::Display for BufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow { len, element_bytes } => {
                write!(f, "{len} elements of {element_bytes} bytes are more than a buffer can have")
            }
            Self::OutOfMemory { layout } => {
                let (size, align) = (layout.size(), layout.align());
                write!(f, "no memory for a buffer of {size} bytes aligned to {align}")
            }
        }
    }
}

impl Error for BufferError {}
