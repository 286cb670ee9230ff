//! The suite that every strategy has to pass, one function for each line of the contract.
//!
//! A crate puts its strategy to all of it with one line in a test file,
//! [`contract_tests!(MyStrategy)`](crate::contract_tests), or
//! [`contract_tests!(MyStrategy, shared)`](crate::contract_tests) if other threads may use it too,
//! and, if its memory comes from a backing allocator,
//! [`contract_backed_tests!`](crate::contract_backed_tests). Each line becomes a test of its own.
//! A program that runs over many strategies calls [`check`], [`check_shared`] and
//! [`check_backed`], which return what they found.
//!
//! # What a strategy is asked for
//!
//! The suite builds strategies from [`Plan`]s that the profile covers, and stays within the plan:
//! it has no more blocks alive than it announced, and one less while it grows or shrinks, since
//! that may take a new block. For a strategy that [frees only together](crate::Frees::Together), a
//! freed block counts as alive until the reset. What a plan announces must be served.
//!
//! # When a line does not hold
//!
//! The report names the line and says what was seen; after random sequences it has the seed, and
//! `CONTRACT_SEED=<seed> cargo test` runs the sequences of that seed and no others. The broken strategy and
//! its blocks are leaked, since nothing is known about them any more. A strategy that aborts the
//! process instead of returning an error breaks line 9 or 10, and is seen by the abort.
//!
//! Line 3 runs 10,000 short random sequences beside the long ones, each with a strategy, a plan and
//! a seed of its own. `CONTRACT_SEQUENCES=<count>` runs fewer, as one wants under valgrind, or more.
//!
//! The lines that a type system can hold are doctests that must not compile: `reset` under a
//! block is one of this crate; that a type is not `Send` or not `Sync` has to be said in its own.

mod finding;
#[macro_use]
mod lines;
mod backed;
mod errand;
mod failure;
mod fork;
mod life;
mod memory;
mod model;
mod plans;
mod probe;
mod random;
mod reentry;
mod sequence;
mod threads;
/// The tests behind the functions of the same names.
mod lines_for_all {
    pub(super) use super::failure::{excluded, too_large, unwinds};
    pub(super) use super::life::{bounded, movable, resets};
    pub(super) use super::memory::{aligned, empty, resized, whole, zeroed};
    pub(super) use super::sequence::apart;
}

/// The tests behind the functions of the same names.
mod lines_for_backed {
    pub(super) use super::backed::{given_back, out_of_memory};
}

/// The tests behind the functions of the same names.
mod lines_for_shared {
    pub(super) use super::fork::fork_and_exit;
    pub(super) use super::threads::threads;
}

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use finding::{Binds, Finding, Line};
use finding::{Outcome, Violation};
pub use probe::Probe;
pub use reentry::{Reentry, global_allocator};

use crate::{BuildError, Plan, Strategy};

/// Makes the rows of one group a constant slice.
macro_rules! table {
    ({ $binds:ident } $($number:literal $name:ident $test:ident $sentence:literal;)*) => {
        &[$(Line {
            number: $number,
            name: stringify!($name),
            sentence: $sentence,
            binds: Binds::$binds,
        }),*]
    };
}

const GROUPS: [&[Line]; 4] = [
    __contract_lines! { all table { All } },
    __contract_lines! { shared table { Shared } },
    __contract_lines! { backed table { Backed } },
    __contract_lines! { global table { Global } },
];

/// The lines of the contract, in their order: line `n` is at `n - 1`.
pub static LINES: [Line; 17] = in_order(&GROUPS);

const fn in_order<const N: usize>(groups: &[&[Line]]) -> [Line; N] {
    let mut lines = [groups[0][0]; N];
    let mut placed = 0;
    let mut group = 0;
    while group < groups.len() {
        let mut row = 0;
        while row < groups[group].len() {
            let line = groups[group][row];
            lines[line.number - 1] = line;
            placed += 1;
            row += 1;
        }
        group += 1;
    }
    assert!(placed == N, "every line has one row");
    lines
}

/// Makes each row a function for any strategy, and `check` of all of them.
macro_rules! functions_for_all {
    ({} $($number:literal $name:ident $test:ident $sentence:literal;)*) => {
        $(
            #[doc = concat!("Contract line ", $number, ": ", $sentence, ".")]
            ///
            /// # Errors
            ///
            /// The first violation that was seen.
            pub fn $name<S: Strategy>() -> Result<(), Finding> {
                examine::<S>($number, lines_for_all::$name::<S>)
            }
        )*

        /// Every line that binds all strategies, in the order of the contract: what does not hold.
        #[must_use]
        pub fn check<S: Strategy>() -> Vec<Finding> {
            [$($name::<S>()),*].into_iter().filter_map(Result::err).collect()
        }
    };
}

/// Makes each row a function for shared strategies, and `check_shared` of all of them.
macro_rules! functions_for_shared {
    ({} $($number:literal $name:ident $test:ident $sentence:literal;)*) => {
        $(
            #[doc = concat!("Contract line ", $number, ": ", $sentence, ".")]
            ///
            /// # Errors
            ///
            /// The first violation that was seen.
            pub fn $name<S: Strategy + Sync>() -> Result<(), Finding> {
                examine::<S>($number, lines_for_shared::$name::<S>)
            }
        )*

        /// Every line that binds shared strategies on top of those in [`check`]: what does not hold.
        #[must_use]
        pub fn check_shared<S: Strategy + Sync>() -> Vec<Finding> {
            [$($name::<S>()),*].into_iter().filter_map(Result::err).collect()
        }
    };
}

/// Makes each row a function for strategies over a backing allocator, and `check_backed` of all
/// of them.
macro_rules! functions_for_backed {
    ({} $($number:literal $name:ident $test:ident $sentence:literal;)*) => {
        $(
            #[doc = concat!("Contract line ", $number, ": ", $sentence, ".")]
            ///
            /// `build` makes a strategy that takes all of its memory from the probe.
            ///
            /// # Errors
            ///
            /// The first violation that was seen.
            pub fn $name<S: Strategy>(
                build: impl Fn(&Plan, Probe) -> Result<S, BuildError>,
            ) -> Result<(), Finding> {
                examine::<S>($number, || lines_for_backed::$name::<S>(&build))
            }
        )*

        /// Every line that binds strategies over a backing allocator on top of those in
        /// [`check`]: what does not hold. `build` makes a strategy that takes all of its memory
        /// from the probe.
        #[must_use]
        pub fn check_backed<S: Strategy>(
            build: impl Fn(&Plan, Probe) -> Result<S, BuildError>,
        ) -> Vec<Finding> {
            [$($name::<S>(&build)),*].into_iter().filter_map(Result::err).collect()
        }
    };
}

__contract_lines! { all functions_for_all {} }
__contract_lines! { shared functions_for_shared {} }
__contract_lines! { backed functions_for_backed {} }

/// Fails a test in which a line did not hold, with its report.
///
/// # Panics
///
/// If the result is an error.
#[track_caller]
pub fn assert_holds(result: Result<(), Finding>) {
    if let Err(finding) = result {
        panic!("{finding}");
    }
}

/// Runs the test of a line.
fn examine<S: Strategy>(number: usize, test: impl FnOnce() -> Outcome) -> Result<(), Finding> {
    caught(number, test).map_err(|Violation { line, seen }| Finding {
        line: &LINES[line - 1],
        strategy: S::NAME,
        seen,
    })
}

/// Runs a test. A panic in it breaks line `number`.
fn caught(number: usize, test: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(test)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(Violation::new(number, format!("panicked: {}", said.unwrap_or("no message"))))
    })
}
