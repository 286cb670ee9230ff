//! The tests of the shared pool from outside, in one program.
#![cfg(not(loom))]

mod contract;
mod exchange;
mod life;
mod memory;

use std::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use strategy_pool::SyncPool;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// A block that is out, for tests that hand it to other threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Out(NonNull<u8>);

// SAFETY: the memory is its holder's, on whatever thread, since the pools of the tests are `Sync`.
unsafe impl Send for Out {}

/// Takes `count` blocks and leaves them out.
fn take<A: Allocator>(pool: &SyncPool<A>, count: usize) -> Vec<Out> {
    (0..count).map(|_| Out(pool.allocate(pool.block()).unwrap().cast())).collect()
}

/// Frees blocks of the pool, each once.
fn give_back<A: Allocator>(pool: &SyncPool<A>, blocks: impl IntoIterator<Item = Out>) {
    for Out(block) in blocks {
        // SAFETY: the tests pass each block of `take` once, to its pool.
        unsafe { pool.deallocate(block, pool.block()) };
    }
}

/// Demands that no block is there twice.
fn assert_apart(blocks: impl IntoIterator<Item = Out>) {
    let mut blocks: Vec<_> = blocks.into_iter().collect();
    let count = blocks.len();
    blocks.sort();
    blocks.dedup();
    assert_eq!(blocks.len(), count, "a block was handed out twice");
}
