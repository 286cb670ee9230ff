//! A read of a block that was freed.

use std::alloc::{Layout, dealloc};
use std::hint::black_box;

use buffers::OwnedBlock;

/// Reads what by now may be somebody else's.
pub fn bad() {
    let layout = Layout::new::<u64>();
    let start = super::block(layout);
    // SAFETY: the block has the layout of a `u64`.
    unsafe { start.cast::<u64>().write(42) };
    // SAFETY: the block came from `alloc` with this layout and is freed once.
    unsafe { dealloc(black_box(start).as_ptr(), layout) };
    let number = black_box(start).cast::<u64>();
    // SAFETY: none. A read needs memory that is allocated, and this was freed above.
    black_box(unsafe { number.read() });
}

/// The read comes first, since the bytes borrow the block.
pub fn good() {
    let mut block = OwnedBlock::new(Layout::new::<u64>()).expect("there is memory");
    let number = block.bytes_mut().write_copy_of_slice(&42_u64.to_ne_bytes());
    assert_eq!(*number, 42_u64.to_ne_bytes());
    block.free();
}
