//! Those that break late serve well at first, and then do what their names say.

use strategy::{Block, BlockError, Fixed, Plan, Strategy};
use strategy_broken::{LateMisaligned, LateShort, LateSlow, Stumbling};

/// The blocks that a strategy serves, one at a time, until it serves something else.
fn served<S: Strategy>() -> (usize, Option<BlockError>) {
    let strategy = S::new(&Plan::sizes(64, 64)).unwrap();
    for good in 0..4_000 {
        match Block::new(&strategy, Fixed::<64, 8>, good as u64) {
            Ok(block) => assert_eq!(block.stamp(), good as u64, "{}", S::NAME),
            Err(first) => {
                let second = Block::new(&strategy, Fixed::<64, 8>, 0).map(drop);
                assert!(second.is_err(), "{first}, and then a good one");
                return (good, Some(first));
            }
        }
    }
    (4_000, None)
}

#[test]
fn a_late_one_is_misaligned_or_short_after_3000_blocks_and_stays_so() {
    for (found, fault) in
        [(served::<LateMisaligned>(), "misaligned"), (served::<LateShort>(), "too short")]
    {
        let (3_000, Some(error @ BlockError::Misserved(_))) = found else { panic!("{found:?}") };
        assert!(error.to_string().ends_with(fault), "{error}");
    }
}

#[test]
fn one_that_takes_its_time_serves_well() {
    assert_eq!(served::<LateSlow>(), (4_000, None));
}

#[test]
fn a_stumbling_one_refuses_one_block() {
    let strategy = Stumbling::<1, { usize::MAX }>::new(&Plan::default()).unwrap();
    let served: Vec<_> =
        (0..3).map(|stamp| Block::new(&strategy, Fixed::<64, 8>, stamp).is_ok()).collect();
    assert_eq!(served, [true, false, true]);
}

#[test]
fn a_stumbling_one_panics_in_one_free() {
    let strategy = Stumbling::<{ usize::MAX }, 1>::new(&Plan::default()).unwrap();
    let freed = || {
        let block = Block::new(&strategy, Fixed::<64, 8>, 0).unwrap();
        let freed = std::panic::AssertUnwindSafe(|| drop(block));
        std::panic::catch_unwind(freed).is_ok()
    };
    assert_eq!([freed(), freed(), freed()], [true, false, true]);
}
