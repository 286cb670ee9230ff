//! A matrix that is none: two contenders have one name. The tests of the command line run it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use harness::{Build, Matrix};
use strategy::Role;
use strategy_system::{System, SystemAgain};
use workloads::{Case, Contender, Pair, Tally, Workload};

fn main() -> ExitCode {
    let cells = |matrix: &mut Matrix| {
        matrix.add::<Pair<64>, System>("Twins", Pair);
        matrix.add::<Pair<64>, SystemAgain>("Twins", Pair);
        for about in ["the first", "the second"] {
            let contender = Contender { name: "twin", about, role: Role::Contender, truth: None };
            let pair = Pair::<64>;
            matrix.add_case(
                "Twins",
                Case::new(
                    pair.description(),
                    pair.parameter(),
                    contender,
                    |_| Tally { ops: 1, checksum: 0 },
                    |_, measure| {
                        measure(&mut |count| Ok(Tally { ops: 1, checksum: 0 }.times(count)))
                    },
                ),
            );
        }
    };
    harness::main(Build { features: &[], tree: "" }, cells, |_| {})
}
