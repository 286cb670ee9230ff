//! `Checking` as the allocator of programs: each mistake is found the first time, at the right
//! places; and programs without a mistake run as they do without it.

mod programs;

use std::alloc::{GlobalAlloc, Layout, alloc, dealloc, realloc};
use std::hint::black_box;

use tracking::{Checking, Kind, Stats};

#[global_allocator]
static ALLOCATOR: Checking = Checking::system().with_backtraces();

fn stats() -> Stats {
    ALLOCATOR.stats()
}

/// The layout of the blocks that mistakes are made with.
const LAYOUT: Layout = Layout::new::<[u64; 8]>();

#[inline(never)]
fn allocates() -> *mut u8 {
    // SAFETY: the size is not 0.
    black_box(unsafe { alloc(LAYOUT) })
}

#[inline(never)]
fn frees(block: *mut u8) {
    // SAFETY: none, if the block is not live: that is for the allocator to find.
    unsafe { dealloc(black_box(block), LAYOUT) };
}

#[inline(never)]
fn frees_as(block: *mut u8, layout: Layout) {
    // SAFETY: none: it is another layout.
    unsafe { dealloc(black_box(block), layout) };
}

#[inline(never)]
fn resizes_as(block: *mut u8, layout: Layout) {
    // SAFETY: none, if it is another layout or the block is not live.
    black_box(unsafe { realloc(black_box(block), layout, 100) });
}

#[inline(never)]
fn asks_for_nothing() {
    // SAFETY: none: the size is 0.
    black_box(unsafe { ALLOCATOR.alloc(Layout::new::<()>()) });
}

#[inline(never)]
fn writes(block: *mut u8, at: isize) {
    // SAFETY: none, if `at` is outside of the block or the block is freed. It is inside of the
    // memory of the inner allocator.
    unsafe { black_box(block.wrapping_offset(at)).write(1) };
}

#[inline(never)]
fn looks() {
    black_box(ALLOCATOR.check());
}

/// Frees so much that nothing from before is in quarantine any more.
#[inline(never)]
fn churns() {
    for _ in 0..200_000 {
        drop(black_box(Box::new([0_u8; 1000])));
    }
}

/// Whether there is such a mistake.
fn makes(mistake: &str) -> bool {
    let half = Layout::new::<[u64; 4]>();
    let coarser = LAYOUT.align_to(32).unwrap();
    match mistake {
        "double free" => {
            let block = allocates();
            frees(block);
            frees(block);
        }
        "double free by another thread" => {
            let block = allocates();
            frees(block);
            let address = block.expose_provenance();
            let thread = std::thread::spawn(move || {
                frees(std::ptr::with_exposed_provenance_mut(address));
            });
            thread.join().unwrap();
        }
        "realloc after free" => {
            let block = allocates();
            frees(block);
            resizes_as(block, LAYOUT);
        }
        "foreign pointer" => {
            let mut local = black_box([0_u64; 8]);
            frees((&raw mut local).cast());
        }
        "pointer into a block" => frees(allocates().wrapping_add(16)),
        "wrong size" => frees_as(allocates(), half),
        "wrong alignment" => frees_as(allocates(), coarser),
        "realloc with a wrong size" => resizes_as(allocates(), half),
        "realloc with a wrong alignment" => resizes_as(allocates(), coarser),
        "zero size" => asks_for_nothing(),
        "write before the start" => {
            let block = allocates();
            writes(block, -1);
            frees(block);
        }
        "write past the end" => {
            let block = allocates();
            writes(block, 64);
            frees(block);
        }
        "write past the end, found by realloc" => {
            let block = allocates();
            writes(block, 64);
            resizes_as(block, LAYOUT);
        }
        "write past the end, found on demand" => {
            writes(allocates(), 79);
            looks();
        }
        "write past the end, found at exit" => {
            ALLOCATOR.report_at_exit();
            writes(allocates(), 64);
        }
        "write after free, found when it leaves" => {
            let block = allocates();
            frees(block);
            writes(block, 63);
            churns();
        }
        "write after free, found on demand" => {
            let block = allocates();
            frees(block);
            writes(block, 0);
            looks();
        }
        "write after free, found at exit" => {
            ALLOCATOR.report_at_exit();
            let block = allocates();
            frees(block);
            writes(block, 8);
        }
        "leak" => {
            ALLOCATOR.report_at_exit();
            black_box((allocates(), allocates()));
        }
        "no leak" => {
            ALLOCATOR.report_at_exit();
            frees(allocates());
        }
        _ => return false,
    }
    true
}

/// Is the program that the variable says.
#[test]
fn child() {
    let Some(name) = programs::this() else { return };
    if !makes(&name) {
        return programs::shared(&name, stats, || drop(black_box(ALLOCATOR.leaks())));
    }
    if name.ends_with("exit") || name.ends_with("leak") {
        // Before the test harness goes on, and its blocks with it.
        std::process::exit(0);
    }
}

