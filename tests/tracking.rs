//! Every workload of the matrix under `tracking`'s checking allocator: the right answers, no false alarm,
//! and no leak.

use std::sync::Mutex;

use strategy::{BuildError, Plan, Profile, Stats, Strategy};
use tracking::{Checking, Misuse};
use workloads::{Case, Stream, Tally, Workload, hot};

/// What was found in any of the workloads.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The C library's allocator, checked. At its end nothing may be damaged, nor live.
struct Checked(Checking);

impl Strategy for Checked {
    const NAME: &'static str = "checked-system";
    const ABOUT: &'static str = "the C library's malloc under a checking allocator";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = &'a Checking;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        fn note(misuse: &Misuse) {
            FOUND.lock().unwrap().push(misuse.to_string());
        }
        Ok(Self(Checking::system().on_misuse(note)))
    }

    fn handle(&self) -> &Checking {
        &self.0
    }

    fn stats(&self) -> Option<Stats> {
        None
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.0.check();
        let leaks = self.0.leaks();
        if !leaks.is_empty() {
            FOUND.lock().unwrap().push(leaks.to_string());
        }
        let stats = self.0.stats();
        if (stats.live_bytes, stats.unseen_bytes, stats.failures) != (0, 0, 0) {
            FOUND.lock().unwrap().push(stats.to_string());
        }
        if stats.allocations == 0 {
            FOUND.lock().unwrap().push("the workload did not allocate".to_owned());
        }
    }
}

/// Runs each workload, once under the wrapper that looks at every call, and once for two passes.
#[derive(Default)]
struct Run {
    workloads: usize,
}

impl hot::Visitor for Run {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        let case = Case::of::<W, Checked>(workload);
        let answer = case.answer(Stream::FIRST);
        let passes = |count: u64| {
            move |passes: &mut workloads::Passes<'_>| {
                let done: Tally = passes(count)?;
                done.verified(answer.times(count)).map(drop)
            }
        };
        let inspected = case.inspect(Stream::FIRST, &mut passes(1));
        assert_eq!(inspected, Ok(()), "{case:?}");
        assert_eq!(case.run(Stream::FIRST, &mut passes(2)), Ok(()), "{case:?}");
        let found = std::mem::take(&mut *FOUND.lock().unwrap());
        assert!(found.is_empty(), "{case:?}\n{}", found.join("\n"));
        self.workloads += 1;
    }
}

#[test]
fn no_workload_raises_a_false_alarm_or_leaks() {
    let mut run = Run::default();
    hot::visit(&mut run);
    assert!(run.workloads >= 26, "only {} workloads", run.workloads);
}
