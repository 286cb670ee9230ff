//! Arenas: blocks that are given up together.

use std::alloc::Layout;

use arrayvec::ArrayVec;
use rand::RngExt;
use std::mem::ManuallyDrop;
use strategy::{Block, Compact, Plan, Reset, Strategy, escape, kept_apart};
use strategy_bump::Bump;
use strategy_limit::Cursor;
use workloads::{Case, Contender, Description, Failure, Measure, Stream, Tally, Workload, stamp};

use crate::Visitor;
use crate::list::{Row, SYSTEM, SYSTEM_AGAIN, layout};

const FAMILY: &str = "Peers: arenas";

/// Values of a pass.
const VALUES: usize = 1000;

/// A value of 16 bytes.
pub(crate) type Value = [u64; 2];

/// The bytes of all values of a pass.
pub(crate) const BYTES: usize = VALUES * size_of::<Value>();

/// An arena, in the way in which the documentation of its crate uses it.
pub(crate) trait Arena: Sized {
    /// A place in the arena that holds a value.
    type Kept<'a>: std::ops::Deref<Target = Value>
    where
        Self: 'a;

    /// An arena with room for the values of a pass.
    fn fresh() -> Self;

    /// Keeps a value.
    fn keep(&self, value: Value) -> Self::Kept<'_>;

    /// Makes all of the arena reusable.
    fn reset(&mut self);
}

/// Keeps the values of a pass and reads them back.
#[inline]
fn fill(arena: &impl Arena, tally: &mut Tally) {
    let mut kept = ArrayVec::<_, VALUES>::new();
    for index in 0..VALUES as u64 {
        kept.push(arena.keep([stamp(index), index]));
    }
    escape(&kept);
    for value in &kept {
        tally.add(value[0].wrapping_add(value[1]));
    }
}

fn answer(_: Stream) -> Tally {
    (0..VALUES as u64).map(|index| stamp(index).wrapping_add(index)).collect()
}

fn typed<A: Arena>(_: Stream, measure: &mut Measure<'_>) -> Result<(), Failure> {
    let mut arena = A::fresh();
    measure(&mut |passes| {
        let mut tally = Tally::default();
        for _ in 0..passes {
            fill(&arena, &mut tally);
            arena.reset();
        }
        Ok(tally)
    })
}

fn fresh<A: Arena>(_: Stream, measure: &mut Measure<'_>) -> Result<(), Failure> {
    measure(&mut |passes| {
        let mut tally = Tally::default();
        for _ in 0..passes {
            fill(&A::fresh(), &mut tally);
        }
        Ok(tally)
    })
}

const TYPED: Description = Description {
    name: "peers-bump-typed",
    about: "Puts 1000 values of 16 bytes into an arena, reads them all, and resets it. System gets and \
            frees a box for each.",
    stands_for: "The nodes of a tree that dies as a whole.",
    operation: "one value put, read and given up",
};

const FRESH: Description = Description {
    name: "peers-bump-fresh",
    about: "Makes an arena with room for them, puts 1000 values of 16 bytes into it, reads them all, and \
            drops it. System gets and frees a box for each.",
    stands_for: "An arena for one request.",
    operation: "one value put, read and given up, with its part of making the arena",
};

/// Adds an arena to both rows.
fn arena<A: Arena + 'static>(visitor: &mut Visitor<'_>, contender: Contender) {
    let size = size_of::<Value>().to_string();
    let typed = Case::new(TYPED, size.clone(), contender, answer, typed::<A>);
    let fresh = Case::new(FRESH, size, contender, answer, fresh::<A>);
    for case in [typed, fresh] {
        visitor(FAMILY, case.planned(&Plan::of(Layout::new::<Value>()).live(VALUES)));
    }
}

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    arena::<Boxes<0>>(visitor, SYSTEM);
    #[cfg(feature = "others")]
    {
        use crate::contenders::{BumpScope, BumpScopeArena, BumpaloArena};
        arena::<BumpaloArena>(visitor, Contender::of::<strategy_bumpalo::Bumpalo>());
        arena::<BumpScopeArena>(visitor, Contender::of::<BumpScope>());
    }
    arena::<Bump>(visitor, Contender::of::<Bump>());
    arena::<Boxes<1>>(visitor, SYSTEM_AGAIN);
    arena::<Cursor>(visitor, Contender::of::<Cursor>());

    let mut row = Row { family: FAMILY, work: Layouts, visitor };
    row.strategy::<strategy_system::System>();
    #[cfg(feature = "others")]
    {
        row.strategy::<strategy_bumpalo::Bumpalo>();
        row.strategy::<crate::contenders::BumpScope>();
    }
    row.strategy::<Bump>();
    row.again();
    row.strategy::<Cursor>();
}

