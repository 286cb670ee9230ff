//! Random operations, counted by the allocators and by a model too simple to be wrong.

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use proptest::prelude::*;
use tracking::{Checking, Stats, Tracking};

/// One operation; an index is taken modulo the live blocks.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Allocate { size: usize, align: u32, zeroed: bool },
    Resize { index: usize, size: usize, zeroed: bool },
    Free { index: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    let size = || prop_oneof![4 => 0..100_usize, 2 => 0..5000_usize, 1 => 0..200_000_usize];
    prop_oneof![
        4 => (size(), 0..8_u32, any::<bool>())
            .prop_map(|(size, align, zeroed)| Operation::Allocate { size, align, zeroed }),
        2 => (any::<usize>(), size(), any::<bool>())
            .prop_map(|(index, size, zeroed)| Operation::Resize { index, size, zeroed }),
        3 => any::<usize>().prop_map(|index| Operation::Free { index }),
    ]
}

/// What is to be counted.
#[derive(Debug, Default)]
struct Model {
    blocks: Vec<(NonNull<u8>, Layout)>,
    allocations: u64,
    frees: u64,
    reallocations: u64,
    allocated_bytes: u64,
    freed_bytes: u64,
    peak_bytes: u64,
    /// By the largest value that counts there.
    sizes: BTreeMap<u64, u64>,
}

impl Model {
    fn live_bytes(&self) -> u64 {
        self.blocks.iter().map(|(_, layout)| layout.size() as u64).sum()
    }

    fn asked(&mut self, size: usize) {
        *self.sizes.entry(size.next_power_of_two() as u64).or_default() += 1;
    }

    fn run(&mut self, allocator: &impl Allocator, operation: Operation) {
        match operation {
            Operation::Allocate { size, align, zeroed } => {
                let layout = Layout::from_size_align(size, 1 << align).unwrap();
                let block = match zeroed {
                    true => allocator.allocate_zeroed(layout).unwrap(),
                    false => allocator.allocate(layout).unwrap(),
                };
                self.blocks.push((block.cast(), layout));
                self.allocations += 1;
                self.allocated_bytes += size as u64;
                self.asked(size);
            }
            Operation::Resize { index, size, zeroed } if !self.blocks.is_empty() => {
                let index = index % self.blocks.len();
                let (block, old) = self.blocks[index];
                let new = Layout::from_size_align(size, old.align()).unwrap();
                let grows = size >= old.size();
                let moved = match zeroed {
                    // SAFETY: the block is of this allocator and layout, and is not made smaller.
                    true if grows => unsafe { allocator.grow_zeroed(block, old, new) },
                    // SAFETY: as above.
                    _ if grows => unsafe { allocator.grow(block, old, new) },
                    // SAFETY: as above, and is not made larger.
                    _ => unsafe { allocator.shrink(block, old, new) },
                };
                self.blocks[index] = (moved.unwrap().cast(), new);
                self.reallocations += 1;
                self.allocated_bytes += size.saturating_sub(old.size()) as u64;
                self.freed_bytes += old.size().saturating_sub(size) as u64;
                self.asked(size);
            }
            Operation::Free { index } if !self.blocks.is_empty() => {
                let index = index % self.blocks.len();
                self.free(allocator, index);
            }
            Operation::Resize { .. } | Operation::Free { .. } => {}
        }
        self.peak_bytes = self.peak_bytes.max(self.live_bytes());
    }

    fn free(&mut self, allocator: &impl Allocator, index: usize) {
        let (block, layout) = self.blocks.swap_remove(index);
        // SAFETY: the block is of this allocator and layout, and is given up.
        unsafe { allocator.deallocate(block, layout) };
        self.frees += 1;
        self.freed_bytes += layout.size() as u64;
    }

    #[track_caller]
    fn agrees(&self, stats: &Stats) {
        let live = (stats.live_bytes, stats.live_blocks, stats.peak_bytes);
        assert_eq!(live, (self.live_bytes(), self.blocks.len() as u64, self.peak_bytes));
        let calls = (stats.allocations, stats.frees, stats.reallocations, stats.failures);
        assert_eq!(calls, (self.allocations, self.frees, self.reallocations, 0));
        let bytes = (stats.allocated_bytes, stats.freed_bytes, stats.unseen_bytes);
        assert_eq!(bytes, (self.allocated_bytes, self.freed_bytes, 0));
        assert_eq!(stats.sizes.iter().collect::<BTreeMap<_, _>>(), self.sizes);
    }
}

fn agree<A: Allocator>(allocator: &A, stats: impl Fn(&A) -> Stats, operations: &[Operation]) {
    let mut model = Model::default();
    for operation in operations {
        model.run(allocator, *operation);
        model.agrees(&stats(allocator));
    }
    while !model.blocks.is_empty() {
        model.free(allocator, 0);
    }
    model.agrees(&stats(allocator));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tracking_agrees_with_the_model(
        operations in prop::collection::vec(operation(), 1..200),
    ) {
        agree(&Tracking::system(), Tracking::stats, &operations);
    }

    #[test]
    fn checking_agrees_with_the_model(
        operations in prop::collection::vec(operation(), 1..100),
        quarantine in prop_oneof![Just(0), Just(10_000), Just(16 << 20)],
    ) {
        let checking = Checking::system().with_quarantine(quarantine);
        agree(&checking, Checking::stats, &operations);
        assert_eq!(checking.check(), 0);
        assert!(checking.leaks().is_empty());
        let freed = checking.stats().frees;
        assert_eq!(checking.lifetimes().count(), freed);
    }
}
