//! A count that two threads add to at once.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const EACH: u64 = 1000;

/// A number that says of itself that threads may share it.
struct Count(UnsafeCell<u64>);

// SAFETY: none. What is shared must not be written by two threads at once, and nothing here keeps
// them from it.
unsafe impl Sync for Count {}

impl Count {
    fn add(&self) {
        // SAFETY: none. Another thread may be in this line, too, so that one of them is lost.
        unsafe { *self.0.get() += 1 };
    }
}

/// Two threads add, and what comes out is at most what it should be.
pub fn bad() {
    let count = Count(UnsafeCell::new(0));
    twice(|| count.add());
    assert!(count.0.into_inner() <= 2 * EACH);
}

/// Each addition is one step, which no other thread can come into.
pub fn good() {
    let count = AtomicU64::new(0);
    twice(|| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(count.into_inner(), 2 * EACH);
}

/// Has two threads call `add`, each a thousand times.
fn twice(add: impl Fn() + Sync) {
    thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| (0..EACH).for_each(|_| add())));
        // The scope waits until the closures have returned, and this until the threads have ended:
        // what they still have is a leak at the end of the program.
        for thread in threads {
            thread.join().expect("nothing panics");
        }
    });
}
