//! Ten thousand live blocks, replaced at random.

use rand::RngExt;
use rand_pcg::Pcg64;
use strategy::{Plan, Small, Strategy, Table};

use crate::stream::skewed;
use crate::{Description, Failure, Measure, Stream, Tally, Workload, stamp};

/// Blocks alive.
const BLOCKS: u16 = 10_000;

/// Replacements in one pass: as every pass draws the same slots, so many that few are never drawn.
const REPLACEMENTS: usize = 40_000;

/// The smallest block in bytes.
const MIN: u16 = 16;

/// The largest block in bytes.
const MAX: u16 = 1024;

/// How the sizes are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// All sizes are equally likely.
    Uniform,
    /// Small ones by the rule of 80 to 20, applied six times.
    Pareto,
}

/// `churn`, `churn-pareto`: 10,000 live blocks of mixed sizes; a random one is freed and another
/// allocated in its place.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// How the sizes are drawn.
    pub skew: Skew,
}

/// A block to free and the size of the one that takes its place.
#[derive(Clone, Copy, Debug)]
struct Replacement {
    slot: u16,
    size: Small,
}

impl Churn {
    /// The sizes that the slots begin with, and the replacements of a pass, which are the
    /// same in every pass.
    fn drawn(self, stream: Stream) -> (Vec<Small>, Vec<Replacement>) {
        let mut random = stream.generator();
        let size = |random: &mut Pcg64| match self.skew {
            Skew::Uniform => Small(random.random_range(MIN..=MAX)),
            Skew::Pareto => Small(skewed(random, MIN, MAX, 6)),
        };
        let first = (0..BLOCKS).map(|_| size(&mut random)).collect();
        let replacements = (0..REPLACEMENTS)
            .map(|_| Replacement { slot: random.random_range(0..BLOCKS), size: size(&mut random) })
            .collect();
        (first, replacements)
    }
}

impl Workload for Churn {
    fn description(&self) -> Description {
        let (name, stands_for) = match self.skew {
            Skew::Uniform => ("churn", "A long-running server whose objects die in no order."),
            Skew::Pareto => (
                "churn-pareto",
                "The same with sizes as programs have them: most are small, a few are large.",
            ),
        };
        Description {
            name,
            about: "Keeps 10,000 blocks of mixed sizes alive; again and again frees a random one \
                    and allocates another in its place.",
            stands_for,
            operation: "one block read and freed, and another allocated and written",
        }
    }

    fn parameter(&self) -> String {
        format!("{MIN}-{MAX}")
    }

    fn plan(&self) -> Plan {
        Plan { max_align: Small::ALIGN, ..Plan::sizes(MIN.into(), MAX.into()) }.live(BLOCKS.into())
    }

    fn answer(&self, stream: Stream) -> Tally {
        // A slot's blocks all carry the slot's stamp, so a pass does not depend on the one before.
        self.drawn(stream).1.iter().map(|replacement| stamp(replacement.slot.into())).collect()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        let (first, replacements) = self.drawn(stream);
        let mut blocks = Table::new(strategy, BLOCKS.into());
        for (size, slot) in first.into_iter().zip(0..BLOCKS) {
            blocks.allocate(slot.into(), size, stamp(slot.into()))?;
        }
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for &Replacement { slot, size } in &replacements {
                    let block = blocks.take(slot.into()).expect("a slot is emptied only here");
                    tally.add(block.stamp());
                    drop(block);
                    blocks.allocate(slot.into(), size, stamp(slot.into()))?;
                }
            }
            Ok(tally)
        })?;
        let left: Tally = (0..BLOCKS)
            .map(|slot| blocks.take(slot.into()).expect("all slots are full").stamp())
            .collect();
        left.verified((0..BLOCKS).map(|slot| stamp(slot.into())).collect()).map(drop)
    }
}
