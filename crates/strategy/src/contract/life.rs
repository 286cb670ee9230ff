//! Lines 7, 8 and 14: memory over the life of a strategy.

use core::mem::{self, ManuallyDrop};
use std::collections::BTreeSet;

use super::finding::{Outcome, hold};
use super::model::Model;
use super::plans::{
    build, frees_one_by_one, layout, no_more, plans, random_layout, room, served, with,
};
use super::random::Random;
use crate::{Frees, Plan, Reset, Stats, Strategy};

/// Replacements in a churn; the first quarter warms up.
const CHURN: usize = 6400;

/// How near two blocks are to be at the same place, in bytes: general-purpose allocators split and
/// join free memory, so that blocks wander by a few bytes.
const CACHE_LINE: usize = 64;

/// Steady churn with one size, with many, and with resizing: what is reserved after the warm-up
/// is enough for good. A strategy that does not count is judged by the places of its blocks: late
/// in the churn, most have to be where blocks were before.
pub(super) fn bounded<S: Strategy>() -> Outcome {
    if S::PROFILE.frees == Frees::Together {
        return Ok(());
    }
    for plan in plans(S::PROFILE, &[8, 64, 1024, 16 << 10], 16, 65) {
        with::<S>(&plan, |strategy, model| uniform(strategy, model, &plan))?;
        with::<S>(&plan, |strategy, model| mixed(strategy, model, &plan))?;
    }
    Ok(())
}

/// Blocks of one size, replaced in random order: nothing is fragmented, so nothing may be added.
fn uniform<S: Strategy>(strategy: &S, model: &mut Model, plan: &Plan) -> Outcome {
    let mut random = Random::new(7);
    let handle = strategy.handle();
    // Where places are counted, large blocks: more than a debugging malloc keeps in quarantine.
    let size = if strategy.stats().is_some() { plan.max_size.min(64) } else { plan.max_size };
    let layout = layout(size, 8);
    let mut places = BTreeSet::new();
    let (mut warm, mut fresh) = (None, 0);
    for replacement in 0..CHURN {
        if model.len() + 1 == plan.live_blocks {
            let index = random.below(model.len());
            if random.below(4) == 0 {
                let smaller = super::plans::layout(layout.size() / 2, 8);
                for new in [smaller, layout] {
                    hold!(7, model.resize(&handle, index, new, false)?, "refused to resize");
                }
            }
            model.free(&handle, index)?;
        }
        let block = served(model.allocate(&handle, layout)?, 7, layout)?;
        let place = model.held(block).address() / CACHE_LINE;
        fresh += usize::from(places.insert(place) && replacement >= CHURN - CHURN / 4);
        if replacement == CHURN / 4 {
            warm = strategy.stats();
        }
    }
    if let (Some(warm), Some(now)) = (warm, strategy.stats()) {
        hold!(
            7,
            now.reserved_bytes <= warm.reserved_bytes,
            "{} live blocks of one size: {} bytes reserved after {} replacements, {} after {CHURN}",
            model.len(),
            warm.reserved_bytes,
            CHURN / 4,
            now.reserved_bytes,
        );
    } else {
        hold!(
            7,
            fresh <= CHURN / 8,
            "{} live blocks of one size: {fresh} of the last {} of {CHURN} replacements are where \
             no block was before",
            model.len(),
            CHURN / 4,
        );
    }
    Ok(())
}

/// Blocks of many sizes: some memory may be lost to fragmentation.
fn mixed<S: Strategy>(strategy: &S, model: &mut Model, plan: &Plan) -> Outcome {
    let mut random = Random::new(7);
    let handle = strategy.handle();
    let mut warm = None;
    for replacement in 0..CHURN {
        if model.len() + 1 == plan.live_blocks {
            model.free(&handle, random.below(model.len()))?;
        }
        let layout = random_layout(&mut random, plan);
        served(model.allocate(&handle, layout)?, 7, layout)?;
        if replacement == CHURN / 4 {
            warm = strategy.stats();
        }
    }
    if let (Some(warm), Some(now)) = (warm, strategy.stats()) {
        hold!(
            7,
            now.reserved_bytes <= 2 * warm.reserved_bytes,
            "{} live blocks of many sizes: {} bytes reserved after {} replacements, {} after {CHURN}",
            model.len(),
            warm.reserved_bytes,
            CHURN / 4,
            now.reserved_bytes,
        );
    }
    Ok(())
}

/// Fills the plan and resets, again and again.
pub(super) fn resets<S: Strategy>() -> Outcome {
    for plan in plans(S::PROFILE, &[8, 64, 1024], 64, 64) {
        with::<S>(&plan, |strategy, model| match strategy.profile().reset {
            Reset::Unsupported => reset_fails(strategy, model, &plan),
            Reset::KeepsLargestChunk | Reset::KeepsAll => reset_works(strategy, model, &plan),
        })?;
    }
    Ok(())
}

fn reset_fails<S: Strategy>(strategy: &mut S, model: &mut Model, plan: &Plan) -> Outcome {
    let half = layout(plan.max_size, 1);
    for _ in 0..plan.live_blocks / 2 {
        served(model.allocate(&strategy.handle(), half)?, 2, half)?;
    }
    let before = strategy.stats();
    hold!(8, strategy.reset().is_err(), "reset worked, and its profile says that it has none");
    hold!(8, strategy.stats() == before, "a reset that failed changed what is held");
    model.check_all().map_err(|violation| violation.means(8, &[3]))?;
    for _ in 0..plan.live_blocks / 2 {
        let block = model.allocate(&strategy.handle(), half);
        served(block.map_err(|violation| violation.means(8, &[3]))?, 8, half)?;
    }
    model.check_all().map_err(|violation| violation.means(8, &[3]))
}

