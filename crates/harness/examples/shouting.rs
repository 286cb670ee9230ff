//! A contender that panics with a text that would turn a terminal red, until there is a file `quiet` in the current
//! folder. The tests of the command line run it.

#![forbid(unsafe_code)]

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;

use harness::{Build, Matrix};
use strategy::Role;
use strategy_system::{System, SystemAgain};
use workloads::{Case, Contender, Pair, Tally, Workload};

fn main() -> ExitCode {
    let cells = |matrix: &mut Matrix| {
        matrix.add::<Pair<64>, System>("Shouting", Pair);
        matrix.add::<Pair<64>, SystemAgain>("Shouting", Pair);
        matrix.add_case("Shouting", shouting());
    };
    harness::main(Build { features: &[], tree: "" }, cells, |_| {})
}

fn shouting() -> Case {
    let pair = Pair::<64>;
    let contender =
        Contender { name: "shouting", about: "Panics.", role: Role::Contender, truth: None };
    let answer = Tally { ops: 1000, checksum: 0 };
    Case::new(
        pair.description(),
        pair.parameter(),
        contender,
        move |_| answer,
        move |_, measure| {
            measure(&mut |count| {
                assert!(fs::exists("quiet").unwrap_or_default(), "\u{1b}[31mred\u{7}");
                // Some work, so that a pass takes time.
                (0..1000 * count).for_each(|number| {
                    black_box(number);
                });
                Ok(answer.times(count))
            })
        },
    )
}
