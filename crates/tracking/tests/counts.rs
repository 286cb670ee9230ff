//! What is counted: right, whoever frees, and without getting in the way of the wrapped allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use allocator_api2::alloc::{AllocError, Allocator};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use tracking::{Checking, Stats, Tracking};

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// The live bytes and blocks.
fn live(stats: Stats) -> (u64, u64) {
    assert_eq!((stats.unseen_bytes, stats.unseen_blocks), (0, 0));
    (stats.live_bytes, stats.live_blocks)
}

#[test]
fn every_figure_is_right() {
    let tracking = Tracking::system();
    assert_eq!(tracking.stats(), Stats::default());
    let mut numbers = Vec::<u64, _>::with_capacity_in(4, &tracking);
    let boxed = Box::new_in([0_u8; 100], &tracking);
    numbers.reserve_exact(10);
    drop(boxed);
    numbers.push(1);
    numbers.shrink_to_fit();
    let stats = tracking.stats();
    assert_eq!(live(stats), (8, 1));
    assert_eq!((stats.allocations, stats.frees, stats.reallocations), (2, 1, 2));
    assert_eq!((stats.allocated_bytes, stats.freed_bytes), (32 + 100 + 48, 100 + 72));
    assert_eq!((stats.peak_bytes, stats.failures), (180, 0));
    let sizes: std::vec::Vec<_> = stats.sizes.iter().collect();
    assert_eq!(sizes, [(8, 1), (32, 1), (128, 2)]);
}

#[test]
fn the_peak_of_one_thread_is_exact() {
    let tracking = Tracking::system();
    let mut model = (0_u64, 0_u64);
    let mut held = std::vec::Vec::new();
    for round in 1..2000_usize {
        let size = round * 7919 % 3000 + if round % 97 == 0 { 300_000 } else { 0 };
        held.push(Vec::<u8, _>::with_capacity_in(size, &tracking));
        model.0 += size as u64;
        model.1 = model.1.max(model.0);
        assert_eq!(tracking.stats().peak_bytes, model.1, "in round {round}");
        while held.len() > round * 31 % 60 {
            model.0 -= held.swap_remove(held.len() / 2).capacity() as u64;
        }
        assert_eq!(live(tracking.stats()), (model.0, held.len() as u64));
    }
}

#[test]
fn the_peak_of_several_threads_is_within_its_bound() {
    const THREADS: u64 = 4;
    let tracking = Tracking::system();
    let all_there = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..20 {
                    let blocks = [(); 100].map(|()| Box::new_in([0_u8; 1000], &tracking));
                    all_there.wait(); // all live at once
                    drop(blocks);
                    all_there.wait();
                }
            });
        }
    });
    let most = THREADS * 100 * 1000;
    let peak = tracking.stats().peak_bytes;
    assert!(peak.abs_diff(most) <= (THREADS + 1) * (64 << 10), "{peak} is far from {most}");
    assert_eq!(live(tracking.stats()), (0, 0));
}

#[test]
fn what_one_thread_frees_for_another_is_told_to_the_peak() {
    let tracking = Tracking::system();
    for _ in 0..50 {
        let block = Vec::<u8, _>::with_capacity_in(1 << 20, &tracking);
        thread::scope(|scope| scope.spawn(|| drop(block)).join().unwrap());
    }
    let stats = tracking.stats();
    assert!(stats.peak_bytes <= (1 << 20) + (192 << 10), "{stats}");
    assert_eq!(live(stats), (0, 0));
}

/// What each thread of the next tests does: 10 blocks of 100 bytes, of which it leaves one.
fn ten_blocks(tracking: &Tracking) -> Box<[u8; 100], &Tracking> {
    let mut blocks = std::vec::Vec::new();
    blocks.extend((0..10).map(|_| Box::new_in([1; 100], tracking)));
    blocks.pop().unwrap()
}

