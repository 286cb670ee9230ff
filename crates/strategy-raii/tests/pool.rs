//! The pool as a library: what it keeps, and what it gives back.

use std::alloc::Layout;
use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;

use strategy::contract::Probe;
use strategy::{Allocator, Plan, Stats, Strategy};
use strategy_raii::{
    BufferPool, Limits, ManagedBuffer, OutOfMemory, PooledBuffer, SharedBufferPool,
};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn limits(buffers_per_class: usize, bytes_per_class: usize) -> Limits {
    Limits { buffers_per_class, bytes_per_class }
}

fn pool_over(probe: &Probe, limits: Limits) -> BufferPool<Probe> {
    BufferPool::new_in(limits, probe.clone())
}

#[test]
fn a_dropped_buffer_is_the_next_one_of_its_class() {
    let pool = BufferPool::new();
    let [first, second] = [pool.buffer(100), pool.buffer(128)];
    let places = HashSet::from([first.as_ptr(), second.as_ptr()]);
    drop(first);
    drop(second);
    assert_eq!((pool.kept(), pool.kept_bytes()), (2, 256));
    let [other, larger] = [pool.buffer(64), pool.buffer(129)];
    let [third, fourth] = [pool.buffer(65), pool.buffer(127)];
    assert_eq!(HashSet::from([fourth.as_ptr(), third.as_ptr()]), places);
    assert!(!places.contains(&other.as_ptr()) && !places.contains(&larger.as_ptr()));
    assert_eq!(pool.kept(), 0);
}

#[test]
fn a_reused_buffer_is_empty_or_zeroed() {
    let pool = BufferPool::new();
    let mut secret = pool.buffer(4096);
    secret.resize(4096, b's');
    let place = secret.as_ptr();
    drop(secret);
    let empty = pool.buffer(4096);
    assert_eq!((empty.as_ptr(), &empty[..]), (place, &[][..]));
    drop(empty);
    let zeroed = pool.zeroed(4000);
    assert_eq!((zeroed.as_ptr(), &zeroed[..]), (place, &[0; 4000][..]));
}

#[test]
fn no_more_buffers_are_kept_than_the_limit_says() {
    let probe = Probe::new();
    let pool = pool_over(&probe, limits(3, usize::MAX));
    for bytes in [64, 1000, 1 << 20] {
        drop([(); 5].map(|()| pool.buffer(bytes)));
    }
    assert_eq!((pool.kept(), probe.blocks_out()), (9, 9), "three of each class");
    assert_eq!(probe.bytes_out(), 3 * (64 + 1024 + (1 << 20)));
    assert_eq!(probe.calls(), 15);
}

#[test]
fn no_more_bytes_are_kept_than_the_limit_says() {
    let probe = Probe::new();
    let pool = pool_over(&probe, limits(100, 4096));
    for (bytes, kept) in [(4096, 1), (1024, 4), (2048, 2), (8192, 0), (64, 64)] {
        drop([(); 70].map(|()| pool.buffer(bytes)));
        assert_eq!((pool.kept(), probe.bytes_out()), (kept, kept * bytes), "{bytes}");
        pool.clear();
        assert_eq!((pool.kept(), probe.blocks_out()), (0, 0));
    }
}

#[test]
fn a_pool_that_keeps_nothing_is_its_backing_allocator() {
    let probe = Probe::new();
    let pool = pool_over(&probe, limits(0, 0));
    for _ in 0..3 {
        drop(pool.buffer(100));
        assert_eq!((pool.kept(), probe.blocks_out()), (0, 0));
    }
}

#[test]
fn more_than_1_mib_is_passed_on_and_not_kept() {
    let probe = Probe::new();
    let pool = pool_over(&probe, limits(100, usize::MAX));
    let large = pool.zeroed((1 << 20) + 1);
    assert_eq!((probe.bytes_out(), large.len()), ((1 << 20) + 1, (1 << 20) + 1));
    drop(large);
    assert_eq!((pool.kept(), probe.blocks_out()), (0, 0));
}

