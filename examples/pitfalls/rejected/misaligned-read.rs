//! Takes bytes for a number where they lie.

fn main() {
    let mut block = buffers::OwnedBlock::new(std::alloc::Layout::new::<[u64; 2]>()).unwrap();
    let message = block.bytes_mut().write_copy_of_slice(&[1; 16]);
    let number: &u64 = &message[1..9];
    assert_eq!(*number, 0);
}
