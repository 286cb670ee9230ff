//! Adds to a count in two threads at once.

use std::cell::Cell;
use std::thread;

fn main() {
    let count = Cell::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| count.set(count.get() + 1));
        }
    });
}
