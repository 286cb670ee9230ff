//! A block that is freed with another layout.

use std::alloc::{Layout, dealloc};
use std::hint::black_box;

use buffers::OwnedBlock;

/// Frees half of a block, for an allocator that goes by what it is told.
pub fn bad() {
    let start = super::block(Layout::new::<[u64; 4]>());
    let half = Layout::new::<[u64; 2]>();
    // SAFETY: none. A block is freed with the layout that it was got with, and this is not it.
    unsafe { dealloc(black_box(start).as_ptr(), half) };
}

/// The layout is in the block; `free` takes no other.
pub fn good() {
    let block = OwnedBlock::new(Layout::new::<[u64; 4]>()).expect("there is memory");
    black_box(&block);
    block.free();
}
