//! The memory that blocks are carved from: a list of chunks of the backing allocator.
//!
//! A chunk is its blocks and behind them a [`Chunk`], the record that links it to the chunk
//! before. At the end the record costs its own bytes only; at the start it would cost a
//! whole alignment of the blocks.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};
use strategy::memcheck;

/// The record at the end of a chunk.
#[derive(Clone, Copy)]
struct Chunk {
    /// The start of the chunk, with the provenance of all of it.
    start: NonNull<u8>,
    /// What the chunk was allocated with.
    layout: Layout,
    /// The number of blocks, from `start` on without gaps.
    blocks: usize,
    /// The chunk that was added before.
    older: Option<NonNull<Chunk>>,
}

/// A list of chunks. It has no `Drop`: its owner calls [`release`](Self::release) with the
/// allocator that the chunks came from.
pub(crate) struct Chunks {
    /// The newest record. It and every record that it leads to is initialized, lies in a live
    /// allocation of its own `layout`, and is neither moved nor written before `release`.
    newest: Cell<Option<NonNull<Chunk>>>,
    /// The sum of `blocks` over the list.
    blocks: Cell<usize>,
    /// The sum of `layout.size()` over the list.
    bytes: Cell<usize>,
    /// Where `revisit` goes on: on the list, or `None`.
    revisited: Cell<Option<NonNull<Chunk>>>,
}

impl Chunks {
    /// No chunk.
    pub(crate) const fn new() -> Self {
        Self {
            newest: Cell::new(None),
            blocks: Cell::new(0),
            bytes: Cell::new(0),
            revisited: Cell::new(None),
        }
    }

    /// The number of blocks in all chunks.
    #[inline]
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.get()
    }

    /// The bytes of all chunks.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Adds a chunk of `blocks` blocks and returns the first. `block.size()` is a multiple of
    /// `block.align()`, so that the others follow aligned.
    ///
    /// # Errors
    ///
    /// If the size overflows or the backing allocator has no memory; nothing has changed then.
    pub(crate) fn add(
        &self,
        block: Layout,
        blocks: usize,
        backing: &impl Allocator,
    ) -> Result<NonNull<u8>, AllocError> {
        debug_assert_eq!(block, block.pad_to_align());
        let (layout, record_offset) = chunk_layout(block, blocks).ok_or(AllocError)?;
        let start = backing.allocate(layout)?.cast::<u8>();
        // SAFETY: `record_offset + size_of::<Chunk>() == layout.size()`, by `chunk_layout`.
        let record = unsafe { start.add(record_offset) }.cast::<Chunk>();
        memcheck::taken(start, layout.size());
        memcheck::record_made(record.cast(), size_of::<Chunk>());
        let older = self.newest.get();
        // SAFETY: as above, and aligned, since `chunk_layout` aligns both `start` and the offset.
        unsafe { record.write(Chunk { start, layout, blocks, older }) };
        self.newest.set(Some(record));
        self.blocks.set(self.blocks.get() + blocks);
        self.bytes.set(self.bytes.get() + layout.size());
        Ok(start)
    }

    /// The first block of each chunk and their number, newest chunk first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NonNull<u8>, usize)> {
        let mut next = self.newest.get();
        core::iter::from_fn(move || {
            // SAFETY: `next` is on the list, so the record is initialized (the invariant of
            // `newest`); the list outlives `self`'s borrow, since `release` takes `&mut self`.
            let chunk = unsafe { next?.read() };
            next = chunk.older;
            Some((chunk.start, chunk.blocks))
        })
    }

    /// Lets [`revisit`](Self::revisit) begin anew.
    pub(crate) fn rewind(&mut self) {
        self.revisited.set(self.newest.get());
    }

    /// The first block and the number of blocks of the next chunk since the last
    /// [`rewind`](Self::rewind), newest first; nothing when all were visited, or without a
    /// rewind.
    pub(crate) fn revisit(&self) -> Option<(NonNull<u8>, usize)> {
        // SAFETY: the record is on the list (the invariant of `revisited`), so it is initialized
        // (that of `newest`).
        let chunk = unsafe { self.revisited.get()?.read() };
        self.revisited.set(chunk.older);
        Some((chunk.start, chunk.blocks))
    }

    /// Gives all chunks back and leaves an empty list.
    ///
    /// # Safety
    ///
    /// `backing` is the allocator that every call of [`add`](Self::add) was given, and nothing in
    /// the chunks is used any more.
    pub(crate) unsafe fn release(&mut self, backing: &impl Allocator) {
        let mut next = core::mem::replace(self, Self::new()).newest.get();
        while let Some(record) = next {
            // SAFETY: the record was on the list and its chunk is freed only below, after
            // `next` has moved on.
            let Chunk { start, layout, older, .. } = unsafe { record.read() };
            next = older;
            memcheck::record_gone(record.cast(), size_of::<Chunk>());
            memcheck::returned(start, layout.size());
            // SAFETY: the chunk came from `backing` with `layout` (the caller's duty and `add`).
            unsafe { backing.deallocate(start, layout) };
        }
    }
}

/// The layout of a chunk and the offset of its record, or `None` on overflow.
fn chunk_layout(block: Layout, blocks: usize) -> Option<(Layout, usize)> {
    let blocks = Layout::from_size_align(block.size().checked_mul(blocks)?, block.align()).ok()?;
    blocks.extend(Layout::new::<Chunk>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_its_blocks_and_a_record() {
        let block = Layout::from_size_align(4096, 4096).unwrap();
        let (layout, offset) = chunk_layout(block, 3).unwrap();
        assert_eq!((offset, layout.align()), (3 * 4096, 4096));
        assert_eq!(layout.size(), 3 * 4096 + size_of::<Chunk>());
        let (layout, offset) = chunk_layout(Layout::new::<[u8; 3]>(), 3).unwrap();
        assert_eq!((offset, layout.align()), (16, align_of::<Chunk>()));
    }

    #[test]
    fn a_chunk_larger_than_a_layout_can_be_is_refused() {
        let block = Layout::new::<u64>();
        let most = isize::MAX as usize / 8;
        assert!(chunk_layout(block, most).is_none(), "no room for the record");
        assert!(chunk_layout(block, most + 1).is_none());
        assert!(chunk_layout(block, usize::MAX).is_none());
    }
}
