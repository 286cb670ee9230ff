//! Line 16: allocating at the end of a thread, and in a forked child.

use core::mem::ManuallyDrop;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::errand::Errand;
use super::finding::{Outcome, Violation, hold};
use super::model::{Held, Model};
use super::plans::{build, layout, served, shared_plans};
use crate::{Plan, Strategy};

/// How long one thread or child may take for a few allocations: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn fork_and_exit<S: Strategy + Sync>() -> Outcome {
    for plan in shared_plans::<S>(&[64, 1024], 64) {
        thread_exit::<S>(&plan)?;
        fork::<S>(&plan)?;
    }
    Ok(())
}

/// Runs an errand when its thread ends.
struct AtExit {
    errand: Errand,
    report: Arc<Mutex<Option<Outcome>>>,
}

impl Drop for AtExit {
    fn drop(&mut self) {
        // A panic that left a destructor of a thread-local would abort the process.
        let outcome = std::panic::catch_unwind(|| self.errand.run()).unwrap_or_else(|_| {
            Err(Violation::new(16, "panicked in the destructor of a thread-local"))
        });
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }
}

thread_local! {
    /// Registered before the thread uses the strategy, so destroyed after what that has registered.
    static BEFORE: RefCell<Option<AtExit>> = const { RefCell::new(None) };
    /// Registered after.
    static AFTER: RefCell<Option<AtExit>> = const { RefCell::new(None) };
}

