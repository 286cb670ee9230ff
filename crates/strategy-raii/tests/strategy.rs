//! One buffer for each allocation, as a strategy.

mod common;

use std::alloc::Layout;
use std::hint::black_box;
use std::ptr::NonNull;

use common::Random;
use strategy::{Allocator, Block, Plan, Strategy, Zeroed};
use strategy_raii::Raii;

fn shared<S: Strategy + Sync>() {}

#[test]
fn it_may_be_shared_by_threads() {
    shared::<Raii>();
}

#[test]
fn blocks_keep_their_stamps() {
    let raii = Raii::new(&Plan::default()).unwrap();
    let blocks: Vec<_> = (0..200)
        .map(|stamp| {
            let layout = Layout::from_size_align(stamp, 1 << (stamp % 13)).unwrap();
            Block::new(&raii, layout, stamp as u64).unwrap()
        })
        .collect();
    for (stamp, block) in (0..).zip(&blocks).skip(1) {
        assert_eq!(block.stamp(), stamp);
    }
    let zeroed = Zeroed::new(&raii, Layout::new::<[u64; 100]>()).unwrap();
    assert!(zeroed.iter().all(|&byte| byte == 0));
}

/// Random sizes and alignments of one block, against a `Vec`.
#[test]
fn random_resizes_agree_with_the_model() {
    let handle = Raii.handle();
    for seed in 0..50 {
        let mut random = Random::seeded(seed);
        let mut old = Layout::from_size_align(random.below(100), 8).unwrap();
        let mut pointer = handle.allocate_zeroed(old).unwrap().cast::<u8>();
        let mut model = vec![0; old.size()];
        for _ in 0..100 {
            let new = Layout::from_size_align(random.below(3000), 1 << random.below(8)).unwrap();
            let block = if new.size() >= old.size() {
                // SAFETY: the block came from `handle` with `old`; `new` is not smaller.
                unsafe { handle.grow_zeroed(pointer, old, new) }
            } else {
                // SAFETY: the block came from `handle` with `old`; `new` is smaller.
                unsafe { handle.shrink(pointer, old, new) }
            };
            pointer = block.unwrap().cast();
            old = new;
            model.resize(new.size(), 0);
            let mut bytes = NonNull::slice_from_raw_parts(pointer, new.size());
            // SAFETY: the block has that many bytes, zeroed or written below, and nothing else
            // uses it.
            let bytes = unsafe { bytes.as_mut() };
            assert_eq!(bytes, model);
            bytes.fill(random.number().to_le_bytes()[0]);
            model.copy_from_slice(bytes);

            let impossible = Layout::from_size_align(isize::MAX as usize, 1).unwrap();
            // SAFETY: the block came from `handle` with `old`, which is the smaller one.
            let grown = unsafe { handle.grow(pointer, old, impossible) };
            // Or the compiler, which knows `realloc`, takes it for done.
            assert!(black_box(grown).is_err());
        }
        // SAFETY: the block came from `handle` with `old`, and a growth that was refused has
        // left it whole.
        unsafe { handle.deallocate(pointer, old) };
    }
}
