//! The error of memory that could not be had.

use core::alloc::Layout;
use core::error::Error;
use core::fmt;
use std::io;

use allocator_api2::alloc::handle_alloc_error;

/// There is no such block: memory is out, or it is more than a block can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// What was asked for, or `usize::MAX` if that is too much to be counted.
    pub bytes: usize,
    /// The alignment that was asked for, in bytes.
    pub align: usize,
}

impl OutOfMemory {
    /// A block of `layout` was refused.
    #[inline]
    pub(crate) const fn of(layout: Layout) -> Self {
        Self { bytes: layout.size(), align: layout.align() }
    }

    /// A block of `len` values of `T` was refused, or cannot be.
    #[inline]
    pub(crate) const fn of_array<T>(len: usize) -> Self {
        Self { bytes: size_of::<T>().saturating_mul(len), align: align_of::<T>() }
    }

    /// What the infallible twins do: report it as `Vec` does.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_up(self) -> ! {
        match Layout::from_size_align(self.bytes, self.align) {
            Ok(layout) => handle_alloc_error(layout),
            Err(_) => panic!("capacity overflow: {self}"),
        }
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, align } = self;
        write!(f, "no memory for {bytes} bytes aligned to {align}")
    }
}

impl Error for OutOfMemory {}

impl From<OutOfMemory> for io::Error {
    fn from(error: OutOfMemory) -> Self {
        Self::new(io::ErrorKind::OutOfMemory, error)
    }
}
