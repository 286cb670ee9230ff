//! A backing allocator that uses the very pool that it backs.

use std::cell::Cell;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};

/// A pool by its address, without its type.
pub type Address = NonNull<()>;

/// Has the pool allocate a block in every call, up to three calls deep, and keeps the blocks.
pub struct Nested {
    pool: Cell<Option<Address>>,
    allocate: unsafe fn(Address) -> Option<NonNull<u8>>,
    depth: Cell<usize>,
    kept: Cell<Vec<NonNull<u8>>>,
}

impl Nested {
    /// `allocate` gets a block of the pool at an address, where a pool of the right type lives.
    pub fn new(allocate: unsafe fn(Address) -> Option<NonNull<u8>>) -> Self {
        Self { pool: Cell::new(None), allocate, depth: Cell::new(0), kept: Cell::default() }
    }

    /// Uses the pool from now on.
    ///
    /// # Safety
    ///
    /// It is of the type that `allocate` takes it for, and stays where it is until [`Self::end`].
    pub unsafe fn begin(&self, pool: Address) {
        self.pool.set(Some(pool));
    }

    /// Leaves the pool alone from now on, and returns the blocks that were kept.
    pub fn end(&self) -> Vec<NonNull<u8>> {
        self.pool.set(None);
        self.kept.take()
    }
}

// SAFETY: every block is one of `Global`.
unsafe impl Allocator for Nested {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if self.depth.get() < 3
            && let Some(pool) = self.pool.get()
        {
            self.depth.set(self.depth.get() + 1);
            // SAFETY: the duty of whoever called `begin`.
            let block = unsafe { (self.allocate)(pool) };
            let mut kept = self.kept.take();
            kept.extend(block);
            self.kept.set(kept);
            self.depth.set(self.depth.get() - 1);
        }
        Global.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty.
        unsafe { Global.deallocate(pointer, layout) };
    }
}
