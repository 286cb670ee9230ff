//! Frees a block twice.

fn main() {
    let block = buffers::OwnedBlock::new(std::alloc::Layout::new::<u64>()).unwrap();
    block.free();
    block.free();
}
