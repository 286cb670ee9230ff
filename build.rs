//! Writes down what the benches are built from, for the record of a run. `Cargo.lock` would not do: it
//! does not tell a dependency from one of the tests, nor whether an optional one is built in.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    for file in ["build.rs", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={file}");
    }
    for member in fs::read_dir("crates").expect("the members of the workspace are in `crates`") {
        let manifest = member.expect("it can be read").path().join("Cargo.toml");
        println!("cargo::rerun-if-changed={}", manifest.display());
    }
    let tree = tree().unwrap_or_else(|why| {
        println!("cargo::warning=a run will not record what strategies are built on: {why}");
        String::new()
    });
    let file = Path::new(&variable("OUT_DIR")).join("tree.txt");
    fs::write(file, tree).expect("cargo has made a folder to write to");
}

/// What `cargo tree` prints: in each line a depth, and then a package. It needs no package that this build has not
/// fetched.
fn tree() -> Result<String, String> {
    let features = env::vars().filter_map(|(name, _)| {
        Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-"))
    });
    let features = features.collect::<Vec<_>>().join(",");
    let output = Command::new(variable("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "heapmark", "--no-default-features"])
        .args(["--features", &features, "--target", &variable("TARGET")])
        // The benches have the root package's dependencies for development. Of all others cargo lists normal ones alone.
        .args(["--edges", "normal,dev,no-proc-macro"])
        .args(["--no-dedupe", "--prefix", "depth", "--format", "{p}"])
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).replace('\n', " "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
