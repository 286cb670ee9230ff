//! A backing allocator that keeps books.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};

/// What a fresh block is filled with, so that nothing is zero by luck.
const DIRTY: u8 = 0xD7;

/// The most bytes that are filled: the tests of blocks of many MiB would take seconds.
const MOST_DIRTY: usize = 1 << 20;

/// A backing allocator that keeps books: it knows the layout of every block that is out, and
/// refuses the call it is told to.
#[derive(Default)]
pub struct Backing {
    out: RefCell<HashMap<usize, Layout>>,
    calls: Cell<usize>,
    refused_call: Cell<Option<usize>>,
}

impl Backing {
    /// Refuses the call after `calls` more.
    pub fn refuse_after(&self, calls: usize) {
        self.refused_call.set(Some(self.calls.get() + calls));
    }

    /// The calls of `allocate` so far.
    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    /// The bytes that are out.
    pub fn bytes(&self) -> usize {
        self.out.borrow().values().map(Layout::size).sum()
    }
}

// SAFETY: every block is one of `Global`, which keeps the contract; the books do not touch it.
unsafe impl Allocator for Backing {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let call = self.calls.replace(self.calls.get() + 1);
        if self.refused_call.get() == Some(call) {
            return Err(AllocError);
        }
        let block = Global.allocate(layout)?;
        // SAFETY: the block has `block.len()` bytes.
        unsafe { block.cast::<u8>().write_bytes(DIRTY, block.len().min(MOST_DIRTY)) };
        if layout.size() > 0 {
            let taken = self.out.borrow_mut().insert(block.addr().get(), layout);
            assert_eq!(taken, None);
        }
        Ok(block)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            let allocated = self.out.borrow_mut().remove(&pointer.addr().get());
            assert_eq!(allocated, Some(layout), "freed twice, or with another layout");
        }
        // SAFETY: `pointer` is out and has this layout, by the books.
        unsafe { Global.deallocate(pointer, layout) };
    }
}
