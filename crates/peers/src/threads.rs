//! Two threads: each with its own objects, and one that frees what the other allocates.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_queue::ArrayQueue;
use strategy::{Block, Fixed, Plan, Strategy, Table};
use strategy_limit::Stack;
use strategy_pool::SyncPool;
use strategy_system::{System, SystemAgain};
use workloads::{Case, Contender, Description, Failure, Measure, Stream, Tally, stamp};

use crate::Visitor;

const FAMILY: &str = "Peers: two threads";

/// The bytes of a block.
const SIZE: usize = 64;

/// The alignment of a block: that of its stamp.
const ALIGN: usize = 8;

/// Pairs of each thread in a pass.
const PAIRS: u64 = 1000;

/// Blocks that are handed over at once.
const BATCH: usize = 256;

/// Batches that are under way at the most.
const UNDER_WAY: usize = 16;

/// Batches in a pass.
const BATCHES: u64 = 32;

/// How often a thread looks before it leaves the core to others: about as long as a piece of a sample.
const SPINS: u32 = 1 << 16;

const OWN: Description = Description {
    name: "peers-threads",
    about: "Two threads at once: each allocates a block, writes it, reads it and frees it.",
    stands_for: "Workers that have nothing to do with one another, but the allocator.",
    operation: "one block allocated, written, read and freed, on either thread",
};

const REMOTE: Description = Description {
    name: "peers-remote-free",
    about: "One thread allocates blocks and writes them; another reads and frees them. They are handed over \
            in batches of 256, of which 16 are under way at the most.",
    stands_for: "A pipeline: what one stage makes, the next one consumes.",
    operation: "one block allocated and written on one thread, read and freed on the other",
};

/// A limit for two threads: each has a stack of its own.
struct OwnStacks;

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    let mut add = |case| visitor(FAMILY, case);
    both::<System>(&mut add);
    #[cfg(feature = "others")]
    {
        use crate::contenders::{Snmalloc, reserving};
        both::<strategy_jemalloc::Jemalloc>(&mut add);
        both::<strategy_mimalloc::Mimalloc>(&mut add);
        both::<Snmalloc>(&mut |case| add(reserving(case)));
    }
    both::<SyncPool>(&mut add);
    both::<SystemAgain>(&mut add);
    OwnStacks::case(visitor);
}

/// Adds both kinds of work on a strategy that threads share.
fn both<S: Strategy + Sync + 'static>(add: &mut dyn FnMut(Case))
where
    for<'a> S::Handle<'a>: Send,
{
    add(own::<S>(OWN));
    add(remote::<S>());
}

/// Two threads with their own objects, from a strategy that they share.
pub(crate) fn own<S: Strategy + Sync + 'static>(description: Description) -> Case
where
    for<'a> S::Handle<'a>: Send,
{
    let run = |_: Stream, measure: &mut Measure<'_>| {
        let strategy = S::new(&plan(2))?;
        at_once(
            |first| {
                let strategy = &strategy;
                move |passes| pairs(strategy, first, passes)
            },
            measure,
        )
    };
    Case::new(description, SIZE.to_string(), Contender::of::<S>(), all_pairs, run).planned(&plan(2))
}

/// A thread that allocates and one that frees.
fn remote<S: Strategy + Sync + 'static>() -> Case
where
    for<'a> S::Handle<'a>: Send,
{
    let plan = plan(UNDER_WAY * BATCH);
    let run = move |_: Stream, measure: &mut Measure<'_>| handed_over(&S::new(&plan)?, measure);
    let all = |_: Stream| (0..BATCHES * BATCH as u64).map(stamp).collect();
    Case::new(REMOTE, SIZE.to_string(), Contender::of::<S>(), all, run).planned(&plan)
}

impl OwnStacks {
    fn case(visitor: &mut Visitor<'_>) {
        let run = |_: Stream, measure: &mut Measure<'_>| {
            let job = |first| {
                let stack = Stack::<SIZE, ALIGN>::new(&plan(1));
                move |passes| match &stack {
                    Ok(stack) => pairs(stack, first, passes),
                    Err(error) => Err(Failure::Build(*error)),
                }
            };
            at_once(job, measure)
        };
        let contender = Contender::of::<Stack<SIZE, ALIGN>>();
        let case = Case::new(OWN, SIZE.to_string(), contender, all_pairs, run);
        visitor(FAMILY, case.planned(&plan(2)));
    }
}

fn plan(live: usize) -> Plan {
    Plan { max_align: ALIGN, threads: 2, ..Plan::sizes(SIZE, SIZE) }.live(live)
}

