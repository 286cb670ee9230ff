//! A write to a block that was freed.

use std::alloc::{Layout, dealloc};
use std::hint::black_box;

use buffers::OwnedBlock;

/// Writes where by now somebody else may have something.
pub fn bad() {
    let layout = Layout::new::<u64>();
    let start = super::block(layout);
    // SAFETY: the block came from `alloc` with this layout and is freed once.
    unsafe { dealloc(start.as_ptr(), layout) };
    let number = black_box(start).cast::<u64>();
    // SAFETY: none. A write needs memory that is allocated, and this was freed above.
    unsafe { number.write(42) };
}

/// The write comes first, since after `free` there is nothing to write to.
pub fn good() {
    let mut block = OwnedBlock::new(Layout::new::<u64>()).expect("there is memory");
    let number = block.bytes_mut().write_copy_of_slice(&42_u64.to_ne_bytes());
    black_box(number);
    block.free();
}
