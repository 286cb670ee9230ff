//! A write behind the end of a block.

use std::alloc::{Layout, dealloc};
use std::hint::black_box;

use buffers::OwnedBlock;

/// Fills 16 bytes, from 0 to 16.
pub fn bad() {
    let layout = Layout::new::<[u8; 16]>();
    let start = super::block(layout);
    for index in 0..=16_u8 {
        // A pointer like any other until it is written through.
        let place = black_box(start.as_ptr().wrapping_add(index.into()));
        // SAFETY: none. A write needs memory of the block, and the last one is behind its end.
        unsafe { place.write(index) };
    }
    // SAFETY: the block came from `alloc` with this layout and is freed once.
    unsafe { dealloc(black_box(start).as_ptr(), layout) };
}

/// The slice ends where the block does.
pub fn good() {
    let mut block = OwnedBlock::new(Layout::new::<[u8; 16]>()).expect("there is memory");
    for (place, index) in block.bytes_mut().iter_mut().zip(0..=16) {
        place.write(index);
    }
    black_box(block.bytes());
}
