//! A block that nobody frees.

use std::alloc::Layout;
use std::hint::black_box;

use buffers::OwnedBlock;

/// The last pointer to the block is gone.
pub fn bad() {
    lose();
    black_box(overwrite());
}

/// Nothing here is undefined: what is missing is the call that frees the block.
#[inline(never)]
fn lose() {
    black_box(super::block(Layout::new::<[u64; 5]>()));
}

/// Overwrites what is left of the pointer on the stack, where a tool might take it for a live one.
#[inline(never)]
fn overwrite() -> u8 {
    black_box([1; 16 << 10])[7]
}

/// The end of the scope frees it.
pub fn good() {
    let block = OwnedBlock::new(Layout::new::<[u64; 5]>()).expect("there is memory");
    black_box(&block);
}
