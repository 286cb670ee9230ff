//! Lines 10 and 13, and 8 again: what a strategy takes from its backing allocator and gives back.

use core::mem::ManuallyDrop;

use super::finding::{Outcome, Violation, hold};
use super::model::Model;
use super::plans::{describe, layout, plans, random_layout, unbuilt};
use super::probe::Probe;
use super::random::Random;
use crate::{Allocator, BuildError, Frees, Plan, Reset, Strategy};

/// More calls of the backing allocator than one trial makes.
const MOST_CALLS: usize = 1000;

/// Fails the first call, the second, and so on, until a trial ends before the failure comes: for
/// one call, and for all until it is over.
pub(super) fn out_of_memory<S: Strategy>(
    build: &impl Fn(&Plan, Probe) -> Result<S, BuildError>,
) -> Outcome {
    for plan in plans(S::PROFILE, &[64, 1024], 64, 16) {
        for lasting in [false, true] {
            for nth in 1..=MOST_CALLS {
                let probe = Probe::new();
                match lasting {
                    false => probe.fail_on(nth),
                    true => probe.fail_from(nth),
                }
                trial(build, &plan, &probe).map_err(|violation| {
                    let which = if lasting { "and all after it " } else { "" };
                    violation.at(format_args!("call {nth} of the backing allocator {which}failed"))
                })?;
                if probe.calls() < nth {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// One life of a strategy, with a failure at some time.
fn trial<S: Strategy>(
    build: &impl Fn(&Plan, Probe) -> Result<S, BuildError>,
    plan: &Plan,
    probe: &Probe,
) -> Outcome {
    let strategy = match build(plan, probe.clone()) {
        Ok(strategy) => ManuallyDrop::new(strategy),
        Err(_) if probe.failed() > 0 => return all_is_back(probe, "a build that failed"),
        Err(error) => return Err(unbuilt(&error, plan)),
    };
    let mut random = Random::new(10);
    let mut model = Model::new();
    // Within the plan first, which must be served; then beyond it, to have it add memory.
    for turn in 0..4 * plan.live_blocks {
        let taken = match plan.frees {
            Frees::OneByOne => model.len(),
            Frees::Together => model.spent(),
        };
        let within = turn < plan.live_blocks && taken + 1 < plan.live_blocks;
        let handle = strategy.handle();
        let layout = random_layout(&mut random, plan);
        match turn % 4 {
            1 if turn > 8 => {
                let index = random.below(model.len());
                survives(probe, &mut model, within, |model| {
                    model.resize(&handle, index, layout, turn % 8 == 1)
                })?;
            }
            2 if model.len() > 2 => model.free(&handle, random.below(model.len()))?,
            _ => survives(probe, &mut model, within, |model| {
                let block = match turn % 2 {
                    0 => model.allocate(&handle, layout)?,
                    _ => model.allocate_zeroed(&handle, layout)?,
                };
                Ok(block.is_some())
            })?,
        }
    }
    probe.heal();
    finish(strategy, &mut model, probe, "a strategy that has run out of memory")
}

/// Demands that `attempt` succeeds, if need be once there is memory again, and that no block has
/// changed if it fails. Beyond its plan a strategy may refuse without having asked for memory.
fn survives(
    probe: &Probe,
    model: &mut Model,
    within: bool,
    mut attempt: impl FnMut(&mut Model) -> Outcome<bool>,
) -> Outcome {
    for _ in 0..3 {
        let failed = probe.failed();
        if attempt(model)? {
            return Ok(());
        }
        let asked = probe.failed() > failed;
        hold!(10, asked || !within, "refused a block of its plan, with memory to be had");
        model.check_all().map_err(|violation| violation.means(10, &[3]))?;
        if !asked {
            return Ok(());
        }
    }
    // It failed three times; that is only right if all of them were made to.
    probe.heal();
    hold!(10, attempt(model)?, "refuses a block although there is memory again");
    Ok(())
}

/// Frees every second block and drops the strategy with the others out.
fn finish<S: Strategy>(
    strategy: ManuallyDrop<S>,
    model: &mut Model,
    probe: &Probe,
    who: &str,
) -> Outcome {
    model.check_all()?;
    for index in (0..model.len() / 2).rev() {
        model.free(&strategy.handle(), index)?;
    }
    model.check_all()?;
    drop(ManuallyDrop::into_inner(strategy));
    all_is_back(probe, who)
}

/// Demands that nothing is out and that all came back as it was taken.
fn all_is_back(probe: &Probe, who: &str) -> Outcome {
    if let Some(fault) = probe.fault() {
        return Err(Violation::new(13, format!("{who} {fault}")));
    }
    let (bytes, blocks) = (probe.bytes_out(), probe.blocks_out());
    hold!(13, bytes == 0, "{who} has not given back {bytes} bytes in {blocks} blocks");
    Ok(())
}

/// Lives of many kinds, each ended by a drop with blocks out.
pub(super) fn given_back<S: Strategy>(
    build: &impl Fn(&Plan, Probe) -> Result<S, BuildError>,
) -> Outcome {
    for plan in plans(S::PROFILE, &[0, 8, 64, 1024], 64, 64) {
        for (life, who) in LIVES {
            let probe = Probe::new();
            let strategy = build(&plan, probe.clone()).map_err(|error| unbuilt(&error, &plan))?;
            let mut strategy = ManuallyDrop::new(strategy);
            let mut model = Model::new();
            live(life, &mut *strategy, &mut model, &plan, &probe)
                .and_then(|()| finish(strategy, &mut model, &probe, who))
                .map_err(|violation| violation.at(describe(&plan)))?;
        }
    }
    Ok(())
}

/// What has happened in the life of a strategy.
#[derive(Clone, Copy, PartialEq)]
enum Life {
    Unused,
    Empty,
    Full,
    Beyond,
    Freed,
    Resized,
    Reset,
}

const LIVES: [(Life, &str); 7] = [
    (Life::Unused, "an unused strategy"),
    (Life::Empty, "a strategy with blocks of size 0"),
    (Life::Full, "a strategy with all blocks out"),
    (Life::Beyond, "a strategy with more blocks out than announced"),
    (Life::Freed, "a strategy with all blocks freed"),
    (Life::Resized, "a strategy with resized blocks"),
    (Life::Reset, "a strategy that was reset"),
];

fn live<S: Strategy>(
    life: Life,
    strategy: &mut S,
    model: &mut Model,
    plan: &Plan,
    probe: &Probe,
) -> Outcome {
    let mut random = Random::new(13);
    let blocks = match life {
        Life::Unused => 0,
        Life::Beyond => 8 * plan.live_blocks,
        Life::Resized => plan.live_blocks / 2,
        _ => plan.live_blocks,
    };
    let handle = strategy.handle();
    for _ in 0..blocks {
        let asked = random_layout(&mut random, plan);
        let asked = if life == Life::Empty { layout(0, asked.align()) } else { asked };
        let there = model.allocate(&handle, asked)?.is_some();
        hold!(2, there || life == Life::Beyond, "refused {asked:?}, which its plan announced");
    }
    match life {
        Life::Freed => model.free_all(&handle),
        Life::Resized => resize_all(&handle, model, plan, &mut random),
        Life::Reset => reset(strategy, model, probe),
        Life::Unused | Life::Empty | Life::Full | Life::Beyond => Ok(()),
    }
}

fn resize_all(
    handle: &impl Allocator,
    model: &mut Model,
    plan: &Plan,
    random: &mut Random,
) -> Outcome {
    for index in 0..model.len() - 1 {
        let layout = random_layout(random, plan);
        hold!(5, model.resize(handle, index, layout, false)?, "refused to resize to {layout:?}");
    }
    Ok(())
}

/// Resets if there is a reset: what it keeps, by the backing allocator's count.
fn reset<S: Strategy>(strategy: &mut S, model: &mut Model, probe: &Probe) -> Outcome {
    let (bytes, blocks, largest) = (probe.bytes_out(), probe.blocks_out(), probe.largest_out());
    model.check_all()?;
    if strategy.reset().is_err() {
        let same = (probe.bytes_out(), probe.blocks_out()) == (bytes, blocks);
        hold!(8, same, "a reset that failed changed what is taken from the backing allocator");
        return Ok(());
    }
    model.forget_all();
    let (has, holds) = (probe.bytes_out(), probe.blocks_out());
    let seen =
        format!("{bytes} bytes in {blocks} blocks before a reset, {has} in {holds} after it");
    match strategy.profile().reset {
        Reset::Unsupported => hold!(8, false, "reset worked, and its profile says otherwise"),
        Reset::KeepsAll => hold!(8, has == bytes, "it keeps all: {seen}"),
        Reset::KeepsLargestChunk => {
            hold!(8, has <= bytes, "it keeps the largest chunk: {seen}");
            hold!(8, blocks < 3 || holds < blocks, "it keeps the largest chunk: {seen}");
            // Others may be as large; one of that size has to be there.
            let kept = probe.largest_out().map(|(_, layout)| layout.size());
            let had = largest.map(|(_, layout)| layout.size());
            hold!(8, kept == had, "it keeps the largest chunk, of {had:?} bytes, not {kept:?}");
        }
    }
    Ok(())
}
