//! Aligned memory, and fresh memory.

use strategy::{Block, Plan, Strategy};
use strategy_limit::{Mapped, Stack};
use strategy_simd::SimdPool;
use workloads::{Aligned, Description, Failure, Measure, Stream, Tally, Workload, stamp};

use crate::Visitor;
use crate::list::{Named, Row, layout};

const FAMILY: &str = "Peers: aligned and fresh memory";

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    let work = Named("peers-aligned", Aligned::<4096, 64>);
    let mut row = Row { family: FAMILY, work, visitor };
    row.general_purpose();
    row.strategy::<SimdPool>();
    row.again();
    row.strategy::<Stack<4096, 64>>();

    let mut row = Row { family: FAMILY, work: FirstTouch, visitor };
    row.general_purpose();
    row.strategy::<SimdPool>();
    row.again();
    row.strategy::<Mapped>();
}

/// The distance of the touches: the page size of x86-64 and of most others.
const PAGE: usize = 4096;

/// `peers-first-touch`: a large block, touched once a page and given back.
#[derive(Clone, Copy, Debug)]
struct FirstTouch;

impl FirstTouch {
    /// The bytes of the block.
    const BYTES: usize = 64 << 20;

    /// Its pages.
    const PAGES: u64 = (Self::BYTES / PAGE) as u64;
}

impl Workload for FirstTouch {
    fn description(&self) -> Description {
        Description {
            name: "peers-first-touch",
            about: "Allocates 64 MiB, writes 8 bytes in each page, reads them back and frees the block. \
                    Who keeps freed memory has it to hand, pages and all, the next time; who gives it \
                    back gets fresh memory each time. Ours and the limit, which both give it back, ask the \
                    system for huge pages.",
            stands_for: "Large buffers and tables at the time when they are made.",
            operation: "one page of 4 KiB allocated, touched and freed",
        }
    }

    fn parameter(&self) -> String {
        Self::BYTES.to_string()
    }

    fn plan(&self) -> Plan {
        Plan::of(layout(Self::BYTES, PAGE))
    }

    fn answer(&self, _: Stream) -> Tally {
        Tally { ops: Self::PAGES, checksum: stamp(0).wrapping_mul(Self::PAGES) }
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        _: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        measure(&mut |passes| {
            let mut checksum = 0_u64;
            for _ in 0..passes {
                let whole = layout(Self::BYTES, PAGE);
                let block = Block::<_, _, PAGE>::stamped(strategy, whole, stamp(0))?;
                checksum = checksum.wrapping_add(block.stamp());
            }
            Ok(Tally { ops: passes * Self::PAGES, checksum })
        })
    }
}
