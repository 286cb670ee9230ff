//! Line 17 on global allocators that break it: one allocator that is told how.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};

use strategy::contract::{self, Reentry};

#[global_allocator]
static INSTALLED: Reentry<Broken> = Reentry::new(Broken { habit: AtomicU8::new(QUIET) });

/// Does as it should.
const QUIET: u8 = 0;
/// Allocates through itself, on the way in.
const ALLOCATES: u8 = 1;
/// Allocates through itself, on the way out.
const ALLOCATES_WHEN_FREEING: u8 = 2;
/// Prints with `eprintln`, which takes the lock of standard error and may allocate.
const PRINTS: u8 = 3;
/// Takes the lock of standard output, and does not even print.
const LOCKS: u8 = 4;

struct Broken {
    habit: AtomicU8,
}

impl Broken {
    fn misbehave(&self, freeing: bool) {
        match self.habit.load(Ordering::SeqCst) {
            ALLOCATES if !freeing => drop(std::hint::black_box(vec![1_u8; 100])),
            ALLOCATES_WHEN_FREEING if freeing => drop(std::hint::black_box(vec![1_u8; 100])),
            PRINTS if !freeing => eprintln!("allocating"),
            LOCKS => drop(std::io::stdout().lock().by_ref()),
            _ => {}
        }
    }
}

// SAFETY: all memory is the system allocator's.
unsafe impl GlobalAlloc for Broken {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.misbehave(false);
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.misbehave(true);
        // SAFETY: the caller's duties are the same.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What line 17 says while the allocator has a habit.
fn finding(habit: u8) -> Option<String> {
    INSTALLED.wrapped().habit.store(habit, Ordering::SeqCst);
    let result = contract::global_allocator(&INSTALLED);
    INSTALLED.wrapped().habit.store(QUIET, Ordering::SeqCst);
    result.err().map(|finding| {
        assert_eq!(finding.line.number, 17);
        finding.to_string()
    })
}

/// One test, since all would share the allocator.
#[test]
fn line_17_catches_each_habit() {
    assert_eq!(finding(QUIET), None);
    for habit in [ALLOCATES, ALLOCATES_WHEN_FREEING] {
        let seen = finding(habit).unwrap();
        assert!(seen.contains("through itself"), "{habit}: {seen}");
    }
    // Under the test harness, which captures what is printed, printing allocates; elsewhere it waits.
    let seen = finding(PRINTS).unwrap();
    assert!(seen.contains("through itself") || seen.contains("waits"), "{seen}");
    let seen = finding(LOCKS).unwrap();
    assert!(seen.contains("waits for standard output"), "{seen}");
    assert_eq!(finding(QUIET), None);
}
