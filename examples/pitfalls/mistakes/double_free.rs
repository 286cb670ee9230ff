//! A block that is freed twice.

use std::alloc::{Layout, dealloc};
use std::hint::black_box;

use buffers::OwnedBlock;

/// Frees what by now may be somebody else's.
pub fn bad() {
    let layout = Layout::new::<u64>();
    let start = super::block(layout);
    // SAFETY: the block came from `alloc` with this layout and is not freed.
    unsafe { dealloc(black_box(start).as_ptr(), layout) };
    // SAFETY: none. A block is freed once, and this one was freed above.
    unsafe { dealloc(black_box(start).as_ptr(), layout) };
}

/// After `free` there is no block to free.
pub fn good() {
    let block = OwnedBlock::new(Layout::new::<u64>()).expect("there is memory");
    black_box(&block);
    block.free();
}
