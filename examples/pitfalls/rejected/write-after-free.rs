//! Writes to a block that was freed.

fn main() {
    let mut block = buffers::OwnedBlock::new(std::alloc::Layout::new::<u64>()).unwrap();
    let bytes = block.bytes_mut();
    block.free();
    bytes[0].write(42);
}
