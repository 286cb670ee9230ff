//! The bound on what is kept free.

use std::cell::Cell;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use strategy::contract::Probe;
use strategy_simd::{AlignedBuffer, DEFAULT_BOUND_BYTES, SimdPool};

use crate::pool::{KIB, MIB, give_back, layout, take};

#[test]
fn freed_blocks_are_kept_up_to_the_bound_and_memory_goes_back_beyond_it() {
    let probe = Probe::new();
    let pool = SimdPool::new_in(probe.clone());
    assert_eq!(pool.bound_bytes(), DEFAULT_BOUND_BYTES);
    pool.set_bound_bytes(4 * MIB);
    for size in [KIB, 4 * KIB, 256 * KIB, MIB, 2 * MIB] {
        for bytes in [MIB, 4 * MIB, 20 * MIB] {
            let blocks: Vec<_> =
                (0..bytes.div_ceil(size)).map(|_| take(&pool, layout(size, 64))).collect();
            assert!(pool.live_bytes() >= bytes);
            for block in blocks {
                give_back(&pool, block, layout(size, 64));
            }
            assert_eq!(pool.live_bytes(), 0);
            assert!(pool.free_bytes() <= 4 * MIB, "{size}: {} are free", pool.free_bytes());
            assert!(pool.free_bytes() >= MIB, "{size}: {} are free", pool.free_bytes());
            assert_eq!(pool.reserved_bytes(), probe.bytes_out());
            // Records and stacks of free blocks come on top.
            assert!(probe.bytes_out() <= pool.free_bytes() + MIB, "{}", probe.bytes_out());
        }
    }
    drop(pool);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn blocks_of_a_mebibyte_and_more_never_exceed_the_bound() {
    let seed = 7;
    println!("seed {seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let pool = SimdPool::new();
    pool.set_bound_bytes(9 * MIB);
    let mut live = Vec::new();
    for _ in 0..3000 {
        if live.len() < 20 && random.random_range(0..2) == 0 {
            let layout = layout(MIB << random.random_range(0..4), 64);
            live.push((take(&pool, layout), layout));
        } else if !live.is_empty() {
            let (block, layout) = live.swap_remove(random.random_range(0..live.len()));
            give_back(&pool, block, layout);
        }
        assert!(pool.free_bytes() <= 9 * MIB, "{} are free", pool.free_bytes());
    }
    for (block, layout) in live {
        give_back(&pool, block, layout);
    }
}

#[test]
fn with_a_bound_of_0_all_goes_back_at_once() {
    let probe = Probe::new();
    let pool = SimdPool::new_in(probe.clone());
    pool.set_bound_bytes(0);
    for size in [1, 64, 100, 4 * KIB, 64 * KIB, MIB, 3 * MIB, 33 * MIB] {
        let first = take(&pool, layout(size, 64));
        let second = take(&pool, layout(size, 64));
        give_back(&pool, first, layout(size, 64));
        assert!(probe.bytes_out() > size, "{size}");
        give_back(&pool, second, layout(size, 64));
        assert_eq!((pool.reserved_bytes(), probe.bytes_out()), (0, 0), "{size}");
    }
    assert_eq!(probe.fault(), None);
}

#[test]
fn a_block_that_is_out_holds_its_chunk_until_it_is_freed() {
    for held_of in [2, 10, 100, 10_000] {
        let pool = SimdPool::new();
        pool.set_bound_bytes(100_000);
        let mut blocks: Vec<_> = (0..20_000_u64)
            .map(|index| AlignedBuffer::<_, 64, _>::try_filled_in(index, 8, &pool).unwrap())
            .collect();
        let mut held = Vec::new();
        for (index, block) in blocks.drain(..).enumerate() {
            if index % held_of == 0 {
                held.push(block);
            }
        }
        for block in &held {
            let first = block[0];
            assert!(first.is_multiple_of(held_of as u64) && block[..] == [first; 8]);
        }
        // As the last blocks are freed, in any order, their chunks go back.
        let mut random = Pcg64Mcg::seed_from_u64(held_of as u64);
        while !held.is_empty() {
            drop(held.swap_remove(random.random_range(0..held.len())));
            let first = held.first().map(|block| block[0]);
            assert!(first.is_none_or(|first| held[0][..] == [first; 8]));
        }
        assert!(pool.free_bytes() <= 100_000, "{held_of}: {} are free", pool.free_bytes());
    }
}

#[test]
fn several_classes_share_the_bound() {
    let seed = 11;
    println!("seed {seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let probe = Probe::new();
    let pool = SimdPool::new_in(probe.clone());
    for round in 0..30 {
        pool.set_bound_bytes([0, 1000, 50_000, MIB][round % 4]);
        let mut live = Vec::new();
        for _ in 0..2000 {
            if random.random_range(0..3) > 0 {
                let most = 64 << random.random_range(0..10);
                let size = random.random_range(1..most);
                let layout = layout(size, 1 << random.random_range(0..13));
                let fill = random.random::<u8>();
                let block = take(&pool, layout);
                // SAFETY: the block has that many bytes.
                unsafe { block.write_bytes(fill, size) };
                live.push((block, layout, fill));
            } else if !live.is_empty() {
                let (block, layout, fill) = live.swap_remove(random.random_range(0..live.len()));
                let bytes = NonNull::slice_from_raw_parts(block, layout.size());
                // SAFETY: the block is live, and was filled in full.
                assert!(unsafe { bytes.as_ref() }.iter().all(|byte| *byte == fill));
                give_back(&pool, block, layout);
            }
            assert_eq!(pool.reserved_bytes(), probe.bytes_out());
        }
        for (block, layout, _) in live {
            give_back(&pool, block, layout);
        }
        assert_eq!(pool.live_bytes(), 0);
        assert!(pool.free_bytes() <= pool.bound_bytes());
    }
    drop(pool);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_lower_bound_holds_at_once_and_the_class_in_use_is_kept_longest() {
    let pool = SimdPool::new();
    for size in [64 * KIB, 256 * KIB, 2 * MIB, 16 * MIB] {
        let blocks = [(); 3].map(|()| take(&pool, layout(size, 64)));
        blocks.into_iter().for_each(|block| give_back(&pool, block, layout(size, 64)));
    }
    let free = pool.free_bytes();
    pool.set_bound_bytes(free);
    assert_eq!(pool.free_bytes(), free);
    pool.set_bound_bytes(free - 1);
    assert!(pool.free_bytes() <= free / 2);
    pool.set_bound_bytes(3 * MIB);
    assert!(pool.free_bytes() <= 3 * MIB / 2);

    let frame = layout(2 * MIB, 64);
    let small = [(); 20].map(|()| take(&pool, layout(64 * KIB, 64)));
    let block = take(&pool, frame);
    small.into_iter().for_each(|block| give_back(&pool, block, layout(64 * KIB, 64)));
    give_back(&pool, block, frame);
    assert!(pool.free_bytes() <= 3 * MIB);
    pool.set_bound_bytes(64 * MIB);
    assert_eq!(pool.free_bytes() % (2 * MIB), 0, "the small blocks went first");
}

#[test]
fn a_stack_goes_back_with_the_last_chunk_of_its_class() {
    let probe = Probe::new();
    let pool = SimdPool::new_in(probe.clone());
    let blocks: Vec<_> = (0..20_000).map(|_| take(&pool, layout(64, 64))).collect();
    for block in blocks {
        give_back(&pool, block, layout(64, 64));
    }
    assert!(probe.bytes_out() > 20_000 * (64 + 8));
    pool.set_bound_bytes(0);
    assert_eq!(probe.bytes_out(), 0);
    let block = take(&pool, layout(64, 64));
    give_back(&pool, block, layout(64, 64));
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_backing_that_uses_the_pool_while_it_takes_memory_back_is_served() {
    /// Takes and frees blocks of the pool in every call.
    #[derive(Default)]
    struct Nested {
        /// A `SimdPool<&Nested>`, without its lifetime.
        pool: Cell<Option<NonNull<()>>>,
        depth: Cell<usize>,
        out: Cell<usize>,
    }

    impl Nested {
        fn use_the_pool(&self) {
            if self.depth.get() < 3
                && let Some(pool) = self.pool.get()
            {
                self.depth.set(self.depth.get() + 1);
                // SAFETY: the test keeps the pool alive and clears the cell before it drops it.
                let pool = unsafe { pool.cast::<SimdPool<&Nested>>().as_ref() };
                let blocks = [64, KIB, 2 * MIB].map(|size| (take(pool, layout(size, 8)), size));
                for (block, size) in blocks {
                    give_back(pool, block, layout(size, 8));
                }
                self.depth.set(self.depth.get() - 1);
            }
        }
    }

    // SAFETY: every block is one of `Global`.
    unsafe impl Allocator for Nested {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.use_the_pool();
            self.out.set(self.out.get() + layout.size());
            Global.allocate(layout)
        }

        unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's duty.
            unsafe { Global.deallocate(pointer, layout) };
            self.out.set(self.out.get() - layout.size());
            self.use_the_pool();
        }
    }

    let backing = Nested::default();
    let pool = SimdPool::new_in(&backing);
    pool.set_bound_bytes(10_000);
    backing.pool.set(Some(NonNull::from(&pool).cast()));
    for _ in 0..3 {
        let blocks: Vec<_> = (0..1000).map(|_| take(&pool, layout(KIB, 8))).collect();
        for block in blocks {
            give_back(&pool, block, layout(KIB, 8));
        }
        assert_eq!((pool.live_bytes(), pool.reserved_bytes()), (0, backing.out.get()));
        assert!(pool.free_bytes() <= 10_000);
    }
    backing.pool.set(None);
    drop(pool);
    assert_eq!(backing.out.get(), 0);
}
