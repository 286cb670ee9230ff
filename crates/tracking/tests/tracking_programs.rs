//! `Tracking` as the allocator of programs with many threads, forks, and late allocations.

mod programs;

use tracking::{Stats, Tracking};

#[global_allocator]
static ALLOCATOR: Tracking = Tracking::system();

fn stats() -> Stats {
    ALLOCATOR.stats()
}

/// Is the program that the variable says.
#[test]
fn child() {
    match programs::this().as_deref() {
        Some("threads in a row") => programs::threads_in_a_row(stats),
        Some("threads at once") => programs::threads_at_once(stats),
        Some("destructors") => programs::destructors(stats),
        #[cfg(unix)]
        Some("forks") => programs::forks(stats),
        _ => {}
    }
}

#[test]
fn a_thousand_threads_in_a_row_are_counted_right() {
    programs::succeeds("threads in a row");
}

#[test]
fn a_thousand_threads_at_once_are_counted_right() {
    programs::succeeds("threads at once");
}

#[test]
fn destructors_of_thread_locals_may_allocate() {
    programs::succeeds("destructors");
}

#[cfg(unix)]
#[test]
fn a_fork_while_others_allocate_does_not_hang() {
    programs::succeeds("forks");
}
