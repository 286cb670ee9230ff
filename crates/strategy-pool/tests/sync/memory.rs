//! How much memory a pool takes, and what it does when it gets none.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::mpsc::sync_channel;
use std::thread;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use strategy::contract::Probe;
use strategy::{BuildError, Plan, Strategy};
use strategy_pool::{OutOfMemory, SyncPool};

use crate::{Out, assert_apart, give_back, layout, take};

#[test]
fn a_one_way_flow_does_not_grow_the_pool() {
    const BATCH: usize = 300;
    const QUEUED: usize = 4;
    let pool = SyncPool::new(layout(64, 8));
    let (sender, receiver) = sync_channel::<Vec<Out>>(QUEUED);
    thread::scope(|scope| {
        let pool = &pool;
        scope.spawn(move || {
            for _ in 0..1000 {
                sender.send(take(pool, BATCH)).unwrap();
            }
        });
        scope.spawn(move || receiver.into_iter().for_each(|batch| give_back(pool, batch)));
    });
    assert_eq!(pool.live(), 0);
    // In the queue, in the hands of both threads, and in the caches of both; growth doubles it.
    let most_out = (QUEUED + 2) * BATCH + 2 * (2 * pool.magazine_blocks() + 1);
    assert!(pool.capacity() <= 2 * most_out, "{} blocks", pool.capacity());
}

