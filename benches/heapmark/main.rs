//! Every strategy of the registry on every workload. `cargo bench -- --help` explains the flags.
//!
//! Wiring only: a family of workloads is a module, and the work, the answers and the measuring
//! live in the crates.

#![forbid(unsafe_code)]

mod hot;
#[cfg(feature = "peers")]
mod peers;
mod self_check;

use std::process::ExitCode;

use harness::{Build, Matrix};

fn main() -> ExitCode {
    let features: &[&str] = &[
        #[cfg(feature = "jemalloc")]
        "jemalloc",
        #[cfg(feature = "mimalloc")]
        "mimalloc",
        #[cfg(feature = "peers")]
        "peers",
    ];
    let build = Build { features, tree: include_str!(concat!(env!("OUT_DIR"), "/tree.txt")) };
    harness::main(build, cells, self_check::add)
}

/// The cells of a run.
fn cells(matrix: &mut Matrix) {
    hot::add(matrix);
    #[cfg(feature = "peers")]
    peers::add(matrix);
}
