//! Frees a block with another layout.

use std::alloc::Layout;

fn main() {
    let block = buffers::OwnedBlock::new(Layout::new::<[u64; 4]>()).unwrap();
    block.free(Layout::new::<[u64; 2]>());
}
