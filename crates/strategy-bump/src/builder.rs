//! How an arena is made that is not to have the usual chunks, or not more than so many bytes.

use allocator_api2::alloc::{Allocator, Global};

use crate::Bump;
use crate::arithmetic::Growth;
use crate::source::NO_LIMIT;

/// What an arena's chunks are like, and how many bytes they may have.
///
/// | setting | default |
/// | --- | --- |
/// | [`first_chunk`](Self::first_chunk) | 1 KiB |
/// | [`growth_factor`](Self::growth_factor) | 2 |
/// | [`largest_chunk`](Self::largest_chunk) | 64 MiB |
/// | [`limit`](Self::limit) | none |
///
/// A chunk is 16 bytes less than these say, since an allocator keeps about as much beside each
/// block, and the last 32 of its bytes are the arena's own.
///
/// ```
/// use strategy_bump::Bump;
///
/// let pages = Bump::builder().first_chunk(4096).growth_factor(1).limit(1 << 20).build();
/// for number in 0..1000_u64 {
///     pages.alloc([number; 4]);
/// }
/// assert_eq!(pages.reserved_bytes(), 8 * (4096 - 16));
/// assert!(pages.try_alloc_slice_fill_copy(1 << 20, 0_u8).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Builder {
    growth: Growth,
    limit: usize,
}

impl Builder {
    pub(crate) const fn new() -> Self {
        Self { growth: Growth::DEFAULT, limit: NO_LIMIT }
    }

    /// The size of the first chunk in bytes, which no chunk is below unless the limit leaves less.
    pub const fn first_chunk(mut self, bytes: usize) -> Self {
        self.growth.first = bytes;
        self
    }

    /// How many times as large as the chunk before a chunk is; with 1 or 0 all are as large as the
    /// first.
    pub const fn growth_factor(mut self, factor: usize) -> Self {
        self.growth.factor = factor;
        self
    }

    /// The size in bytes at which chunks no longer grow; less than the first chunk counts as that.
    /// A block that needs more gets a chunk of its own size.
    pub const fn largest_chunk(mut self, bytes: usize) -> Self {
        self.growth.largest = bytes;
        self
    }

    /// The most bytes that all chunks together may have; see [`Bump::set_limit`].
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// An arena without a chunk that takes its memory from the program's allocator.
    #[must_use]
    pub const fn build(self) -> Bump {
        self.build_in(Global)
    }

    /// An arena without a chunk that takes its memory from `backing`.
    #[must_use]
    pub const fn build_in<A: Allocator>(self, backing: A) -> Bump<A> {
        Bump::from_parts(backing, self.growth, self.limit)
    }
}
