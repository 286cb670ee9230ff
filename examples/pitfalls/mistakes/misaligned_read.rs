//! A read of a number at an address that does not suit it.

use std::alloc::{Layout, dealloc};
use std::hint::black_box;

use buffers::OwnedBlock;

/// Takes the bytes 1 to 8 of a message for a number.
pub fn bad() {
    let layout = Layout::new::<[u64; 2]>();
    let start = super::block(layout);
    // SAFETY: the block has 16 bytes.
    unsafe { start.write_bytes(1, layout.size()) };
    let number = black_box(start.as_ptr().wrapping_add(1)).cast::<u64>();
    // SAFETY: none. A `u64` is read at a multiple of 8, and this is one byte behind one.
    black_box(unsafe { *number });
    // SAFETY: the block came from `alloc` with this layout and is freed once.
    unsafe { dealloc(black_box(start).as_ptr(), layout) };
}

/// Bytes may lie anywhere.
pub fn good() {
    let mut block = OwnedBlock::new(Layout::new::<[u64; 2]>()).expect("there is memory");
    let message = block.bytes_mut().write_copy_of_slice(&[1; 16]);
    let number = *message[1..].first_chunk().expect("there are 8 bytes");
    black_box(u64::from_ne_bytes(number));
}
