//! A read of what was never written.

use std::alloc::{Layout, dealloc};
use std::hint::black_box;

use buffers::OwnedBlock;

/// Decides by whatever happens to be in fresh memory.
pub fn bad() {
    let layout = Layout::new::<u64>();
    let start = super::block(layout);
    let number = black_box(start).cast::<u64>();
    // SAFETY: none. A value that is read has to be written first, and this one never was.
    let number = unsafe { number.read() };
    if black_box(number) == 42 {
        println!("by chance");
    }
    // SAFETY: the block came from `alloc` with this layout and is freed once.
    unsafe { dealloc(black_box(start).as_ptr(), layout) };
}

/// Until it is written, a byte is a `MaybeUninit<u8>`, which compares to nothing.
pub fn good() {
    let mut block = OwnedBlock::new(Layout::new::<u64>()).expect("there is memory");
    let number = block.bytes_mut().write_copy_of_slice(&7_u64.to_ne_bytes());
    if *number == 42_u64.to_ne_bytes() {
        println!("never");
    }
}