fn reset_works<S: Strategy>(strategy: &mut S, model: &mut Model, plan: &Plan) -> Outcome {
    const CYCLES: usize = 12;
    reset(strategy, None)?;
    let mut peaks = Vec::new();
    for cycle in 0..CYCLES {
        // The same blocks in each cycle.
        let mut random = Random::new(8);
        for block in 0..plan.live_blocks {
            let layout = random_layout(&mut random, plan);
            let there = model.allocate(&strategy.handle(), layout)?.is_some();
            hold!(8, there, "after {cycle} resets, block {block} of its plan is refused");
        }
        // Some blocks are freed before, some are left to the reset.
        if frees_one_by_one(strategy) {
            for _ in 0..cycle {
                model.free(&strategy.handle(), random.below(model.len()))?;
            }
        }
        model.check_all()?;
        model.forget_all();
        let before = strategy.stats();
        peaks.extend(before.map(|stats| stats.reserved_bytes));
        reset(strategy, before)?;
        reset(strategy, None)?;
    }
    if let Some(&last) = peaks.last() {
        let middle = peaks[CYCLES / 2];
        hold!(
            8,
            last <= middle,
            "the same blocks in each cycle: {middle} bytes reserved in the middle one, {last} in the last"
        );
    }
    Ok(())
}

/// Resets, and looks at what is kept of `before`.
fn reset<S: Strategy>(strategy: &mut S, before: Option<Stats>) -> Outcome {
    let result = strategy.reset();
    hold!(8, result.is_ok(), "reset failed, and its profile says that it works: {result:?}");
    let Some(after) = strategy.stats() else { return Ok(()) };
    hold!(8, after.live_bytes == 0, "{} bytes are live after a reset", after.live_bytes);
    let Some(before) = before else { return Ok(()) };
    let (had, has) = (before.reserved_bytes, after.reserved_bytes);
    let kept = match strategy.profile().reset {
        Reset::KeepsAll => has == had,
        Reset::KeepsLargestChunk => has <= had && (has > 0 || had == 0),
        Reset::Unsupported => true,
    };
    let profile = strategy.profile().reset;
    hold!(8, kept, "{had} bytes reserved before a reset, {has} after it: {profile:?} is not that");
    Ok(())
}

/// Two strategies change places; then all handles are used in turns.
pub(super) fn movable<S: Strategy>() -> Outcome {
    for plan in plans(S::PROFILE, &[8, 64, 1024], 64, 64) {
        moves::<S>(&plan).map_err(|violation| violation.means(14, &[2, 3]))?;
        with::<S>(&plan, |strategy, model| handles(strategy, model, &plan))
            .map_err(|violation| violation.means(14, &[2, 3]))?;
    }
    Ok(())
}

fn moves<S: Strategy>(plan: &Plan) -> Outcome {
    let mut here = ManuallyDrop::new(build::<S>(plan)?);
    let mut there = ManuallyDrop::new(Box::new(build::<S>(plan)?));
    let (mut first, mut second) = (Model::new(), Model::numbered_from(1000));
    let block = layout(plan.max_size, 8);
    for _ in 0..plan.live_blocks / 4 {
        served(first.allocate(&here.handle(), block)?, 2, block)?;
        served(second.allocate(&there.handle(), block)?, 2, block)?;
    }
    for _ in 0..2 {
        mem::swap(&mut *here, &mut **there);
        mem::swap(&mut first, &mut second);
        first.check_all()?;
        second.check_all()?;
        for _ in 0..plan.live_blocks / 4 {
            served(first.allocate(&here.handle(), block)?, 14, block)?;
            served(second.allocate(&there.handle(), block)?, 14, block)?;
        }
        let mut both = Model::new();
        for (model, index) in
            (0..first.len()).map(|i| (&first, i)).chain((0..second.len()).map(|i| (&second, i)))
        {
            both.adopt(model.held(index))?;
        }
        first.check_all()?;
        second.check_all()?;
        first.free(&here.handle(), 0)?;
        second.free(&there.handle(), 0)?;
    }
    first.free_all(&here.handle())?;
    second.free_all(&there.handle())?;
    drop(ManuallyDrop::into_inner(here));
    drop(ManuallyDrop::into_inner(there));
    Ok(())
}

/// Allocates with one handle and frees with another: a copy, and one asked for anew.
fn handles<S: Strategy>(strategy: &mut S, model: &mut Model, plan: &Plan) -> Outcome {
    let block = layout(plan.max_size, 8);
    for turn in 0..4 * plan.live_blocks {
        room(strategy, model, plan, 2)?;
        let handle = strategy.handle();
        let copy = handle;
        let handles = [handle, copy, strategy.handle()];
        served(model.allocate(&handles[turn % 3], block)?, 14, block)?;
        if model.len() + 1 == plan.live_blocks {
            while model.len() > plan.live_blocks / 2 {
                model.free(&handles[(turn + model.len()) % 3], 0)?;
            }
        }
    }
    model.check_all()?;
    let before = strategy.stats();
    if frees_one_by_one(strategy) {
        let handle = strategy.handle();
        let copy = handle;
        let index = served(model.allocate(&handle, block)?, 14, block)?;
        model.free(&copy, index)?;
        hold!(
            14,
            no_more(before, strategy.stats()),
            "a block freed by a copy of its handle is still counted: {before:?}, then {:?}",
            strategy.stats()
        );
    }
    Ok(())
}
