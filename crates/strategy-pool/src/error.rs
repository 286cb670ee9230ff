//! The errors: each says what was asked for.

use core::error::Error;
use core::fmt;

use allocator_api2::alloc::{Layout, handle_alloc_error};

/// There is no memory for more blocks, or their size overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The number of blocks asked for.
    pub blocks: usize,
    /// The layout of each.
    pub block: Layout,
}

impl OutOfMemory {
    /// What the infallible twins do: report it like `Vec` does.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_up(self) -> ! {
        let all = self.block.size().checked_mul(self.blocks);
        match all.and_then(|size| Layout::from_size_align(size, self.block.align()).ok()) {
            Some(layout) => handle_alloc_error(layout),
            None => panic!("capacity overflow: {self}"),
        }
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, block } = self;
        let (size, align) = (block.size(), block.align());
        write!(f, "no memory for {blocks} more blocks of {size} bytes aligned to {align}")
    }
}

impl Error for OutOfMemory {}

/// A pool had no slot for a value; here the value is again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rejected<T> {
    /// The value that found no slot.
    pub value: T,
    /// Why.
    pub reason: OutOfMemory,
}

impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<T> Error for Rejected<T> {}
