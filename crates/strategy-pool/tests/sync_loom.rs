//! Loom explores every order in which two or three threads allocate, hand on, free and end, and
//! what a weaker memory model than this machine's makes of it.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p strategy-pool --release --test sync_loom
//! ```
//!
//! All orders are explored, without a bound on how often threads are switched. The blocks are so large that a magazine holds one or two: every second call is an exchange with
//! the depot. What a block holds is a cell of loom's, by the block's address: two uses of a
//! block that nothing orders are a failure, as is a lease that nobody frees.
#![cfg(loom)]

use std::collections::HashMap;
use std::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;
use strategy::contract::Probe;
use strategy_pool::SyncPool;

/// A pool and what loom knows about its blocks.
struct Scene {
    pool: SyncPool<Probe>,
    /// The blocks that were there at the beginning, by their addresses.
    contents: HashMap<usize, UnsafeCell<u64>>,
}

/// A block that is out, to be handed on.
struct Out(NonNull<u8>);

// SAFETY: the memory is its holder's, on whatever thread.
unsafe impl Send for Out {}

impl Scene {
    /// A pool of `blocks` blocks, of which a magazine holds `rounds`.
    fn new(blocks: usize, rounds: usize) -> (Arc<Self>, Probe) {
        let probe = Probe::new();
        let block = Layout::from_size_align((32 << 10) / rounds, 8).unwrap();
        let pool = SyncPool::with_capacity_in(block, blocks, probe.clone());
        assert_eq!(pool.magazine_blocks(), rounds);
        // The first extent starts with its blocks.
        let (start, _) = probe.largest_out().unwrap();
        let addresses = (0..blocks).map(|index| start + index * block.size());
        let contents = addresses.map(|address| (address, UnsafeCell::new(0))).collect();
        (Arc::new(Self { pool, contents }), probe)
    }

    /// Takes a block and writes to it.
    fn take(&self) -> Out {
        let block = (&self.pool).allocate(self.pool.block()).unwrap().cast::<u8>();
        self.write(block);
        Out(block)
    }

    /// Writes to a block once more and frees it.
    fn free(&self, Out(block): Out) {
        self.write(block);
        // SAFETY: from `take` of the same pool, and given up.
        unsafe { (&self.pool).deallocate(block, self.pool.block()) };
    }

    /// Writes to a block: its owner does it, and nobody else at the same time.
    fn write(&self, block: NonNull<u8>) {
        if let Some(content) = self.contents.get(&block.addr().get()) {
            // SAFETY: loom checks that nothing else happens to the cell meanwhile.
            content.with_mut(|content| unsafe { *content += 1 });
        }
    }
}

#[test]
fn two_threads_allocate_and_free() {
    loom::model(|| {
        let (scene, probe) = Scene::new(3, 1);
        let other = Arc::clone(&scene);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                let blocks = [other.take(), other.take()];
                blocks.into_iter().for_each(|block| other.free(block));
            }
        });
        let blocks = [scene.take(), scene.take()];
        blocks.into_iter().for_each(|block| scene.free(block));
        thread.join().unwrap();
        assert_eq!(scene.pool.live(), 0);
        drop(scene);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    });
}

#[test]
fn blocks_are_handed_on_and_freed_by_another_thread() {
    loom::model(|| {
        let (scene, _) = Scene::new(5, 1);
        let queue = Arc::new(Mutex::new(Vec::new()));
        let consumer = {
            let (scene, queue) = (Arc::clone(&scene), Arc::clone(&queue));
            thread::spawn(move || {
                // The fourth free fills the second magazine, and goes to the depot.
                let blocks = std::mem::take(&mut *queue.lock().unwrap());
                blocks.into_iter().for_each(|block| scene.free(block));
            })
        };
        let blocks = [(); 4].map(|()| scene.take());
        queue.lock().unwrap().extend(blocks);
        // The fifth block, and what the consumer has freed, or new ones.
        let more = [scene.take(), scene.take()];
        more.into_iter().for_each(|block| scene.free(block));
        consumer.join().unwrap();
        for block in queue.lock().unwrap().drain(..) {
            scene.free(block);
        }
        assert_eq!(scene.pool.live(), 0);
    });
}

#[test]
fn what_a_thread_had_at_its_end_is_taken_by_one_that_does_not_wait_for_it() {
    loom::model(|| {
        let (scene, _) = Scene::new(2, 2);
        let other = Arc::clone(&scene);
        let thread = thread::spawn(move || {
            let (first, second) = (other.take(), other.take());
            other.free(first);
            other.free(second);
        });
        // If the thread has ended, these are its blocks; if not, the pool grows.
        let blocks = [scene.take(), scene.take()];
        blocks.into_iter().for_each(|block| scene.free(block));
        thread.join().unwrap();
        assert_eq!(scene.pool.live(), 0);
    });
}

#[test]
fn a_pool_is_dropped_while_a_thread_ends() {
    loom::model(|| {
        let (scene, probe) = Scene::new(1, 1);
        let other = Arc::clone(&scene);
        let thread = thread::spawn(move || {
            other.free(other.take());
            drop(other); // the last one, or not; after it the thread gives its lease up
        });
        scene.free(scene.take());
        drop(scene);
        thread.join().unwrap();
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    });
}

#[test]
fn a_cache_goes_from_thread_to_thread() {
    loom::model(|| {
        let (scene, _) = Scene::new(3, 1);
        let spawn = |scene: &Arc<Scene>| {
            let scene = Arc::clone(scene);
            thread::spawn(move || scene.free(scene.take()))
        };
        let threads = [spawn(&scene), spawn(&scene)];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        scene.free(scene.take());
        assert_eq!(scene.pool.live(), 0);
    });
}

#[test]
fn handles_and_threads_share_a_pool() {
    loom::model(|| {
        let (scene, _) = Scene::new(2, 1);
        let other = Arc::clone(&scene);
        let thread = thread::spawn(move || {
            let handle = other.pool.thread_handle();
            let block = (&handle).allocate(other.pool.block()).unwrap().cast();
            other.write(block);
            // SAFETY: the block is out, and given up.
            unsafe { (&handle).deallocate(block, other.pool.block()) };
        });
        let block = scene.take();
        thread.join().unwrap();
        scene.free(block);
        assert_eq!(scene.pool.live(), 0);
    });
}
