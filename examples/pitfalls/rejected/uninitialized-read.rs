//! Reads what was never written.

fn main() {
    let block = buffers::OwnedBlock::new(std::alloc::Layout::new::<u64>()).unwrap();
    if block.bytes()[0] == 42_u8 {
        println!("by chance");
    }
}
