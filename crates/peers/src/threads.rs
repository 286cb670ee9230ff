//! Two threads: each with its own objects, and one that frees what the other allocates.

//!
//! The threads talk over bounded channels of the standard library, which are rings that are allocated once: a
//! message allocates nothing.

use std::collections::VecDeque;
use std::hint;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

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

/// How long a thread waits on the core for the other one before it sleeps: several times what a batch takes,
/// and little beside a turn.
const AWAKE: Duration = Duration::from_micros(75);

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
    Case::new(description, SIZE.to_string(), Contender::of::<S>(), all_pairs, run)
        .planned(&plan(2))
        .told_by::<S>()
}

/// A thread that allocates and one that frees.
fn remote<S: Strategy + Sync + 'static>() -> Case
where
    for<'a> S::Handle<'a>: Send,
{
    let plan = plan(UNDER_WAY * BATCH);
    let run = move |_: Stream, measure: &mut Measure<'_>| handed_over(&S::new(&plan)?, measure);
    let all = |_: Stream| (0..BATCHES * BATCH as u64).map(stamp).collect();
    Case::new(REMOTE, SIZE.to_string(), Contender::of::<S>(), all, run)
        .planned(&plan)
        .told_by::<S>()
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
    let (order, orders) = mpsc::sync_channel(1);
    let (answer, answers) = mpsc::sync_channel(1);
    let job = &job;
    // By value: what this thread holds is gone as soon as it has left, and the second one sees that.
    thread::scope(move |scope| {
        scope.spawn(move || {
            let mut job = job(PAIRS);
            while let Some(passes) = next(&orders) {
                if answer.send(job(passes)).is_err() {
                    break;
                }
            }
        });
        let mut mine = job(0);
        measure(&mut |passes| {
            order.send(passes).map_err(left)?;
            let mine = mine(passes);
            // Whatever came of this thread's part, so that no answer waits for another pass.
            let other = next(&answers).ok_or(()).map_err(left)?;
            Ok(mine?.and(other?))
        })
    })
}

/// Has this thread allocate and a second one free.
fn handed_over<S: Strategy + Sync>(strategy: &S, measure: &mut Measure<'_>) -> Result<(), Failure>
where
    for<'a> S::Handle<'a>: Send,
{
    type Batch<'s, S> = Table<'s, S, Fixed<SIZE, ALIGN>>;
    let (full, filled) = mpsc::sync_channel::<Batch<'_, S>>(UNDER_WAY);
    let (empty, emptied) = mpsc::sync_channel(UNDER_WAY);
    // By value, as in `at_once`.
    thread::scope(move |scope| {
        scope.spawn(move || {
            while let Some(mut batch) = next(&filled) {
                let stamps = (0..BATCH).filter_map(|slot| batch.take(slot));
                let freed: Tally = stamps.map(|block| block.stamp()).collect();
                if empty.send((batch, freed)).is_err() {
                    break;
                }
            }
        });
        // A batch is here or with the second thread, so that one comes back whenever one is missing here.
        let mut idle: VecDeque<_> = (0..UNDER_WAY).map(|_| Batch::new(strategy, BATCH)).collect();
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for number in 0..BATCHES {
                    let mut batch = match idle.pop_front() {
                        Some(batch) => batch,
                        None => back(&emptied, &mut tally)?,
                    };
                    let filled = fill(&mut batch, number * BATCH as u64);
                    if let Err(failure) = filled {
                        idle.push_back(batch);
                        return Err(failure);
                    }
                    full.send(batch).map_err(left)?;
                }
            }
            // All batches come back, so that the pass ends with its last free.
            while idle.len() < UNDER_WAY {
                idle.push_back(back(&emptied, &mut tally)?);
            }
            Ok(tally)
        })
    })
}

/// Allocates all blocks of a batch, with stamps from `first` on.
#[inline]
fn fill<S: Strategy>(
    batch: &mut Table<'_, S, Fixed<SIZE, ALIGN>>,
    first: u64,
) -> Result<(), Failure> {
    for (slot, index) in (0..BATCH).zip(first..) {
        batch.allocate(slot, Fixed::<SIZE, ALIGN>, stamp(index))?;
    }
    Ok(())
}

/// Takes a batch back that the second thread has emptied, and counts what it freed.
#[inline]
fn back<B>(emptied: &Receiver<(B, Tally)>, tally: &mut Tally) -> Result<B, Failure> {
    let (batch, freed) = next(emptied).ok_or(()).map_err(left)?;
    *tally = tally.and(freed);
    Ok(batch)
}

/// The second thread is gone, without an answer.
fn left<E>(_: E) -> Failure {
    Failure::Violation("the second thread ended before its work was done".into())
}

