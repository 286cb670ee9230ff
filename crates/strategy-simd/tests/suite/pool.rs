//! The pool, through its handle and against its backing allocator's books.

use std::cell::Cell;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec as PoolVec;
use strategy::contract::Probe;
use strategy::{Plan, Strategy};
use strategy_simd::{SimdPool, VECTOR_ALIGN};

pub const KIB: usize = 1 << 10;
pub const MIB: usize = 1 << 20;

pub fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

pub fn take<A: Allocator>(pool: &SimdPool<A>, layout: Layout) -> NonNull<u8> {
    let block = pool.allocate(layout).unwrap();
    assert!(block.len() >= layout.size());
    assert!(block.addr().get().is_multiple_of(layout.align()));
    assert!(block.addr().get().is_multiple_of(VECTOR_ALIGN));
    block.cast()
}

pub fn give_back<A: Allocator>(pool: &SimdPool<A>, block: NonNull<u8>, layout: Layout) {
    // SAFETY: the tests pass each block of `take` once, with its layout.
    unsafe { pool.deallocate(block, layout) };
}

#[test]
fn every_alignment_is_honoured_for_every_size() {
    let pool = SimdPool::new();
    for align in (0..24).map(|shift| 1 << shift) {
        for size in [0, 1, align - 1, align, align + 1] {
            let (first, second) = (
                (&pool).allocate(layout(size, align)).unwrap(),
                (&pool).allocate(layout(size, align)).unwrap(),
            );
            for block in [first, second] {
                assert!(block.len() >= size);
                assert!(block.addr().get().is_multiple_of(align), "{size} at {align}");
            }
            give_back(&pool, first.cast(), layout(size, align));
            give_back(&pool, second.cast(), layout(size, align));
        }
    }
    assert_eq!(pool.live_bytes(), 0);
}

#[test]
fn a_freed_block_is_taken_again_without_the_backing() {
    let backing = Probe::new();
    let pool = SimdPool::new_in(backing.clone());
    let layouts = [
        layout(1, 1),
        layout(4 * KIB, 64),
        layout(64 * KIB, 64),
        layout(MIB, 64),
        layout(MIB, 2 * MIB),
        layout(25 * MIB, 64),
    ];
    for layout in layouts {
        let block = take(&pool, layout);
        give_back(&pool, block, layout);
        let (calls, bytes) = (backing.calls(), backing.bytes_out());
        for _ in 0..10 {
            let again = take(&pool, layout);
            assert_eq!(again, block, "{layout:?}");
            give_back(&pool, again, layout);
        }
        assert_eq!((backing.calls(), backing.bytes_out()), (calls, bytes), "{layout:?}");
    }
}

#[test]
fn every_byte_is_given_back_and_blocks_still_out_are_included() {
    let backing = Probe::new();
    let pool = SimdPool::new_in(backing.clone());
    assert_eq!((backing.calls(), pool.reserved_bytes()), (0, 0));
    let mut blocks = Vec::new();
    for size in [1, 100, 5000, 70 * KIB, 2 * MIB, 33 * MIB] {
        for _ in 0..4 {
            blocks.push((take(&pool, layout(size, 64)), layout(size, 64)));
        }
    }
    assert_eq!(pool.reserved_bytes(), backing.bytes_out());
    for (block, layout) in blocks.into_iter().step_by(2) {
        give_back(&pool, block, layout);
    }
    assert_eq!(pool.reserved_bytes(), backing.bytes_out());
    assert!(pool.live_bytes() > 2 * (33 + 2) * MIB);
    drop(pool);
    assert_eq!((backing.bytes_out(), backing.fault()), (0, None));
}

#[test]
fn large_blocks_leave_the_list_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let backing = Probe::new();
        let pool = SimdPool::new_in(backing.clone());
        let large = layout(32 * MIB + 1, 64);
        let blocks = [(); 3].map(|()| take(&pool, large));
        assert_eq!(pool.live_bytes(), backing.bytes_out());
        give_back(&pool, blocks[order[0]], large);
        give_back(&pool, blocks[order[1]], large);
        assert_eq!(pool.live_bytes(), backing.bytes_out());
        assert_eq!(backing.bytes_out(), 32 * MIB + 8 + 48);
        give_back(&pool, blocks[order[2]], large);
        assert_eq!((pool.live_bytes(), backing.bytes_out()), (0, 0));
    }
}

