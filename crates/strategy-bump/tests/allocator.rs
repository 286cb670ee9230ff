//! The arena as an allocator: `&Bump` against a model, and what becomes of the newest block.

mod common;

use std::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec as VecIn;
use common::{layout, random};
use rand::{Rng, RngExt};
use strategy::contract::Probe;
use strategy_bump::Bump;

/// A block and what is in it. All of its bytes are initialized. It came from the arena that the
/// methods are given, with this layout.
struct Owned {
    pointer: NonNull<u8>,
    layout: Layout,
    model: Vec<u8>,
}

/// How a block is asked for or changed in size.
#[derive(Clone, Copy, Debug)]
enum Tail {
    Zeroed,
    Written,
}

impl Owned {
    fn new(arena: &Bump<&Probe>, layout: Layout, tail: Tail) -> Option<Self> {
        let block = match tail {
            Tail::Zeroed => arena.allocate_zeroed(layout),
            Tail::Written => arena.allocate(layout),
        };
        let block = block.ok()?;
        assert!(block.len() >= layout.size());
        let mut owned = Self { pointer: block.cast(), layout, model: Vec::new() };
        owned.becomes(layout, tail);
        Some(owned)
    }

    fn resize(&mut self, arena: &Bump<&Probe>, new: Layout, tail: Tail) -> bool {
        let old = self.layout;
        // SAFETY: the block came from `arena` with `old`, is not freed, and `new` is larger in
        // the first two, smaller in the last.
        let block = if new.size() >= old.size() {
            match tail {
                // SAFETY: as above.
                Tail::Zeroed => unsafe { arena.grow_zeroed(self.pointer, old, new) },
                // SAFETY: as above.
                Tail::Written => unsafe { arena.grow(self.pointer, old, new) },
            }
        } else {
            // SAFETY: as above.
            unsafe { arena.shrink(self.pointer, old, new) }
        };
        let Ok(block) = block else { return false };
        assert!(block.len() >= new.size());
        self.pointer = block.cast();
        self.becomes(new, tail);
        true
    }

    fn free(self, arena: &Bump<&Probe>) {
        // SAFETY: the block came from `arena` with this layout, and `self` is its only owner.
        unsafe { arena.deallocate(self.pointer, self.layout) };
    }

    /// Notes the new layout; writes what is new in the block, or notes that it is zero.
    fn becomes(&mut self, layout: Layout, tail: Tail) {
        self.layout = layout;
        self.model.truncate(layout.size());
        let stamp = self.pointer.addr().get().to_le_bytes()[0] ^ layout.size().to_le_bytes()[0] | 1;
        while self.model.len() < layout.size() {
            match tail {
                Tail::Zeroed => self.model.push(0),
                Tail::Written => {
                    // SAFETY: the offset is below the size of the block.
                    let byte = unsafe { self.pointer.add(self.model.len()) };
                    // SAFETY: so the byte belongs to the block.
                    unsafe { byte.write(stamp) };
                    self.model.push(stamp);
                }
            }
        }
    }

    fn check(&self) {
        assert!(self.pointer.addr().get().is_multiple_of(self.layout.align()), "{:?}", self.layout);
        let bytes = NonNull::slice_from_raw_parts(self.pointer, self.layout.size());
        // SAFETY: the block has that many bytes, all initialized (the invariant of `Owned`), and
        // nobody writes them meanwhile.
        assert!(unsafe { bytes.as_ref() } == self.model, "contents of {:?}", self.layout);
    }
}

fn check_all(blocks: &[Owned]) {
    let mut ranges: Vec<_> = Vec::new();
    for block in blocks {
        block.check();
        let start = block.pointer.addr().get();
        if block.layout.size() > 0 {
            ranges.push(start..start + block.layout.size());
        }
    }
    ranges.sort_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "blocks overlap");
}

fn any_layout(random: &mut impl Rng) -> Layout {
    let size = match random.random_range(0..20) {
        0 => 0,
        1 => random.random_range(0..20_000),
        2..6 => random.random_range(0..2000),
        _ => random.random_range(0..100),
    };
    let align = match random.random_range(0..10) {
        0 => 1 << random.random_range(0..14),
        _ => 1 << random.random_range(0..5),
    };
    layout(size, align)
}

