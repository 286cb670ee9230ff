//! Lines 9, 11 and 12: what happens when something cannot be had, or the caller panics.

use core::alloc::Layout;
use core::hint::black_box;
use core::mem::ManuallyDrop;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use allocator_api2::vec::Vec as VecIn;

use super::finding::{Outcome, hold};
use super::model::{Model, seen};
use super::plans::{build, few, frees_one_by_one, layout, plan, plans, renew, served, with};
use crate::{Block, BuildError, Frees, Plan, Profile, Sizes, Strategy, Threads};

/// Sizes that no machine has, at the edge of what a layout can be, and alignments that no block has.
fn absurd() -> impl Iterator<Item = Layout> {
    const MOST: usize = isize::MAX as usize;
    let sizes =
        [MOST, MOST - 1, MOST - 7, MOST - 15, MOST - 63, MOST - 4095, MOST / 2 + 1, MOST >> 10];
    let aligns = [1, 2, 8, 16, 64, 4096, 1 << 21];
    let large = sizes.into_iter().flat_map(move |size| aligns.map(|align| (size, align)));
    let aligned = [(1, 1 << 62), (64, 1 << 61), (4096, 1 << 52)];
    // Valgrind's `memalign` ends the process at an alignment of more than 16 MiB.
    let most = if under_valgrind() { 1 << 24 } else { usize::MAX };
    let all = large.chain(aligned).filter(move |&(_, align)| align <= most);
    all.filter_map(|(size, align)| Layout::from_size_align(size, align).ok())
}

/// Whether valgrind runs this program: it loads libraries of its own first.
fn under_valgrind() -> bool {
    env::var("LD_PRELOAD").is_ok_and(|libraries| libraries.contains("vgpreload"))
}

/// Absurd layouts on every way in, and absurd plans.
pub(super) fn too_large<S: Strategy>() -> Outcome {
    with::<S>(&few::<S>(8), |strategy, model| {
        let handle = strategy.handle();
        let small = layout(48, 8);
        let block = served(model.allocate(&handle, small)?, 2, small)?;
        for huge in absurd() {
            let (size, align) = (huge.size(), huge.align());
            let asked = format!("{size} bytes aligned to {align}");
            hold!(9, handle_refuses(&handle, huge), "served {asked}");
            for zeroed in [false, true] {
                let refused = model.fails_to_resize(&handle, block, huge, zeroed)?;
                hold!(9, refused, "grew a block to {asked}");
            }
        }
        let mut numbers = VecIn::<u64, _>::new_in(handle);
        hold!(9, numbers.try_reserve(usize::MAX).is_err(), "served a vector of usize::MAX numbers");
        let most = isize::MAX as usize / size_of::<u64>();
        let refused = numbers.try_reserve(most).is_err();
        // Or the compiler leaves out what nobody looks at, and says that it was served.
        black_box(numbers.as_ptr());
        hold!(9, refused, "served a vector of {most} numbers");
        Ok(())
    })?;
    let most = isize::MAX as usize;
    for (size, align, live) in [
        (most, 1, 1),
        (most - 4095, 4096, 2),
        (usize::MAX, 16, 1),
        (usize::MAX, 4096, usize::MAX),
        (64, 16, usize::MAX),
        (64, 16, most / 64),
        (1, 1, usize::MAX),
        (0, 1, usize::MAX),
    ] {
        // It may be built, if nothing is taken up front; it may not panic.
        drop(S::new(&plan(S::PROFILE, size, align, live)));
    }
    Ok(())
}

/// Whether a layout is refused, zeroed or not. What is served is leaked.
fn handle_refuses(handle: &impl crate::Allocator, layout: Layout) -> bool {
    seen(handle.allocate(layout)).is_err() && seen(handle.allocate_zeroed(layout)).is_err()
}

/// Plans and layouts outside of the profile are refused; those outside of the plan but inside
/// the profile are refused or served in full.
pub(super) fn excluded<S: Strategy>() -> Outcome {
    for (plan, demand) in excluded_plans(S::PROFILE) {
        let refused = matches!(S::new(&plan), Err(BuildError::Unsupported(_)));
        hold!(11, refused, "was built, or failed otherwise, for a plan that it excludes: {demand}");
    }
    for plan in plans(S::PROFILE, &[8, 64, 4096], 64, 8) {
        with::<S>(&plan, |strategy, model| {
            let profile = strategy.profile();
            let small = layout(plan.max_size.min(48), 8.min(plan.max_align));
            served(model.allocate(&strategy.handle(), small)?, 11, small)?;
            if profile.sizes == Sizes::OneBlock {
                // Rounded up to the alignment, as a pool has to.
                let block = plan.max_size.next_multiple_of(plan.max_align);
                let block = block.max(model.held(0).len());
                for size in [block + 1, 2 * block, 16 * block, 1 << 20] {
                    refuses(strategy, model, layout(size, small.align()))?;
                }
            }
            if profile.max_align < Profile::ANY_ALIGN {
                for align in [2 * profile.max_align, 8 * profile.max_align] {
                    if let Ok(layout) = Layout::from_size_align(plan.max_size, align) {
                        refuses(strategy, model, layout)?;
                    }
                }
            }
            beyond_the_plan(strategy, model, &plan)
        })?;
    }
    Ok(())
}

