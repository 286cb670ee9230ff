//! The answers of all workloads: what the C library's malloc gives, and what the seed has always
//! given.

use std::alloc::System;

use strategy::{BuildError, FromGlobal, Plan, Profile, StaticGlobal, Strategy};
use workloads::{Stream, Tally, Workload, hot};

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

/// The streams that are tried.
fn streams() -> impl Iterator<Item = Stream> {
    (0..8).map(Stream::numbered)
}

/// Every row with its answer over a stream, and what three passes really gave.
struct Answers(Stream, Vec<(String, Tally, Tally)>);

impl hot::Visitor for Answers {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        let mut found = Tally::default();
        let three = &mut |passes: &mut workloads::Passes<'_>| {
            found = passes(3)?;
            Ok(())
        };
        workload.run(&mut Libc, self.0, three).unwrap();
        let row = format!("{} {}", workload.description().name, workload.parameter());
        self.1.push((row, workload.answer(self.0), found));
    }
}

fn answers(stream: Stream) -> Vec<(String, Tally, Tally)> {
    let mut answers = Answers(stream, Vec::new());
    hot::visit(&mut answers);
    answers.1
}

#[test]
fn three_passes_give_the_answer_of_a_pass_three_times() {
    for stream in streams() {
        for (row, answer, found) in answers(stream) {
            assert_eq!(found, answer.times(3), "{row}, {stream:?}");
            assert!(answer.ops > 0 && answer.checksum != 0, "{row}: an answer that checks nothing");
        }
    }
}

#[test]
fn a_pass_has_as_many_operations_over_every_stream() {
    let ops = |stream| answers(stream).into_iter().map(|(row, answer, _)| (row, answer.ops));
    let first: Vec<_> = ops(Stream::FIRST).collect();
    for stream in streams() {
        assert!(ops(stream).eq(first.iter().cloned()), "{stream:?}");
    }
}

/// If this fails after an update of `rand`, the streams have changed: results from before and
/// after do not compare, and the changelog has to say so.
#[test]
fn the_seed_gives_what_it_has_always_given() {
    let pinned = include_str!("answers.txt");
    let now: String = answers(Stream::FIRST)
        .iter()
        .map(|(row, answer, _)| format!("{row} {} {:#018x}\n", answer.ops, answer.checksum))
        .collect();
    assert_eq!(now, pinned);
}

#[test]
fn rows_have_names_of_their_own() {
    let mut rows: Vec<_> = answers(Stream::FIRST).into_iter().map(|(row, ..)| row).collect();
    let count = rows.len();
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), count);
}