/// A thread allocates, and again while its thread-locals are destroyed: before and after
/// those of the strategy.
fn thread_exit<S: Strategy + Sync>(plan: &Plan) -> Outcome {
    // Not dropped before the thread is known to have ended.
    let strategy = ManuallyDrop::new(Box::new(build::<S>(plan)?));
    let with = (&raw const **strategy).cast();
    // SAFETY: `with` points to an `S`, which is `Sync`, and is dropped below only when both
    // destructors and the thread have reported, after which no copy of the errand is used.
    let errand = unsafe { Errand::new(a_few_blocks::<S>, with) };
    let reports = [(); 2].map(|()| Arc::new(Mutex::new(None)));
    let [before, after] = reports.clone().map(|report| AtExit { errand, report });
    let done = Arc::new(Mutex::new(None));
    let thread = {
        let done = Arc::clone(&done);
        thread::spawn(move || {
            BEFORE.set(Some(before));
            let outcome = errand.run();
            AFTER.set(Some(after));
            *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        })
    };
    let start = Instant::now();
    for (report, when) in
        [(&done, "on a thread"), (&reports[1], "at its end"), (&reports[0], "last")]
    {
        loop {
            let outcome = report.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(outcome) = outcome {
                outcome.map_err(|violation| violation.means(16, &[2, 3]).at(when))?;
                break;
            }
            let waited = start.elapsed();
            hold!(16, waited < PATIENCE, "a deadlock: no blocks {when} within {waited:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }
    hold!(16, thread.join().is_ok(), "the thread panicked");
    drop(ManuallyDrop::into_inner(strategy));
    Ok(())
}

/// Allocates some blocks and frees them.
///
/// # Safety
///
/// `strategy` points to an `S` that lives meanwhile.
unsafe fn a_few_blocks<S: Strategy + Sync>(strategy: *const ()) -> Outcome {
    // SAFETY: the caller's duty.
    let strategy = unsafe { &*strategy.cast::<S>() };
    let mut model = Model::new();
    for size in [1, 8, 64, 64] {
        let block = layout(size, 8);
        served(model.allocate(&strategy.handle(), block)?, 16, block)?;
    }
    model.free_all(&strategy.handle())
}

/// What a child works on.
struct Prepared<S> {
    strategy: S,
    /// Blocks from before the fork: the child owns its copies of them.
    held: Vec<Held>,
}

/// Forks, and allocates and frees in the child.
///
/// The child has one thread, the one that forked. The test process may have more, but none of
/// them uses this strategy meanwhile, so nobody that is missing in the child holds a lock
/// of it. The child is killed by an alarm if it does not finish.
#[cfg(unix)]
fn fork<S: Strategy + Sync>(plan: &Plan) -> Outcome {
    use std::io;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    unsafe extern "C" {
        /// POSIX: after so many seconds, the process gets a signal that ends it.
        safe fn alarm(seconds: core::ffi::c_uint) -> core::ffi::c_uint;
    }

    /// What the child reports instead of a system error, plus the number of the line that it
    /// broke, or 0. It is larger than any system error.
    const REPORT: i32 = 1 << 20;

    let strategy = build::<S>(plan)?;
    let mut model = Model::new();
    for size in [1, 8, 64] {
        let block = layout(size, 8);
        served(model.allocate(&strategy.handle(), block)?, 16, block)?;
    }
    let held = (0..model.len()).map(|index| model.held(index)).collect();
    let prepared = ManuallyDrop::new(Box::new(Prepared { strategy, held }));
    let with = (&raw const **prepared).cast();
    // SAFETY: `with` points to a `Prepared<S>`. It is not `Sync`, for it holds the pointers of
    // blocks, and need not be: only the child runs the errand, once, on its only thread, which goes
    // on from this one and has a copy of all memory to itself. Here, `prepared` is not moved or
    // dropped before the child is there, or is known not to be.
    let errand = unsafe { Errand::new(in_the_child::<S>, with) };
    let mut command = Command::new("never-started");
    let in_child = move || {
        alarm(PATIENCE.as_secs() as core::ffi::c_uint);
        let line = errand.run().map_or_else(|violation| violation.line as i32, |()| 0);
        // An error, so that no program is started.
        Err(io::Error::from_raw_os_error(REPORT + line))
    };
    // SAFETY: the child of a process with several threads may do only what works with any lock of
    // theirs held. It allocates from the strategy, which no other thread uses, and from
    // the C library, whose `malloc` works in a forked child.
    unsafe { command.pre_exec(in_child) };
    match command.spawn() {
        Ok(mut child) => {
            let signal = child.wait().ok().and_then(|status| status.signal());
            let seen = format!(
                "a forked child did not get through a few blocks within {PATIENCE:?}: \
                 ended by signal {signal:?} (14 is the alarm, a deadlock)"
            );
            return Err(Violation::new(16, seen));
        }
        Err(error) => match error.raw_os_error().map(|code| code - REPORT) {
            Some(0) => {}
            Some(line @ 1..) => {
                let seen = format!("in a forked child, line {line} does not hold");
                return Err(Violation::new(16, seen));
            }
            // No fork was to be had. That is not the strategy's doing.
            _ => {}
        },
    }
    model.check_all()?;
    model.free_all(&prepared.strategy.handle())?;
    drop(ManuallyDrop::into_inner(prepared));
    Ok(())
}

/// There is no fork on this system.
#[cfg(not(unix))]
fn fork<S: Strategy + Sync>(_plan: &Plan) -> Outcome {
    Ok(())
}

/// Allocates, and frees blocks from before the fork and new ones.
///
/// # Safety
///
/// `prepared` points to a `Prepared<S>` that lives meanwhile.
#[cfg(unix)]
unsafe fn in_the_child<S: Strategy + Sync>(prepared: *const ()) -> Outcome {
    // SAFETY: the caller's duty.
    let prepared = unsafe { &*prepared.cast::<Prepared<S>>() };
    let mut model = Model::numbered_from(1000);
    for &held in &prepared.held {
        model.adopt(held)?;
    }
    for _ in 0..2 {
        for size in [1, 8, 64, 64] {
            let block = layout(size, 8);
            served(model.allocate(&prepared.strategy.handle(), block)?, 16, block)?;
        }
        model.free_all(&prepared.strategy.handle())?;
    }
    Ok(())
}
