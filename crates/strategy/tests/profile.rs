//! A profile covers a plan, or says why not.

use strategy::{Frees, Plan, Profile, Reset, Sizes, Threads};

const POOL: Profile = Profile {
    sizes: Sizes::OneBlock,
    max_align: 64,
    frees: Frees::OneByOne,
    reset: Reset::KeepsAll,
    threads: Threads::Owner,
};

const ARENA: Profile = Profile { frees: Frees::Together, sizes: Sizes::Any, ..POOL };

#[track_caller]
fn refuses(profile: Profile, plan: Plan, reason: &str) {
    let unsupported = profile.serves(&plan).unwrap_err();
    assert!(unsupported.to_string().contains(reason), "{unsupported}");
}

#[test]
fn a_general_profile_covers_every_plan() {
    let demanding = Plan {
        max_align: Profile::ANY_ALIGN,
        threads: 64,
        ..Plan::sizes(0, usize::MAX).live(usize::MAX).growing()
    };
    assert_eq!(Profile::GENERAL.serves(&demanding), Ok(()));
    assert_eq!(Profile::GENERAL.serves(&demanding.freed_together()), Ok(()));
    assert_eq!(Profile::GENERAL.serves(&Plan::default()), Ok(()));
}

#[test]
fn one_block_size_excludes_several_and_growing() {
    assert_eq!(POOL.serves(&Plan::sizes(64, 64).live(1000)), Ok(()));
    refuses(POOL, Plan::sizes(16, 64), "one block size; the workload asks for several");
    refuses(POOL, Plan::sizes(64, 64).growing(), "one block size; the workload grows");
}

#[test]
fn a_largest_alignment_excludes_larger_ones() {
    assert_eq!(POOL.serves(&Plan { max_align: 64, ..Plan::default() }), Ok(()));
    refuses(POOL, Plan { max_align: 128, ..Plan::default() }, "does not serve the alignment");
}

#[test]
fn frees_together_exclude_frees_one_by_one_and_not_the_other_way_round() {
    assert_eq!(ARENA.serves(&Plan::sizes(1, 64).freed_together()), Ok(()));
    refuses(ARENA, Plan::sizes(1, 64), "frees only all at once");
    assert_eq!(POOL.serves(&Plan::default().freed_together()), Ok(()));
}

#[test]
fn one_owner_excludes_several_threads() {
    assert_eq!(POOL.serves(&Plan { threads: 1, ..Plan::default() }), Ok(()));
    refuses(POOL, Plan { threads: 2, ..Plan::default() }, "belongs to one thread");
    let shared = Profile { threads: Threads::Shared, ..POOL };
    assert_eq!(shared.serves(&Plan { threads: 2, ..Plan::default() }), Ok(()));
}

#[test]
fn a_plan_is_built_from_a_layout() {
    let plan = Plan::of(core::alloc::Layout::new::<[u64; 8]>()).live(3).growing().freed_together();
    assert_eq!((plan.min_size, plan.max_size, plan.max_align), (64, 64, 8));
    assert_eq!((plan.live_blocks, plan.grows, plan.frees), (3, true, Frees::Together));
    assert_eq!(Plan::default().max_align, 16);
}
