//! Line 3: random sequences of everything, against the model.

use super::caught;
use super::finding::{Outcome, hold};
use super::model::Model;
use super::plans::{frees_one_by_one, plan, plans, random_layout, renew, served, with};
use super::random::{Random, seeds, short_seeds};
use crate::{Frees, Plan, Profile, Reset, Strategy};

/// The operations of a long sequence.
const OPERATIONS: usize = 3000;

/// Every so many operations of a long sequence all live blocks are checked, and a reset is called.
const CHECK_ALL: usize = 100;

/// The short ones first, whose reports are the easier to follow.
pub(super) fn apart<S: Strategy>() -> Outcome {
    short::<S>()?;
    long::<S>()
}

/// A few long sequences, in which a strategy grows old.
fn long<S: Strategy>() -> Outcome {
    // Where nothing is freed before the reset, more blocks make a longer way there.
    let live = if S::PROFILE.frees == Frees::Together { 600 } else { 200 };
    for seed in seeds() {
        for plan in plans(S::PROFILE, &[8, 48, 1024, 4096], 256, live) {
            run::<S>(seed, &plan, |strategy, model| {
                let mut random = Random::new(seed);
                for operation in 0..OPERATIONS {
                    step(strategy, model, &plan, &mut random)
                        .map_err(|violation| violation.at(format_args!("operation {operation}")))?;
                    if operation % CHECK_ALL == CHECK_ALL - 1 {
                        let renews = random.below(8) == 0;
                        resets(strategy, model, &plan, renews).map_err(|violation| {
                            violation.at(format_args!("after operation {operation}"))
                        })?;
                    }
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Many short sequences, each with a seed of its own and on a strategy built anew for a plan of its
/// own: the first blocks, the last of a few, and both again after a reset.
fn short<S: Strategy>() -> Outcome {
    let seeds = short_seeds();
    println!("{}: short sequences with the seeds {seeds:?}", S::NAME);
    for seed in seeds {
        let mut random = Random::new(seed);
        let plan = short_plan(S::PROFILE, &mut random);
        run::<S>(seed, &plan, |strategy, model| {
            for operation in 0..20 + random.below(41) {
                match random.below(16) {
                    0 => resets(strategy, model, &plan, true),
                    _ => step(strategy, model, &plan, &mut random),
                }
                .map_err(|violation| violation.at(format_args!("short, operation {operation}")))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Runs one sequence on a strategy of its own. Whatever goes wrong in it names the seed.
fn run<S: Strategy>(
    seed: u64,
    plan: &Plan,
    sequence: impl FnOnce(&mut S, &mut Model) -> Outcome,
) -> Outcome {
    caught(3, || with(plan, sequence))
        .map_err(|violation| violation.at(format_args!("CONTRACT_SEED={seed}")))
}

/// A plan within `profile` of a few blocks, so that they run out and are reused. Most are small.
fn short_plan(profile: Profile, random: &mut Random) -> Plan {
    let size = match random.below(8) {
        0 => random.below(5000),
        1 | 2 => random.below(600),
        _ => random.below(100),
    };
    plan(profile, size, 1 << random.below(9), 3 + random.below(20))
}

/// One operation, and a look at another block.
fn step<S: Strategy>(
    strategy: &mut S,
    model: &mut Model,
    plan: &Plan,
    random: &mut Random,
) -> Outcome {
    // One block less than announced, since growing may take a new one.
    let taken = if frees_one_by_one(strategy) { model.len() } else { model.spent() };
    let full = taken + 1 >= plan.live_blocks;
    if full && !frees_one_by_one(strategy) {
        renew(strategy, model, plan)?;
    }
    let handle = strategy.handle();
    let layout = random_layout(random, plan);
    match random.below(100) {
        0..45 if !full => {
            let block = model.allocate(&handle, layout)?;
            served(block, 2, layout)?;
        }
        45..58 if !full => {
            let block = model.allocate_zeroed(&handle, layout)?;
            served(block, 2, layout)?;
        }
        58..75 if model.len() > 0 => {
            let index = random.below(model.len());
            let zeroed = random.below(2) == 0;
            hold!(
                5,
                model.resize(&handle, index, layout, zeroed)?,
                "refused to resize to {layout:?}, within its plan"
            );
        }
        _ if model.len() > 0 => {
            // Any size from the one asked for up to the one returned fits.
            let index = random.below(model.len());
            let size = model.held(index).layout().size() + random.below(64);
            model.claim(index, size);
            model.free(&handle, index)?;
        }
        _ => {}
    }
    match model.len() {
        0 => Ok(()),
        len => model.check(random.below(len)),
    }
}

/// Calls reset where it is an error that changes nothing, and where it works if `renews` is set.
/// All blocks are checked.
fn resets<S: Strategy>(strategy: &mut S, model: &mut Model, plan: &Plan, renews: bool) -> Outcome {
    if strategy.profile().reset == Reset::Unsupported {
        hold!(8, strategy.reset().is_err(), "reset worked, and its profile says that it has none");
    } else if renews {
        renew(strategy, model, plan)?;
    }
    model.check_all()
}
