//! Every strategy of the registry on every workload. `cargo bench -- --help` explains the flags.
//!
//! Wiring only: a family of workloads is a module, and the work, the answers and the measuring
//! live in the crates.

#![forbid(unsafe_code)]

mod hot;
#[cfg(feature = "peers")]
mod peers;
#[expect(dead_code, reason = "the harness has no self-check that asks for it yet")]
mod self_check;

use std::path::Path;
use std::process::ExitCode;

use harness::{Build, Matrix};

fn main() -> ExitCode {
    let mut matrix = Matrix::default();
    hot::add(&mut matrix);
    #[cfg(feature = "peers")]
    peers::add(&mut matrix);

    let features: &[&str] = &[
        #[cfg(feature = "jemalloc")]
        "jemalloc",
        #[cfg(feature = "mimalloc")]
        "mimalloc",
        #[cfg(feature = "peers")]
        "peers",
    ];
    let build = Build { features, lock: include_str!("../../Cargo.lock") };
    harness::main(Path::new(env!("CARGO_MANIFEST_DIR")), build, matrix)
}