#[test]
fn random_operations_agree_with_the_model() {
    for seed in 0..40 {
        let backing = Probe::new();
        let mut arena = Bump::new_in(&backing);
        let mut random = random(seed);
        for _round in 0..4 {
            let mut blocks = Vec::new();
            for _operation in 0..300 {
                let tail =
                    if random.random_range(0..3) == 0 { Tail::Zeroed } else { Tail::Written };
                if random.random_range(0..4) == 0 {
                    backing.fail_from(random.random_range(1..3));
                } else {
                    backing.heal();
                }
                // The newest block is the interesting one.
                let newest = random.random_range(0..2) == 0;
                let chosen = blocks
                    .len()
                    .checked_sub(1)
                    .map(|last| if newest { last } else { random.random_range(0..last + 1) });
                match (random.random_range(0..8), chosen) {
                    (0..4, _) | (_, None) => {
                        blocks.extend(Owned::new(&arena, any_layout(&mut random), tail));
                    }
                    (4, Some(chosen)) => blocks.remove(chosen).free(&arena),
                    (_, Some(chosen)) => {
                        let new = any_layout(&mut random);
                        blocks[chosen].resize(&arena, new, tail);
                    }
                }
                check_all(&blocks);
                assert_eq!(arena.reserved_bytes(), backing.bytes_out());
            }
            drop(blocks);
            backing.heal();
            arena.reset();
            assert_eq!((arena.used_bytes(), arena.reserved_bytes()), (0, backing.bytes_out()));
            assert!(backing.blocks_out() <= 1);
        }
        drop(arena);
        assert_eq!(backing.bytes_out(), 0);
    }
}

#[test]
fn freeing_the_newest_block_gives_its_bytes_back() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let first = Owned::new(&arena, layout(64, 16), Tail::Written).unwrap();
    let second = Owned::new(&arena, layout(64, 16), Tail::Written).unwrap();
    let third = Owned::new(&arena, layout(64, 16), Tail::Written).unwrap();
    second.free(&arena);
    assert_eq!(arena.used_bytes(), 192, "not the newest");
    third.free(&arena);
    assert_eq!(arena.used_bytes(), 128);
    first.check();
}

#[test]
fn a_pair_of_allocate_and_free_takes_no_second_chunk() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    for _ in 0..10_000 {
        drop(Box::new_in([7_u64; 8], &arena));
    }
    assert_eq!((backing.calls(), arena.used_bytes()), (1, 0));
}

#[test]
fn the_newest_block_grows_in_its_chunk() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let mut block = Owned::new(&arena, layout(100, 4), Tail::Written).unwrap();
    for size in [100, 101, 500, 960] {
        assert!(block.resize(&arena, layout(size, 4), Tail::Written));
        block.check();
    }
    assert!(arena.used_bytes() <= 960 + 4, "{arena:?}");
    assert_eq!(backing.calls(), 1);
    assert!(block.resize(&arena, layout(2000, 4), Tail::Zeroed), "in a new chunk");
    block.check();
    assert_eq!(backing.calls(), 2);
}

#[test]
fn a_vec_that_grows_alone_leaves_nothing_behind() {
    let backing = Probe::new();
    let arena = Bump::try_with_capacity_in(8192, &backing).unwrap();
    let mut numbers = VecIn::new_in(&arena);
    numbers.extend(0..1000_u64);
    assert_eq!((arena.used_bytes(), backing.calls()), (numbers.capacity() * 8, 1));
}

#[test]
fn shrinking_the_newest_block_frees_memory_when_more_is_freed_than_moved() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let mut block = Owned::new(&arena, layout(800, 8), Tail::Written).unwrap();
    assert!(block.resize(&arena, layout(401, 8), Tail::Written));
    block.check();
    assert_eq!(arena.used_bytes(), 800, "399 bytes would be freed, 401 moved");
    assert!(block.resize(&arena, layout(200, 8), Tail::Written));
    block.check();
    assert_eq!(arena.used_bytes(), 800 - 401 + 201, "the cursor is back to a multiple of 8");
    assert!(block.resize(&arena, layout(0, 64), Tail::Written));
    assert_eq!(arena.used_bytes(), 800 - 401 + 1);
}

#[test]
fn shrinking_honours_a_larger_alignment() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    for shift in 0..13 {
        let mut block = Owned::new(&arena, layout(50, 1), Tail::Written).unwrap();
        let other = Owned::new(&arena, layout(1, 1), Tail::Written).unwrap();
        assert!(block.resize(&arena, layout(49, 1 << shift), Tail::Written));
        block.check();
        other.check();
    }
}

#[test]
fn a_block_that_cannot_grow_is_whole() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let mut block = Owned::new(&arena, layout(904, 8), Tail::Written).unwrap();
    backing.fail_from(1);
    assert!(!block.resize(&arena, layout(5000, 8), Tail::Written));
    assert!(!block.resize(&arena, layout(isize::MAX as usize - 7, 8), Tail::Zeroed));
    assert!(!block.resize(&arena, layout(904, 1 << 40), Tail::Zeroed));
    block.check();
    block.free(&arena);
    assert_eq!(arena.used_bytes(), 0, "still the newest block");
}

#[test]
fn copies_of_the_reference_are_the_same_arena() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let handle = &arena;
    let copy = handle;
    let block = Owned::new(handle, layout(64, 8), Tail::Written).unwrap();
    block.free(copy);
    assert_eq!(arena.used_bytes(), 0);
}
