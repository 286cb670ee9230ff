//! The guide's pool, beside ours.

use std::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind};

use allocator_api2::alloc::Allocator;
use sketches::{MemoryPool, Recorder, record};
use strategy_pool::{BlockPool, GuidePool, Pool};

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

const BLOCK: Layout = Layout::new::<[u64; 8]>();

#[test]
fn blocks_that_are_out_when_the_pool_is_dropped_are_given_back() {
    let sketch = record(|| {
        let mut pool = MemoryPool::new(64, 4);
        assert!(pool.allocate().is_some());
    });
    assert_eq!(sketch.1.blocks_out, 1, "the block that was out");

    let guide = record(|| {
        let pool = GuidePool::new(BLOCK, 4).unwrap();
        assert!((&pool).allocate(BLOCK).is_ok());
    });
    assert_eq!(guide.1.blocks_out, 0);
    let blocks = record(|| {
        let pool = BlockPool::with_capacity(BLOCK, 4);
        assert!((&pool).allocate(BLOCK).is_ok());
    });
    assert_eq!(blocks.1.blocks_out, 0);
}

#[test]
fn a_pointer_that_is_not_of_the_pool_is_not_handed_out() {
    let mut foreign = 7_u64;
    let pointer = (&raw mut foreign).cast();
    let mut sketch = MemoryPool::new(64, 0);
    sketch.deallocate(pointer);
    assert_eq!(sketch.allocate(), Some(pointer), "8 bytes of the stack as a block of 64");

    // Ours has nothing that takes a pointer in safe code: a handle knows its pool.
    let (ours, another) = (Pool::new(), Pool::new());
    let value = another.alloc(7_u64);
    drop(ours.alloc(1));
    drop(value);
    assert_eq!((ours.live(), another.live()), (0, 0));
}

/// In unsafe code it is the caller's duty, and debug assertions look after it.
#[test]
#[cfg(debug_assertions)]
fn a_pointer_that_is_not_of_the_pool_is_caught_in_debug() {
    let (pool, another) = (GuidePool::new(BLOCK, 1).unwrap(), GuidePool::new(BLOCK, 1).unwrap());
    let block = (&another).allocate(BLOCK).unwrap().cast();
    let given = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: none: the block is of another pool. Debug assertions stop before it is kept.
        unsafe { (&pool).deallocate(block, BLOCK) };
    }));
    assert!(given.is_err());
}

#[test]
fn blocks_have_the_alignment_that_they_were_asked_for_with() {
    let mut sketch = MemoryPool::new(64, 0);
    assert_eq!(record(|| sketch.allocate()).1.align, 8, "and there is no way to ask for more");

    let page = Layout::from_size_align(64, 4096).unwrap();
    let pool = GuidePool::new(page, 1).unwrap();
    let block = (&pool).allocate(page).unwrap();
    assert!(block.cast::<u8>().addr().get().is_multiple_of(4096));
}