/// The part of a report that begins with a line that has `heading`.
fn part<'r>(report: &'r str, heading: &str) -> &'r str {
    let start = report.find(heading).unwrap_or_else(|| panic!("no {heading:?} in {report}"));
    let rest = &report[start + heading.len()..];
    let end = ["  allocated at", "  freed at", "  found at"].map(|next| rest.find(next));
    &rest[..end.into_iter().flatten().min().unwrap_or(rest.len())]
}

/// Makes a mistake: it is the first that is found, of this kind, and places are in these functions.
#[track_caller]
fn is_found(mistake: &str, kind: Kind, places: &[(&str, &str)]) -> String {
    let outcome = programs::run(mistake);
    let report = outcome.errors;
    let first = report.lines().find(|line| line.starts_with("tracking: ")).unwrap_or_default();
    let expected = format!("tracking: {kind} of ");
    assert!(first.starts_with(&expected), "{mistake}: {expected} is not in {report}");
    for (heading, function) in places {
        let place = part(&report, heading);
        let innermost = place.lines().find(|line| line.contains("  0: ")).unwrap_or_default();
        assert!(
            innermost.ends_with(function),
            "{heading}: {innermost} is not {function}\n{report}"
        );
    }
    assert!(!outcome.status.success(), "{mistake}: the program went on");
    first.to_owned()
}

const ALLOCATED: (&str, &str) = ("  allocated at", "::allocates");
const FREED: (&str, &str) = ("  freed at", "::frees");

#[test]
fn a_double_free_is_found() {
    let found = ("  found at", "::frees");
    let line = is_found("double free", Kind::DoubleFree, &[ALLOCATED, FREED, found]);
    assert!(line.starts_with("tracking: double free of 64 bytes (align 8) at 0x"), "{line}");
    is_found("double free by another thread", Kind::DoubleFree, &[ALLOCATED, FREED, found]);
    let found = ("  found at", "::resizes_as");
    is_found("realloc after free", Kind::DoubleFree, &[ALLOCATED, FREED, found]);
}

#[test]
fn a_foreign_pointer_is_found() {
    is_found("foreign pointer", Kind::ForeignPointer, &[("  found at", "::frees")]);
    is_found("pointer into a block", Kind::ForeignPointer, &[("  found at", "::frees")]);
}

#[test]
fn a_wrong_layout_is_found() {
    let places = [ALLOCATED, ("  found at", "::frees_as")];
    let line = is_found("wrong size", Kind::WrongLayout, &places);
    assert!(line.contains("of 64 bytes (align 8)"), "{line}");
    assert!(line.ends_with("given as 32 bytes (align 8)"), "{line}");
    let line = is_found("wrong alignment", Kind::WrongLayout, &places);
    assert!(line.ends_with("given as 64 bytes (align 32)"), "{line}");
    let places = [ALLOCATED, ("  found at", "::resizes_as")];
    is_found("realloc with a wrong size", Kind::WrongLayout, &places);
    is_found("realloc with a wrong alignment", Kind::WrongLayout, &places);
}

#[test]
fn size_zero_is_found() {
    is_found("zero size", Kind::ZeroSize, &[("  found at", "::asks_for_nothing")]);
}

#[test]
fn a_write_before_the_start_is_found() {
    let places = [ALLOCATED, ("  found at", "::frees")];
    let line = is_found("write before the start", Kind::WriteBeforeStart, &places);
    assert!(line.ends_with("first at byte -1"), "{line}");
}

#[test]
fn a_write_past_the_end_is_found() {
    let places = [ALLOCATED, ("  found at", "::frees")];
    let line = is_found("write past the end", Kind::WritePastEnd, &places);
    assert!(line.ends_with("first at byte 64"), "{line}");
    let places = [ALLOCATED, ("  found at", "::resizes_as")];
    is_found("write past the end, found by realloc", Kind::WritePastEnd, &places);
    let places = [ALLOCATED, ("  found at", "::looks")];
    let line = is_found("write past the end, found on demand", Kind::WritePastEnd, &places);
    assert!(line.ends_with("first at byte 79"), "{line}");
    is_found("write past the end, found at exit", Kind::WritePastEnd, &[ALLOCATED]);
}

#[test]
fn a_write_after_free_is_found() {
    let left = [ALLOCATED, FREED, ("  found at", "::churns")];
    let line = is_found("write after free, found when it leaves", Kind::WriteAfterFree, &left);
    assert!(line.ends_with("first at byte 63"), "{line}");
    let looked = [ALLOCATED, FREED, ("  found at", "::looks")];
    is_found("write after free, found on demand", Kind::WriteAfterFree, &looked);
    is_found("write after free, found at exit", Kind::WriteAfterFree, &[ALLOCATED, FREED]);
}

#[test]
fn a_leak_is_reported_with_its_site() {
    let outcome = programs::run("leak");
    let report = &outcome.errors;
    assert!(outcome.status.success(), "{report}");
    assert!(report.contains("tracking: leak of 64 bytes in 1 blocks"), "{report}");
    assert!(part(report, ALLOCATED.0).contains(ALLOCATED.1), "{report}");
    assert_eq!(report.matches("tracking: ").count(), 2, "two sites: {report}");
    let outcome = programs::run("no leak");
    assert!(outcome.status.success() && outcome.errors.is_empty(), "{}", outcome.errors);
}

programs::shared_tests!();
