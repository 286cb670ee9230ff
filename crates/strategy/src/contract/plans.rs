//! Which plans a profile is tested with, and building a strategy for one.

use core::alloc::Layout;
use core::mem::ManuallyDrop;

use super::finding::{Outcome, Violation, hold};
use super::model::Model;
use super::random::Random;
use crate::{BuildError, Frees, Plan, Profile, Sizes, Stats, Strategy};

/// The threads of a test at the same time.
pub(super) const THREADS: usize = 4;

/// A layout that is known to exist.
pub(super) fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("the suite asks for layouts that exist")
}

/// A plan within `profile`: blocks of up to `size` bytes, aligned to at most `align` as far as
/// the profile goes, `live` alive at one time.
pub(super) fn plan(profile: Profile, size: usize, align: usize, live: usize) -> Plan {
    let one_block = profile.sizes == Sizes::OneBlock;
    Plan {
        min_size: if one_block { size } else { 0 },
        max_size: size,
        max_align: align.min(profile.max_align),
        live_blocks: live,
        frees: profile.frees,
        grows: !one_block,
        threads: 1,
    }
}

/// The plan of a few small blocks.
pub(super) fn few<S: Strategy>(live: usize) -> Plan {
    plan(S::PROFILE, 64, 64, live)
}

/// Plans within `profile` for blocks of up to each of `sizes`. A strategy that serves any size
/// gets the largest alone, since it covers the others.
pub(super) fn plans(profile: Profile, sizes: &[usize], align: usize, live: usize) -> Vec<Plan> {
    let sizes = match profile.sizes {
        Sizes::OneBlock => sizes,
        Sizes::Any => &sizes[sizes.len() - 1..],
    };
    sizes.iter().map(|&size| plan(profile, size, align, live)).collect()
}

/// As [`plans`] for [`THREADS`] threads: nothing if the profile excludes them.
pub(super) fn shared_plans<S: Strategy>(sizes: &[usize], live: usize) -> Vec<Plan> {
    let plans = plans(S::PROFILE, sizes, 64, live);
    let threads = plans.into_iter().map(|plan| Plan { threads: THREADS, ..plan });
    threads.filter(|plan| S::PROFILE.serves(plan).is_ok()).collect()
}

/// The powers of two from 1 to what both the profile and `most` allow.
pub(super) fn aligns(profile: Profile, most: usize) -> impl Iterator<Item = usize> {
    let most = most.min(profile.max_align);
    (0..usize::BITS).map(|bit| 1 << bit).take_while(move |&align| align <= most)
}

/// A layout within `plan`: small sizes and alignments are as likely as large ones.
pub(super) fn random_layout(random: &mut Random, plan: &Plan) -> Layout {
    let bits = (usize::BITS - plan.max_size.leading_zeros()) as usize;
    let size = match random.below(16) {
        0 => plan.max_size,
        _ => {
            let end = 1 << random.below(bits + 1);
            random.below(end).min(plan.max_size)
        }
    };
    let align = match random.below(3) {
        0 => 1 << random.below(plan.max_align.trailing_zeros() as usize + 1),
        1 => 16.min(plan.max_align),
        _ => 8.min(plan.max_align),
    };
    layout(size, align)
}

/// Builds a strategy for a plan that its profile covers.
pub(super) fn build<S: Strategy>(plan: &Plan) -> Outcome<S> {
    S::new(plan).map_err(|error| unbuilt(&error, plan))
}

/// The violation of a strategy that could not be built for a plan that its profile covers.
pub(super) fn unbuilt(error: &BuildError, plan: &Plan) -> Violation {
    let line = if matches!(error, BuildError::Unsupported(_)) { 11 } else { 2 };
    let seen = format!("could not be built for a plan within its profile: {error}");
    Violation::new(line, seen).at(describe(plan))
}

/// Builds a strategy for `plan`, runs `test` on it, frees the blocks that the model still
/// holds, and drops the strategy. After a violation, or a panic in the test, all is leaked.
pub(super) fn with<S: Strategy>(
    plan: &Plan,
    test: impl FnOnce(&mut S, &mut Model) -> Outcome,
) -> Outcome {
    let mut strategy = ManuallyDrop::new(build::<S>(plan)?);
    let mut model = Model::new();
    let outcome = test(&mut strategy, &mut model)
        .and_then(|()| model.free_all(&strategy.handle()))
        .map_err(|violation| violation.at(describe(plan)));
    if outcome.is_ok() {
        drop(ManuallyDrop::into_inner(strategy));
    }
    outcome
}

/// Makes room for `blocks` more within the plan where freed blocks count as alive.
pub(super) fn room<S: Strategy>(
    strategy: &mut S,
    model: &mut Model,
    plan: &Plan,
    blocks: usize,
) -> Outcome {
    if strategy.profile().frees == Frees::Together && model.spent() + blocks > plan.live_blocks {
        renew(strategy, model, plan)?;
    }
    Ok(())
}

/// Makes everything reusable: by a reset, or else by building the strategy anew.
pub(super) fn renew<S: Strategy>(strategy: &mut S, model: &mut Model, plan: &Plan) -> Outcome {
    model.check_all()?;
    model.forget_all();
    if strategy.reset().is_err() {
        *strategy = build(plan)?;
    }
    Ok(())
}

/// Whether nothing was added between two counts.
pub(super) fn no_more(before: Option<Stats>, after: Option<Stats>) -> bool {
    before.zip(after).is_none_or(|(before, after)| {
        after.reserved_bytes <= before.reserved_bytes && after.live_bytes <= before.live_bytes
    })
}

/// Whether blocks are freed one by one.
pub(super) fn frees_one_by_one<S: Strategy>(strategy: &S) -> bool {
    strategy.profile().frees == Frees::OneByOne
}

/// Demands a block that the plan announced.
pub(super) fn served(block: Option<usize>, line: usize, layout: Layout) -> Outcome<usize> {
    hold!(
        line,
        block.is_some(),
        "refused {} bytes aligned to {}, which its plan announced",
        layout.size(),
        layout.align(),
    );
    Ok(block.expect("tested above"))
}

/// What a plan announces, for a report.
pub(super) fn describe(plan: &Plan) -> String {
    let Plan { min_size, max_size, max_align, live_blocks, .. } = plan;
    format!("plan: {min_size} to {max_size} bytes, aligned to {max_align}, {live_blocks} live")
}
