//! What comes back when: threads that end, pools that are dropped before, handles, resets.

use std::cell::RefCell;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, RwLock};
use std::thread;

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use strategy::contract::Probe;
use strategy_pool::{BlockPool, SyncPool};

use crate::{assert_apart, give_back, layout, take};

/// Runs `work` on a thread and waits until that has ended. The end of a scope alone does not wait
/// for the destructors of thread-locals.
fn on_a_thread(work: impl FnOnce() + Send) {
    thread::scope(|scope| scope.spawn(work).join()).unwrap();
}

#[test]
fn what_an_ended_thread_had_is_handed_out_before_memory_is_asked_for() {
    let probe = Probe::new();
    let pool = SyncPool::with_capacity_in(layout(64, 8), 1500, probe.clone());
    for round in 0..5 {
        on_a_thread(|| {
            let blocks = take(&pool, 1500);
            give_back(&pool, blocks);
        });
        assert_eq!(pool.live(), 0, "round {round}");
        let calls = probe.calls();
        let blocks = take(&pool, 1500);
        // The first of this thread's blocks opens a cache; from the second round on it has one.
        assert!(probe.calls() - calls <= usize::from(round == 0), "round {round}");
        assert_apart(blocks.iter().copied());
        // From here they go back to the depot, for the next thread.
        on_a_thread(|| give_back(&pool, blocks));
    }
    assert_eq!(pool.capacity(), 1500);
}

#[test]
fn a_pool_gives_every_byte_back_while_threads_that_used_it_live_on() {
    let probe = Probe::new();
    let pool = Arc::new(SyncPool::new_in(layout(64, 8), probe.clone()));
    let (dropped, wait) = channel::<()>();
    let used = Barrier::new(2);
    thread::scope(|scope| {
        let (other, used) = (Arc::clone(&pool), &used);
        scope.spawn(move || {
            let blocks = take(&other, 1000);
            give_back(&other, blocks.into_iter().step_by(2)); // the others stay out
            drop(other);
            used.wait();
            wait.recv().unwrap();
            // The thread still knows the pool, and must not take another one for it.
            let next = SyncPool::new(layout(64, 8));
            assert_eq!(*Box::new_in(1_u64, &next), 1);
        });
        used.wait();
        drop(pool);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
        dropped.send(()).unwrap();
    });
}

#[test]
fn a_pool_at_the_place_of_one_that_is_gone_is_another() {
    // The same address, again and again, and the thread remembers the pool before.
    let mut place = None;
    for round in 0..2000_usize {
        let block = layout(8 << (round % 7), 8);
        let pool = place.insert(SyncPool::new(block));
        let blocks = take(pool, 3);
        give_back(pool, blocks);
        assert_eq!((pool.live(), pool.block()), (0, block), "round {round}");
    }
}

#[test]
fn pools_used_in_turns_keep_their_blocks_apart() {
    let pools = [8, 64, 256].map(|size| SyncPool::new(layout(size, 8)));
    let mut out = [const { Vec::new() }; 3];
    for round in 0..3000 {
        let turn = round * 7 % 3;
        out[turn].extend(take(&pools[turn], 1));
        if round % 2 == 0 {
            let turn = round / 2 % 3;
            give_back(&pools[turn], out[turn].pop());
        }
    }
    for (pool, out) in pools.iter().zip(out) {
        assert_eq!(pool.live(), out.len());
        assert_apart(out.iter().copied());
        give_back(pool, out);
    }
}