/// Takes the next message as soon as there is one; `None` if the other thread has left. Waits on the core as
/// long as the other thread can be expected to be at work, and then sleeps: another process may be
/// measured meanwhile.
fn next<T>(messages: &Receiver<T>) -> Option<T> {
    let mut start = None;
    loop {
        match messages.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if start.get_or_insert_with(Instant::now).elapsed() >= AWAKE {
            return messages.recv().ok();
        }
        hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use strategy_broken::Stumbling;

    use super::*;

    /// Never.
    const NEVER: usize = usize::MAX;

    /// What happens.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        Failure,
        Panic,
    }

    /// Runs three passes, one at a time.
    fn three(passes: &mut workloads::Passes<'_>) -> Result<(), Failure> {
        (0..3).try_for_each(|_| passes(1).map(drop))
    }

    /// A job that has a fault in its second pass if its first stamp is `at`.
    fn job(first: u64, at: u64, fault: Fault) -> impl FnMut(u64) -> Result<Tally, Failure> {
        let mut passes = 0;
        move |_| {
            passes += 1;
            match fault {
                Fault::Failure if first == at && passes == 2 => Err(Failure::NotZero),
                Fault::Panic if first == at && passes == 2 => panic!("by intention"),
                _ => Ok(Tally::default()),
            }
        }
    }

    #[test]
    fn a_failure_on_either_thread_ends_both() {
        for at in [0, PAIRS] {
            let result = at_once(|first| job(first, at, Fault::Failure), &mut three);
            assert_eq!(result, Err(Failure::NotZero), "{at}");
        }
    }

    #[test]
    fn a_panic_on_either_thread_ends_both() {
        for at in [0, PAIRS] {
            let run = || at_once(|first| job(first, at, Fault::Panic), &mut three);
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{at}");
        }
    }

    #[test]
    fn a_failure_of_one_pass_is_not_the_answer_of_the_next() {
        let mut found = Vec::new();
        let twice = &mut |passes: &mut workloads::Passes<'_>| {
            found = vec![passes(1), passes(1), passes(1)];
            Ok(())
        };
        let counted = |first: u64| {
            let mut pass = 0;
            move |_| {
                pass += 1;
                let failure = first == 0 && pass == 2;
                if failure { Err(Failure::NotZero) } else { Ok(Tally { ops: pass, checksum: 0 }) }
            }
        };
        at_once(counted, twice).unwrap();
        let ops = |ops| Ok(Tally { ops, checksum: 0 });
        assert_eq!(found, [ops(2), Err(Failure::NotZero), ops(6)]);
    }

    #[test]
    fn a_measure_that_fails_or_runs_no_pass_ends_both() {
        let strategy = System::new(&plan(2)).unwrap();
        let failing = &mut |_: &mut workloads::Passes<'_>| Err(Failure::NotZero);
        let job = |first| job(first, NEVER as u64, Fault::Failure);
        assert_eq!(at_once(job, failing), Err(Failure::NotZero));
        assert_eq!(handed_over(&strategy, failing), Err(Failure::NotZero));
        assert_eq!(at_once(job, &mut |_| Ok(())), Ok(()));
        assert_eq!(handed_over(&strategy, &mut |_| Ok(())), Ok(()));
    }

    #[test]
    fn a_refused_block_ends_a_pass_and_not_the_threads() {
        // In the middle of the third batch of the second pass.
        const BLOCKS: usize = BATCHES as usize * BATCH + 2 * BATCH + BATCH / 2;
        let strategy = Stumbling::<BLOCKS, NEVER>::new(&plan(2)).unwrap();
        let mut found = Vec::new();
        let again = &mut |passes: &mut workloads::Passes<'_>| {
            found = vec![passes(1), passes(1), passes(1)];
            Ok(())
        };
        assert_eq!(handed_over(&strategy, again), Ok(()));
        let [Ok(_), Err(Failure::Refused(_)), Ok(_)] = found[..] else { panic!("{found:?}") };
    }

    #[test]
    fn a_thread_that_panics_while_it_frees_ends_both() {
        // In the first pass, and with all of them under way.
        const FREES: usize = 3 * BATCH;
        let strategy = Stumbling::<NEVER, FREES>::new(&plan(2)).unwrap();
        let mut found = None;
        let once = &mut |passes: &mut workloads::Passes<'_>| {
            found = Some(passes(1));
            Ok(())
        };
        let ended = catch_unwind(AssertUnwindSafe(|| handed_over(&strategy, once)));
        assert!(ended.is_err(), "the scope hands the panic on");
        assert!(matches!(found, Some(Err(Failure::Violation(_)))), "{found:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_waits_long_sleeps() {
        use std::fs;

        let (sender, receiver) = mpsc::sync_channel(1);
        let (place, places) = mpsc::sync_channel(1);
        thread::scope(move |scope| {
            let waiting = scope.spawn(move || {
                place.send(fs::canonicalize("/proc/thread-self").unwrap()).unwrap();
                next(&receiver)
            });
            let status = places.recv().unwrap().join("status");
            let sleeps = || fs::read_to_string(&status).unwrap().contains("State:\tS");
            let deadline = Instant::now() + Duration::from_secs(60);
            while !sleeps() {
                assert!(Instant::now() < deadline, "it holds its core");
                thread::yield_now();
            }
            sender.send(7).unwrap();
            assert_eq!(waiting.join().unwrap(), Some(7));
        });
    }
}
