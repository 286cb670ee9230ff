//! Holes that are too small for what comes next.

use rand::RngExt;
use strategy::{Block, Plan, Small, Strategy};

use crate::{Description, Failure, Measure, Stream, Tally, Workload, stamp};

/// Phases in one pass.
const PHASES: usize = 50;

/// The blocks that fill a phase; every other one is freed again.
const FILL: usize = 200;

/// The larger blocks that a phase asks for next.
const LARGER: usize = 50;

/// The size in bytes from which the first phase draws.
const FIRST: u16 = 16;

/// How often the size doubles from the first phase to the last.
const DOUBLINGS: usize = 6;

/// What a larger block has times the size of its phase: no two neighbouring holes make room
/// for it.
const FACTOR: u16 = 5;

/// The largest block in bytes.
const MAX: u16 = FACTOR * (FIRST << DOUBLINGS);

/// Blocks alive at the end of the last phase, before all are freed.
const LIVE: usize = PHASES * (FILL / 2 + LARGER) + FILL / 2;

/// `fragment`: fill with mixed sizes, free every other block, ask for larger ones, in phases
/// that drift from small to large.
#[derive(Clone, Copy, Debug)]
pub struct Fragment;

/// One phase of a pass.
#[derive(Clone, Debug)]
struct Phase {
    fill: Vec<Small>,
    larger: Small,
}

impl Fragment {
    /// The phases of a pass, which are the same in every pass.
    fn phases(stream: Stream) -> Vec<Phase> {
        let mut random = stream.generator();
        (0..PHASES)
            .map(|phase| {
                let size = FIRST << (phase * (DOUBLINGS + 1) / PHASES);
                Phase {
                    fill: (0..FILL).map(|_| Small(random.random_range(size..=2 * size))).collect(),
                    larger: Small(FACTOR * size),
                }
            })
            .collect()
    }
}

impl Workload for Fragment {
    fn description(&self) -> Description {
        Description {
            name: "fragment",
            about: "Fills memory with blocks of mixed sizes, frees every other one and asks for \
                    blocks that are larger than the holes, in 50 phases whose sizes drift from \
                    small to large; then frees all.",
            stands_for: "A long life: what was freed is in the wrong places and too small.",
            operation: "one block allocated and written, and later read and freed",
        }
    }

    fn parameter(&self) -> String {
        format!("{FIRST}-{MAX}")
    }

    fn plan(&self) -> Plan {
        Plan { max_align: Small::ALIGN, ..Plan::sizes(FIRST.into(), MAX.into()) }.live(LIVE)
    }

    fn answer(&self, _: Stream) -> Tally {
        (0..(PHASES * (FILL + LARGER)) as u64).map(stamp).collect()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        let strategy = &*strategy;
        let phases = Self::phases(stream);
        let mut survivors = Vec::with_capacity(LIVE);
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                let mut stamps = (0..).map(stamp);
                let mut block = |size| {
                    let stamp = stamps.next().expect("the stamps do not end");
                    Block::new(strategy, size, stamp)
                };
                for phase in &phases {
                    let first = survivors.len();
                    for &size in &phase.fill {
                        survivors.push(block(size)?);
                    }
                    let mut is_survivor = false;
                    for freed in survivors.extract_if(first.., |_| {
                        is_survivor = !is_survivor;
                        !is_survivor
                    }) {
                        tally.add(freed.stamp());
                    }
                    for _ in 0..LARGER {
                        survivors.push(block(phase.larger)?);
                    }
                }
                survivors.drain(..).for_each(|block| tally.add(block.stamp()));
            }
            Ok(tally)
        })
    }
}