#[test]
fn a_kept_buffer_is_not_taken_where_it_is_not_aligned() {
    let pool = BufferPool::new();
    let aligned = |align| ManagedBuffer::with_capacity_in(layout(100, align), &pool);
    // Of 20 blocks of 128 bytes that `malloc` packs, not all are at a multiple of 4096.
    drop([(); 20].map(|()| aligned(1)));
    assert!(aligned(1).as_ptr().addr().is_multiple_of(64), "a cache line at the least");
    for align in (0..16).map(|shift| 1 << shift) {
        let buffers = [(); 20].map(|()| aligned(align));
        assert!(buffers.iter().all(|buffer| buffer.as_ptr().addr().is_multiple_of(align)));
    }
    // A buffer that was made for an alignment is reused for it, where there is room to keep it.
    pool.clear();
    let place = aligned(1 << 15).as_ptr();
    assert_eq!(aligned(1 << 15).as_ptr(), place);
}

#[test]
fn a_buffer_has_the_room_of_its_class_and_grows_to_the_next() {
    let probe = Probe::new();
    let pool = pool_over(&probe, Limits::DEFAULT);
    assert_eq!(
        [0, 1, 64, 65, 1 << 20, (1 << 20) + 1].map(|bytes| pool.buffer(bytes).capacity()),
        [0, 64, 64, 128, 1 << 20, (1 << 20) + 1]
    );
    pool.clear();
    let calls = probe.calls();
    let mut buffer = pool.buffer(65);
    let place = buffer.as_ptr();
    for byte in 0..128 {
        buffer.extend_from_slice(&[byte]);
    }
    assert_eq!((buffer.as_ptr(), probe.calls() - calls), (place, 1));
    buffer.extend_from_slice(&[128]);
    assert_eq!((probe.calls() - calls, pool.kept_bytes()), (2, 128), "the old block is kept");
    assert!(buffer.iter().copied().eq(0..=128));
    let grown = buffer.as_ptr();
    buffer.reallocate(layout(130, 1));
    buffer.reallocate(layout(250, 1));
    assert_eq!((buffer.as_ptr(), buffer.len()), (grown, 129), "within its class it stays");
    buffer.truncate(60);
    buffer.shrink_to_fit();
    drop(buffer);
    assert_eq!(pool.kept_bytes(), 64 + 128 + 256);
}

