//! A small matrix in which most strategies break the contract: what a user of the harness sees
//! then. The tests of the command line run it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use harness::{Build, Matrix};
use strategy_broken::{
    Aborting, Exhausted, Hanging, Misaligned, Overlapping, Panicking, Repeating,
};
use strategy_system::{System, SystemAgain};
use workloads::{Aligned, Batch, Order, Pair, Workload};

fn main() -> ExitCode {
    let cells = |matrix: &mut Matrix| {
        add(matrix, Pair::<64>);
        add(matrix, Batch { order: Order::Random });
        add(matrix, Aligned::<4096, 64>);
    };
    let build = Build { features: &[], tree: "" };
    harness::main(build, cells, |_| {})
}

fn add<W: Workload + Copy + 'static>(matrix: &mut Matrix, workload: W) {
    let family = "Misbehaviour";
    matrix.add::<W, System>(family, workload);
    matrix.add::<W, SystemAgain>(family, workload);
    matrix.add::<W, Overlapping>(family, workload);
    matrix.add::<W, Misaligned>(family, workload);
    matrix.add::<W, Hanging>(family, workload);
    matrix.add::<W, Aborting>(family, workload);
    matrix.add::<W, Panicking>(family, workload);
    matrix.add::<W, Exhausted>(family, workload);
    matrix.add::<W, Repeating>(family, workload);
}
