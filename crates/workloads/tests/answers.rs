//! The answers of all workloads: what the C library's malloc gives, and what the seed has always
//! given.

use std::alloc::System;

use strategy::{BuildError, FromGlobal, Plan, Profile, StaticGlobal, Strategy};
use workloads::{Tally, Workload, hot};

/// The C library's malloc.
struct Libc;

impl StaticGlobal for Libc {
    type Global = System;
    const GLOBAL: &'static System = &System;
}

impl Strategy for Libc {
    const NAME: &'static str = "libc";
    const ABOUT: &'static str = "the C library's malloc";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = FromGlobal<Self>;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    fn handle(&self) -> FromGlobal<Self> {
        FromGlobal::new()
    }
}

/// Every row with its answer, and what three passes really gave.
struct Answers(Vec<(String, Tally, Tally)>);

impl hot::Visitor for Answers {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        let mut found = Tally::default();
        let three = &mut |passes: &mut workloads::Passes<'_>| {
            found = passes(3)?;
            Ok(())
        };
        workload.run(&mut Libc, three).unwrap();
        let row = format!("{} {}", workload.description().name, workload.parameter());
        self.0.push((row, workload.answer(), found));
    }
}

fn answers() -> Vec<(String, Tally, Tally)> {
    let mut answers = Answers(Vec::new());
    hot::visit(&mut answers);
    answers.0
}

#[test]
fn three_passes_give_the_answer_of_a_pass_three_times() {
    for (row, answer, found) in answers() {
        assert_eq!(found, answer.times(3), "{row}");
        assert!(answer.ops > 0 && answer.checksum != 0, "{row}: an answer that checks nothing");
    }
}

/// If this fails after an update of `rand`, the streams have changed: results from before and
/// after do not compare, and the changelog has to say so.
#[test]
fn the_seed_gives_what_it_has_always_given() {
    let pinned = include_str!("answers.txt");
    let now: String = answers()
        .iter()
        .map(|(row, answer, _)| format!("{row} {} {:#018x}\n", answer.ops, answer.checksum))
        .collect();
    assert_eq!(now, pinned);
}

#[test]
fn rows_have_names_of_their_own() {
    let mut rows: Vec<_> = answers().into_iter().map(|(row, ..)| row).collect();
    let count = rows.len();
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), count);
}