/// One plan for each thing that a profile can exclude.
fn excluded_plans(profile: Profile) -> Vec<(Plan, &'static str)> {
    let within = plan(profile, 64, 16, 4);
    let mut plans = Vec::new();
    if profile.sizes == Sizes::OneBlock {
        plans.push((Plan { min_size: 16, ..within }, "several sizes"));
        plans.push((Plan { grows: true, ..within }, "blocks that grow"));
    }
    if profile.max_align < Profile::ANY_ALIGN {
        plans.push((Plan { max_align: 2 * profile.max_align, ..within }, "a larger alignment"));
    }
    if profile.frees == Frees::Together {
        plans.push((Plan { frees: Frees::OneByOne, ..within }, "blocks freed one by one"));
    }
    if profile.threads == Threads::Owner {
        plans.push((Plan { threads: 2, ..within }, "two threads"));
    }
    plans
}

/// Demands that a layout is refused, and that a block is not grown to it.
fn refuses<S: Strategy>(strategy: &S, model: &mut Model, layout: Layout) -> Outcome {
    let handle = strategy.handle();
    let asked = format!("{} bytes aligned to {}", layout.size(), layout.align());
    hold!(11, handle_refuses(&handle, layout), "served {asked}, which its profile excludes");
    for zeroed in [false, true] {
        if layout.size() >= model.held(0).layout().size() {
            let refused = model.fails_to_resize(&handle, 0, layout, zeroed)?;
            hold!(11, refused, "grew a block to {asked}, which its profile excludes");
        }
    }
    Ok(())
}

/// Asks for more than was announced: it may be refused, and is whole if it is served.
fn beyond_the_plan<S: Strategy>(strategy: &S, model: &mut Model, plan: &Plan) -> Outcome {
    let handle = strategy.handle();
    let profile = strategy.profile();
    let align = (4 * plan.max_align).min(profile.max_align);
    let size = if profile.sizes == Sizes::OneBlock { plan.max_size } else { 4 * plan.max_size };
    for _ in 0..4 * plan.live_blocks {
        model.allocate(&handle, layout(plan.max_size, 1))?;
        model.allocate(&handle, layout(size, align))?;
        model.allocate_zeroed(&handle, layout(size, 1))?;
    }
    let last = model.len() - 1;
    model.resize(&handle, last, layout(size, align), false)?;
    model.check_all()
}

/// Panics while blocks, a vector and a box are alive; they are dropped by the unwinding.
pub(super) fn unwinds<S: Strategy>() -> Outcome {
    let plan = few::<S>(32);
    let mut strategy = ManuallyDrop::new(build::<S>(&plan)?);
    let mut model = Model::new();
    let before = strategy.stats();
    for _ in 0..8 {
        model.forget_all();
        let panic = catch_unwind(AssertUnwindSafe(|| work_and_panic(&*strategy)));
        hold!(
            12,
            panic.is_err_and(|panic| panic.is::<Expected>()),
            "blocks were refused or lost their stamps"
        );
        if frees_one_by_one(&*strategy) {
            let after = strategy.stats().map(|stats| stats.live_bytes);
            let before = before.map(|stats| stats.live_bytes);
            hold!(12, before == after, "{before:?} bytes live before a panic, {after:?} after it");
        } else {
            renew(&mut *strategy, &mut model, &plan)?;
        }
        let full = layout(plan.max_size, 8);
        for block in 0..plan.live_blocks {
            let there = model.allocate(&strategy.handle(), full);
            let there = there.map_err(|violation| violation.means(12, &[2, 3]))?.is_some();
            hold!(12, there, "after a panic in the caller, block {block} of its plan is refused");
        }
        model.free_all(&strategy.handle()).map_err(|violation| violation.means(12, &[3]))?;
        if !frees_one_by_one(&*strategy) {
            renew(&mut *strategy, &mut model, &plan)?;
        }
    }
    drop(ManuallyDrop::into_inner(strategy));
    Ok(())
}

/// The panic of [`work_and_panic`].
struct Expected;

fn work_and_panic<S: Strategy>(strategy: &S) {
    let mut numbers = VecIn::<u32, _>::with_capacity_in(8, strategy.handle());
    numbers.extend([1, 2, 3]);
    let blocks: Vec<_> = (0..8)
        .map(|number| Block::new(strategy, layout(8 * (1 + number % 8), 8), number as u64).ok())
        .collect();
    let sum: u64 = blocks.iter().flatten().map(Block::stamp).sum();
    // Without a word on standard error, as `panic!` would have it.
    resume_unwind(if sum == 28 { Box::new(Expected) } else { Box::new(()) });
}
