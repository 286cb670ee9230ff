//! The limit in bytes, and how chunks grow.

mod common;

use common::layout;
use strategy::contract::Probe;
use strategy_bump::{BuildError, Bump};

#[test]
fn a_limit_is_never_passed_and_is_used_up() {
    for limit in [0, 1, 31, 47, 48, 1000, 1008, 1009, 5000, 100_000] {
        for size in [1, 16, 100, 3000] {
            let backing = Probe::new();
            let arena = Bump::builder().limit(limit).build_in(&backing);
            let mut served = 0;
            while arena.try_alloc_layout(layout(size, 1)).is_ok() {
                served += size;
                assert!(backing.bytes_out() <= limit);
            }
            // No call of the backing allocator was refused: the arena does not ask in vain.
            assert_eq!(backing.calls(), backing.blocks_out());
            let room = limit.saturating_sub(32) / 16 * 16;
            assert_eq!(served > 0, size <= room, "{limit} {size}");
            // What is missing is at most a footer and a rest for each chunk, and the last rest.
            let lost = (backing.blocks_out() + 1) * (32 + 16 + size);
            assert!(served + lost >= limit.min(room), "{limit} {size}: {served}");
        }
    }
}

#[test]
fn a_limit_counts_scopes_and_comes_back_with_what_they_give_back() {
    let backing = Probe::new();
    let arena = Bump::builder().growth_factor(1).limit(10_000).build_in(&backing);
    arena.alloc(1_u64);
    for _ in 0..5 {
        arena.scoped(|scope| {
            assert_eq!(scope.limit(), Some(10_000));
            while scope.try_alloc_layout(layout(900, 1)).is_ok() {}
            assert!(arena.try_alloc_layout(layout(900, 1)).is_err(), "the limit is for both");
            assert!(backing.bytes_out() <= 10_000 && backing.bytes_out() > 9000);
        });
        assert_eq!(arena.reserved_bytes(), 1008);
    }
}

#[test]
fn a_limit_is_set_and_lifted() {
    let mut arena = Bump::new();
    assert_eq!(arena.limit(), None);
    arena.set_limit(Some(2000));
    assert_eq!(arena.limit(), Some(2000));
    assert!(arena.try_alloc_layout(layout(5000, 1)).is_err());
    arena.set_limit(None);
    arena.alloc_layout(layout(5000, 1));
    // A limit below what is taken takes nothing away, and what is taken is used.
    arena.set_limit(Some(0));
    assert_eq!(arena.reserved_bytes(), 5008 + 32);
    arena.reset();
    assert!(arena.try_alloc_layout(layout(5000, 1)).is_ok());
    assert!(arena.try_alloc_layout(layout(5000, 1)).is_err());
}

#[test]
fn a_chunk_that_is_refused_does_not_count() {
    let backing = Probe::new();
    let arena = Bump::builder().limit(1008).build_in(&backing);
    for _ in 0..5 {
        backing.fail_from(1);
        assert!(arena.try_alloc(1_u8).is_err());
    }
    backing.heal();
    arena.alloc(1_u8);
    assert_eq!(arena.reserved_bytes(), 1008);
}

#[test]
fn chunks_follow_the_policy() {
    let sizes = |builder: strategy_bump::Builder| {
        let backing = Probe::new();
        let arena = builder.build_in(&backing);
        let mut sizes = Vec::new();
        let mut before = 0;
        while sizes.len() < 5 {
            arena.alloc(1_u8);
            if backing.bytes_out() > before {
                sizes.push(backing.bytes_out() - before + 16);
                before = backing.bytes_out();
            }
        }
        sizes
    };
    let builder = Bump::builder();
    assert_eq!(sizes(builder), [1024, 2048, 4096, 8192, 16_384]);
    assert_eq!(sizes(builder.growth_factor(3)), [1024, 3072, 9216, 27_648, 82_944]);
    assert_eq!(sizes(builder.first_chunk(4096).growth_factor(1)), [4096; 5]);
    assert_eq!(sizes(builder.largest_chunk(2048)), [1024, 2048, 2048, 2048, 2048]);
    assert_eq!(sizes(builder.first_chunk(4096).largest_chunk(100)), [4096; 5]);
    assert_eq!(sizes(builder.first_chunk(1000)), [1008, 2016, 4032, 8064, 16_128]);
    // The least that holds a byte.
    assert_eq!(sizes(builder.first_chunk(0).growth_factor(0)), [64; 5]);
}

#[test]
fn a_policy_beyond_the_address_space_leaves_the_least_chunk() {
    let arena = Bump::builder().first_chunk(usize::MAX).growth_factor(usize::MAX).build();
    arena.alloc(1_u64);
    assert_eq!(arena.reserved_bytes(), 48);
    // With a limit, what is left of it is taken.
    let arena = Bump::builder().first_chunk(1 << 40).limit(5000).build();
    arena.alloc(1_u64);
    assert_eq!(arena.reserved_bytes(), 4992);
}

#[test]
fn a_capacity_is_one_chunk() {
    let backing = Probe::new();
    let arena = Bump::try_with_capacity_in(10_000, &backing).unwrap();
    for _ in 0..100 {
        arena.alloc_layout(layout(100, 4));
    }
    assert_eq!((arena.used_bytes(), backing.blocks_out()), (10_000, 1));
    assert_eq!(Bump::with_capacity(10_000).reserved_bytes(), arena.reserved_bytes());

    backing.fail_from(1);
    let refused = Bump::try_with_capacity_in(10_000, &backing).unwrap_err();
    assert_eq!(refused, BuildError::OutOfMemory { bytes: 10_000 });
    assert!(Bump::try_with_capacity_in(0, &backing).is_ok(), "a capacity of 0 takes nothing");
    for bytes in [usize::MAX, usize::MAX - 15, isize::MAX as usize] {
        let refused = Bump::try_with_capacity(bytes).unwrap_err();
        assert_eq!(refused, BuildError::OutOfMemory { bytes });
    }
}
