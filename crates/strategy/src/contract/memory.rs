//! Lines 1, 2, 4, 5 and 6: what a block is.

use std::collections::BTreeSet;

use super::finding::{Outcome, Violation, hold};
use super::model::Model;
use super::plans::{aligns, frees_one_by_one, layout, no_more, plans, renew, room, served, with};
use crate::{Frees, Plan, Reset, Strategy};

/// Twice a small page and more: where alignment stops coming for free.
const ABOVE_A_PAGE: usize = 1 << 14;

/// Every alignment, with sizes below, at and above it, alive together, with odd blocks between
/// them that put the next one out of step.
pub(super) fn aligned<S: Strategy>() -> Outcome {
    for align in aligns(S::PROFILE, ABOVE_A_PAGE) {
        let sizes = [0, 1, align / 2, align - 1, align, align + 1, 2 * align + 1];
        for plan in plans(S::PROFILE, &sizes, align, 4 * sizes.len()) {
            with::<S>(&plan, |strategy, model| {
                let handle = strategy.handle();
                let asked = sizes.into_iter().filter(|&size| size <= plan.max_size);
                for (size, zeroed) in asked.flat_map(|size| [(size, false), (size, true)]) {
                    let odd = layout(1.min(plan.max_size), 1);
                    served(model.allocate(&handle, odd)?, 2, odd)?;
                    let asked = layout(size, align);
                    let block = match zeroed {
                        false => model.allocate(&handle, asked)?,
                        true => model.allocate_zeroed(&handle, asked)?,
                    };
                    served(block, 2, asked)?;
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Every small size and some large ones: the model writes the whole slice that comes back and
/// reads it at the end, when all blocks are alive. Then with layouts as large as the slice.
pub(super) fn whole<S: Strategy>() -> Outcome {
    let small: Vec<_> = (0..=136).chain([200, 255, 256, 257, 1000]).collect();
    for sizes in [&small[..], &[4095, 4096, 4097, 40_000]] {
        for plan in plans(S::PROFILE, sizes, 16, 2 * sizes.len() + 2) {
            with::<S>(&plan, |strategy, model| {
                let asked = sizes.iter().filter(|&&size| size <= plan.max_size);
                let asked: Vec<_> = asked.map(|&size| layout(size, 1)).collect();
                let handle = strategy.handle();
                for &layout in &asked {
                    served(model.allocate(&handle, layout)?, 2, layout)?;
                }
                model.check_all()?;
                for index in 0..model.len() {
                    model.claim(index, usize::MAX);
                }
                while model.len() > 0 {
                    model.free(&handle, 0)?;
                }
                if !frees_one_by_one(strategy) {
                    renew(strategy, model, &plan)?;
                }
                let handle = strategy.handle();
                for &layout in asked.iter().rev() {
                    served(model.allocate(&handle, layout)?, 2, layout)?;
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Zeroed blocks where full ones were before: freed one by one, and by a reset; and tails.
pub(super) fn zeroed<S: Strategy>() -> Outcome {
    for plan in plans(S::PROFILE, &[1, 8, 64, 100, 1000, 5000], 64, 96) {
        with::<S>(&plan, |strategy, model| {
            let sizes: Vec<_> = [1, 8, 24, 64, 100, 1000, 5000]
                .into_iter()
                .filter(|&s| s <= plan.max_size)
                .collect();
            for round in 0..3 {
                let align = if round == 1 { plan.max_align } else { 1 };
                room(strategy, model, &plan, 3 * sizes.len())?;
                let handle = strategy.handle();
                for &size in &sizes {
                    let full = layout(size, align);
                    served(model.allocate(&handle, full)?, 2, full)?;
                }
                model.free_all(&handle)?;
                for &size in &sizes {
                    let zeroed = layout(size, align);
                    served(model.allocate_zeroed(&handle, zeroed)?, 2, zeroed)?;
                }
                // One at a time: each block is likely to be the one freed just before.
                model.free_all(&handle)?;
                for &size in &sizes {
                    let zeroed = layout(size, align);
                    let block = model.allocate_zeroed(&handle, zeroed)?;
                    model.free(&handle, served(block, 2, zeroed)?)?;
                }
            }
            tails(strategy, model, &plan)?;
            if strategy.profile().reset != Reset::Unsupported {
                renew(strategy, model, &plan)?;
                let handle = strategy.handle();
                for _ in 0..8 {
                    let zeroed = layout(plan.max_size, 1);
                    served(model.allocate_zeroed(&handle, zeroed)?, 2, zeroed)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Blocks grown zeroed, where full blocks were before: alone, and with a neighbour behind.
fn tails<S: Strategy>(strategy: &mut S, model: &mut Model, plan: &Plan) -> Outcome {
    for (percent, neighbour) in [(0, false), (10, false), (50, true), (90, false), (100, true)] {
        room(strategy, model, plan, 7)?;
        let handle = strategy.handle();
        let large = layout(plan.max_size, 8.min(plan.max_align));
        let small = layout(plan.max_size * percent / 100, large.align());
        for _ in 0..2 {
            served(model.allocate(&handle, large)?, 2, large)?;
        }
        model.free_all(&handle)?;
        let block = served(model.allocate(&handle, small)?, 2, small)?;
        if neighbour {
            served(model.allocate(&handle, small)?, 2, small)?;
        }
        hold!(5, model.resize(&handle, block, large, true)?, "refused to grow within its plan");
        model.free_all(&handle)?;
    }
    Ok(())
}

/// Growing, shrinking and changing the alignment, alone and between neighbours; then what fails.
pub(super) fn resized<S: Strategy>() -> Outcome {
    let sizes = [(0, 1), (0, 64), (1, 2), (7, 8), (16, 17), (16, 64), (100, 1000), (64, 4096)];
    let aligns = [(8, 8), (1, 64), (64, 1), (16, 4096), (4096, 16)];
    for plan in plans(S::PROFILE, &[64, 1000, 4096], 4096, 48) {
        let within = plan.max_align;
        with::<S>(&plan, |strategy, model| {
            for (from, to) in aligns.map(|(from, to)| (within.min(from), within.min(to))) {
                for (less, more) in sizes.into_iter().filter(|&(_, more)| more <= plan.max_size) {
                    room(strategy, model, &plan, 8)?;
                    there_and_back(strategy, model, layout(less, from), layout(more, to))?;
                    room(strategy, model, &plan, 8)?;
                    there_and_back(strategy, model, layout(more, from), layout(less, to))?;
                }
            }
            room(strategy, model, &plan, 8)?;
            fails_to_grow(strategy, model, &plan)
        })?;
    }
    Ok(())
}

fn there_and_back<S: Strategy>(
    strategy: &S,
    model: &mut Model,
    from: core::alloc::Layout,
    to: core::alloc::Layout,
) -> Outcome {
    let handle = strategy.handle();
    served(model.allocate(&handle, from)?, 2, from)?;
    let block = served(model.allocate(&handle, from)?, 2, from)?;
    served(model.allocate(&handle, from)?, 2, from)?;
    for new in [to, from] {
        let done = model.resize(&handle, block, new, false)?;
        hold!(5, done, "refused to resize a block from {from:?} to {to:?} within its plan");
        model.check_all()?;
    }
    // The last of the neighbours: nothing lies behind it.
    let done = model.resize(&handle, model.len() - 1, to, false)?;
    hold!(5, done, "refused to resize the last block from {from:?} to {to:?} within its plan");
    model.free_all(&handle)
}

/// The old block stays whole and owned when growing fails.
fn fails_to_grow<S: Strategy>(strategy: &S, model: &mut Model, plan: &Plan) -> Outcome {
    let handle = strategy.handle();
    let small = layout(plan.max_size.min(48), 8.min(plan.max_align));
    let huge = layout(isize::MAX as usize - 4095, small.align());
    for _ in 0..3 {
        served(model.allocate(&handle, small)?, 2, small)?;
    }
    for (index, zeroed) in [(0, false), (1, true), (2, false)] {
        let refused = model.fails_to_resize(&handle, index, huge, zeroed)?;
        hold!(9, refused, "grew a block to {} bytes", huge.size());
    }
    // If one of them had been freed, one of these would be given it.
    for _ in 0..3 {
        let new = model.allocate(&handle, small).map_err(|violation| violation.means(5, &[3]))?;
        served(new, 2, small)?;
    }
    model.check_all().map_err(|violation| violation.means(5, &[3]))
}

/// Size 0 on every way in and out, then again and again, and everything announced is still there.
pub(super) fn empty<S: Strategy>() -> Outcome {
    for plan in plans(S::PROFILE, &[0, 1, 64], 4096, 40) {
        with::<S>(&plan, |strategy, model| {
            let handle = strategy.handle();
            for align in aligns(S::PROFILE, plan.max_align) {
                let nothing = layout(0, align);
                served(model.allocate(&handle, nothing)?, 6, nothing)?;
                served(model.allocate_zeroed(&handle, nothing)?, 6, nothing)?;
            }
            model.free_all(&handle)?;
            if plan.frees == Frees::Together {
                renew(strategy, model, &plan)?;
                in_and_out(strategy, model, &plan)?;
                renew(strategy, model, &plan)?;
            } else {
                costs_nothing(strategy, model, &plan)?;
            }
            let handle = strategy.handle();
            let full = layout(plan.max_size, 1);
            for block in 0..plan.live_blocks {
                let there = model.allocate(&handle, full)?.is_some();
                hold!(6, there, "after blocks of size 0, block {block} of its plan is refused");
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// From size 0 and back, by growing and shrinking.
fn in_and_out<S: Strategy>(strategy: &S, model: &mut Model, plan: &Plan) -> Outcome {
    let handle = strategy.handle();
    let align = 8.min(plan.max_align);
    let (nothing, full) = (layout(0, align), layout(plan.max_size, align));
    let block = served(model.allocate(&handle, nothing)?, 6, nothing)?;
    for (new, zeroed) in
        [(full, false), (nothing, false), (full, true), (nothing, false), (layout(0, 1), false)]
    {
        let done = model.resize(&handle, block, new, zeroed)?;
        hold!(6, done, "refused to resize from or to size 0, to {new:?}");
    }
    model.free(&handle, block)
}

/// Many blocks of size 0, one after the other.
fn costs_nothing<S: Strategy>(strategy: &mut S, model: &mut Model, plan: &Plan) -> Outcome {
    const ROUNDS: usize = 1000;
    let nothing = layout(0, 8.min(plan.max_align));
    in_and_out(strategy, model, plan)?;
    let before = strategy.stats();
    let mut addresses = BTreeSet::new();
    for _ in 0..ROUNDS {
        let handle = strategy.handle();
        let block = served(model.allocate(&handle, nothing)?, 6, nothing)?;
        addresses.insert(model.held(block).address());
        model.free(&handle, block)?;
        in_and_out(strategy, model, plan)?;
    }
    let after = strategy.stats();
    hold!(
        6,
        no_more(before, after),
        "{ROUNDS} blocks of size 0, all freed, cost memory: {before:?} before, {after:?} after"
    );
    if after.is_none() && addresses.len() > ROUNDS / 2 {
        let seen =
            format!("{ROUNDS} blocks of size 0, all freed, are at {} places", addresses.len());
        return Err(Violation::new(6, seen));
    }
    Ok(())
}