#[test]
fn threads_that_come_and_go_do_not_grow_the_pool() {
    let probe = Probe::new();
    let pool = SyncPool::new_in(layout(64, 8), probe.clone());
    for round in 0..200 {
        thread::scope(|scope| {
            let work = || {
                let blocks = take(&pool, 600);
                give_back(&pool, blocks);
            };
            let threads = [scope.spawn(work), scope.spawn(work)];
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        // What both have out and in their caches at most; both may double that at once.
        let most = 3 * 2 * (600 + 2 * pool.magazine_blocks() + 1);
        assert!(pool.capacity() <= most, "{} blocks after round {round}", pool.capacity());
        assert_eq!(pool.reserved_bytes(), probe.bytes_out());
    }
}

#[test]
fn a_thread_keeps_two_magazines_at_most() {
    for (size, rounds) in [(8, 510), (64, 510), (1024, 32), (20_000, 1), (100_000, 1)] {
        let pool = SyncPool::new(layout(size, 8));
        assert_eq!(pool.magazine_blocks(), rounds);
        let blocks = take(&pool, 4 * rounds);
        give_back(&pool, blocks);
        let before = pool.capacity();
        // Another thread gets all but what this one keeps.
        thread::scope(|scope| {
            scope.spawn(|| take(&pool, before - (2 * rounds + 1)));
        });
        assert_eq!(pool.capacity(), before);
    }
}

#[test]
fn memory_is_a_fixed_part_more_than_the_blocks() {
    let pool = SyncPool::with_capacity(layout(64, 8), 510 * 8);
    let blocks = 64 * 510 * 8;
    let one_extent = pool.reserved_bytes();
    assert!((blocks + 8 * 4096..blocks + 8 * 4096 + 256).contains(&one_extent));
    take(&pool, 1);
    let a_cache = pool.reserved_bytes() - one_extent;
    assert!((2 * 4096 + 128..2 * 4096 + 512).contains(&a_cache), "{a_cache}");
}

#[test]
fn without_memory_for_a_cache_blocks_come_from_the_depot_one_by_one() {
    let probe = Probe::new();
    let pool = SyncPool::with_capacity_in(layout(64, 8), 1000, probe.clone());
    probe.fail_from(1);
    let blocks = take(&pool, 1000);
    assert_apart(blocks.iter().copied());
    assert!((&pool).allocate(layout(64, 8)).is_err());
    assert!(pool.try_thread_handle().is_err());
    give_back(&pool, blocks);
    assert_eq!((pool.live(), probe.blocks_out()), (0, 1));
    assert!(probe.failed() > 0);
    probe.heal();
    let blocks = take(&pool, 1000);
    assert_eq!(probe.blocks_out(), 2); // with memory there is a cache
    give_back(&pool, blocks);
}

#[test]
fn what_is_too_large_is_an_error() {
    let block = layout(64, 8);
    for blocks in [usize::MAX, isize::MAX as usize / 64, 1 << 50] {
        let error = OutOfMemory { blocks, block };
        assert_eq!(SyncPool::try_with_capacity(block, blocks).unwrap_err(), error);
    }
    let largest = layout(isize::MAX as usize - 7, 8);
    let pool = SyncPool::new(largest);
    assert!((&pool).allocate(largest).is_err());
    assert_eq!(pool.live(), 0);
    let pool = SyncPool::new(block);
    pool.reserve(1);
    assert!(pool.try_reserve(usize::MAX).is_err());
    take(&pool, 2);
    let nothing = SyncPool::with_capacity(layout(0, 8), 1000);
    assert!((&nothing).allocate(layout(1, 1)).is_err());
    assert_eq!(nothing.reserved_bytes(), 0);
}

/// A backing allocator that uses the pool over it, or panics.
#[derive(Default)]
struct Nested {
    /// A `SyncPool<&Nested>`, without its lifetime.
    pool: Cell<Option<NonNull<()>>>,
    depth: Cell<usize>,
    kept: Cell<usize>,
    panics: Cell<bool>,
}

// SAFETY: every block is one of `Global`.
unsafe impl Allocator for Nested {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        assert!(!self.panics.get(), "told to");
        if self.depth.get() < 3
            && let Some(pool) = self.pool.get()
        {
            self.depth.set(self.depth.get() + 1);
            // SAFETY: the test keeps the pool alive and clears the cell before it drops it.
            let pool = unsafe { pool.cast::<SyncPool<&Nested>>().as_ref() };
            let block = pool.allocate(pool.block());
            self.kept.set(self.kept.get() + usize::from(block.is_ok()));
            self.depth.set(self.depth.get() - 1);
        }
        Global.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty.
        unsafe { Global.deallocate(pointer, layout) };
    }
}

#[test]
fn a_backing_that_uses_the_pool_itself_is_served() {
    let backing = Nested::default();
    let pool = SyncPool::new_in(layout(1024, 8), &backing);
    backing.pool.set(Some(NonNull::from(&pool).cast()));
    let mut blocks = take(&pool, 1000);
    assert!(backing.kept.get() > 0);
    assert_eq!(pool.live(), 1000 + backing.kept.get());
    // Only what a second cache of this thread has cannot be got here.
    let rest = pool.capacity() - pool.live() - 4 * pool.magazine_blocks();
    blocks.extend(take(&pool, rest));
    assert_apart(blocks.iter().copied());
    give_back(&pool, blocks);
    assert_eq!(pool.live(), backing.kept.get());
    backing.pool.set(None);
}

#[test]
fn a_backing_that_panics_leaves_the_pool_usable() {
    let backing = Nested::default();
    let pool = SyncPool::new_in(layout(64, 8), &backing);
    let ask = || catch_unwind(AssertUnwindSafe(|| take(&pool, 1)));
    backing.panics.set(true);
    ask().unwrap_err();
    backing.panics.set(false);
    let blocks = take(&pool, pool.capacity() + 100);
    backing.panics.set(true);
    let more = take(&pool, pool.capacity() - blocks.len());
    ask().unwrap_err();
    assert_apart(blocks.iter().chain(&more).copied());
    give_back(&pool, blocks);
    give_back(&pool, more);
    assert_eq!(pool.live(), 0);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not one of this pool's")]
fn a_block_of_another_pool_is_caught_in_debug() {
    let (pool, other) = (SyncPool::new(layout(64, 8)), SyncPool::new(layout(64, 8)));
    let blocks = take(&other, 1);
    take(&pool, 1);
    give_back(&pool, blocks);
}

#[test]
fn a_plan_makes_the_block_and_reserves_its_live_blocks() {
    let plan = Plan { threads: 4, ..Plan::of(layout(100, 32)).live(77) };
    let mut pool = <SyncPool as Strategy>::new(&plan).unwrap();
    assert_eq!((pool.block(), pool.capacity()), (layout(128, 32), 77));
    take(&pool, 2);
    assert_eq!(Strategy::stats(&pool).unwrap().live_bytes, 2 * 128);
    Strategy::reset(&mut pool).unwrap();
    assert_eq!(Strategy::stats(&pool).unwrap().live_bytes, 0);
    for plan in [Plan::sizes(1, 2), Plan::sizes(64, 64).growing()] {
        let error = <SyncPool as Strategy>::new(&plan).unwrap_err();
        assert!(matches!(error, BuildError::Unsupported(_)), "{error}");
    }
    let error = <SyncPool as Strategy>::new(&plan.live(usize::MAX)).unwrap_err();
    assert_eq!(error, BuildError::OutOfMemory { bytes: usize::MAX });
}