#[test]
fn all_is_given_back_with_buffers_leaked_and_kept() {
    let probe = Probe::new();
    let pool = pool_over(&probe, Limits::DEFAULT);
    drop([pool.buffer(100), pool.buffer(5000)]);
    for bytes in [1, 100, 2 << 20] {
        std::mem::forget(pool.zeroed(bytes));
    }
    assert_eq!((pool.kept(), probe.blocks_out()), (1, 4));
    assert_eq!(
        pool.stats(),
        Some(Stats {
            reserved_bytes: 64 + 128 + 8192 + (2 << 20),
            live_bytes: 64 + 128 + (2 << 20)
        })
    );
    drop(pool);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn what_cannot_be_is_an_error() {
    let pool = BufferPool::new();
    for bytes in [usize::MAX, 1 << 63, isize::MAX as usize, isize::MAX as usize - 20] {
        let refused = OutOfMemory { bytes, align: 1 };
        assert_eq!(pool.try_buffer(bytes).unwrap_err(), refused);
        assert_eq!(pool.try_zeroed(bytes).unwrap_err(), refused);
    }
    let probe = Probe::new();
    let pool = pool_over(&probe, Limits::DEFAULT);
    probe.fail_on(1);
    assert_eq!(pool.try_buffer(9).unwrap_err(), OutOfMemory { bytes: 64, align: 1 });
    drop(pool.buffer(9));
    probe.fail_from(1);
    assert_eq!(pool.buffer(10).capacity(), 64, "a kept buffer needs no memory");
    assert!(pool.try_buffer(100).is_err());
}

#[test]
fn it_has_room_for_the_live_blocks_of_its_plan() {
    let probe = Probe::new();
    let plan = Plan::sizes(1000, 1000).live(500);
    let pool = BufferPool::for_plan_in(&plan, probe.clone()).unwrap();
    let buffers: Vec<_> = (0..500).map(|_| pool.buffer(1000)).collect();
    drop(buffers);
    assert_eq!((pool.kept(), probe.blocks_out()), (500, 500));
    let shared = Plan { threads: 2, ..plan };
    assert!(BufferPool::for_plan_in(&shared, Probe::new()).is_err());
    assert!(SharedBufferPool::for_plan_in(&shared, Probe::new()).is_ok());
}

#[test]
fn a_pool_moves_to_another_thread_with_what_it_keeps() {
    let pool = BufferPool::new();
    let place = pool.buffer(100).as_ptr().addr();
    let pool = thread::spawn(move || {
        assert_eq!(pool.buffer(100).as_ptr().addr(), place);
        pool
    });
    assert_eq!(pool.join().unwrap().buffer(100).as_ptr().addr(), place);
}

/// A buffer of the pool that all threads use.
type Sent = PooledBuffer<'static, strategy_raii::SystemMemory, strategy_raii::AllThreads>;

#[test]
fn threads_share_a_pool_and_drop_the_buffers_of_others() {
    static POOL: SharedBufferPool = SharedBufferPool::new();
    const ROUNDS: usize = 200;
    let barrier = Barrier::new(4);
    let (send, receive) = std::sync::mpsc::channel::<(u8, Sent)>();
    let barrier = &barrier;
    thread::scope(|scope| {
        for number in 1..=4 {
            let send = send.clone();
            scope.spawn(move || {
                barrier.wait();
                for round in 0..ROUNDS {
                    let mut buffer = POOL.buffer(100 + 100 * (round % 4));
                    buffer.resize(100 + round, number);
                    assert!(buffer.iter().all(|&byte| byte == number));
                    send.send((number, buffer)).unwrap();
                }
            });
        }
        // If a thread panics, the receiver does not wait for what it would have sent.
        drop(send);
        for _ in 0..4 * ROUNDS {
            let (number, buffer) = receive.recv().unwrap();
            assert!(buffer.iter().all(|&byte| byte == number));
        }
    });
    assert!(POOL.kept() > 0);
    assert_eq!(Strategy::stats(&POOL).unwrap().live_bytes, 0);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic = "is not a buffer of this pool"]
fn a_buffer_of_another_pool_is_caught_in_debug() {
    let [pool, other] = [BufferPool::new(), BufferPool::new()];
    let (block, _, layout, _) = other.buffer(100).into_raw_parts();
    // SAFETY: it is not: the test breaks the contract, and relies on the check in debug.
    unsafe { (&pool).deallocate(block, layout) };
}

#[cfg(debug_assertions)]
#[test]
#[should_panic = "or not of this size"]
fn a_buffer_that_is_given_back_with_another_size_is_caught_in_debug() {
    let pool = BufferPool::new();
    let (block, ..) = pool.buffer(100).into_raw_parts();
    // SAFETY: it is not: the test breaks the contract, and relies on the check in debug.
    unsafe { (&pool).deallocate(block, layout(200, 1)) };
}

#[cfg(debug_assertions)]
#[test]
#[should_panic = "is given back twice"]
fn a_buffer_that_is_given_back_twice_is_caught_in_debug() {
    let pool = BufferPool::new();
    let (block, _, layout, _) = pool.buffer(100).into_raw_parts();
    for _ in 0..2 {
        // SAFETY: it is not: the test breaks the contract, and relies on the check in debug.
        unsafe { (&pool).deallocate(block, layout) };
    }
}
