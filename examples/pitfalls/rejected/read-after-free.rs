//! Reads a block that was freed.

fn main() {
    let mut block = buffers::OwnedBlock::new(std::alloc::Layout::new::<u64>()).unwrap();
    let number = block.bytes_mut().write_copy_of_slice(&42_u64.to_ne_bytes());
    block.free();
    assert_eq!(number[0], 42);
}
