//! Scopes: what is given back, and what is kept.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec as VecIn;
use common::layout;
use strategy::contract::Probe;
use strategy_bump::Bump;

#[test]
fn a_scope_gives_back_what_was_allocated_in_it() {
    let backing = Probe::new();
    let arena = Bump::try_with_capacity_in(4096, &backing).unwrap();
    let before = arena.alloc_str("before");
    let mut places = Vec::new();
    for _ in 0..100 {
        let sum = arena.scoped(|scope| {
            assert_eq!(scope.used_bytes(), 0);
            places.push(scope.alloc_layout(layout(16, 16)).addr());
            let numbers = scope.alloc_from_iter(0..300_u64);
            assert_eq!(scope.used_bytes(), 2416);
            assert_eq!(before, "before");
            numbers.iter().sum::<u64>()
        });
        assert_eq!((sum, arena.used_bytes()), (299 * 150, 6));
    }
    assert!(places.iter().all(|place| *place == places[0]));
    assert_eq!((backing.calls(), before), (1, &mut *String::from("before")));
}

#[test]
fn the_arena_stays_usable_while_a_scope_is_open() {
    let backing = Probe::new();
    let arena = Bump::try_with_capacity_in(4096, &backing).unwrap();
    let mut kept = VecIn::new_in(&arena);
    kept.push(0);
    for turn in 1..200_u64 {
        arena.scoped(|scope| {
            let inside = scope.alloc_slice_fill_copy(10, turn);
            kept.push(turn);
            assert_eq!(inside, [turn; 10]);
        });
    }
    assert!(kept.iter().copied().eq(0..200));
    // Chunks were added until an eighth of one had room for it, and none is lost by the scopes.
    assert!(backing.bytes_out() < 8 * 4096, "{arena:?}");
}

#[test]
fn a_scope_is_in_a_scope_is_in_a_scope() {
    fn descend(arena: &Bump<&Probe>, depth: u64) -> u64 {
        if depth == 0 {
            return 0;
        }
        let here = arena.alloc_slice_fill_copy(4, depth);
        let below = arena.scoped(|scope| descend(scope, depth - 1));
        assert_eq!(here, [depth; 4]);
        below + here[0]
    }
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    for _ in 0..3 {
        assert_eq!(arena.scoped(|scope| descend(scope, 200)), 200 * 201 / 2);
        assert_eq!(arena.used_bytes(), 0);
        assert_eq!(arena.reserved_bytes(), backing.bytes_out());
    }
    drop(arena);
    assert_eq!((backing.bytes_out(), backing.fault()), (0, None));
}

#[test]
fn scopes_of_one_arena_open_side_by_side_do_not_overlap() {
    let arena = Bump::with_capacity(4096);
    arena.scoped(|first| {
        arena.scoped(|second| {
            let (a, b, c) =
                (first.alloc([1_u64; 8]), second.alloc([2_u64; 8]), arena.alloc([3_u64; 8]));
            assert_eq!((a[0], b[0], c[0]), (1, 2, 3));
            let (d, e) = (first.alloc([4_u64; 8]), second.alloc([5_u64; 8]));
            assert_eq!((*a, *b, *c, *d, *e), ([1; 8], [2; 8], [3; 8], [4; 8], [5; 8]));
        });
        first.alloc([6_u64; 8]);
    });
    assert_eq!(arena.used_bytes(), 64);
}

#[test]
fn a_panic_ends_the_scope() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let before = arena.alloc(7_u64);
    for bytes in [10, 5000] {
        let scope = AssertUnwindSafe(|| {
            arena.scoped(|scope| {
                scope.scoped(|inner| {
                    inner.alloc_layout(layout(bytes, 1));
                    resume_unwind(Box::new(()));
                })
            })
        });
        assert!(catch_unwind(scope).is_err());
        assert_eq!((*before, arena.used_bytes()), (7, 8));
        assert_eq!(arena.reserved_bytes(), backing.bytes_out());
    }
}

#[test]
fn the_largest_chunk_of_a_scope_is_kept_and_the_others_are_given_back() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    arena.alloc(1_u64);
    let work = |scope: &Bump<&Probe>| {
        for _ in 0..100 {
            scope.alloc_layout(layout(100, 4));
        }
        backing.blocks_out()
    };
    assert!(arena.scoped(work) > 2);
    assert_eq!((backing.blocks_out(), arena.used_bytes()), (2, 8));
    // The chunk that is kept does for the next turns, or the one after it.
    arena.scoped(work);
    let calls = backing.calls();
    for _ in 0..10 {
        arena.scoped(work);
    }
    assert_eq!(backing.calls(), calls);
    assert!(arena.reserved_bytes() < 64 << 10);
}

#[test]
fn a_chunk_of_a_scope_that_is_not_larger_is_given_back() {
    let backing = Probe::new();
    let arena = Bump::builder().first_chunk(4096).growth_factor(1).build_in(&backing);
    arena.alloc(1_u64);
    for _ in 0..10 {
        arena.scoped(|scope| {
            for _ in 0..100 {
                scope.alloc_layout(layout(100, 4));
            }
        });
        assert_eq!((backing.blocks_out(), arena.used_bytes()), (1, 8));
    }
}

#[test]
fn a_chunk_that_the_arena_takes_while_a_scope_is_open_stays() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    arena.alloc(1_u64);
    let large = arena.scoped(|scope| {
        let inside = scope.alloc_slice_fill_copy(100, 2_u8);
        let large = arena.alloc_slice_fill_copy(5000, 3_u8);
        let more = scope.alloc_slice_fill_copy(100, 4_u8);
        assert_eq!((&*inside, &*more), (&[2; 100][..], &[4; 100][..]));
        large
    });
    arena.alloc_slice_fill_copy(5000, 5_u8);
    assert_eq!(large, [3; 5000]);
    assert_eq!(arena.used_bytes(), 8 + 5000 + 5000);
}

#[test]
fn a_scope_of_an_arena_without_a_chunk_takes_one() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    arena.scoped(|_| ());
    assert_eq!(backing.calls(), 0);
    arena.scoped(|scope| {
        scope.alloc(1_u64);
        assert_eq!(scope.reserved_bytes(), 1008);
    });
    assert_eq!((backing.blocks_out(), arena.reserved_bytes()), (1, 1008), "kept");
    arena.alloc(2_u64);
    assert_eq!((backing.calls(), arena.used_bytes()), (1, 8));
}

#[test]
fn a_block_freed_in_the_arena_while_a_scope_is_open_is_reused_by_the_arena_alone() {
    let arena = Bump::with_capacity(4096);
    let block = arena.alloc_layout(layout(64, 8));
    arena.scoped(|scope| {
        let inside = scope.alloc_slice_fill_copy(100, 1_u8);
        // SAFETY: the block came from `arena` with this layout and is not used any more.
        unsafe { (&arena).deallocate(block, layout(64, 8)) };
        assert_eq!(arena.used_bytes(), 0);
        assert_eq!(arena.alloc_layout(layout(64, 8)), block);
        scope.alloc_slice_fill_copy(100, 2_u8);
        assert_eq!(inside, [1; 100]);
    });
    assert_eq!(arena.used_bytes(), 64);
}

#[test]
fn an_arena_over_an_arena_works_in_a_scope_too() {
    let arena = Bump::new();
    arena.scoped(|scope| {
        let mut inner = Bump::new_in(scope);
        for _ in 0..10 {
            inner.alloc_slice_fill_copy(5000, 1_u8);
            inner.reset();
        }
    });
    assert_eq!(arena.used_bytes(), 0);
}
