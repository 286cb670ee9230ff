//! A buffer in which broken strategies place their blocks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;

use strategy::{AllocError, BuildError};

/// The buffer in bytes: room for the live blocks of the smaller workloads.
const BYTES: usize = 4 << 20;

/// The alignment of the buffer.
const PAGE: usize = 4096;

/// The layout of the buffer: aligned, so that a misaligned block is one by intention.
const LAYOUT: Layout = match Layout::from_size_align(BYTES, PAGE) {
    Ok(layout) => layout,
    Err(_) => panic!("4 MiB at a page are a layout"),
};

/// A zeroed buffer of 4 MiB that blocks may lie in, wherever their strategy says.
#[derive(Debug)]
pub(crate) struct Carved {
    /// Came from `System` with `LAYOUT`, all bytes initialized, and is not freed.
    memory: NonNull<u8>,
}

impl Carved {
    pub(crate) fn new() -> Result<Self, BuildError> {
        // SAFETY: the layout's size is not 0.
        let memory = unsafe { System.alloc_zeroed(LAYOUT) };
        let memory = NonNull::new(memory).ok_or(BuildError::OutOfMemory { bytes: BYTES })?;
        Ok(Self { memory })
    }

    /// A block of `layout` at `offset` into the buffer, which is taken round its end: a block then
    /// lies where earlier ones did, which are dead as long as fewer are live than fit into the
    /// buffer. The alignment is the caller's to break, up to a page.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if the buffer is smaller than the block, or less aligned.
    pub(crate) fn block(&self, offset: usize, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.align() > PAGE {
            return Err(AllocError);
        }
        let room = BYTES.checked_sub(layout.size()).ok_or(AllocError)?;
        // Whole pages, so that an offset that is taken round keeps its distance from a page.
        let room = (room / PAGE * PAGE).max(1);
        // SAFETY: `offset % room + layout.size() <= BYTES`, the size of the buffer, except that a
        // block of the buffer's size has `room == 1` and with it offset 0.
        let start = unsafe { self.memory.add(offset % room) };
        Ok(NonNull::slice_from_raw_parts(start, layout.size()))
    }
}

impl Drop for Carved {
    fn drop(&mut self) {
        // SAFETY: `memory` came from `System` with `LAYOUT` and is not freed (its invariant).
        unsafe { System.dealloc(self.memory.as_ptr(), LAYOUT) };
    }
}