#[test]
fn a_block_freed_after_the_thread_gave_its_magazines_back_is_free() {
    static POOL: SyncPool = SyncPool::new(Layout::new::<[u64; 8]>());
    static STEP: Barrier = Barrier::new(2);

    /// Frees its blocks when the thread ends, after the pool has taken the thread's magazines.
    struct Kept(Vec<Box<[u64; 8], &'static SyncPool>>);

    impl Drop for Kept {
        fn drop(&mut self) {
            STEP.wait(); // the thread has given its magazines back
            STEP.wait(); // and the pool has taken them
            self.0.clear();
            drop(Box::new_in([1; 8], &POOL));
        }
    }

    thread_local! {
        /// Registered before the thread uses the pool, so destroyed after what that registers.
        static KEPT: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) };
    }
    for _ in 0..3 {
        let thread = thread::spawn(|| {
            KEPT.with_borrow_mut(|kept| {
                kept.0.extend((0..700).map(|number| Box::new_in([number; 8], &POOL)));
            });
        });
        STEP.wait();
        POOL.reserve(1);
        STEP.wait();
        thread.join().unwrap();
        assert_eq!(POOL.live(), 0);
        assert!(POOL.capacity() <= 1024);
    }
    let blocks = take(&POOL, POOL.capacity());
    assert_apart(blocks.iter().copied());
    give_back(&POOL, blocks);
}

#[test]
fn a_handle_and_its_pool_serve_the_same_blocks() {
    let probe = Probe::new();
    let pool = SyncPool::with_capacity_in(layout(64, 8), 1100, probe.clone());
    let handle = pool.thread_handle();
    assert_eq!((handle.block(), handle.pool().capacity()), (pool.block(), 1100));
    let through_handle: Vec<_> = (0..600).map(|number| Box::new_in([number; 8], &handle)).collect();
    let blocks: Vec<_> = through_handle
        .into_iter()
        .map(|value| {
            let (pointer, _) = Box::into_non_null(value);
            crate::Out(pointer.cast())
        })
        .collect();
    assert_eq!(pool.live(), 600);
    give_back(&pool, blocks);
    let block = take(&pool, 1)[0].0;
    // SAFETY: the block is out, and was got from the handle's pool with this layout.
    unsafe { (&handle).deallocate(block, pool.block()) };
    assert_eq!(pool.live(), 0);
    drop(handle);
    let capacity = pool.capacity();
    assert_apart(take(&pool, capacity)); // what the handle had is there, too
    assert_eq!(pool.capacity(), capacity);
    drop(pool);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn reset_takes_the_blocks_of_threads_that_live_on() {
    let probe = Probe::new();
    let pool = RwLock::new(SyncPool::with_capacity_in(layout(64, 8), 3000, probe.clone()));
    let step = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            {
                let pool = pool.read().unwrap();
                let blocks = take(&pool, 1500);
                give_back(&pool, blocks.into_iter().step_by(2));
            }
            step.wait(); // the magazines are full, and the pool is reset
            step.wait();
            let pool = pool.read().unwrap();
            let blocks = take(&pool, pool.capacity());
            assert_eq!(pool.capacity(), 3000);
            assert_apart(blocks.iter().copied());
            give_back(&pool, blocks);
            assert_eq!(pool.live(), 0);
        });
        step.wait();
        let bytes = probe.bytes_out();
        let mut pool = pool.write().unwrap();
        pool.reset();
        assert_eq!((pool.live(), probe.bytes_out()), (0, bytes));
        drop(pool);
        step.wait();
    });
}

#[test]
fn a_pool_moves_to_another_thread_with_its_memory() {
    // The backing allocator is not `Sync`, so the pool may be sent, but not shared.
    let pool = SyncPool::new_in(layout(64, 8), Sent(BlockPool::new(layout(1 << 16, 128))));
    let blocks = take(&pool, 30);
    give_back(&pool, blocks);
    let pool = thread::spawn(move || {
        assert_eq!(*Box::new_in(7_u64, &pool), 7);
        pool
    });
    assert_eq!(pool.join().unwrap().live(), 0);
}

/// An allocator that is `Send` and not `Sync`.
struct Sent(BlockPool);

// SAFETY: the pool's blocks stay valid while it is not dropped; moving it moves none.
unsafe impl Allocator for Sent {
    fn allocate(
        &self,
        layout: Layout,
    ) -> Result<std::ptr::NonNull<[u8]>, allocator_api2::alloc::AllocError> {
        (&self.0).allocate(layout)
    }

    unsafe fn deallocate(&self, block: std::ptr::NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty.
        unsafe { (&self.0).deallocate(block, layout) };
    }
}