#[test]
fn frees_on_other_threads_and_threads_that_are_gone_are_counted() {
    let tracking = Tracking::system();
    let left: std::vec::Vec<_> = (0..1000)
        .map(|_| thread::scope(|scope| scope.spawn(|| ten_blocks(&tracking)).join().unwrap()))
        .collect();
    assert_eq!(live(tracking.stats()), (100_000, 1000));
    assert_eq!(tracking.stats().frees, 9000);
    drop(left);
    assert_eq!(live(tracking.stats()), (0, 0));
}

#[test]
fn a_thousand_threads_at_once_are_counted() {
    let tracking = Tracking::system();
    let all_there = Barrier::new(1000);
    thread::scope(|scope| {
        for _ in 0..1000 {
            let work = || {
                let left = ten_blocks(&tracking);
                all_there.wait();
                drop((left, ten_blocks(&tracking)));
            };
            thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, work).unwrap();
        }
    });
    let stats = tracking.stats();
    assert_eq!(live(stats), (0, 0));
    assert_eq!((stats.allocations, stats.frees), (20_000, 20_000));
}

#[test]
fn destructors_of_thread_locals_are_counted() {
    static TRACKING: Tracking = Tracking::system();

    struct AtEnd;
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let region = TRACKING.region();
            drop(ten_blocks(&TRACKING));
            assert!(region.change().allocations >= 10);
        }
    }
    thread_local!(static LATE: RefCell<Option<AtEnd>> = const { RefCell::new(None) });

    for _ in 0..100 {
        // Its destructor is registered before that of the thread's seat, and runs after it.
        let work = || {
            LATE.set(Some(AtEnd));
            drop(ten_blocks(&TRACKING));
        };
        thread::spawn(work).join().unwrap();
    }
    let stats = TRACKING.stats();
    assert_eq!(live(stats), (0, 0));
    assert_eq!(stats.allocations, 2000);
}

#[test]
fn memory_that_is_older_than_the_counts_does_not_wrap_around() {
    let tracking = Tracking::system();
    let old = System.allocate(layout(1000)).unwrap().cast::<u8>();
    let large = System.allocate(layout(500)).unwrap().cast::<u8>();
    // SAFETY: from `System`, which `tracking` passes on to.
    unsafe { tracking.deallocate(old, layout(1000)) };
    // SAFETY: as above.
    let shrunk = unsafe { tracking.shrink(large, layout(500), layout(400)) }.unwrap().cast();
    let stats = tracking.stats();
    assert_eq!((stats.live_bytes, stats.live_blocks, stats.peak_bytes), (0, 0, 0));
    assert_eq!((stats.unseen_bytes, stats.unseen_blocks), (1100, 1));
    // SAFETY: from `shrink` with this layout.
    unsafe { tracking.deallocate(shrunk, layout(400)) };
}

/// Counts which of its methods are called, and leaves the rest to `System`.
#[derive(Default)]
struct Methods {
    plain: AtomicUsize,
    zeroed: AtomicUsize,
    resized: AtomicUsize,
    grown_zeroed: AtomicUsize,
    freed: AtomicUsize,
}

impl Methods {
    fn called(&self) -> [usize; 5] {
        [&self.plain, &self.zeroed, &self.resized, &self.grown_zeroed, &self.freed]
            .map(|method| method.load(Ordering::Relaxed))
    }
}

fn once(method: &AtomicUsize) -> System {
    method.fetch_add(1, Ordering::Relaxed);
    System
}

// SAFETY: all is left to `System`.
unsafe impl GlobalAlloc for Methods {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.plain).alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.zeroed).alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.resized).realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.freed).dealloc(block, layout) }
    }
}

// SAFETY: all is left to `System`.
unsafe impl Allocator for Methods {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        once(&self.plain).allocate(layout)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        once(&self.zeroed).allocate_zeroed(layout)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.freed).deallocate(block, layout) };
    }

    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.resized).grow(block, old, new) }
    }

    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.grown_zeroed).grow_zeroed(block, old, new) }
    }

    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        unsafe { once(&self.resized).shrink(block, old, new) }
    }
}

