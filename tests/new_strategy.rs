//! A new strategy, from its script to its row in the table, in a copy of the workspace.

mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use report::record::Status;

/// What a copy needs: all that is committed but the results.
const PARTS: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "build.rs", "benches", "crates", "examples", "scripts", "tests"];

/// A copy of the workspace, below the build folder: in the same place each time, so that what was
/// built for it once is not built again.
struct Copy {
    folder: PathBuf,
}

impl Copy {
    fn new(name: &str) -> Self {
        let folder = machine::kept("new-strategy").join(name);
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("target") => {}
                _ if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                _ => fs::remove_file(path).unwrap(),
            }
        }
        for part in PARTS {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &folder.join(part));
        }
        Self { folder }
    }

    fn new_strategy(&self, arguments: &[&str]) -> Output {
        let script = self.folder.join("scripts/new-strategy");
        Command::new(script).args(arguments).current_dir("/").output().unwrap()
    }

    /// Runs cargo in the copy. The features with C in them are left out.
    fn cargo(&self, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().unwrap();
        machine::cargo()
            .args([command, "--no-default-features"])
            .args(rest)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("CRITERION_HOME", self.folder.join("criterion"))
            // It waits for no other run on this machine.
            .env("HEAPMARK_LOCK", self.folder.join("lock"))
            .output()
            .unwrap()
    }

    /// Every file with its text.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let parts = PARTS.iter().flat_map(|part| files(&self.folder.join(part)));
        let mut files: Vec<_> = parts
            .map(|path| {
                let text = fs::read(&path).unwrap();
                (path, text)
            })
            .collect();
        files.sort();
        files
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|entry| files(&entry)).collect()
    } else {
        vec![path.to_owned()]
    }
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_new_strategy_is_registered_tested_and_measured_in_three_steps() {
    let copy = Copy::new("made");
    let before = copy.files();
    succeeded(&copy.new_strategy(&["free-lunch"]));

    let after = copy.files();
    let changed: Vec<_> = before.iter().filter(|file| !after.contains(file)).collect();
    assert_eq!(changed.len(), 2, "more than the registry was changed");
    for (path, text) in changed {
        let lines = |text: &[u8]| text.iter().filter(|&&byte| byte == b'\n').count();
        let new = fs::read(path).unwrap();
        assert_eq!(lines(&new), lines(text) + 1, "{} has more than a new line", path.display());
        assert!(path.starts_with(copy.folder.join("crates/registry")), "{}", path.display());
    }

    let tested = succeeded(&copy.cargo(&["test", "-p", "strategy-free-lunch"]));
    assert!(tested.contains("aligned"), "the contract was not run:\n{tested}");
    succeeded(&copy.cargo(&["test", "--test", "contract"]));

    let run = copy.folder.join("run");
    let run_text = run.to_str().unwrap();
    let flags = ["bench", "--profile", "dev", "--", "free-lunch/64$", "--quick", "--out", run_text];
    let table = succeeded(&copy.cargo(&flags));
    assert!(table.contains("free-lunch"), "{table}");
    let cells = report::read(&run).unwrap().cells;
    let ours = cells.iter().filter(|cell| cell.strategy == "free-lunch");
    assert!(ours.clone().count() > 3, "{}", ours.count());
    assert!(ours.clone().all(|cell| cell.status == Status::Measured && cell.verdict.is_some()));
}

#[test]
fn a_bad_or_taken_name_is_one_line_and_the_tree_stays_as_it_was() {
    let copy = Copy::new("refused");
    let before = copy.files();
    for name in [
        "pool",
        "system-again",
        "noop",
        "Pool",
        "9lives",
        "a_b",
        "a--b",
        "-a",
        "a-",
        "",
        "../x",
        "strategy-x",
        "self",
        "core",
        "a b",
    ] {
        let output = copy.new_strategy(&[name]);
        assert_eq!(output.status.code(), Some(2), "`{name}`: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "`{name}`: {said}");
        assert!(said.contains(name), "`{name}`: {said}");
    }
    assert_eq!(copy.new_strategy(&[]).status.code(), Some(2));
    assert_eq!(copy.new_strategy(&["one", "two"]).status.code(), Some(2));
    assert!(copy.files() == before, "the tree was changed");
}

#[test]
fn a_name_is_taken_once_it_is_used() {
    let copy = Copy::new("taken");
    succeeded(&copy.new_strategy(&["mine"]));
    let before = copy.files();
    assert_eq!(copy.new_strategy(&["mine"]).status.code(), Some(2));
    assert!(copy.files() == before, "the tree was changed");
    assert!(succeeded(&copy.new_strategy(&["--help"])).contains("NAME"));
}
