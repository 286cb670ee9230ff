//! Allocate aligned, touch, free.

use strategy::{Block, Fixed, Plan, Strategy};

use crate::{Description, Failure, Measure, Stream, Tally, Workload, stamp};

/// The distance of the touches: the page size of x86-64 and of most others.
const PAGE: usize = 4096;

/// Blocks in one pass.
const BLOCKS: u64 = 100;

/// `aligned`: allocate a block at an alignment, touch a word in each page, free.
#[derive(Clone, Copy, Debug)]
pub struct Aligned<const SIZE: usize, const ALIGN: usize>;

impl<const SIZE: usize, const ALIGN: usize> Workload for Aligned<SIZE, ALIGN> {
    fn description(&self) -> Description {
        Description {
            name: "aligned",
            about: "Allocates a block at an alignment, writes 8 bytes in each of its pages, \
                    reads them back and frees the block.",
            stands_for: "Buffers for vector instructions and direct I/O.",
            operation: "one block allocated, touched and freed",
        }
    }

    fn parameter(&self) -> String {
        format!("{SIZE}@{ALIGN}")
    }

    fn plan(&self) -> Plan {
        Plan { max_align: ALIGN, ..Plan::sizes(SIZE, SIZE) }
    }

    fn answer(&self, _: Stream) -> Tally {
        let pages = SIZE.div_ceil(PAGE) as u64;
        (0..BLOCKS).map(|index| stamp(index).wrapping_mul(pages)).collect()
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
                for index in 0..BLOCKS {
                    let block =
                        Block::<_, _, PAGE>::stamped(strategy, Fixed::<SIZE, ALIGN>, stamp(index))?;
                    tally.add(block.stamp());
                }
            }
            Ok(tally)
        })
    }
}
