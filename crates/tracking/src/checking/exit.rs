//! What is reported when the program ends.

use core::fmt::Write;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::engine::Engine;
use super::leaks::Leaks;
use super::stderr::Stderr;
use crate::thread::{Busy, Task};

/// The engine that was added last. Each pointer here and in `Engine::next_at_exit` is null or came from
/// a `&'static Engine`.
static FIRST: AtomicPtr<Engine> = AtomicPtr::new(ptr::null_mut());

/// Has `engine` checked, and its leaks written, when the program ends by a return from `main` or by `exit`.
/// The caller does it once for an engine.
pub(super) fn add(engine: &'static Engine) {
    let new = ptr::from_ref(engine).cast_mut();
    let mut first = FIRST.load(Ordering::Relaxed);
    loop {
        engine.next_at_exit.store(first, Ordering::Relaxed);
        match FIRST.compare_exchange(first, new, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => first = now,
        }
    }
    if first.is_null() {
        at_exit();
    }
}

#[cfg(unix)]
fn at_exit() {
    // SAFETY: the function may be called at any time.
    unsafe { libc::atexit(report_all) };
}

/// There is no way to be called.
#[cfg(not(unix))]
fn at_exit() {
    let _ = report_all;
}

extern "C" fn report_all() {
    let load = |engine: &AtomicPtr<Engine>| {
        // SAFETY: null, or from a `&'static Engine` (the invariant of `FIRST`).
        unsafe { engine.load(Ordering::Acquire).as_ref() }
    };
    let mut next = load(&FIRST);
    while let Some(engine) = next {
        engine.check();
        let leaks = Leaks::of(engine, engine.exit_since.load(Ordering::Relaxed));
        let _busy = Busy::begin(Task::Report);
        let mut stderr = Stderr::new();
        let _ = write!(stderr, "{leaks}");
        stderr.flush();
        next = load(&engine.next_at_exit);
    }
}