#[test]
fn a_global_alloc_is_reached_by_its_own_methods() {
    let tracking = Tracking::new(Methods::default());
    // SAFETY: the size is not 0.
    let zeroed = unsafe { tracking.alloc_zeroed(layout(64)) };
    // SAFETY: from the same allocator with this layout.
    let moved = unsafe { tracking.realloc(zeroed, layout(64), 4096) };
    // SAFETY: now with this layout.
    unsafe { tracking.dealloc(moved, layout(4096)) };
    assert_eq!(tracking.inner().called(), [0, 1, 1, 0, 1]);
    assert_eq!(tracking.stats().reallocations, 1);
}

#[test]
fn an_allocator_is_reached_by_its_own_methods() {
    let tracking = Tracking::new(Methods::default());
    let block = tracking.allocate_zeroed(layout(64)).unwrap().cast();
    // SAFETY: from the same allocator with this layout.
    let block = unsafe { tracking.grow(block, layout(64), layout(128)) }.unwrap().cast();
    // SAFETY: now with this layout.
    let block = unsafe { tracking.grow_zeroed(block, layout(128), layout(256)) }.unwrap().cast();
    // SAFETY: now with this layout.
    let block = unsafe { tracking.shrink(block, layout(256), layout(8)) }.unwrap().cast();
    // SAFETY: now with this layout.
    unsafe { tracking.deallocate(block, layout(8)) };
    assert_eq!(tracking.inner().called(), [0, 1, 2, 1, 1]);
    assert_eq!(tracking.stats().reallocations, 3);
}

/// Returns 64 bytes more than asked for, and keeps what is in them when it grows a block.
struct Generous;

fn more(layout: Layout) -> Layout {
    Layout::from_size_align(layout.size() + 64, layout.align()).unwrap()
}

// SAFETY: `System`'s blocks, with layouts that are made the same way each time.
unsafe impl Allocator for Generous {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = System.allocate(more(layout))?;
        // SAFETY: a block of that many bytes.
        unsafe { block.cast::<u8>().write_bytes(0xEE, layout.size() + 64) };
        Ok(block)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: from `allocate` or `grow_zeroed` with this layout.
        unsafe { System.deallocate(block, more(layout)) };
    }

    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same. The contract allows that bytes up to the end
        // of the old block are kept.
        unsafe { System.grow_zeroed(block, more(old), more(new)) }
    }
}

#[test]
fn what_an_allocator_gives_beyond_the_size_is_hidden_and_zeroed() {
    let tracking = Tracking::new(Generous);
    let block = tracking.allocate(layout(8)).unwrap();
    assert_eq!(block.len(), 8);
    // SAFETY: from the same allocator with this layout.
    let grown = unsafe { tracking.grow_zeroed(block.cast(), layout(8), layout(200)) }.unwrap();
    assert_eq!(grown.len(), 200);
    for at in 8..200 {
        // SAFETY: inside of the block.
        let byte = unsafe { grown.cast::<u8>().add(at) };
        // SAFETY: zeroed memory.
        assert_eq!(unsafe { byte.read() }, 0, "byte {at}");
    }
    // SAFETY: now with this layout.
    unsafe { tracking.deallocate(grown.cast(), layout(200)) };
    assert_eq!(live(tracking.stats()), (0, 0));
}

#[test]
fn failures_are_counted_and_change_nothing_else() {
    let tracking = Tracking::system();
    let block = tracking.allocate(layout(8)).unwrap().cast();
    let huge = Layout::from_size_align(isize::MAX as usize - 7, 8).unwrap();
    assert!(tracking.allocate(huge).is_err());
    // SAFETY: from the same allocator with this layout.
    assert!(unsafe { tracking.grow(block, layout(8), huge) }.is_err());
    let stats = tracking.stats();
    assert_eq!((stats.failures, stats.peak_bytes), (2, 8));
    assert_eq!(live(stats), (8, 1));
    // SAFETY: as it was.
    unsafe { tracking.deallocate(block, layout(8)) };
}

