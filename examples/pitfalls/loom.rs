//! The data race of `pitfalls` under loom, which runs the threads in every order that there is.
//!
//! It sees only what is told to it: what is shared lies in loom's own cells, and threads are loom's
//! own. So it is a model of a program, small enough for all orders to be tried, and no tool that a
//! finished program could be run under.

use clap::{Parser, ValueEnum};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// Adds to a count in two threads, in every order.
#[derive(Parser)]
struct Arguments {
    way: Way,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// With a number that says of itself that threads may share it.
    Bad,
    /// With an atomic number.
    Good,
}

fn main() {
    match Arguments::parse().way {
        Way::Bad => loom::model(bad),
        Way::Good => loom::model(good),
    }
}

struct Count(UnsafeCell<u64>);

// SAFETY: none. What is shared must not be written by two threads at once, and nothing here keeps
// them from it.
unsafe impl Sync for Count {}

impl Count {
    fn add(&self) {
        // SAFETY: none. Another thread may be in this line, too, so that one of them is lost.
        self.0.with_mut(|number| unsafe { *number += 1 });
    }
}

fn bad() {
    let count = Arc::new(Count(UnsafeCell::new(0)));
    let other = thread::spawn({
        let count = count.clone();
        move || count.add()
    });
    count.add();
    other.join().expect("the other thread has not panicked");
}

fn good() {
    let count = Arc::new(AtomicU64::new(0));
    let other = thread::spawn({
        let count = count.clone();
        move || count.fetch_add(1, Ordering::Relaxed)
    });
    count.fetch_add(1, Ordering::Relaxed);
    other.join().expect("the other thread has not panicked");
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
