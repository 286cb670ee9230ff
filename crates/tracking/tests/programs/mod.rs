//! Programs that run in a process of their own: a test starts its own executable again.

use std::cell::RefCell;
use std::env;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracking::Stats;

/// What a program says when it has done all: no test, and so no program, ran if it is missing.
const AT_ITS_END: &str = "the program is at its end";

/// How long a program may take: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The variable that tells a process which program it is.
const PROGRAM: &str = "TRACKING_TEST_PROGRAM";

/// The program that this process is, if it is one.
pub fn this() -> Option<String> {
    env::var(PROGRAM).ok()
}

/// What a program has done.
pub struct Outcome {
    pub status: ExitStatus,
    pub errors: String,
}

/// Runs a program to its end, in a process in which the test `child` is all that happens.
#[track_caller]
pub fn run(program: &str) -> Outcome {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(PROGRAM, program)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut errors = String::new();
        stderr.read_to_string(&mut errors).unwrap();
        errors
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{program}: a deadlock");
        }
        thread::sleep(Duration::from_millis(2));
    };
    Outcome { status, errors: errors.join().unwrap() }
}

/// Runs a program of [`shared`], which is to do as it should.
#[track_caller]
pub fn succeeds(program: &str) {
    let Outcome { status, errors } = run(program);
    let ended = errors.contains(AT_ITS_END);
    assert!(status.success() && ended, "{program}: {status}\n{errors}");
}

/// Is the program `name` of those that each allocator runs; `look` is what it can do besides.
pub fn shared(name: &str, stats: fn() -> Stats, look: fn()) {
    match name {
        "threads in a row" => threads_in_a_row(stats),
        "threads at once" => threads_at_once(stats),
        "destructors" => destructors(stats),
        #[cfg(unix)]
        "forks" => forks(stats, look),
        _ => panic!("no program {name}"),
    }
    eprintln!("{AT_ITS_END}");
}

/// The tests that run the programs of [`shared`].
macro_rules! shared_tests {
    () => {
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
    };
}
pub(crate) use shared_tests;

/// What a thread does with memory: it allocates, frees, and frees again what another one left.
fn work(round: usize) {
    let mut blocks: Vec<Box<usize>> = (0..100).map(Box::new).collect();
    blocks.retain(|block| !(**block + round).is_multiple_of(3));
    let text = "text".repeat(10 + round % 7);
    assert_eq!(text.len() % 4 + blocks.len() / 100, 0);
}

/// Demands that as much is live as before, but for a few blocks of the test harness, whose thread may be at
/// work. `counts.rs` has the same with an allocator that nobody else uses, and no slack.
#[track_caller]
fn same_live(before: Stats, after: Stats) {
    for stats in [before, after] {
        assert_eq!((stats.unseen_blocks, stats.unseen_bytes), (0, 0));
    }
    let (blocks, bytes) = (after.live_blocks, after.live_bytes);
    assert!(blocks.abs_diff(before.live_blocks) <= 50, "{before}\n{after}");
    assert!(bytes.abs_diff(before.live_bytes) <= 50_000, "{before}\n{after}");
}

/// 1,000 threads, one after another, and what they leave.
fn threads_in_a_row(stats: fn() -> Stats) {
    let thread = |round| thread::spawn(move || work(round)).join().unwrap();
    thread(0);
    let before = stats();
    (0..1000).for_each(thread);
    same_live(before, stats());
    assert!(stats().allocations >= before.allocations + 1000 * 102);
}

/// 1,000 threads at once.
fn threads_at_once(stats: fn() -> Stats) {
    thread::spawn(|| work(0)).join().unwrap();
    let before = stats();
    let all_there = Barrier::new(1000);
    thread::scope(|scope| {
        for round in 0..1000 {
            let all_there = &all_there;
            let thread = thread::Builder::new().stack_size(64 << 10);
            let work = move || {
                work(round);
                all_there.wait();
                work(round);
            };
            thread.spawn_scoped(scope, work).unwrap();
        }
    });
    same_live(before, stats());
}

/// Allocates in the destructor of a thread-local.
struct AtEnd(Option<Box<[u8; 100]>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        assert_eq!(self.0.take().unwrap()[99], 1);
        work(1);
    }
}

thread_local! {
    static FIRST: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    static LAST: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
}

/// Threads that allocate in destructors of thread-locals, before and after the allocator's own.
fn destructors(stats: fn() -> Stats) {
    let thread = || {
        let at_end = || Some(AtEnd(Some(Box::new([1; 100]))));
        // Registered before the first allocation of this function, though not of this thread.
        FIRST.with_borrow(|_| ());
        work(0);
        FIRST.set(at_end());
        LAST.set(at_end());
    };
    thread::spawn(thread).join().unwrap();
    let before = stats();
    for _ in 0..100 {
        thread::spawn(thread).join().unwrap();
    }
    same_live(before, stats());
}

/// Forks while others are at work, and leaves what was live, to the byte.
#[cfg(unix)]
fn forks(stats: fn() -> Stats, look: fn()) {
    let live = || {
        let stats = stats();
        assert_eq!((stats.unseen_blocks, stats.unseen_bytes), (0, 0));
        (stats.live_blocks, stats.live_bytes)
    };
    thread::spawn(move || [work(0), look()]).join().unwrap();
    let allocations = stats().allocations;
    let leaves_nothing = |_| {
        let before = live();
        a_hundred_forks(look);
        live() == before
    };
    // The thread of the test harness may have allocated meanwhile, and then waits. What is lost in a
    // fork is lost each time.
    assert!((0..3).any(leaves_nothing), "{}", stats());
    assert!(stats().allocations > allocations);
}

/// Forks while other threads allocate and look; children allocate and free what they have from before.
#[cfg(unix)]
fn a_hundred_forks(look: fn()) {
    let done = AtomicBool::new(false);
    let until_done = |each: &dyn Fn(usize)| {
        (0..).take_while(|_| !done.load(Ordering::Relaxed)).for_each(each);
    };
    thread::scope(|scope| {
        let mut threads = vec![scope.spawn(|| until_done(&|_| look()))];
        threads.extend((0..4).map(|_| scope.spawn(|| until_done(&work))));
        let mut failed = None;
        for round in 0..100 {
            let older = Box::new(round);
            // SAFETY: the child calls only what works after a fork of a program with threads: the
            // allocator under test, and the end of the process.
            match unsafe { libc::fork() } {
                0 => {
                    // SAFETY: a signal that ends the child if it hangs.
                    unsafe { libc::alarm(20) };
                    drop(older);
                    work(round);
                    // SAFETY: the end.
                    unsafe { libc::_exit(0) };
                }
                child => {
                    let mut status = 0;
                    // SAFETY: our child, and a place for its status.
                    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                    if status != 0 {
                        failed = Some(status);
                        break;
                    }
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(failed, None, "14 is the alarm: a deadlock");
        // A scope does not wait for what its threads free at their very end; a join does.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
