//! Bugs that buffers and slabs in use have had, each tried on ours.

use std::alloc::Layout;

use buffers::{SharedBuffer, UniqueBuffer};
use strategy::contract::Probe;
use strategy_raii::ManagedBuffer;
use strategy_simd::AlignedBuffer;

/// RUSTSEC-2025-0047: slab's `get_disjoint_mut` compared with the capacity, not the length, and so gave
/// out what was never written.
#[test]
fn disjoint_elements_are_within_the_length() {
    let mut managed = ManagedBuffer::with_capacity(Layout::new::<[u64; 8]>());
    let mut unique = UniqueBuffer::with_capacity(64);
    let mut aligned = AlignedBuffer::<u8>::with_capacity(64);
    managed.extend_from_slice(b"four");
    unique.extend_from_slice(b"four");
    aligned.extend_from_slice(b"four");
    assert!(managed.capacity() > 4 && unique.capacity() > 4 && aligned.capacity() > 4);
    let buffers: [&mut [u8]; 3] = [&mut managed, &mut unique, &mut aligned];
    for buffer in buffers {
        assert!(buffer.get_disjoint_mut([3, 4]).is_err());
        assert_eq!(buffer.get_disjoint_mut([0, 3]).unwrap(), [&b'f', &b'r']);
    }
}

/// RUSTSEC-2026-0007: the sum in `BytesMut::reserve` wrapped around, and the capacity became more than
/// there was.
#[test]
fn more_room_than_there_can_be_is_an_error() {
    let mut managed = ManagedBuffer::zeroed(Layout::new::<u64>());
    let mut unique = UniqueBuffer::zeroed(8);
    let mut aligned = AlignedBuffer::<u8>::zeroed(8);
    for additional in [usize::MAX, usize::MAX - 7, usize::MAX - 8, isize::MAX as usize] {
        assert!(managed.try_reserve(additional).is_err(), "{additional}");
        assert!(unique.try_reserve(additional).is_err(), "{additional}");
        assert!(aligned.try_reserve(additional).is_err(), "{additional}");
    }
    assert!(managed.capacity() < 100 && unique.capacity() < 100 && aligned.capacity() < 200);
}

/// fjall-rs/byteview#7: the last handle, if it was a slice, freed as much as the slice had.
#[test]
fn the_last_slice_frees_the_whole_block() {
    let probe = Probe::new();
    let whole = SharedBuffer::copied_in(&[7; 32], probe.clone());
    let part = whole.slice(..31);
    drop(whole);
    assert_eq!(part, [7; 31]);
    drop(part);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

/// A `Vec` with more room than elements was made a box of its length, and freed with that (tokio-rs/bytes#421).
#[test]
fn a_block_is_freed_with_the_size_that_it_was_got_with() {
    let probe = Probe::new();
    let layout = Layout::from_size_align(100, 64).unwrap();
    let mut unique = UniqueBuffer::with_layout_in(layout, probe.clone());
    unique.extend_from_slice(b"eight...");
    drop(unique.freeze());
    let mut managed = ManagedBuffer::with_capacity_in(layout, probe.clone());
    managed.extend_from_slice(b"eight...");
    drop(managed);
    let mut aligned = AlignedBuffer::<u8, 64, _>::try_with_capacity_in(100, probe.clone()).unwrap();
    aligned.extend_from_slice(b"eight...");
    drop(aligned);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}
