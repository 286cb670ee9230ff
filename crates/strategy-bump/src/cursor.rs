//! The cursor: how blocks are carved from the free bytes, and bytes become free again.

use core::num::NonZero;
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use strategy::memcheck;

use crate::{Bump, arithmetic};

impl<A: Allocator> Bump<A> {
    /// Carves a block from the newest chunk, or else from a new one.
    #[inline(always)]
    pub(crate) fn carve(&self, layout: Layout) -> Option<NonNull<u8>> {
        let block = match self.carve_from_newest(layout) {
            Some(block) => block,
            None => self.carve_otherwise(layout)?,
        };
        self.blocks.allocated(block, layout.size());
        Some(block)
    }

    #[inline(always)]
    fn carve_from_newest(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let cursor_address = cursor.addr().get();
        let start = self.chunk_start.get();
        let address = arithmetic::carve(start, cursor_address, layout)?;
        // SAFETY: `start <= address <= cursor_address` (`carve`), so the pointer stays inside the
        // chunk that `cursor` has the provenance of (its invariant).
        let block = unsafe { cursor.sub(cursor_address - address) };
        self.cursor.set(block);
        Some(block)
    }

    /// The upper end of the free bytes.
    #[inline(always)]
    pub(crate) fn cursor(&self) -> NonNull<u8> {
        self.cursor.get()
    }

    /// Carves a block of `new` that ends where the newest one of `old_size` bytes ends, whose place
    /// it overlaps. `None` as in [`arithmetic::carve`]. The caller tells `blocks` of it.
    ///
    /// # Safety
    ///
    /// The newest block has `old_size` bytes, and `new` has at least as many.
    #[inline]
    pub(crate) unsafe fn recarve(&self, old_size: usize, new: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let cursor_address = cursor.addr().get();
        let start = self.chunk_start.get();
        let end = cursor_address + old_size;
        let address = arithmetic::carve(start, end, new)?;
        debug_assert!(address <= cursor_address);
        // SAFETY: `start <= address` and `address + new.size() <= end` (`carve`), so with
        // `new.size() >= old_size` (the caller's duty) it is at most `cursor_address`: the pointer
        // stays inside the chunk that `cursor` has the provenance of (its invariant).
        let block = unsafe { cursor.sub(cursor_address - address) };
        memcheck::opened(block, cursor_address - address);
        self.cursor.set(block);
        Some(block)
    }

    /// As [`arithmetic::raise_of_shrunk`], of the newest block.
    #[inline]
    pub(crate) fn raise_of_shrunk(&self, old_size: usize, new: Layout) -> Option<usize> {
        let cursor_address = self.cursor.get().addr().get();
        arithmetic::raise_of_shrunk(cursor_address, old_size, new.size(), new.align())
    }

    /// Makes the `bytes` above the cursor free.
    ///
    /// # Safety
    ///
    /// They belong to the newest block, and nobody uses them from now on.
    #[inline]
    pub(crate) unsafe fn raise_cursor(&self, bytes: usize) {
        debug_assert!(bytes <= self.top.get() - self.cursor.get().addr().get());
        // SAFETY: the bytes are those of a block of the newest chunk (the caller's duty), so their
        // end is inside the chunk that `cursor` has the provenance of.
        self.cursor.set(unsafe { self.cursor.get().add(bytes) });
    }

    /// Tells memcheck that so many bytes of the newest chunk from an address on are free.
    #[inline(always)]
    pub(crate) fn unused(&self, start: usize, bytes: usize) {
        if let Some(start) = NonZero::new(start) {
            memcheck::unused(self.cursor.get().with_addr(start), bytes);
        }
    }

    /// The blocks that the newest chunk has no room for.
    #[cold]
    #[inline(never)]
    fn carve_otherwise(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            return Some(layout.dangling_ptr());
        }
        let newest_bytes = self.newest_bytes();
        let footer = self.source().take_for(layout, newest_bytes, &self.newest).ok()?;
        self.make_newest(footer);
        let block = self.carve_from_newest(layout);
        debug_assert!(block.is_some(), "a chunk has room for the block that it was taken for");
        block
    }
}
