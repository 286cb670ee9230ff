//! A small matrix in which strategies do to their process what others do to processes: end it, flood its
//! output, leave children behind; and two that break only after they have been tested. The tests of a cell's process
//! run it.

#![forbid(unsafe_code)]

use std::env;
use std::fs::OpenOptions;
use std::io::{Write, stdout};
use std::process::{self, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use harness::{Build, Matrix};
use strategy::{BuildError, FromGlobal, Plan, Profile, Strategy};
use strategy_broken::{LateMisaligned, LateShort};
use strategy_system::{System, SystemAgain};
use workloads::{Batch, Order, Pair, Workload};

/// Declares a strategy that is System, after it has done something to its process.
macro_rules! ending {
    ($name:ident, $id:literal, $effect:expr) => {
        struct $name;

        impl Strategy for $name {
            const NAME: &'static str = $id;
            const ABOUT: &'static str =
                "the C library's malloc, in a process that is done something to";
            const PROFILE: Profile = Profile::GENERAL;
            type Handle<'a> = FromGlobal<System>;

            fn new(_plan: &Plan) -> Result<Self, BuildError> {
                let effect: fn() = $effect;
                effect();
                Ok(Self)
            }

            fn handle(&self) -> FromGlobal<System> {
                FromGlobal::new()
            }
        }
    };
}

ending!(Interrupting, "interrupting", || signal_oneself("INT"));
ending!(Terminating, "terminating", || signal_oneself("TERM"));
ending!(Stopping, "stopping", || signal_oneself("STOP"));
ending!(Exiting, "exiting", || process::exit(3));
ending!(Printing, "printing", || {
    // Without a newline, and more than anybody wants to keep.
    for _ in 0..32 {
        let _nobody_listens = stdout().write_all(&vec![b'x'; 1 << 20]);
    }
});
ending!(Panicking, "panicking", || panic!("{}", "\u{1b}[31mp".repeat(4 << 20)));
ending!(Forking, "forking", leave_a_child);
ending!(Sleeping, "sleeping", || thread::sleep(Duration::from_secs(3600)));
ending!(OnceTerminated, "once-terminated", || {
    // Only one process of all finds that it is the first.
    let marker = env::var("MALLOC_HEAPMARK_TEST_MARKER").unwrap_or_default();
    if OpenOptions::new().write(true).create_new(true).open(marker).is_ok() {
        signal_oneself("TERM");
    }
});

#[expect(clippy::zombie_processes, reason = "what outlives its cell is what the test is about")]
fn leave_a_child() {
    // It is told apart from other processes by how long it sleeps, which the test chooses.
    let seconds = env::var("MALLOC_HEAPMARK_TEST_SLEEP").unwrap_or_else(|_| "60".into());
    let child = Command::new("sleep").arg(seconds).stdin(Stdio::null()).spawn();
    child.expect("every system has `sleep`");
}

fn signal_oneself(signal: &str) {
    let kill = format!("kill -s {signal} {}", process::id());
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.is_ok_and(|status| status.success()), "every shell has `kill`");
}

fn main() -> ExitCode {
    let cells = |matrix: &mut Matrix| {
        add(matrix, Pair::<64>);
        add(matrix, Batch { order: Order::Random });
    };
    harness::main(Build { features: &[], tree: "" }, cells, |_| {})
}

fn add<W: Workload + Copy + 'static>(matrix: &mut Matrix, workload: W) {
    let family = "Endings";
    matrix.add::<W, System>(family, workload);
    matrix.add::<W, SystemAgain>(family, workload);
    matrix.add::<W, LateMisaligned>(family, workload);
    matrix.add::<W, LateShort>(family, workload);
    matrix.add::<W, Interrupting>(family, workload);
    matrix.add::<W, Terminating>(family, workload);
    matrix.add::<W, Stopping>(family, workload);
    matrix.add::<W, Exiting>(family, workload);
    matrix.add::<W, Printing>(family, workload);
    matrix.add::<W, Panicking>(family, workload);
    matrix.add::<W, Forking>(family, workload);
    matrix.add::<W, Sleeping>(family, workload);
    matrix.add::<W, OnceTerminated>(family, workload);
}
