//! Where the chunks of an arena come from: the backing allocator, a limit, and the growth policy.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::arithmetic::{ChunkShape, Growth};
use crate::chunk::{self, FOOTER, Footer};

/// A limit that no chunk passes.
pub(crate) const NO_LIMIT: usize = usize::MAX;

/// The backing allocator, and what it may be asked for.
pub(crate) struct Source<A> {
    /// Where the memory comes from. It is not replaced as long as a chunk is taken.
    backing: A,
    /// How large the chunks become.
    growth: Growth,
    /// What `reserved` does not pass when a chunk is taken.
    limit: usize,
    /// The bytes of all chunks that are taken and not given back.
    reserved: Cell<usize>,
}

impl<A> Source<A> {
    pub(crate) const fn new(backing: A, growth: Growth, limit: usize) -> Self {
        Self { backing, growth, limit, reserved: Cell::new(0) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// The bytes of all chunks that are taken and not given back.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved.get()
    }
}

impl<A: Allocator> Source<A> {
    /// Takes a chunk with room for a block of `layout`, which has at least one byte: the one that
    /// the growth policy asks for after one of `newest_bytes`, or the largest that the limit
    /// leaves, or the least. As [`chunk::take`] otherwise.
    pub(crate) fn take_for(
        &self,
        layout: Layout,
        newest_bytes: usize,
        newest: &Cell<Option<NonNull<Footer>>>,
    ) -> Result<NonNull<Footer>, AllocError> {
        let (size, align) = (layout.size(), layout.align());
        let grown = ChunkShape::grown(self.growth, newest_bytes, size, align, FOOTER);
        let least = ChunkShape::least(size, align, FOOTER).ok_or(AllocError)?;
        let left = self.limit.saturating_sub(self.reserved.get());
        let shape = grown.and_then(|grown| grown.within(left, least, FOOTER)).ok_or(AllocError)?;
        // A system that is short of memory may still have a smaller chunk.
        self.take(shape, newest).or_else(|_| self.take(least, newest))
    }

    /// As [`chunk::take`], if the limit leaves as much.
    pub(crate) fn take(
        &self,
        shape: ChunkShape,
        newest: &Cell<Option<NonNull<Footer>>>,
    ) -> Result<NonNull<Footer>, AllocError> {
        let bytes = shape.layout.size();
        let before = self.reserved.get();
        let reserved = before.checked_add(bytes).filter(|&reserved| reserved <= self.limit);
        // Counted before it is taken: the backing allocator may itself use the arena.
        self.reserved.set(reserved.ok_or(AllocError)?);
        let taken = chunk::take(&self.backing, shape, newest);
        if taken.is_err() {
            self.reserved.set(self.reserved.get() - bytes);
        }
        taken
    }

    /// Gives a chunk back.
    ///
    /// # Safety
    ///
    /// `footer` came from this source. Neither it nor any byte of the chunk is used from now on.
    pub(crate) unsafe fn give_back(&self, footer: NonNull<Footer>) {
        // SAFETY: a footer that is not given back is initialized.
        let bytes = unsafe { footer.as_ref() }.layout.size();
        self.reserved.set(self.reserved.get() - bytes);
        // SAFETY: it came from `backing` by `take`, and is not used from now on (the caller's
        // duty).
        unsafe { chunk::give_back(&self.backing, footer) };
    }
}