#[test]
fn a_region_is_about_its_thread_or_about_all() {
    let tracking = Tracking::system();
    let (mine, all) = (tracking.region(), tracking.region_of_all_threads());
    let left = thread::scope(|scope| scope.spawn(|| ten_blocks(&tracking)).join().unwrap());
    mine.assert_nothing_happened();
    assert_eq!((all.change().allocations, all.change().live_bytes()), (10, 100));
    drop(left);
    mine.assert_no_allocation();
    assert_eq!((mine.change().frees, mine.change().live_blocks()), (1, -1));
    assert_eq!(all.change().live_blocks(), 0);
}

#[test]
fn an_assertion_that_fails_says_what_happened_and_where() {
    let message = |assertion: fn(&Tracking)| {
        let tracking = Tracking::system();
        let panic = std::panic::catch_unwind(|| assertion(&tracking)).unwrap_err();
        *panic.downcast::<String>().unwrap()
    };
    let seen = message(|tracking| {
        let region = tracking.region();
        drop(ten_blocks(tracking));
        region.assert_no_allocation();
    });
    let expected = "no allocation was to happen on this thread: 10 allocations and 0 reallocations of 1,000 \
                    bytes, 10 frees of 1,000 bytes, 0 failures";
    assert_eq!(seen, expected);
    let seen = message(|tracking| {
        let block = Box::new_in(1_u64, tracking);
        let region = tracking.region_of_all_threads();
        drop(block);
        region.assert_nothing_happened();
    });
    assert!(seen.starts_with("nothing was to happen on any thread: 0 allocations"), "{seen}");
}

#[test]
fn many_allocators_are_told_apart() {
    let all: std::vec::Vec<_> = (0..50).map(|_| Tracking::system()).collect();
    let blocks: std::vec::Vec<_> = all.iter().map(|one| Box::new_in([0_u8; 10], one)).collect();
    for round in 1..4 {
        for (index, one) in all.iter().enumerate() {
            (0..=index).for_each(|_| drop(Box::new_in(0_u8, one)));
            let stats = one.stats();
            assert_eq!(stats.allocations, (round * (index + 1) + 1) as u64);
            assert_eq!(live(stats), (10, 1));
        }
    }
    drop(blocks);
    // Their shards are freed; another one does not get what was at hand for them.
    drop(all);
    let last = Tracking::system();
    drop(Box::new_in(0_u8, &last));
    assert_eq!(last.stats().allocations, 1);
}

#[test]
fn it_may_be_moved_while_its_blocks_are_out() {
    let mut here = Tracking::system();
    let block = here.allocate(layout(64)).unwrap().cast();
    let mut there = Tracking::system();
    std::mem::swap(&mut here, &mut there);
    assert_eq!((live(here.stats()), live(there.stats())), ((0, 0), (64, 1)));
    // SAFETY: from the allocator that is there now.
    unsafe { there.deallocate(block, layout(64)) };
    assert_eq!(live(there.stats()), (0, 0));
}

#[test]
fn statistics_are_printed_for_people() {
    let tracking = Tracking::system();
    drop(Vec::<u8, _>::with_capacity_in(123_456, &tracking));
    let printed = tracking.stats().to_string();
    let lines: std::vec::Vec<std::vec::Vec<_>> =
        printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["live", "0", "bytes", "0", "blocks"]);
    assert_eq!(lines[1], ["peak", "123,456", "bytes"]);
    assert_eq!(lines[2], ["allocated", "123,456", "bytes", "1", "blocks"]);
    assert_eq!(lines.last().unwrap()[..4], ["65,537", "to", "131,072", "1"]);
}

#[test]
fn a_checking_allocator_counts_the_same() {
    let checking = Checking::system();
    let mut numbers = Vec::<u64, _>::with_capacity_in(4, &checking);
    numbers.reserve_exact(10);
    let region = checking.region();
    drop(numbers);
    region.assert_no_allocation();
    let stats = checking.stats();
    assert_eq!((stats.allocations, stats.frees, stats.reallocations), (1, 1, 1));
    assert_eq!((stats.allocated_bytes, stats.freed_bytes, stats.peak_bytes), (80, 80, 80));
    assert_eq!(live(stats), (0, 0));
}
