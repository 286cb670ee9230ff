//! `Tracking` as the allocator of programs with many threads, forks, and late allocations.

mod programs;

use std::hint::black_box;

use tracking::{Stats, Tracking};

#[global_allocator]
static ALLOCATOR: Tracking = Tracking::system();

fn stats() -> Stats {
    ALLOCATOR.stats()
}

/// Is the program that the variable says.
#[test]
fn child() {
    if let Some(name) = programs::this() {
        programs::shared(&name, stats, || _ = black_box(stats()));
    }
}

programs::shared_tests!();
