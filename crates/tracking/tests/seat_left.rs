//! A thread that has left its seat, the one that has it now, and a region that was begun before.
//!
//! Alone in its file: the threads of other tests would take the seat.

use std::cell::RefCell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use allocator_api2::boxed::Box;
use tracking::{Change, Region, Tracking};

static TRACKING: Tracking = Tracking::system();

fn ten_blocks() {
    (0..10).for_each(|_| drop(Box::new_in([1; 100], &TRACKING)));
}

#[test]
fn a_thread_at_its_end_does_not_count_where_the_next_one_does() {
    static TURNS: Barrier = Barrier::new(2);
    static SEEN: AtomicUsize = AtomicUsize::new(usize::MAX);

    static OLDER: AtomicBool = AtomicBool::new(false);

    struct AtEnd(Region<'static>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let region = TRACKING.region();
            TURNS.wait();
            TURNS.wait();
            OLDER.store(self.0.change() == Change::default(), Ordering::Relaxed);
            SEEN.store(region.change().allocations as usize, Ordering::Relaxed);
        }
    }
    thread_local!(static LATE: RefCell<Option<AtEnd>> = const { RefCell::new(None) });

    let ending = thread::spawn(|| {
        // Registers its destructor before that of the thread's seat, and so it runs after it.
        LATE.with_borrow(|_| ());
        ten_blocks();
        LATE.set(Some(AtEnd(TRACKING.region())));
    });
    TURNS.wait();
    // It has the seat that the other has left.
    thread::spawn(ten_blocks).join().unwrap();
    TURNS.wait();
    ending.join().unwrap();
    assert_eq!(SEEN.load(Ordering::Relaxed), 0);
    assert!(OLDER.load(Ordering::Relaxed), "two shards were subtracted");
}
