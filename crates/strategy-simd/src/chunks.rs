//! The memory that the blocks of a class are carved from: a list of chunks of the backing
//! allocator.
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
pub(crate) struct Chunk {
    /// The start of the chunk, with the provenance of all of it.
    start: NonNull<u8>,
    /// The bytes of its blocks, which are the first ones.
    block_bytes: usize,
    /// What the chunk was allocated with.
    layout: Layout,
    /// The chunk that was added before.
    older: Option<NonNull<Chunk>>,
}

impl Chunk {
    /// The address of the first block.
    pub(crate) fn start(&self) -> usize {
        self.start.addr().get()
    }

    /// The bytes of the blocks.
    pub(crate) fn block_bytes(&self) -> usize {
        self.block_bytes
    }
}

/// A list of chunks. It has no `Drop`: its owner calls [`release`](Self::release) with the
/// allocator that the chunks came from.
pub(crate) struct Chunks {
    /// The newest record. It and every record that it leads to is initialized, lies in a live
    /// allocation of its own `layout`, is on one list only, and does not move before `release`.
    newest: Cell<Option<NonNull<Chunk>>>,
    /// The sum of `layout.size()` over the list.
    bytes: Cell<usize>,
}

impl Chunks {
    /// No chunk.
    pub(crate) const fn new() -> Self {
        Self { newest: Cell::new(None), bytes: Cell::new(0) }
    }

    /// The bytes of all chunks.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Adds a chunk whose blocks have the layout `blocks` together, and returns its start.
    ///
    /// # Errors
    ///
    /// If the size overflows or the backing allocator has no memory; nothing has changed then.
    pub(crate) fn add(
        &self,
        blocks: Layout,
        backing: &impl Allocator,
    ) -> Result<NonNull<u8>, AllocError> {
        let (layout, offset) = blocks.extend(Layout::new::<Chunk>()).map_err(|_| AllocError)?;
        let start = backing.allocate(layout)?.cast::<u8>();
        // SAFETY: `offset + size_of::<Chunk>() == layout.size()`, by `extend`.
        let record = unsafe { start.add(offset) }.cast::<Chunk>();
        memcheck::taken(start, layout.size());
        memcheck::record_made(record.cast(), size_of::<Chunk>());
        let older = self.newest.get();
        let chunk = Chunk { start, block_bytes: blocks.size(), layout, older };
        // SAFETY: as above, and aligned, since `extend` aligns both `layout` and `offset`.
        unsafe { record.write(chunk) };
        self.newest.set(Some(record));
        self.bytes.set(self.bytes.get() + layout.size());
        Ok(start)
    }

    /// The chunk that `address` lies in.
    pub(crate) fn find(&self, address: usize) -> Option<Chunk> {
        let mut next = self.newest.get();
        while let Some(record) = next {
            // SAFETY: `record` is on the list, so it is initialized (the invariant of `newest`).
            let chunk = unsafe { record.read() };
            if address.wrapping_sub(chunk.start()) < chunk.block_bytes {
                return Some(chunk);
            }
            next = chunk.older;
        }
        None
    }

    /// Moves the chunks that `leaves` says yes to, to a list of their own. The
    /// closure does not reach this list.
    pub(crate) fn split_off(&self, mut leaves: impl FnMut(&Chunk) -> bool) -> Self {
        let (staying, leaving) = (Self::new(), Self::new());
        let mut next = self.newest.take();
        self.bytes.set(0);
        while let Some(record) = next {
            // SAFETY: `record` was on this list, so it is initialized (the invariant of `newest`).
            let chunk = unsafe { record.read() };
            next = chunk.older;
            let list = if leaves(&chunk) { &leaving } else { &staying };
            let linked = Chunk { older: list.newest.replace(Some(record)), ..chunk };
            // SAFETY: as above; the record is on no other list, and nobody holds a reference to it.
            unsafe { record.write(linked) };
            list.bytes.set(list.bytes.get() + chunk.layout.size());
        }
        self.newest.set(staying.newest.take());
        self.bytes.set(staying.bytes.get());
        leaving
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
