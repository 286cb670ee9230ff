//! Allocate a thousand blocks, then free them in some order.

use strategy::{Fixed, Plan, Strategy, Table};

use crate::{Description, Failure, Measure, Stream, Tally, Workload, stamp};

/// Blocks in one pass.
const BLOCKS: u16 = 1000;

/// The size of a block in bytes.
const SIZE: usize = 64;

/// The alignment of a block: that of its stamp.
const ALIGN: usize = 8;

/// The order in which a batch is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    Lifo,
    /// Oldest first.
    Fifo,
    /// Shuffled by the stream; every pass has the same shuffle.
    Random,
}

/// `batch-lifo`, `batch-fifo`, `batch-random`: allocate 1000 blocks, then free them all.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// The order of the frees.
    pub order: Order,
}

impl Batch {
    /// The index of each block, from 0 to 999, in the order of the frees.
    #[must_use]
    pub fn frees(self, stream: Stream) -> Vec<u16> {
        match self.order {
            Order::Lifo => (0..BLOCKS).rev().collect(),
            Order::Fifo => (0..BLOCKS).collect(),
            Order::Random => stream.shuffled(BLOCKS),
        }
    }
}

impl Workload for Batch {
    fn description(&self) -> Description {
        let (name, about, stands_for) = match self.order {
            Order::Lifo => (
                "batch-lifo",
                "Allocates 1000 blocks, then frees them newest first.",
                "A tree or a list that is built and torn down, as a stack of scopes does it.",
            ),
            Order::Fifo => (
                "batch-fifo",
                "Allocates 1000 blocks, then frees them oldest first.",
                "A queue of messages that is filled and drained.",
            ),
            Order::Random => (
                "batch-random",
                "Allocates 1000 blocks, then frees them in a shuffled order.",
                "A table of objects that die when they die.",
            ),
        };
        Description {
            name,
            about,
            stands_for,
            operation: "one block allocated and written, and later read and freed",
        }
    }

    fn parameter(&self) -> String {
        SIZE.to_string()
    }

    fn plan(&self) -> Plan {
        Plan { max_align: ALIGN, ..Plan::sizes(SIZE, SIZE) }.live(usize::from(BLOCKS))
    }

    fn answer(&self, _: Stream) -> Tally {
        (0..BLOCKS).map(|index| stamp(index.into())).collect()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        let frees = self.frees(stream);
        let mut blocks = Table::new(strategy, BLOCKS.into());
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for index in 0..BLOCKS {
                    blocks.allocate(index.into(), Fixed::<SIZE, ALIGN>, stamp(index.into()))?;
                }
                for &index in &frees {
                    let block = blocks.take(index.into()).expect("each block is freed once");
                    tally.add(block.stamp());
                }
            }
            Ok(tally)
        })
    }
}
