//! The pool of mixed sizes: what the contract does not say of it, and large blocks.

use std::cell::Cell;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use allocator_api2::vec::Vec as VecIn;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use strategy::contract::Probe;
use strategy_pool::SizeClassPool;

use crate::nested::{Address, Nested};

/// Beyond the classes.
const LARGE: usize = 100_000;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn take<A: Allocator>(pool: &SizeClassPool<A>, layout: Layout) -> NonNull<u8> {
    pool.allocate(layout).unwrap().cast()
}

fn give_back<A: Allocator>(pool: &SizeClassPool<A>, block: NonNull<u8>, layout: Layout) {
    // SAFETY: the tests pass each block of `take` once, with its layout.
    unsafe { pool.deallocate(block, layout) };
}

#[test]
fn vectors_that_grow_and_shrink_through_all_sizes_agree_with_those_of_std() {
    let seed = 3;
    println!("seed {seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let probe = Probe::new();
    let mut pool = SizeClassPool::new_in(probe.clone());
    for _ in 0..3 {
        let mut pairs: Vec<_> = (0..40).map(|_| (VecIn::new_in(&pool), Vec::new())).collect();
        for step in 0..1500 {
            let (ours, model) = &mut pairs[random.random_range(0..40)];
            let bits = random.random_range(1..19);
            let len = random.random_range(0..1 << bits);
            match step % 3 {
                0 => {
                    ours.resize(len, step as u8);
                    model.resize(len, step as u8);
                }
                1 => {
                    ours.truncate(len);
                    model.truncate(len);
                    ours.shrink_to_fit();
                }
                _ => {
                    *ours = ours.clone();
                    ours.push(7);
                    model.push(7);
                }
            }
            assert!(ours[..] == model[..], "step {step}");
        }
        assert!(pairs.iter().all(|(ours, model)| ours[..] == model[..]));
        assert_eq!(pool.reserved_bytes(), probe.bytes_out());
        drop(pairs);
        assert_eq!(pool.live_bytes(), 0);
        pool.reset();
    }
    drop(pool);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn the_classes_share_chunks() {
    let probe = Probe::new();
    let pool = SizeClassPool::new_in(probe.clone());
    let mut bytes = 0;
    for quarter in 16..48 {
        let size = (16 << (quarter / 4 - 4)) * (4 + quarter % 4);
        take(&pool, layout(size, 8));
        bytes += size;
    }
    let stacks = 32;
    assert_eq!(pool.live_bytes(), bytes);
    assert!(probe.blocks_out() <= stacks + 8, "{} chunks", probe.blocks_out() - stacks);
    assert!(pool.reserved_bytes() < 3 * bytes, "{} for {bytes}", pool.reserved_bytes());
}

#[test]
fn the_last_block_freed_serves_the_next_request_of_its_class_and_no_other() {
    let pool = SizeClassPool::new();
    let (first, second) = (take(&pool, layout(100, 8)), take(&pool, layout(100, 8)));
    give_back(&pool, second, layout(112, 8)); // all that was returned fits as well
    give_back(&pool, first, layout(100, 8));
    assert!(![first, second].contains(&take(&pool, layout(96, 8))));
    assert!(![first, second].contains(&take(&pool, layout(113, 8))));
    assert_eq!(take(&pool, layout(97, 16)), first);
    assert_eq!(take(&pool, layout(112, 1)), second);
}

#[test]
fn a_block_stays_where_it_is_within_its_class() {
    let pool = SizeClassPool::new();
    let block = take(&pool, layout(1025, 8));
    // SAFETY: the block is owned and was got with the first layout; the second is larger.
    let grown = unsafe { (&pool).grow(block, layout(1025, 8), layout(1280, 32)) }.unwrap();
    assert_eq!((grown.cast(), grown.len()), (block, 1280));
    // SAFETY: as above; the second layout is smaller.
    let shrunk = unsafe { (&pool).shrink(block, layout(1280, 32), layout(1030, 1)) }.unwrap();
    assert_eq!(shrunk.cast(), block);
    // SAFETY: as above; the second layout is larger.
    let moved = unsafe { (&pool).grow(block, layout(1030, 1), layout(1281, 1)) }.unwrap();
    assert_ne!(moved.cast(), block);
    assert_eq!(pool.live_bytes(), 1536);
}

#[test]
fn a_reset_has_the_kept_chunks_cut_anew() {
    let probe = Probe::new();
    let mut pool = SizeClassPool::new_in(probe.clone());
    let mut random = Pcg64Mcg::seed_from_u64(5);
    let sizes: Vec<_> = (0..2000).map(|_| random.random_range(1..5000)).collect();
    let mut reserved = 0;
    for round in 0..5 {
        let mut blocks: Vec<_> =
            sizes.iter().map(|&size| (take(&pool, layout(size, 8)).addr().get(), size)).collect();
        blocks.sort();
        assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        assert!(round < 2 || probe.bytes_out() == reserved, "round {round}");
        reserved = probe.bytes_out();
        pool.reset();
        assert_eq!((pool.live_bytes(), probe.bytes_out()), (0, reserved));
    }
}

#[test]
fn large_blocks_go_straight_back() {
    let probe = Probe::new();
    let mut pool = SizeClassPool::new_in(probe.clone());
    let sizes = [LARGE, 32 << 10 | 1, LARGE, 5 * LARGE, 64];
    let aligns = [8, 1, 4096, 64, 64 << 10];
    let layouts = sizes.into_iter().zip(aligns).map(|(size, align)| layout(size, align));
    let blocks: Vec<_> = layouts.map(|layout| (take(&pool, layout), layout)).collect();
    assert_eq!((probe.blocks_out(), pool.reserved_bytes()), (6, probe.bytes_out()));
    for index in [2, 0, 4, 1, 3] {
        let before = probe.blocks_out();
        give_back(&pool, blocks[index].0, blocks[index].1);
        assert_eq!(probe.blocks_out(), before - 1);
        assert_eq!(pool.reserved_bytes(), probe.bytes_out());
    }
    assert_eq!(pool.live_bytes(), 0);
    take(&pool, layout(LARGE, 8));
    pool.reset();
    assert_eq!((pool.live_bytes(), probe.blocks_out()), (0, 1));
    take(&pool, layout(LARGE, 8));
    drop(pool);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_large_block_is_resized_by_its_backing() {
    /// Counts.
    #[derive(Default)]
    struct Resizing {
        grown: Cell<usize>,
        shrunk: Cell<usize>,
    }

    // SAFETY: all is left to `Global`.
    unsafe impl Allocator for Resizing {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            Global.allocate(layout)
        }

        unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's duty.
            unsafe { Global.deallocate(pointer, layout) };
        }

        unsafe fn grow(
            &self,
            pointer: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            self.grown.set(self.grown.get() + 1);
            // SAFETY: the caller's duty.
            unsafe { Global.grow(pointer, old, new) }
        }

        unsafe fn shrink(
            &self,
            pointer: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            self.shrunk.set(self.shrunk.get() + 1);
            // SAFETY: the caller's duty.
            unsafe { Global.shrink(pointer, old, new) }
        }
    }

    let backing = Resizing::default();
    let pool = SizeClassPool::new_in(&backing);
    let mut bytes = VecIn::new_in(&pool);
    let before = take(&pool, layout(LARGE, 8));
    bytes.resize(LARGE, 1_u8);
    let after = take(&pool, layout(LARGE, 8));
    bytes.reserve_exact(10 * LARGE);
    bytes.resize(10 * LARGE, 2);
    bytes.truncate(LARGE + 1);
    bytes.shrink_to_fit();
    assert_eq!((backing.grown.get(), backing.shrunk.get()), (1, 1));
    assert!(bytes[..LARGE].iter().all(|&byte| byte == 1) && bytes[LARGE] == 2);
    bytes.truncate(10);
    bytes.shrink_to_fit(); // into a class
    assert_eq!((&bytes[..], pool.live_bytes() - 16), (&[1; 10][..], 2 * (LARGE + 24)));
    give_back(&pool, before, layout(LARGE, 8));
    give_back(&pool, after, layout(LARGE, 8));
}

#[test]
fn a_large_block_grows_zeroed_over_what_was_behind_it() {
    let pool = SizeClassPool::new_in(Probe::new());
    for (old, new) in [(LARGE, LARGE + 1), (LARGE, LARGE + 20), (LARGE + 3, 2 * LARGE), (9, LARGE)]
    {
        let (old, new) = (layout(old, 1), layout(new, 1));
        let block = take(&pool, old);
        // SAFETY: the block has that many bytes.
        unsafe { block.write_bytes(7, old.size()) };
        // SAFETY: the block is owned and was got with `old`, which is smaller.
        let grown = unsafe { (&pool).grow_zeroed(block, old, new) }.unwrap();
        // SAFETY: the old bytes were written, and the others are zeroed.
        let bytes = unsafe { grown.as_ref() };
        assert_eq!(bytes.len(), new.size());
        assert!(bytes[..old.size()].iter().all(|&byte| byte == 7));
        assert!(bytes[old.size()..].iter().all(|&byte| byte == 0), "{old:?} to {new:?}");
        give_back(&pool, grown.cast(), new);
    }
}

#[test]
fn a_refusal_of_the_backing_leaves_large_blocks_whole() {
    for nth in 1.. {
        let probe = Probe::new();
        probe.fail_on(nth);
        let pool = SizeClassPool::new_in(probe.clone());
        let mut vectors: Vec<_> = (0..4_u8).map(|_| VecIn::new_in(&pool)).collect();
        for size in [1, 1000, LARGE, 2 * LARGE, 3 * LARGE] {
            for (fill, vector) in vectors.iter_mut().enumerate() {
                while vector.try_reserve_exact(size - vector.len()).is_err() {
                    assert_eq!(pool.reserved_bytes(), probe.bytes_out());
                }
                vector.resize(size, fill as u8);
            }
        }
        for (fill, vector) in vectors.iter().enumerate() {
            assert!(vector[..] == vec![fill as u8; 3 * LARGE]);
        }
        drop(vectors);
        assert_eq!(pool.live_bytes(), 0);
        drop(pool);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
        if probe.failed() == 0 {
            assert!(nth > 12, "no call failed");
            return;
        }
    }
}

#[test]
fn a_backing_that_uses_the_pool_itself_is_served() {
    unsafe fn one(pool: Address) -> Option<NonNull<u8>> {
        // SAFETY: the test passes such a pool.
        let pool = unsafe { pool.cast::<SizeClassPool<&Nested>>().as_ref() };
        pool.allocate(layout(1000, 8)).ok().map(NonNull::cast)
    }
    unsafe fn one_large(pool: Address) -> Option<NonNull<u8>> {
        // SAFETY: the test passes such a pool.
        let pool = unsafe { pool.cast::<SizeClassPool<&Nested>>().as_ref() };
        pool.allocate(layout(LARGE, 8)).ok().map(NonNull::cast)
    }

    for (allocate, own, size) in [(one as _, 1000, 1024), (one_large as _, LARGE, LARGE + 24)] {
        let backing = Nested::new(allocate);
        let pool = SizeClassPool::new_in(&backing);
        // SAFETY: the pool is of this type, and moves only after `end`.
        unsafe { backing.begin(NonNull::from(&pool).cast()) };
        let mut blocks: Vec<_> = (0..100).map(|_| take(&pool, layout(own, 8))).collect();
        let kept = backing.end();
        assert!(!kept.is_empty());
        blocks.extend(kept);
        assert_eq!(pool.live_bytes(), blocks.len() * size);
        blocks.sort();
        assert!(blocks.windows(2).all(|pair| pair[1].addr().get() - pair[0].addr().get() >= own));
        for block in blocks {
            give_back(&pool, block, layout(own, 8));
        }
        assert_eq!(pool.live_bytes(), 0);
    }
}

#[test]
fn a_pool_moves_to_another_thread_with_its_memory() {
    let pool = SizeClassPool::new();
    let block = take(&pool, layout(LARGE, 8));
    give_back(&pool, block, layout(LARGE, 8));
    let block = take(&pool, layout(64, 8));
    give_back(&pool, block, layout(64, 8));
    let pool = std::thread::spawn(move || {
        let mut numbers = VecIn::new_in(&pool);
        numbers.extend(0..100_000);
        assert_eq!(numbers[99_999], 99_999);
        drop(numbers);
        pool
    })
    .join()
    .unwrap();
    assert_eq!(pool.live_bytes(), 0);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not one of this pool's")]
fn a_block_of_another_pool_is_caught_in_debug() {
    let (pool, other) = (SizeClassPool::new(), SizeClassPool::new());
    take(&pool, layout(64, 8));
    give_back(&pool, take(&other, layout(64, 8)), layout(64, 8));
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not a large block of this pool")]
fn a_large_block_freed_twice_is_caught_in_debug() {
    let pool = SizeClassPool::new();
    let block = take(&pool, layout(LARGE, 8));
    give_back(&pool, block, layout(LARGE, 8));
    give_back(&pool, block, layout(LARGE, 8));
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "no room on the stack")]
fn blocks_freed_more_often_than_there_are_any_are_caught_in_debug() {
    let pool = SizeClassPool::new();
    let block = take(&pool, layout(64, 8));
    for _ in 0..8 {
        give_back(&pool, block, layout(64, 8));
    }
}
