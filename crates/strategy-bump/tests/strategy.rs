//! The arena as a strategy.

use allocator_api2::alloc::Layout;
use strategy::{Block, BuildError, Fixed, Plan, Stats, Strategy};
use strategy_bump::Bump;

#[test]
fn it_starts_empty_whatever_the_plan_says() {
    let plan = Plan::sizes(8, 1 << 20).live(1000).freed_together();
    let bump: Bump = Strategy::new(&plan).unwrap();
    assert_eq!(bump.stats(), Some(Stats::default()));
}

#[test]
fn a_plan_that_frees_one_by_one_is_refused() {
    let refused = <Bump as Strategy>::new(&Plan::default()).unwrap_err();
    assert!(matches!(refused, BuildError::Unsupported(_)));
}

#[test]
fn forgotten_blocks_keep_their_stamps_until_the_reset() {
    let mut bump: Bump = Strategy::new(&Plan::default().freed_together()).unwrap();
    for _round in 0..3 {
        {
            let blocks: Vec<_> = (0..1000)
                .map(|stamp| {
                    let layout = Layout::from_size_align(8 + stamp % 249, 1 << (stamp % 5));
                    Block::new(&bump, layout.unwrap(), stamp as u64).unwrap()
                })
                .collect();
            for (stamp, block) in (0..).zip(blocks) {
                assert_eq!(block.stamp(), stamp);
                core::mem::forget(block);
            }
            let stats = bump.stats().unwrap();
            assert!(stats.live_bytes > 100_000 && stats.reserved_bytes > stats.live_bytes);
        }
        Strategy::reset(&mut bump).unwrap();
        assert_eq!(bump.stats().unwrap().live_bytes, 0);
    }
}

#[test]
fn a_dropped_block_is_reused_at_once() {
    let bump: Bump = Strategy::new(&Plan::default().freed_together()).unwrap();
    for stamp in 0..1000 {
        assert_eq!(Block::new(&bump, Fixed::<64, 8>, stamp).unwrap().stamp(), stamp);
    }
    assert_eq!(bump.stats(), Some(Stats { reserved_bytes: 1008, live_bytes: 0 }));
}
