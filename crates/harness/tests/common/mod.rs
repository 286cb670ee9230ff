//! What the tests of the command line share: a folder to run in, and the example `misbehaving`, which Cargo builds
//! beside the tests.

#![allow(dead_code, reason = "each test program uses a part")]

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use report::record::{Cell, State};
use tempfile::TempDir;

/// Flags that make a cell as short as criterion allows.
pub const SHORT: [&str; 8] = [
    "--rounds",
    "3",
    "--sample-size",
    "10",
    "--measurement-time",
    "0.01",
    "--warm-up-time",
    "0.001",
];

/// A folder to run in, and the program.
pub struct Bench {
    pub folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(program("misbehaving"));
        command.arg("--bench").args(arguments);
        command
    }

    /// `program` with the surroundings of a run, and without arguments.
    pub fn bare(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("CRITERION_HOME", self.path("criterion"))
            // Tests run side by side, and none waits for another.
            .env("HEAPMARK_LOCK", self.path(".machine"))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the cells that `filter` names, with short samples, into `run`.
    pub fn measure(&self, filter: &str) -> Output {
        self.run(&[&[filter, "--out", "run"], &SHORT[..]].concat())
    }

    /// The cells of `run`.
    pub fn cells(&self) -> Vec<Cell> {
        report::read(&self.path("run")).unwrap().cells
    }

    pub fn state(&self) -> State {
        report::read(&self.path("run")).unwrap().run.state
    }
}

/// An example that Cargo builds beside the tests.
pub fn program(name: &str) -> PathBuf {
    let program = env::current_exe().unwrap();
    let program = program.ancestors().nth(2).unwrap().join("examples").join(name);
    // `cargo test --test cli` does not build it, and `cargo test -p harness` does.
    let there = program.exists();
    assert!(there, "`cargo build -p harness --examples` makes {}", program.display());
    program
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The one line that a failed command says, which has to name each of `names`.
#[track_caller]
pub fn one_line_error(output: &Output, names: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let line = text(&output.stderr);
    assert_eq!(line.trim_end().lines().count(), 1, "more than a line: {line}");
    for name in names {
        assert!(line.contains(name), "`{name}` is not in: {line}");
    }
}

pub fn cell<'c>(cells: &'c [Cell], id: &str) -> &'c Cell {
    cells.iter().find(|cell| cell.id == id).unwrap_or_else(|| panic!("no cell {id}"))
}
