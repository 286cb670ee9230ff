//! "Simple Pool Implementation".

use std::alloc::{Layout, alloc, dealloc};

/// A pool of blocks. Any pointer may be given back to it, its alignment is 8, and a block that is out when it is dropped
/// is lost.
///
/// The sketch has its block size in a field as well, which nobody reads.
///
/// It says nothing of threads, and so may not be sent to one, although nothing would be wrong with it:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<sketches::MemoryPool>();
/// ```
pub struct MemoryPool {
    blocks: Vec<*mut u8>,
    layout: Layout,
}

impl MemoryPool {
    /// A pool of blocks of `block_size` bytes, with some up front.
    pub fn new(block_size: usize, initial_blocks: usize) -> Self {
        let layout = Layout::from_size_align(block_size, 8).unwrap();
        let mut blocks = Vec::new();

        for _ in 0..initial_blocks {
            unsafe {
                let ptr = alloc(layout);
                if !ptr.is_null() {
                    blocks.push(ptr);
                }
            }
        }

        Self { blocks, layout }
    }

    /// A block, or `None` without memory.
    pub fn allocate(&mut self) -> Option<*mut u8> {
        self.blocks.pop().or_else(|| {
            // Allocate new block if pool is empty
            unsafe {
                let ptr = alloc(self.layout);
                if ptr.is_null() { None } else { Some(ptr) }
            }
        })
    }

    /// Takes a block back, or whatever the pointer points to.
    pub fn deallocate(&mut self, ptr: *mut u8) {
        // Return to pool instead of freeing
        self.blocks.push(ptr);
    }
}

impl Drop for MemoryPool {
    fn drop(&mut self) {
        // Free all remaining blocks
        for ptr in self.blocks.drain(..) {
            unsafe {
                dealloc(ptr, self.layout);
            }
        }
    }
}
