//! Cases: what they say about their work, and what a slowed one does.

use std::alloc::System;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use strategy::{BuildError, FromGlobal, Plan, Profile, Role, StaticGlobal, Strategy};
use workloads::{
    Aligned, Case, Churn, Contender, Failure, Fragment, Grow, Measure, Pair, Passes, Skew, Stream,
    Tally, Workload,
};

/// The C library's malloc.
struct Libc;

impl StaticGlobal for Libc {
    type Global = System;
    const GLOBAL: &'static System = &System;
}

impl Strategy for Libc {
    const NAME: &'static str = "libc";
    const ABOUT: &'static str = "the C library's malloc";
    const PROFILE: Profile = Profile::GENERAL;
    const ROLE: Role = Role::Reference;
    type Handle<'a> = FromGlobal<Self>;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    fn handle(&self) -> FromGlobal<Self> {
        FromGlobal::new()
    }
}

/// The C library's malloc under another name.
struct Other;

impl Strategy for Other {
    const NAME: &'static str = "other";
    const ABOUT: &'static str = "the C library's malloc";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = FromGlobal<Libc>;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    fn handle(&self) -> FromGlobal<Libc> {
        FromGlobal::new()
    }
}

#[test]
fn a_case_keeps_alive_what_its_plan_announces() {
    fn live_bytes<W: Workload + Copy + 'static>(workload: W) -> u64 {
        let case = Case::of::<W, Libc>(workload);
        assert_eq!(case.threads, 1, "{case:?}");
        case.live_bytes
    }
    assert_eq!(live_bytes(Pair::<64>), 64);
    assert_eq!(live_bytes(Aligned::<{ 1 << 20 }, 64>), 1 << 20);
    assert_eq!(live_bytes(Churn { skew: Skew::Uniform }), 10_000 * 520);
    // Two blocks, neither larger than 1 MiB.
    assert_eq!(live_bytes(Grow), 2 * (((1 << 20) + 64) / 2));
    assert_eq!(live_bytes(Fragment), 7_600 * (16 + 5120) / 2);
}

#[test]
fn the_largest_block_is_alive_at_the_least() {
    let case = Case::of::<_, Libc>(Pair::<64>);
    let plan = Plan { threads: 2, ..Plan::sizes(16, 4096) };
    let case = case.planned(&plan);
    assert_eq!((case.live_bytes, case.threads), (4096, 2));
}

#[test]
fn the_truth_is_known_of_the_reference_and_of_what_is_made_of_it() {
    assert_eq!(Contender::of::<Libc>().truth, Some(1.0));
    assert_eq!(Contender::of::<Other>().truth, None);
    let other = || Case::of::<_, Other>(Pair::<64>);
    assert_eq!(other().known(2.0).contender.truth, Some(2.0));
    assert_eq!(other().known(2.0).slowed("slow", "slow", 50).contender.truth, Some(3.0));
    assert_eq!(other().slowed("slow", "slow", 50).contender.truth, None);
}

/// Passes of a slowed case take half as long again as the passes that they are made of, of which the time
/// is taken inside.
#[test]
fn a_slowed_case_does_the_same_and_takes_longer() {
    let inside = Rc::new(Cell::new(Duration::ZERO));
    let timed = inside.clone();
    let run = move |_: Stream, measure: &mut Measure<'_>| {
        measure(&mut |count| {
            let start = Instant::now();
            let tally = (0..count * 1000).map(std::hint::black_box).collect::<Tally>();
            timed.set(timed.get() + start.elapsed());
            if count == 7 { Err(Failure::NotZero) } else { Ok(tally) }
        })
    };
    let answer = |_: Stream| (0..1000).collect();
    let description = Pair::<64>.description();
    let case = Case::new(description, "64".into(), Contender::of::<Libc>(), answer, run);
    let slowed = case.slowed("slow", "slower by half", 50);
    assert_eq!(slowed.contender.role, Role::Contender);
    assert_eq!((slowed.contender.name, slowed.contender.about), ("slow", "slower by half"));
    let measured = &mut |passes: &mut Passes<'_>| {
        for _ in 0..10 {
            inside.set(Duration::ZERO);
            let start = Instant::now();
            assert_eq!(passes(100)?, (0..100_000).collect());
            assert!(start.elapsed() >= inside.get().mul_f64(1.5));
        }
        assert_eq!(passes(7), Err(Failure::NotZero));
        Ok(())
    };
    assert_eq!(slowed.run(Stream::FIRST, measured), Ok(()));
}
