//! Line 3: random sequences of everything, against the model.

use super::finding::{Outcome, hold};
use super::model::Model;
use super::plans::{frees_one_by_one, plans, random_layout, renew, served, with};
use super::random::{Random, seeds};
use crate::{Frees, Plan, Reset, Strategy};

/// The operations of one sequence.
const OPERATIONS: usize = 3000;

/// Every so many operations all live blocks are checked, and a reset is called.
const CHECK_ALL: usize = 100;

pub(super) fn apart<S: Strategy>() -> Outcome {
    // Where nothing is freed before the reset, more blocks make a longer way there.
    let live = if S::PROFILE.frees == Frees::Together { 600 } else { 200 };
    for seed in seeds() {
        for plan in plans(S::PROFILE, &[8, 48, 1024, 4096], 256, live) {
            with::<S>(&plan, |strategy, model| {
                let mut random = Random::new(seed);
                for operation in 0..OPERATIONS {
                    step(strategy, model, &plan, &mut random).map_err(|violation| {
                        violation.at(format_args!("operation {operation}, CONTRACT_SEED={seed}"))
                    })?;
                    if operation % CHECK_ALL == CHECK_ALL - 1 {
                        resets(strategy, model, &plan, &mut random)
                            .and_then(|()| model.check_all())
                            .map_err(|violation| {
                                violation.at(format_args!(
                                    "after operation {operation}, CONTRACT_SEED={seed}"
                                ))
                            })?;
                    }
                }
                Ok(())
            })?;
        }
    }
    Ok(())
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

/// Calls reset: always where it is an error that changes nothing, seldom where it works.
fn resets<S: Strategy>(
    strategy: &mut S,
    model: &mut Model,
    plan: &Plan,
    random: &mut Random,
) -> Outcome {
    if strategy.profile().reset == Reset::Unsupported {
        hold!(8, strategy.reset().is_err(), "reset worked, and its profile says that it has none");
    } else if random.below(8) == 0 {
        renew(strategy, model, plan)?;
    }
    Ok(())
}