/// What both threads return in a pass.
fn all_pairs(_: Stream) -> Tally {
    (0..2 * PAIRS).map(stamp).collect()
}

/// Allocates and frees, as one thread does it, with stamps from `first` on.
#[inline]
fn pairs<S: Strategy>(strategy: &S, first: u64, passes: u64) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for _ in 0..passes {
        for index in first..first + PAIRS {
            let block = Block::<_, _>::new(strategy, Fixed::<SIZE, ALIGN>, stamp(index))?;
            tally.add(block.stamp());
        }
    }
    Ok(tally)
}

/// Has this thread and a second one each do a job for the same number of passes at once. Each thread
/// makes its own, with the index of its first stamp.
fn at_once<J: FnMut(u64) -> Result<Tally, Failure>>(
    job: impl Fn(u64) -> J + Sync,
    measure: &mut Measure<'_>,
) -> Result<(), Failure> {
    let orders = ArrayQueue::new(1);
    let answers = ArrayQueue::new(1);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = Over(&over);
            let mut job = job(PAIRS);
            while let Some(passes) = taken(&orders, &over) {
                put(&answers, job(passes), &over);
            }
        });
        let _guard = Over(&over);
        let mut mine = job(0);
        measure(&mut |passes| {
            put(&orders, passes, &over);
            let mine = mine(passes)?;
            let other = taken(&answers, &over).ok_or_else(left)??;
            Ok(mine.and(other))
        })
    })
}

/// Has this thread allocate and a second one free.
fn handed_over<S: Strategy + Sync>(strategy: &S, measure: &mut Measure<'_>) -> Result<(), Failure>
where
    for<'a> S::Handle<'a>: Send,
{
    type Batch<'s, S> = Table<'s, S, Fixed<SIZE, ALIGN>>;
    let full = ArrayQueue::<Batch<'_, S>>::new(UNDER_WAY);
    let empty = ArrayQueue::new(UNDER_WAY);
    for _ in 0..UNDER_WAY {
        let _fits = empty.push((Batch::new(strategy, BATCH), Tally::default()));
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = Over(&over);
            while let Some(mut batch) = taken(&full, &over) {
                let stamps = (0..BATCH).filter_map(|slot| batch.take(slot));
                let tally = stamps.map(|block| block.stamp()).collect();
                put(&empty, (batch, tally), &over);
            }
        });
        let _guard = Over(&over);
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for number in 0..BATCHES {
                    let (mut batch, freed) = taken(&empty, &over).ok_or_else(left)?;
                    tally = tally.and(freed);
                    for slot in 0..BATCH {
                        let index = number * BATCH as u64 + slot as u64;
                        batch.allocate(slot, Fixed::<SIZE, ALIGN>, stamp(index))?;
                    }
                    put(&full, batch, &over);
                }
            }
            // All batches come back, so that the pass ends with its last free.
            let mut back = Vec::with_capacity(UNDER_WAY);
            while back.len() < UNDER_WAY {
                let (batch, freed) = taken(&empty, &over).ok_or_else(left)?;
                tally = tally.and(freed);
                back.push(batch);
            }
            for batch in back {
                put(&empty, (batch, Tally::default()), &over);
            }
            Ok(tally)
        })
    })
}

/// Says to the other thread that this one has left, for whatever reason.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The other thread is gone, without an answer.
fn left() -> Failure {
    Failure::Violation("the second thread ended before its work was done".into())
}

/// Takes the next entry as soon as there is one; `None` if the other thread has left.
fn taken<T>(queue: &ArrayQueue<T>, over: &AtomicBool) -> Option<T> {
    let mut spins = 0;
    loop {
        if let Some(entry) = queue.pop() {
            return Some(entry);
        }
        if over.load(Ordering::Acquire) {
            // What it has put before it left.
            return queue.pop();
        }
        pause(&mut spins);
    }
}

/// Puts an entry as soon as there is room; drops it if the other thread has left.
fn put<T>(queue: &ArrayQueue<T>, mut entry: T, over: &AtomicBool) {
    let mut spins = 0;
    while let Err(back) = queue.push(entry) {
        if over.load(Ordering::Acquire) {
            return;
        }
        entry = back;
        pause(&mut spins);
    }
}

/// Waits a moment: on the core as long as the other thread can be expected to be at work, and then
/// with the core left to whoever else wants it.
fn pause(spins: &mut u32) {
    if *spins < SPINS {
        *spins += 1;
        hint::spin_loop();
    } else {
        thread::yield_now();
    }
}