#[test]
fn a_reused_block_is_zeroed_in_full() {
    let pool = SimdPool::new();
    for size in [1, 64, 4 * KIB, MIB - 1] {
        let dirty = (&pool).allocate(layout(size, 64)).unwrap();
        // SAFETY: the block has `dirty.len()` bytes.
        unsafe { dirty.cast::<u8>().write_bytes(0xFF, dirty.len()) };
        give_back(&pool, dirty.cast(), layout(size, 64));
        let zeroed = (&pool).allocate_zeroed(layout(size, 64)).unwrap();
        assert_eq!((zeroed.cast::<u8>(), zeroed.len()), (dirty.cast(), size));
        // SAFETY: zeroed memory is initialized.
        assert_eq!(unsafe { zeroed.as_ref() }, vec![0; size]);
    }
}

#[test]
fn size_0_takes_no_block_and_a_box_without_size_leaves_the_pool_alone() {
    let backing = Probe::new();
    let pool = SimdPool::new_in(backing.clone());
    let empty = take_empty(&pool);
    give_back(&pool, empty, layout(0, 64));
    assert_eq!((&pool).allocate_zeroed(layout(0, 4 * MIB)).unwrap().len(), 0);
    // Such a `Box` of allocator-api2 frees a pointer that it has not allocated.
    drop(Box::new_in((), &pool));
    assert_eq!((backing.calls(), pool.live_bytes()), (0, 0));
}

fn take_empty<A: Allocator>(pool: &SimdPool<A>) -> NonNull<u8> {
    let empty = pool.allocate(layout(0, 64)).unwrap();
    assert_eq!((empty.len(), empty.addr().get() % 64), (0, 0));
    empty.cast()
}

#[test]
fn what_is_too_large_is_an_error() {
    let pool = SimdPool::new();
    for (size, align) in
        [(isize::MAX as usize, 1), (isize::MAX as usize - 63, 64), (1 << 62, 1 << 62)]
    {
        assert!((&pool).allocate(layout(size, align)).is_err());
        assert!((&pool).allocate_zeroed(layout(size, align)).is_err());
    }
    assert_eq!((pool.live_bytes(), pool.reserved_bytes()), (0, 0));
}

#[test]
fn any_refusal_of_the_backing_is_an_error_that_leaves_the_pool_usable() {
    for refused in 0.. {
        let backing = Probe::new();
        backing.fail_on(refused + 1);
        let pool = SimdPool::new_in(backing.clone());
        let mut refusals = 0;
        let mut live = Vec::new();
        for (size, count) in [(64, 200), (64 * KIB, 40), (33 * MIB, 2)] {
            for _ in 0..count {
                let layout = layout(size, 64);
                let before = pool.live_bytes();
                if (&pool).allocate(layout).map(|block| live.push((block.cast(), layout))).is_err()
                {
                    refusals += 1;
                    assert_eq!(pool.live_bytes(), before);
                    live.push((take(&pool, layout), layout));
                }
                assert_eq!(pool.reserved_bytes(), backing.bytes_out());
            }
        }
        let (last, last_layout) = live.pop().unwrap();
        let grown = layout(last_layout.size() + MIB, 64);
        // SAFETY: the block is live, and `grown` is larger.
        let (last, last_layout) = match unsafe { (&pool).grow(last, last_layout, grown) } {
            Ok(block) => (block.cast(), grown),
            Err(AllocError) => {
                refusals += 1;
                (last, last_layout)
            }
        };
        live.push((last, last_layout));
        assert_eq!(refusals, usize::from(refused < backing.calls()));
        for (block, layout) in live {
            give_back(&pool, block, layout);
        }
        assert_eq!(pool.live_bytes(), 0);
        drop(pool);
        assert_eq!(backing.bytes_out(), 0);
        if refusals == 0 {
            assert!(refused > 10, "no call was refused");
            return;
        }
    }
}

#[test]
fn growth_that_was_refused_is_forgotten() {
    let (backing, calm) = (Probe::new(), Probe::new());
    let pool = SimdPool::new_in(backing.clone());
    for _ in 0..100 {
        backing.fail_on(1);
        assert!((&pool).allocate(layout(64, 64)).is_err());
    }
    let never_refused = SimdPool::new_in(calm.clone());
    assert!((&pool).allocate(layout(64, 64)).is_ok());
    assert!((&never_refused).allocate(layout(64, 64)).is_ok());
    assert_eq!(backing.bytes_out(), calm.bytes_out());
}

