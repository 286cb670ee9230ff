//! `Checked` stops at the first wrong block, says what is wrong with it, and harms nobody.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::panic::AssertUnwindSafe;

use allocator_api2::alloc::Global;
use strategy::{
    AllocError, Allocator, Block, BuildError, Checked, Plan, Profile, Strategy, contract,
};

use crate::chunks::{self, Chunks};
use crate::fault;
use crate::slots::Slots;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn checked<const FAULT: u8>() -> Checked<Slots<FAULT>> {
    Checked::new(&Plan { max_align: 64, ..Plan::sizes(0, 256).live(100).growing() }).unwrap()
}

/// The violation has to contain `said`, and nothing may be served any more.
#[track_caller]
fn stopped<S: Strategy>(checked: &Checked<S>, said: &str) {
    let violation = checked.violation().expect("a violation was expected");
    assert!(violation.contains(said), "{violation}");
    assert_eq!(checked.handle().allocate(layout(8, 8)), Err(AllocError));
}

#[test]
fn a_correct_strategy_stays_correct_behind_it() {
    let contract = |findings: Vec<_>| assert_eq!(findings, []);
    contract(contract::check::<Checked<Slots<{ fault::NONE }>>>());
    contract(contract::check::<Checked<Slots<{ fault::NONE_ONE_BLOCK }>>>());
    contract(contract::check::<Checked<Slots<{ fault::NONE_TOGETHER_RESET }>>>());
    contract(contract::check_shared::<Checked<Slots<{ fault::NONE }>>>());
    contract(contract::check_backed(|plan, probe| {
        Chunks::<{ chunks::fault::NONE }>::new_in(plan, probe).map(Checked::around)
    }));
}

#[test]
fn an_alignment_that_is_not_kept() {
    let checked = checked::<{ fault::MISALIGNED }>();
    assert!(checked.handle().allocate(layout(64, 16)).is_ok());
    assert_eq!(checked.violation(), None);
    assert_eq!(checked.handle().allocate(layout(64, 64)), Err(AllocError));
    stopped(&checked, "not aligned to 64");
}

#[test]
fn a_block_that_is_too_short() {
    let checked = checked::<{ fault::SHORT }>();
    assert_eq!(checked.handle().allocate(layout(200, 8)), Err(AllocError));
    stopped(&checked, "returned 199 bytes at");
    stopped(&checked, "; 200 were asked");
}

#[test]
fn a_block_that_overlaps_a_live_one() {
    let checked = checked::<{ fault::TWICE }>();
    let blocks: Vec<_> =
        (0..60).map_while(|number| Block::new(&checked, layout(64, 8), number).ok()).collect();
    assert_eq!(blocks.len(), 49);
    stopped(&checked, "returned 64 bytes at 0x");
    stopped(&checked, "which overlap the live block of 64 bytes at 0x");
    // What was live before is still whole.
    let stamps: Vec<_> = blocks.iter().map(Block::stamp).collect();
    assert_eq!(stamps, (0..49).collect::<Vec<_>>());
}

#[test]
fn zeroed_memory_that_is_not() {
    let checked = checked::<{ fault::DIRTY }>();
    drop(Block::new(&checked, layout(64, 8), u64::MAX).unwrap());
    assert_eq!(checked.handle().allocate_zeroed(layout(64, 8)), Err(AllocError));
    stopped(&checked, "byte 0 of 64 bytes at");
}

#[test]
fn a_tail_that_is_not_zeroed() {
    let checked = checked::<{ fault::DIRTY_TAIL }>();
    let handle = checked.handle();
    for _ in 0..2 {
        let block = handle.allocate(layout(128, 8)).unwrap().cast::<u8>();
        // SAFETY: the block has 128 bytes.
        unsafe { block.write_bytes(0xFF, 128) };
        // SAFETY: it came from `handle` with this layout.
        unsafe { handle.deallocate(block, layout(128, 8)) };
        // Two slots are used in turns, since growing takes a second one.
        let [one, two] = [(); 2].map(|()| handle.allocate(layout(128, 8)).unwrap().cast::<u8>());
        for block in [one, two] {
            // SAFETY: the block has 128 bytes.
            unsafe { block.write_bytes(0xFF, 128) };
            // SAFETY: it came from `handle` with this layout.
            unsafe { handle.deallocate(block, layout(128, 8)) };
        }
    }
    let block = handle.allocate(layout(16, 8)).unwrap().cast::<u8>();
    // SAFETY: the block has 16 bytes.
    unsafe { block.write_bytes(7, 16) };
    // SAFETY: it came from `handle` with this layout.
    let grown = unsafe { handle.grow_zeroed(block, layout(16, 8), layout(128, 8)) };
    stopped(&checked, "had to be zeroed");
    // The caller still got what it asked for.
    assert_eq!(bytes(grown.unwrap()), [[7; 16].as_slice(), &[0; 112]].concat());
}

/// The bytes of an initialized block.
fn bytes<'a>(block: NonNull<[u8]>) -> &'a [u8] {
    // SAFETY: the callers pass initialized blocks that nobody writes to.
    unsafe { block.as_ref() }
}

