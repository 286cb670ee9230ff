//! What a function for misuse is told, and how a program goes on after it.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use allocator_api2::alloc::{AllocError, Allocator, System};
use strategy::contract::Probe;
use tracking::{Checking, Kind, Misuse};

const LAYOUT: Layout = Layout::new::<[u64; 8]>();

thread_local! {
    static FOUND: RefCell<Vec<Misuse>> = const { RefCell::new(Vec::new()) };
}

fn note(misuse: &Misuse) {
    FOUND.with_borrow_mut(|found| found.push(*misuse));
}

/// What was found since the last call.
fn found() -> Vec<Misuse> {
    FOUND.take()
}

fn kinds() -> Vec<Kind> {
    found().iter().map(Misuse::kind).collect()
}

fn checking() -> Checking<Probe> {
    Checking::new(Probe::new()).on_misuse(note)
}

#[test]
fn a_block_is_freed_once_whatever_its_owner_does() {
    let checking = checking();
    let block = checking.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: from the same allocator with this layout.
    unsafe { checking.deallocate(block, LAYOUT) };
    assert!(found().is_empty());
    // SAFETY: none: it was freed. The allocator looks before it touches anything.
    unsafe { checking.deallocate(block, LAYOUT) };
    let [misuse] = found()[..] else { panic!("found more, or nothing") };
    assert_eq!((misuse.kind(), misuse.address()), (Kind::DoubleFree, block.addr().get()));
    assert_eq!((misuse.layout(), misuse.byte_offset()), (LAYOUT, None));
    assert_eq!(checking.stats().frees, 1);
    let probe = checking.inner().clone();
    drop(checking);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_block_that_is_freed_wrongly_is_freed_as_it_was_got() {
    let checking = checking();
    let wrong = Layout::new::<[u32; 3]>();
    let block = checking.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: none: it is another layout. The allocator knows the right one.
    unsafe { checking.deallocate(block, wrong) };
    let misuse = found()[0];
    assert_eq!((misuse.kind(), misuse.layout()), (Kind::WrongLayout, LAYOUT));
    let stats = checking.stats();
    assert_eq!((stats.live_bytes, stats.freed_bytes), (0, 64));

    let block = checking.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: as above.
    let moved = unsafe { checking.grow(block, wrong, Layout::new::<[u64; 20]>()) };
    assert_eq!(kinds(), [Kind::WrongLayout]);
    // SAFETY: from `grow` with this layout.
    unsafe { checking.deallocate(moved.unwrap().cast(), Layout::new::<[u64; 20]>()) };
    assert_eq!((checking.stats().live_bytes, kinds()), (0, vec![]));
    let probe = checking.inner().clone();
    drop(checking);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_block_of_another_allocator_is_left_alone() {
    let (one, other) = (checking(), checking());
    let block = one.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: none: it is another allocator, which does not touch what it does not know.
    unsafe { other.deallocate(block, LAYOUT) };
    // SAFETY: as above.
    assert!(unsafe { other.grow(block, LAYOUT, Layout::new::<[u64; 9]>()) }.is_err());
    assert_eq!(kinds(), [Kind::ForeignPointer; 2]);
    let unwrapped = System.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: as above.
    unsafe { one.deallocate(unwrapped, LAYOUT) };
    assert_eq!(kinds(), [Kind::ForeignPointer]);
    // SAFETY: each from its own with this layout.
    unsafe { System.deallocate(unwrapped, LAYOUT) };
    // SAFETY: as above.
    unsafe { one.deallocate(block, LAYOUT) };
    assert!(found().is_empty());
}

#[test]
fn damage_is_found_once_and_every_block_of_it() {
    let checking = checking();
    let blocks = [(); 3].map(|()| checking.allocate(LAYOUT).unwrap().cast::<u8>());
    for (block, at) in blocks.iter().zip([-1, 64, 70]) {
        // SAFETY: inside of the memory of the inner allocator, though not of the block.
        unsafe { block.as_ptr().wrapping_offset(at).write(0) };
    }
    assert_eq!(checking.check(), 3);
    let mut offsets: Vec<_> = found().iter().filter_map(Misuse::byte_offset).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [-1, 64, 70]);
    assert_eq!(checking.check(), 0);
    for block in blocks {
        // SAFETY: from the same allocator with this layout.
        unsafe { checking.deallocate(block, LAYOUT) };
    }
    assert!(found().is_empty());
}

#[test]
fn what_is_freed_is_watched_until_it_leaves() {
    for quarantine in [1000, 1 << 20] {
        let checking = checking().with_quarantine(quarantine);
        let probe = checking.inner().clone();
        let blocks = [(); 100].map(|()| checking.allocate(LAYOUT).unwrap().cast::<u8>());
        // SAFETY: from the same allocator with this layout.
        unsafe { checking.deallocate(blocks[0], LAYOUT) };
        // SAFETY: it is held back, so the memory is there.
        unsafe { blocks[0].write(1) };
        for block in &blocks[1..] {
            // SAFETY: from the same allocator with this layout.
            unsafe { checking.deallocate(*block, LAYOUT) };
        }
        let most = quarantine.min(100 * (64 + 32));
        assert!((most - 96..=most).contains(&probe.bytes_out()), "{}", probe.bytes_out());
        drop(checking);
        assert_eq!(kinds(), [Kind::WriteAfterFree]);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }
}

#[test]
fn new_memory_shows_that_it_was_not_written() {
    let checking = checking();
    let read = |start: *mut u8| {
        // SAFETY: the allocator has filled all 64 bytes.
        unsafe { start.cast::<[u8; 64]>().read_unaligned() }
    };
    let block = checking.allocate(LAYOUT).unwrap().cast::<u8>();
    assert_eq!(read(block.as_ptr()), [0xCD; 64]);
    // SAFETY: from the same allocator with this layout.
    unsafe { checking.deallocate(block, LAYOUT) };
    // SAFETY: it is held back, so the memory is there.
    assert_eq!(read(block.as_ptr()), [0xDD; 64]);
    let zeroed = checking.allocate_zeroed(LAYOUT).unwrap().cast::<u8>();
    assert_eq!(read(zeroed.as_ptr()), [0; 64]);
    // SAFETY: from the same allocator with this layout.
    unsafe { checking.deallocate(zeroed, LAYOUT) };
}

#[test]
fn size_zero_is_for_an_allocator_and_not_for_a_global_one() {
    let checking = Checking::system().on_misuse(note);
    let nothing = Layout::new::<()>();
    let block = checking.allocate(nothing).unwrap().cast::<u8>();
    // SAFETY: from the same allocator with this layout.
    unsafe { checking.deallocate(block, nothing) };
    assert!(found().is_empty());
    // SAFETY: none: the size is 0. This allocator serves it all the same.
    let block = unsafe { checking.alloc(nothing) };
    // SAFETY: from the same allocator with this layout.
    unsafe { checking.dealloc(block, nothing) };
    assert_eq!(kinds(), [Kind::ZeroSize]);
}

#[test]
fn a_block_may_be_freed_by_the_other_interface() {
    let checking = Checking::system().on_misuse(note).with_quarantine(0);
    let block = checking.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: from the same allocator with this layout; each block remembers how it was got.
    unsafe { checking.dealloc(block.as_ptr(), LAYOUT) };
    assert_eq!((kinds(), checking.stats().live_blocks), (vec![], 0));
}

#[test]
fn leaks_are_grouped_the_largest_first() {
    let checking = checking();
    let small: Vec<_> = (0..3).map(|_| checking.allocate(LAYOUT).unwrap()).collect();
    let large = checking.allocate(Layout::new::<[u8; 1000]>()).unwrap();
    let leaks = checking.leaks();
    let groups: Vec<_> = leaks.iter().map(|leak| (leak.blocks, leak.bytes)).collect();
    assert_eq!((groups, leaks.blocks(), leaks.bytes()), (vec![(1, 1000), (3, 192)], 4, 1192));
    let printed = leaks.to_string();
    let expected = "tracking: leak of 1,000 bytes in 1 blocks, each of 1000 bytes (align 1)\n\
                    tracking: leak of 192 bytes in 3 blocks, each of 64 bytes (align 8)\n";
    assert_eq!(printed, expected);
    for block in small {
        // SAFETY: from the same allocator with this layout.
        unsafe { checking.deallocate(block.cast(), LAYOUT) };
    }
    assert_eq!(checking.leaks().blocks(), 1);
    // SAFETY: as above.
    unsafe { checking.deallocate(large.cast(), Layout::new::<[u8; 1000]>()) };
    assert!(checking.leaks().is_empty());
}

#[test]
fn a_lifetime_is_the_allocations_that_came_between() {
    let checking = checking();
    let old = checking.allocate(LAYOUT).unwrap().cast::<u8>();
    for _ in 0..100 {
        let young = checking.allocate(LAYOUT).unwrap().cast::<u8>();
        // SAFETY: from the same allocator with this layout.
        unsafe { checking.deallocate(young, LAYOUT) };
    }
    // SAFETY: from the same allocator with this layout. A block that is resized lives on.
    let old = unsafe { checking.grow(old, LAYOUT, Layout::new::<[u64; 9]>()) }.unwrap();
    // SAFETY: now with this layout.
    unsafe { checking.deallocate(old.cast(), Layout::new::<[u64; 9]>()) };
    let lifetimes: Vec<_> = checking.lifetimes().iter().collect();
    assert_eq!(lifetimes, [(1, 100), (128, 1)]);
}

#[test]
fn a_checking_allocator_may_wrap_another() {
    let inner = Checking::system().on_misuse(note);
    let outer = Checking::new(&inner).on_misuse(note);
    let block = outer.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: from the same allocator with this layout.
    unsafe { outer.deallocate(block, LAYOUT) };
    assert_eq!((inner.stats().live_blocks, outer.stats().live_blocks), (1, 0));
    drop(outer);
    assert_eq!((inner.stats().live_blocks, kinds()), (0, vec![]));
}

#[test]
fn null_is_a_foreign_pointer() {
    let checking = Checking::system().on_misuse(note);
    // SAFETY: none: null is no block.
    unsafe { checking.dealloc(ptr::null_mut(), LAYOUT) };
    // SAFETY: as above.
    assert!(unsafe { checking.realloc(ptr::null_mut(), LAYOUT, 100) }.is_null());
    let expected = (Kind::ForeignPointer, 0, LAYOUT);
    let found = found();
    let found = found.iter().map(|misuse| (misuse.kind(), misuse.address(), misuse.layout()));
    assert_eq!(found.collect::<Vec<_>>(), [expected; 2]);
}

#[test]
fn a_function_is_not_called_with_what_is_found_while_it_runs() {
    static CHECKING: Checking = Checking::system().on_misuse(frees_null);

    thread_local!(static CALLS: Cell<usize> = const { Cell::new(0) });

    fn frees_null(_: &Misuse) {
        if CALLS.replace(CALLS.get() + 1) < 10 {
            // SAFETY: none: null is no block.
            unsafe { CHECKING.dealloc(ptr::null_mut(), LAYOUT) };
        }
    }

    for calls in 1..4 {
        // SAFETY: as above.
        unsafe { CHECKING.dealloc(ptr::null_mut(), LAYOUT) };
        assert_eq!(CALLS.get(), calls);
    }
}

/// Panics when it has freed a block.
struct Unwilling;

// SAFETY: all is left to `System`.
unsafe impl Allocator for Unwilling {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        System.allocate(layout)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { System.deallocate(block, layout) };
        panic!("unwilling");
    }
}

#[test]
fn a_free_is_counted_also_if_the_inner_allocator_unwinds() {
    let checking = Checking::new(Unwilling).with_quarantine(0);
    let block = checking.allocate(LAYOUT).unwrap().cast::<u8>();
    // SAFETY: from the same allocator with this layout.
    let free = || unsafe { checking.deallocate(block, LAYOUT) };
    catch_unwind(AssertUnwindSafe(free)).unwrap_err();
    let stats = checking.stats();
    assert_eq!((stats.frees, stats.live_blocks, stats.live_bytes), (1, 0, 0));
}
