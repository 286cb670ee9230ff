//! Line 15: blocks cross threads.

use core::mem;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::finding::{Outcome, hold};
use super::model::{Held, Model};
use super::plans::{THREADS, frees_one_by_one, layout, random_layout, served, shared_plans, with};
use super::random::{Random, seeds};
use crate::{Frees, Plan, Strategy};

/// How long a test may take before it is called a deadlock: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test on a thread of its own, and does not wait for it longer than [`PATIENCE`].
fn in_time(line: usize, test: fn() -> Outcome) -> Outcome {
    let thread = thread::spawn(test);
    let start = Instant::now();
    while !thread.is_finished() {
        let waited = start.elapsed();
        hold!(line, waited < PATIENCE, "a deadlock: threads are not done after {waited:?}");
        thread::sleep(Duration::from_millis(1));
    }
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(super) fn threads<S: Strategy + Sync>() -> Outcome {
    in_time(15, || {
        for plan in shared_plans::<S>(&[8, 64, 1024], 64) {
            with::<S>(&plan, |strategy, model| other_thread(strategy, model, &plan))?;
            with::<S>(&plan, |strategy, model| ended_thread(strategy, model, &plan))?;
        }
        for seed in seeds() {
            // Where nothing is freed before the reset, all blocks count as alive.
            let each = if S::PROFILE.frees == Frees::Together { ROUNDS } else { 64 };
            for plan in shared_plans::<S>(&[48, 1024], THREADS * each) {
                many_threads::<S>(&plan, seed).map_err(|violation| {
                    violation.at(format_args!("{THREADS} threads, CONTRACT_SEED={seed}"))
                })?;
            }
        }
        Ok(())
    })
    .map_err(|violation| violation.means(15, &[2, 3, 5, 7]))
}

/// Runs `work` on a thread of its own and waits for it.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let done = scope.spawn(work).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Gotten here, freed there, and gotten again here.
fn other_thread<S: Strategy + Sync>(strategy: &S, model: &mut Model, plan: &Plan) -> Outcome {
    let rounds = if frees_one_by_one(strategy) { 8 } else { 1 };
    let block = layout(plan.max_size, 8);
    for _ in 0..rounds {
        while model.len() < plan.live_blocks {
            served(model.allocate(&strategy.handle(), block)?, 15, block)?;
        }
        let mut there = mem::take(model);
        *model = on_a_thread(move || {
            while there.len() > plan.live_blocks / 4 {
                there.free(&strategy.handle(), there.len() / 2)?;
            }
            Ok(there)
        })?;
        model.check_all()?;
    }
    Ok(())
}

/// Gotten on a thread that has ended; used, resized and freed here.
fn ended_thread<S: Strategy + Sync>(strategy: &S, model: &mut Model, plan: &Plan) -> Outcome {
    let rounds = if frees_one_by_one(strategy) { 8 } else { 1 };
    let small = layout(plan.max_size / 2, 8);
    let full = layout(plan.max_size, 8);
    for _ in 0..rounds {
        let mut there = mem::take(model);
        *model = on_a_thread(move || {
            while there.len() < plan.live_blocks / 2 {
                served(there.allocate(&strategy.handle(), small)?, 15, small)?;
            }
            Ok(there)
        })?;
        model.check_all()?;
        let handle = strategy.handle();
        let first = served(model.allocate(&handle, full)?, 15, full)?;
        hold!(15, model.resize(&handle, 0, full, false)?, "refused to grow a block");
        model.check_all()?;
        model.free(&handle, first)?;
        for _ in 0..plan.live_blocks / 4 {
            model.free(&handle, 0)?;
        }
    }
    Ok(())
}

/// The blocks that are in the exchange between the threads of a test.
const IN_EXCHANGE: usize = 16;

/// The operations of each thread.
const ROUNDS: usize = 500;

/// All threads allocate, resize and free at once, and exchange blocks.
fn many_threads<S: Strategy + Sync>(plan: &Plan, seed: u64) -> Outcome {
    with::<S>(plan, |strategy, model| {
        let strategy = &*strategy;
        let mut exchange = Vec::new();
        for size in 1..=IN_EXCHANGE {
            let layout = layout(size.min(plan.max_size), 8);
            let index = served(model.allocate(&strategy.handle(), layout)?, 15, layout)?;
            exchange.push(model.take(index)?);
        }
        let exchange = Mutex::new(exchange);
        let models = thread::scope(|scope| {
            let exchange = &exchange;
            let work =
                |thread| scope.spawn(move || one_thread(strategy, plan, exchange, thread, seed));
            let threads: Vec<_> = (0..THREADS).map(work).collect();
            let joined = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined.collect::<Outcome<Vec<Model>>>()
        })?;
        for mut other in models {
            while other.len() > 0 {
                model.adopt(other.take(0)?)?;
            }
        }
        for held in exchange.into_inner().unwrap_or_else(PoisonError::into_inner) {
            model.adopt(held)?;
        }
        Ok(())
    })
}

/// What one of [`many_threads`] does, with its part of the plan's blocks, less one to resize with.
fn one_thread<S: Strategy + Sync>(
    strategy: &S,
    plan: &Plan,
    exchange: &Mutex<Vec<Held>>,
    thread: usize,
    seed: u64,
) -> Outcome<Model> {
    let mut random = Random::new(seed ^ ((thread as u64 + 1) << 32));
    let mut model = Model::numbered_from((thread + 1) * 100_000);
    let together = !frees_one_by_one(strategy);
    let share = (plan.live_blocks - IN_EXCHANGE) / THREADS - 1;
    for _ in 0..ROUNDS {
        let handle = strategy.handle();
        let layout = random_layout(&mut random, plan);
        let taken = if together { model.spent() } else { model.len() };
        match random.below(8) {
            0..=3 if taken < share => {
                let block = match random.below(2) {
                    0 => model.allocate(&handle, layout)?,
                    _ => model.allocate_zeroed(&handle, layout)?,
                };
                served(block, 15, layout)?;
            }
            4 if model.len() > 0 && (!together || taken < share) => {
                let index = random.below(model.len());
                let done = model.resize(&handle, index, layout, false)?;
                hold!(15, done, "refused to resize within its plan");
            }
            // One for one, so that nobody's part grows.
            5 | 6 if model.len() > 0 => {
                let given = model.take(random.below(model.len()))?;
                let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
                exchange.push(given);
                let other = random.below(exchange.len());
                let taken = exchange.swap_remove(other);
                drop(exchange);
                model.adopt(taken)?;
            }
            _ if model.len() > 0 => {
                model.free(&handle, random.below(model.len()))?;
            }
            _ => {}
        }
    }
    model.check_all()?;
    Ok(model)
}
