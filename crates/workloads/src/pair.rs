//! Allocate, write, free at once.

use std::alloc::Layout;
use std::hint::black_box;

use strategy::{Block, Fixed, Plan, Strategy};

use crate::{Description, Failure, Measure, Stream, Tally, Workload, stamp};

/// Pairs in one pass.
const PAIRS: u64 = 1000;

/// The alignment of the block: that of its stamp.
const ALIGN: usize = 8;

/// What one pass of pairs must return.
fn answer() -> Tally {
    (0..PAIRS).map(stamp).collect()
}

/// `pair`: allocate a block whose layout is known at compile time, write, free at once.
#[derive(Clone, Copy, Debug)]
pub struct Pair<const SIZE: usize>;

impl<const SIZE: usize> Workload for Pair<SIZE> {
    fn description(&self) -> Description {
        Description {
            name: "pair",
            about: "Allocates a block of a layout known at compile time, writes 8 bytes, reads \
                    them back and frees the block at once.",
            stands_for: "A short-lived box in a hot loop: the fastest that an allocator can be.",
            operation: "one block allocated, written, read and freed",
        }
    }

    fn parameter(&self) -> String {
        SIZE.to_string()
    }

    fn plan(&self) -> Plan {
        Plan { max_align: ALIGN, ..Plan::sizes(SIZE, SIZE) }
    }

    fn answer(&self, _: Stream) -> Tally {
        answer()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        _: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for index in 0..PAIRS {
                    let block = Block::new(strategy, Fixed::<SIZE, ALIGN>, stamp(index))?;
                    tally.add(block.stamp());
                }
            }
            Ok(tally)
        })
    }
}

/// `pair-opaque`: the same with a layout that the compiler cannot see.
#[derive(Clone, Copy, Debug)]
pub struct PairOpaque {
    /// The size of the block in bytes.
    pub size: usize,
}

impl PairOpaque {
    fn layout(self) -> Layout {
        Layout::from_size_align(self.size, ALIGN).expect("the family's sizes are small")
    }
}

impl Workload for PairOpaque {
    fn description(&self) -> Description {
        Description {
            name: "pair-opaque",
            about: "The same as pair, with a layout that is hidden from the compiler.",
            stands_for: "An allocator called through a function pointer, or with a length that \
                         came from outside.",
            operation: "one block allocated, written, read and freed",
        }
    }

    fn parameter(&self) -> String {
        self.size.to_string()
    }

    fn plan(&self) -> Plan {
        Plan::of(self.layout())
    }

    fn answer(&self, _: Stream) -> Tally {
        answer()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        _: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        let layout = self.layout();
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for index in 0..PAIRS {
                    let block = Block::<_>::new(strategy, black_box(layout), stamp(index))?;
                    tally.add(block.stamp());
                }
            }
            Ok(tally)
        })
    }
}
