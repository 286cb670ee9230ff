//! The guide's pool: what the contract does not say of it.

use std::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use strategy::contract::Probe;
use strategy_pool::{GuidePool, OutOfMemory};

use crate::nested::{Address, Nested};

const BLOCK: Layout = Layout::new::<[u64; 4]>();

#[test]
fn blocks_are_allocated_one_by_one_and_kept() {
    let probe = Probe::new();
    let pool = GuidePool::new_in(BLOCK, 10, probe.clone()).unwrap();
    assert_eq!((probe.calls(), probe.bytes_out(), pool.capacity()), (10, 320, 10));
    let boxes: Vec<_> = (0..11).map(|number| Box::new_in([number; 4], &pool)).collect();
    assert_eq!((probe.calls(), pool.live()), (11, 11));
    drop(boxes);
    assert_eq!((probe.blocks_out(), pool.live()), (11, 0));
}

#[test]
fn a_block_that_cannot_be_had_is_an_error_of_new() {
    let probe = Probe::new();
    probe.fail_on(7);
    let error = GuidePool::new_in(BLOCK, 10, probe.clone()).unwrap_err();
    assert_eq!(error, OutOfMemory { blocks: 10, block: BLOCK });
    assert_eq!(probe.bytes_out(), 0);
}

#[test]
fn a_free_never_allocates() {
    let pool = GuidePool::new(BLOCK, 0).unwrap();
    let blocks: Vec<NonNull<u8>> =
        (0..1000).map(|_| (&pool).allocate(BLOCK).unwrap().cast()).collect();
    let bytes = pool.reserved_bytes();
    for block in blocks {
        // SAFETY: the block came from the pool with this layout.
        unsafe { (&pool).deallocate(block, BLOCK) };
    }
    assert_eq!(pool.reserved_bytes(), bytes);
}

#[test]
fn a_backing_that_uses_the_pool_itself_is_served() {
    unsafe fn one(pool: Address) -> Option<NonNull<u8>> {
        // SAFETY: the test passes such a pool.
        let pool = unsafe { pool.cast::<GuidePool<&Nested>>().as_ref() };
        pool.allocate(BLOCK).ok().map(NonNull::cast)
    }

    let backing = Nested::new(one);
    let pool = GuidePool::new_in(BLOCK, 0, &backing).unwrap();
    // SAFETY: the pool is of this type, and moves only after `end`.
    unsafe { backing.begin(NonNull::from(&pool).cast()) };
    let mut blocks: Vec<NonNull<u8>> =
        (0..100).map(|_| (&pool).allocate(BLOCK).unwrap().cast()).collect();
    blocks.extend(backing.end());
    blocks.sort();
    blocks.dedup();
    assert_eq!((blocks.len(), pool.live()), (400, 400));
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not one of this pool's")]
fn a_block_of_another_pool_is_caught_in_debug() {
    let (pool, other) = (GuidePool::new(BLOCK, 1).unwrap(), GuidePool::new(BLOCK, 1).unwrap());
    let block = (&other).allocate(BLOCK).unwrap().cast();
    // SAFETY: it is not this pool's, which the debug build finds before it does anything.
    unsafe { (&pool).deallocate(block, BLOCK) };
}