/// No arena: a box of System's for each value. Each `COPY` is code of its own.
struct Boxes<const COPY: u32>;

impl<const COPY: u32> Arena for Boxes<COPY> {
    type Kept<'a> = Box<Value>;

    fn fresh() -> Self {
        Self
    }

    #[inline]
    fn keep(&self, value: Value) -> Box<Value> {
        kept_apart::<COPY>();
        Box::new(value)
    }

    fn reset(&mut self) {}
}

impl Arena for Bump {
    type Kept<'a> = &'a mut Value;

    #[inline]
    fn fresh() -> Self {
        Self::try_with_capacity(BYTES).expect("there is memory for 16 KB")
    }

    #[inline]
    fn keep(&self, value: Value) -> &mut Value {
        self.alloc(value)
    }

    #[inline]
    fn reset(&mut self) {
        Self::reset(self);
    }
}

impl Arena for Cursor {
    type Kept<'a> = &'a mut Value;

    #[inline]
    fn fresh() -> Self {
        Self::with_capacity(BYTES).expect("there is memory for 16 KB")
    }

    #[inline]
    fn keep(&self, value: Value) -> &mut Value {
        self.alloc(value).expect("there is room for the values of a pass")
    }

    #[inline]
    fn reset(&mut self) {
        self.clear();
    }
}

/// `peers-bump-layout`: 1000 blocks of layouts that are known at run time only.
#[derive(Clone, Copy, Debug)]
struct Layouts;

/// The largest size in bytes.
const MAX: usize = 64;

/// The largest alignment in bytes.
const MAX_ALIGN: usize = 16;

impl Layouts {
    fn drawn(stream: Stream) -> Vec<Compact> {
        let mut random = stream.generator();
        let mut draw = |_| {
            let align = 1 << random.random_range(0..=MAX_ALIGN.ilog2());
            let drawn: Layout = layout(random.random_range(8..=MAX), align);
            Compact::new(drawn).expect("it is small enough")
        };
        (0..VALUES).map(&mut draw).collect()
    }
}

impl Workload for Layouts {
    fn description(&self) -> Description {
        Description {
            name: "peers-bump-layout",
            about: "Allocates 1000 blocks whose sizes and alignments are known at run time only, reads \
                    them all, and gives them up together: by a reset, or one by one on System.",
            stands_for: "An arena behind containers: strings, vectors, nodes of many types.",
            operation: "one block allocated, written, read and given up",
        }
    }

    fn parameter(&self) -> String {
        format!("8-{MAX}@1-{MAX_ALIGN}")
    }

    fn plan(&self) -> Plan {
        Plan { max_align: MAX_ALIGN, ..Plan::sizes(8, MAX) }.live(VALUES).freed_together()
    }

    fn answer(&self, _: Stream) -> Tally {
        (0..VALUES as u64).map(stamp).collect()
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        let layouts = Self::drawn(stream);
        let resets = strategy.profile().reset != Reset::Unsupported;
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                // As in the workload `request`: whoever resets frees no block.
                let mut blocks = ManuallyDrop::new(ArrayVec::<_, VALUES>::new());
                for (&layout, index) in layouts.iter().zip(0..) {
                    blocks.push(Block::new(strategy, layout, stamp(index))?);
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
