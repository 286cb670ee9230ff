//! The life of a request: many small blocks that are given up together.

use std::mem::ManuallyDrop;

use arrayvec::ArrayVec;
use rand::RngExt;
use strategy::{Block, Plan, Reset, Small, Strategy};

use crate::{Description, Failure, Measure, Stream, Tally, Workload, stamp};

/// Blocks in one request, which is one pass.
const BLOCKS: usize = 1000;

/// The smallest block in bytes.
const MIN: u16 = 8;

/// The largest block in bytes.
const MAX: u16 = 256;

/// `request`: 1000 blocks of mixed small sizes, all given up together.
#[derive(Clone, Copy, Debug)]
pub struct Request;

impl Request {
    /// The sizes of the blocks.
    fn sizes(stream: Stream) -> Vec<Small> {
        let mut random = stream.generator();
        (0..BLOCKS).map(|_| Small(random.random_range(MIN..=MAX))).collect()
    }
}

impl Workload for Request {
    fn description(&self) -> Description {
        Description {
            name: "request",
            about: "Allocates 1000 blocks of mixed small sizes, reads them all, and gives them up \
                    together: by a reset where the strategy has one, else one by one.",
            stands_for: "A request, a frame, a compiler pass: the comparison that arenas are made \
                         for.",
            operation: "one block allocated, written, read and given up",
        }
    }

    fn parameter(&self) -> String {
        format!("{MIN}-{MAX}")
    }

    fn plan(&self) -> Plan {
        Plan { max_align: Small::ALIGN, ..Plan::sizes(MIN.into(), MAX.into()) }
            .live(BLOCKS)
            .freed_together()
    }

    fn answer(&self, _: Stream) -> Tally {
        (0..BLOCKS as u64).map(stamp).collect()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        let sizes = Self::sizes(stream);
        let resets = strategy.profile().reset != Reset::Unsupported;
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                // Whoever resets frees no block, so they are not dropped by themselves. On the
                // stack, since a block borrows the strategy and has to be gone before the reset,
                // and a vector on the heap would be work for System alone.
                let mut blocks = ManuallyDrop::new(ArrayVec::<_, BLOCKS>::new());
                for (&size, index) in sizes.iter().zip(0..) {
                    blocks.push(Block::new(strategy, size, stamp(index))?);
                }
                blocks.iter().for_each(|block| tally.add(block.stamp()));
                if resets {
                    strategy.reset()?;
                } else {
                    blocks.clear();
                }
            }
            Ok(tally)
        })
    }
}
