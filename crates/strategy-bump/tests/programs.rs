//! Random programs of scopes, blocks, growing vectors, destructors, limits, refused chunks and
//! panics, against a model too simple to be wrong: what is live is in a list with what was written
//! into it.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use allocator_api2::vec::Vec as VecIn;
use common::random;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use strategy::contract::Probe;
use strategy_bump::{Bump, Destructors};

/// The programs that are run, unless `PROGRAM_SEED` names one. Half of them have a limit.
const PROGRAMS: u64 = 200;

type Arena<'p> = Bump<&'p Probe>;

/// What all scopes of a program share.
struct World<'p> {
    probe: &'p Probe,
    random: RefCell<Pcg64Mcg>,
    /// The values that were made and not dropped.
    alive: RefCell<BTreeSet<u32>>,
    /// In the order in which they were dropped.
    dropped: RefCell<Vec<u32>>,
    twice: Cell<bool>,
    made: Cell<u32>,
    /// Blocks that were taken in an outer arena while a scope was open.
    outside: Cell<u32>,
    operations: Cell<u32>,
}

impl World<'_> {
    fn below(&self, end: usize) -> usize {
        self.random.borrow_mut().random_range(0..end)
    }
}

/// A value that notes when it is dropped.
struct Noted<'w>(&'w World<'w>, u32);

impl<'w> Noted<'w> {
    fn new(world: &'w World<'w>) -> Self {
        let number = world.made.replace(world.made.get() + 1);
        world.alive.borrow_mut().insert(number);
        Self(world, number)
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        // No assertion here: a panic while another one unwinds ends the process without a seed.
        if !self.0.alive.borrow_mut().remove(&self.1) {
            self.0.twice.set(true);
        }
        self.0.dropped.borrow_mut().push(self.1);
    }
}

/// The arena of a scope, and those that it is in.
struct Within<'s, 'p> {
    arena: &'s Arena<'p>,
    outer: Option<&'s Within<'s, 'p>>,
}

/// Runs a scope, or the program if it is in none.
fn run<'w>(world: &'w World<'w>, within: &Within<'_, 'w>, depth: usize) {
    let arena = within.arena;
    let mut blocks: Vec<(&mut [u8], u8)> = Vec::new();
    let mut grown = VecIn::new_in(arena);
    let mut numbers = Vec::new();
    let mut listed = Vec::new();
    let list = Destructors::new(arena);
    for operation in 0..world.below(40 / (depth + 1)) {
        world.operations.set(world.operations.get() + 1);
        // One call in ten finds the system out of memory, from the first or the second request on.
        let failing = world.below(10) == 0;
        world.probe.heal();
        if failing {
            world.probe.fail_from(1 + world.below(2));
        }
        let stamp = operation.to_le_bytes()[0] | 1;
        let len = match world.below(12) {
            0 => 0,
            1 => world.below(20_000),
            2..5 => world.below(1000),
            _ => world.below(60),
        };
        match world.below(10) {
            0..4 => {
                let (made, exact) = match world.below(4) {
                    0 => (arena.try_alloc_slice_fill_copy(len, stamp), true),
                    1 => (arena.try_alloc_slice_copy(&vec![stamp; len]), true),
                    2 => (arena.try_alloc_from_iter(std::iter::repeat_n(stamp, len)), true),
                    // It takes memory for shorter slices as well, and those are not counted here.
                    _ => {
                        (arena.try_alloc_from_iter((0..len).map(|_| stamp).filter(|_| true)), false)
                    }
                };
                // Nothing refuses but the system and the limit, and that only if the least chunk
                // would pass it.
                let left = arena.limit().map(|limit| limit - arena.reserved_bytes());
                let passed =
                    left.is_some_and(|left| !exact || left < len.next_multiple_of(16) + 32);
                assert!(made.is_ok() || failing || passed, "refused {len} bytes, {left:?} left");
                blocks.extend(made.into_iter().map(|block| (block, stamp)));
            }
            4 => {
                let Some(outer) = within.outer else { continue };
                world.outside.set(world.outside.get() + 1);
                let mut chosen = outer;
                while let (0, Some(further)) = (world.below(2), chosen.outer) {
                    chosen = further;
                }
                let made = chosen.arena.try_alloc_slice_fill_copy(len, stamp);
                blocks.extend(made.into_iter().map(|block| (block, stamp)));
            }
            5 => {
                let number = world.made.get();
                if list.try_alloc((Noted::new(world), [stamp; 7])).is_ok() {
                    listed.push(number);
                }
            }
            6 | 7 => {
                for _ in 0..len {
                    if grown.try_reserve(1).is_err() {
                        break;
                    }
                    grown.push(numbers.len());
                    numbers.push(numbers.len());
                }
            }
            _ if depth < 6 => {
                let alive = world.alive.borrow().clone();
                let (used, outside) = (arena.used_bytes(), world.outside.get());
                let scope = AssertUnwindSafe(|| {
                    arena.scoped(|scope| {
                        run(world, &Within { arena: scope, outer: Some(within) }, depth + 1);
                    });
                });
                let _ = catch_unwind(scope).inspect_err(|payload| {
                    assert!(payload.is::<Unwound>(), "a check of the inner scope failed");
                });
                assert_eq!(*world.alive.borrow(), alive, "what the scope had is dropped");
                if outside == world.outside.get() {
                    assert_eq!(arena.used_bytes(), used, "what the scope took is given back");
                }
            }
            _ => {}
        }
        for (block, stamp) in &blocks {
            assert!(block.iter().all(|byte| byte == stamp), "a block was overwritten");
        }
        assert!(*grown == *numbers, "a vector was overwritten");
        assert_eq!(arena.reserved_bytes(), world.probe.bytes_out());
        assert!(arena.limit().is_none_or(|limit| limit >= arena.reserved_bytes()));
        if depth > 0 && world.below(60) == 0 {
            resume_unwind(Box::new(Unwound));
        }
    }
    world.probe.heal();
    let before = world.dropped.borrow().len();
    drop(list);
    listed.reverse();
    assert_eq!(world.dropped.borrow()[before..], listed, "the newest first");
}

/// The panic that a program has of its own.
struct Unwound;

#[test]
fn random_programs_agree_with_the_model() {
    let (mut operations, mut values) = (0, 0);
    let named = env::var("PROGRAM_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in named.map_or(0..PROGRAMS, |seed| seed..seed + 1) {
        let probe = Probe::new();
        let world = World {
            probe: &probe,
            random: RefCell::new(random(seed)),
            alive: RefCell::default(),
            dropped: RefCell::default(),
            twice: Cell::new(false),
            made: Cell::new(0),
            outside: Cell::new(0),
            operations: Cell::new(0),
        };
        let mut builder = Bump::builder().growth_factor(world.below(4));
        if world.below(2) == 0 {
            builder = builder.first_chunk(world.below(5000)).largest_chunk(world.below(20_000));
        }
        if seed % 2 == 0 {
            builder = builder.limit(world.below(100_000));
        }
        let mut arena = builder.build_in(&probe);
        for _ in 0..3 {
            run(&world, &Within { arena: &arena, outer: None }, 0);
            assert!(world.alive.borrow().is_empty() && !world.twice.get());
            arena.reset();
            assert_eq!(arena.used_bytes(), 0);
            assert!(probe.blocks_out() <= 1);
        }
        operations += world.operations.get();
        values += world.made.get();
        drop(arena);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }
    assert!(named.is_some() || operations > 30_000 && values > 3_000, "{operations} {values}");
}
