//! What the limits keep: their blocks are apart, and what they cannot serve is refused.

use std::alloc::Layout;
use std::mem::MaybeUninit;

use strategy::{Allocator, Fixed, Plan, Strategy, Table};
use strategy_limit::{Classes, Cursor, Mapped, Stack, with_buffer};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn a_stack_has_as_many_blocks_as_planned() {
    let limit = Stack::<64, 8>::new(&Plan::sizes(64, 64).live(3)).unwrap();
    let mut table = Table::new(&limit, 4);
    for slot in 0..3 {
        table.allocate(slot, Fixed::<64, 8>, slot as u64).unwrap();
    }
    assert!(table.allocate(3, Fixed::<64, 8>, 3).is_err());
    for slot in 0..3 {
        assert_eq!(table.take(slot).unwrap().stamp(), slot as u64);
    }
    table.allocate(3, Fixed::<64, 8>, 3).unwrap();
    assert!((&limit).allocate(layout(65, 8)).is_err());
    assert!((&limit).allocate(layout(8, 16)).is_err());
    assert!((&limit).allocate(layout(0, 8)).is_err());
}

#[test]
fn classes_serve_up_to_a_kibibyte_and_reuse_what_is_freed() {
    let limit = Classes::new(&Plan::sizes(16, 1024).live(2)).unwrap();
    let mut table = Table::new(&limit, 3);
    for size in [1, 16, 17, 1024] {
        for slot in 0..2 {
            table.allocate(slot, layout(size, 16), 7 + slot as u64).unwrap();
        }
        assert!(table.allocate(2, layout(size, 16), 0).is_err(), "{size}: more than planned");
        for slot in 0..2 {
            assert_eq!(table.take(slot).unwrap().stamp(), 7 + slot as u64);
        }
    }
    assert!((&limit).allocate(layout(1025, 8)).is_err());
    assert!((&limit).allocate(layout(0, 8)).is_err());
    assert!((&limit).allocate(layout(16, 32)).is_err());
}

#[test]
fn a_cursor_serves_what_fits_and_everything_anew_when_cleared() {
    let mut limit = Cursor::with_capacity(64).unwrap();
    for _ in 0..2 {
        let values: Vec<_> = (0..4_u64).map(|n| limit.alloc([n, n]).unwrap()).collect();
        assert!(limit.alloc(0_u8).is_none());
        assert!((0..4).eq(values.iter().map(|value| value[0])));
        limit.clear();
    }
    let one = (&limit).allocate(layout(1, 1)).unwrap();
    let aligned = (&limit).allocate(layout(3, 16)).unwrap();
    assert!(aligned.addr().get().is_multiple_of(16));
    assert!(aligned.addr().get() + 3 <= one.addr().get());
    assert!((&limit).allocate(layout(isize::MAX as usize - 15, 16)).is_err());
}

#[test]
fn a_mapping_is_fresh_and_aligned_to_a_huge_page() {
    let huge = layout(4 << 20, 2 << 20);
    for _ in 0..3 {
        let block = Mapped.allocate(huge).unwrap();
        assert!(block.addr().get().is_multiple_of(2 << 20));
        let last = block.cast::<u8>();
        // SAFETY: the last byte of the block.
        let last = unsafe { last.add(huge.size() - 1) };
        // SAFETY: fresh mappings are zeroed by the system.
        assert_eq!(unsafe { last.read() }, 0);
        // SAFETY: the byte is the block's.
        unsafe { last.write(1) };
        // SAFETY: got above with this layout.
        unsafe { Mapped.deallocate(block.cast(), huge) };
    }
    assert!(Mapped.allocate(layout(4096, 4096)).is_err());
}

#[test]
fn a_buffer_by_hand_is_lent_and_freed() {
    let sum = with_buffer(layout(100, 64), |buffer| {
        assert!(buffer.as_ptr().addr().is_multiple_of(64));
        buffer.fill(MaybeUninit::new(1));
        buffer.len()
    });
    assert_eq!(sum, Some(100));
    assert_eq!(with_buffer(layout(0, 1), |_| ()), None);
}