#[test]
fn bytes_lost_on_growing() {
    let checked = checked::<{ fault::LOSES_TAIL }>();
    let handle = checked.handle();
    let block = handle.allocate(layout(16, 8)).unwrap().cast::<u8>();
    // SAFETY: the block has 16 bytes.
    unsafe { block.write_bytes(7, 16) };
    // SAFETY: it came from `handle` with this layout.
    let grown = unsafe { handle.grow(block, layout(16, 8), layout(32, 8)) }.unwrap();
    stopped(&checked, "the block of 16 bytes at");
    stopped(&checked, "which lost byte 8");
    // The caller got its bytes back nevertheless.
    assert_eq!(bytes(grown)[..16], [7; 16]);
    // SAFETY: the block is the caller's; after a violation no free is passed on.
    unsafe { handle.deallocate(grown.cast(), layout(32, 8)) };
}

#[test]
fn bytes_lost_on_shrinking() {
    let checked = checked::<{ fault::SHRINKS_WRONG }>();
    let handle = checked.handle();
    let block = handle.allocate(layout(32, 8)).unwrap().cast::<u8>();
    // SAFETY: the block has 32 bytes.
    unsafe { block.write_bytes(7, 32) };
    // SAFETY: it came from `handle` with this layout.
    let shrunk = unsafe { handle.shrink(block, layout(32, 8), layout(16, 8)) }.unwrap();
    stopped(&checked, "which lost byte 0");
    assert_eq!(bytes(shrunk)[..16], [7; 16]);
}

#[test]
fn growing_that_fails_leaves_the_block() {
    let checked = checked::<{ fault::NONE }>();
    let mut numbers = allocator_api2::vec::Vec::<u64, _>::new_in(checked.handle());
    numbers.extend([1, 2, 3]);
    assert!(numbers.try_reserve(1000).is_err());
    assert_eq!(numbers, [1, 2, 3]);
    drop(numbers);
    assert_eq!((checked.violation(), checked.stats().unwrap().live_bytes), (None, 0));
}

/// `Global`, which panics instead of resizing.
#[derive(Clone, Copy)]
struct Panicking;

// SAFETY: the blocks are those of `Global`, which keeps the contract; a panic changes nothing.
unsafe impl Allocator for Panicking {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Global.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { Global.deallocate(pointer, layout) };
    }

    unsafe fn grow(
        &self,
        _pointer: NonNull<u8>,
        _old: Layout,
        _new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        std::panic::resume_unwind(Box::new(()))
    }
}

impl Strategy for Panicking {
    const NAME: &'static str = "panicking";
    const ABOUT: &'static str = "panics when a block is to grow, for tests";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = Self;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    fn handle(&self) -> Self {
        Self
    }
}

#[test]
fn growing_that_panics_leaves_the_block() {
    let checked = Checked::<Panicking>::new(&Plan::default()).unwrap();
    let mut texts = allocator_api2::vec::Vec::<Box<str>, _>::new_in(checked.handle());
    texts.reserve_exact(2);
    texts.extend(["one".into(), "two".into()]);
    let grow = AssertUnwindSafe(|| texts.reserve(100));
    assert!(std::panic::catch_unwind(grow).is_err());
    assert_eq!(texts, ["one".into(), "two".into()]);
    drop(texts);
    assert_eq!(checked.violation(), None);
}

/// A resize of memory that was never written, as a vector does with its spare capacity.
#[test]
fn bytes_that_were_never_written_may_be_resized() {
    let checked = checked::<{ fault::NONE }>();
    let mut pairs = allocator_api2::vec::Vec::<(u8, u32), _>::with_capacity_in(4, checked.handle());
    pairs.push((1, 2));
    pairs.reserve_exact(20);
    pairs.shrink_to_fit();
    assert_eq!(pairs, [(1, 2)]);
    assert_eq!(checked.violation(), None);
}

#[test]
fn a_block_freed_twice_or_with_another_layout() {
    let checked = checked::<{ fault::NONE }>();
    let handle = checked.handle();
    let block = handle.allocate(layout(64, 8)).unwrap().cast::<u8>();
    // SAFETY: it came from `handle` with this layout.
    unsafe { handle.deallocate(block, layout(64, 8)) };
    // SAFETY: a mistake that `Checked` catches and does not pass on.
    unsafe { handle.deallocate(block, layout(64, 8)) };
    stopped(&checked, "which is not live");

    let checked = self::checked::<{ fault::NONE }>();
    let handle = checked.handle();
    let block = handle.allocate(layout(64, 8)).unwrap().cast::<u8>();
    // SAFETY: a mistake that `Checked` catches and does not pass on.
    unsafe { handle.deallocate(block, layout(32, 8)) };
    stopped(&checked, "with 32 bytes aligned to 8; it was got with");
}

#[test]
fn a_reset_forgets_the_live_blocks() {
    let mut checked = checked::<{ fault::NONE }>();
    for round in 0..3 {
        for number in 0..100 {
            core::mem::forget(Block::new(&checked, layout(64, 8), number).unwrap());
        }
        assert!(Block::new(&checked, layout(64, 8), 0).is_err(), "round {round}");
        checked.reset().unwrap();
    }
    assert_eq!(checked.violation(), None);
}