#[test]
fn a_backing_that_uses_the_pool_itself_is_served() {
    /// Takes a block of the pool in every call, and keeps it.
    #[derive(Default)]
    struct Nested {
        /// A `SimdPool<&Nested>`, without its lifetime.
        pool: Cell<Option<NonNull<()>>>,
        depth: Cell<usize>,
        kept: Cell<usize>,
    }

    // SAFETY: every block is one of `Global`.
    unsafe impl Allocator for Nested {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            if self.depth.get() < 3
                && let Some(pool) = self.pool.get()
            {
                self.depth.set(self.depth.get() + 1);
                // SAFETY: the test keeps the pool alive and clears the cell before it drops it.
                let pool = unsafe { pool.cast::<SimdPool<&Nested>>().as_ref() };
                let block = pool.allocate(Layout::new::<[u64; 128]>());
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

    let backing = Nested::default();
    let pool = SimdPool::new_in(&backing);
    backing.pool.set(Some(NonNull::from(&pool).cast()));
    let mut blocks: Vec<_> = (0..1000).map(|_| take(&pool, layout(KIB, 8))).collect();
    assert!(backing.kept.get() > 0);
    assert_eq!(pool.live_bytes(), (1000 + backing.kept.get()) * KIB);
    blocks.sort();
    blocks.dedup();
    assert_eq!(blocks.len(), 1000);
    for block in blocks {
        give_back(&pool, block, layout(KIB, 8));
    }
    backing.pool.set(None);
}

#[test]
fn a_vector_grows_in_the_pool_and_stays_aligned() {
    let pool = SimdPool::new();
    let mut bytes = PoolVec::new_in(&pool);
    for index in 0..MIB {
        bytes.push(index as u8);
    }
    assert!(bytes.as_ptr().addr().is_multiple_of(VECTOR_ALIGN));
    assert!(bytes.iter().enumerate().all(|(index, byte)| *byte == index as u8));
    bytes.truncate(10);
    bytes.shrink_to_fit();
    assert_eq!((bytes[9], pool.live_bytes()), (9, 64));
}

#[test]
fn a_pool_moves_to_another_thread_with_its_memory() {
    let pool = SimdPool::new();
    give_back(&pool, take(&pool, layout(64, 64)), layout(64, 64));
    let pool = std::thread::spawn(move || {
        assert_eq!(*Box::new_in(7_u64, &pool), 7);
        pool
    })
    .join()
    .unwrap();
    assert_eq!(pool.live_bytes(), 0);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not this pool's block")]
fn a_block_of_another_pool_is_caught_in_debug() {
    let (pool, other) = (SimdPool::new(), SimdPool::new());
    let block = take(&other, layout(64, 64));
    take(&pool, layout(64, 64));
    give_back(&pool, block, layout(64, 64));
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "freed twice")]
fn a_block_freed_twice_is_caught_in_debug() {
    let pool = SimdPool::new();
    let block = take(&pool, layout(64, 64));
    take(&pool, layout(64, 64));
    give_back(&pool, block, layout(64, 64));
    give_back(&pool, block, layout(64, 64));
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "not this pool's block")]
fn a_pointer_into_a_block_is_caught_in_debug() {
    let pool = SimdPool::new();
    let block = take(&pool, layout(128, 64));
    give_back(&pool, block.map_addr(|start| start | 64), layout(128, 64));
}

#[test]
fn the_strategy_counts_what_it_holds() {
    let mut pool = <SimdPool as Strategy>::new(&Plan::sizes(1, MIB)).unwrap();
    let block = take(&pool, layout(100, 8));
    let stats = Strategy::stats(&pool).unwrap();
    assert_eq!((stats.live_bytes, stats.reserved_bytes), (128, pool.reserved_bytes()));
    give_back(&pool, block, layout(100, 8));
    assert_eq!(Strategy::reset(&mut pool).unwrap_err().to_string(), "has no reset");
    assert!(<SimdPool as Strategy>::new(&Plan { threads: 2, ..Plan::default() }).is_err());
}
