//! Allocate zeroed, verify, dirty, free.

use std::hint::black_box;

use strategy::{Fixed, Plan, Strategy, Zeroed};

use crate::{Description, Failure, Measure, Stream, Tally, Workload};

/// The alignment of the block.
const ALIGN: usize = 8;

/// Bytes zeroed in one pass, or one block if it is larger.
const PASS_BYTES: usize = 64 * 1024;

/// `zeroed`: allocate a zeroed block, verify every byte, dirty every byte, free.
#[derive(Clone, Copy, Debug)]
pub struct ZeroedPair<const SIZE: usize>;

impl<const SIZE: usize> ZeroedPair<SIZE> {
    /// Blocks in one pass.
    const BLOCKS: u64 = if SIZE < PASS_BYTES { (PASS_BYTES / SIZE) as u64 } else { 1 };

    /// What a block is dirtied with: never 0.
    fn dirt(index: u64) -> u8 {
        (index % 255) as u8 + 1
    }
}

impl<const SIZE: usize> Workload for ZeroedPair<SIZE> {
    fn description(&self) -> Description {
        Description {
            name: "zeroed",
            about: "Allocates a zeroed block, verifies that every byte is 0, writes every byte \
                    and frees the block.",
            stands_for: "Tables and buffers that start empty; fresh pages of the system are zero \
                         already, reused blocks are not.",
            operation: "one block allocated, verified, overwritten and freed",
        }
    }

    fn parameter(&self) -> String {
        SIZE.to_string()
    }

    fn plan(&self) -> Plan {
        Plan { max_align: ALIGN, ..Plan::sizes(SIZE, SIZE) }
    }

    fn answer(&self, _: Stream) -> Tally {
        (0..Self::BLOCKS).map(|index| Self::dirt(index).into()).collect()
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
                for index in 0..Self::BLOCKS {
                    let mut block = Zeroed::new(strategy, Fixed::<SIZE, ALIGN>)?;
                    // Without an early way out, so that it is one pass of vector instructions.
                    if block.iter().fold(0, |any, byte| any | byte) != 0 {
                        return Err(Failure::NotZero);
                    }
                    block.fill(Self::dirt(index));
                    tally.add(black_box(&*block)[SIZE - 1].into());
                }
            }
            Ok(tally)
        })
    }
}
