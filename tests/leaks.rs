//! The recipe for leaks in GUIDE.md prints what the guide says it prints.

mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

/// What the guide shows of a command: the lines after it, up to the next one.
fn shown(command: &str) -> Vec<String> {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("GUIDE.md")).unwrap();
    let (_, after) = guide.split_once(&format!("\n$ {command}\n")).expect("the guide has it");
    let lines =
        after.lines().take_while(|line| !line.starts_with("$ ") && !line.starts_with("```"));
    lines.map(comparable).collect()
}

/// A line without what differs from run to run and from machine to machine. That includes the blocks that Rust's
/// runtime keeps, whose number is that of its version.
fn comparable(line: &str) -> String {
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    let line = line.replace(&root, "");
    let differs = Regex::new(
        r"(?x) ==\d+== | 0x[0-9A-Fa-f]+ | ::h[0-9a-f]{16} | \(in\ /.*\) | loss\ record\ .*
        | still\ reachable:.* | total\ memory\ leaked:.*",
    );
    differs.unwrap().replace_all(&line, "#").trim_end().to_owned()
}

/// Demands that the output has all lines that are shown, in their order, and between two of them others only
/// where there are three dots.
fn prints(command: &str, output: &[String]) {
    let mut rest = output.iter();
    let mut left_out = false;
    for line in shown(command) {
        if line == "..." {
            left_out = true;
            continue;
        }
        let found = if left_out { rest.any(|it| *it == line) } else { rest.next() == Some(&line) };
        assert!(found, "{command} does not print {line:?} there:\n{}", output.join("\n"));
        left_out = false;
    }
}

/// Runs a program: what it prints, and then what it says on standard error.
fn output(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    text.lines().map(comparable).collect()
}

/// A package of the example's two programs, below the build folder. As examples of the root package they would wait until
/// every dependency of the benches is built once more, where the user has flags for their own builds.
static PACKAGE: LazyLock<PathBuf> = LazyLock::new(|| {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = workspace.join("examples/leaking");
    let folder = machine::kept("leaking");
    fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        "[package]\nname = \"leaking\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\ntracking = {{ path = {:?} }}\n\n\
         [[bin]]\nname = \"leaking\"\npath = {:?}\n\n\
         [[bin]]\nname = \"leaking-tracked\"\npath = {:?}\n",
        workspace.join("crates/tracking"),
        sources.join("main.rs"),
        sources.join("tracked.rs"),
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
});

/// Builds a program of the example: where it is.
fn example(name: &str) -> PathBuf {
    let mut cargo = machine::cargo();
    cargo.args(["build", "--quiet", "--offline", "--bin", name]);
    // The lines of the sources are in debug information, which the user may have turned off.
    cargo.args(["--config", "profile.dev.debug=2", "--config", "profile.dev.opt-level=0"]);
    machine::built(cargo.env("CARGO_TARGET_DIR", "target").current_dir(&*PACKAGE))
}

#[test]
fn a_leak_is_reported_by_the_program_itself() {
    let found = output(&mut Command::new(example("leaking-tracked")));
    assert!(!shown("cargo run --example leaking-tracked").is_empty());
    prints("cargo run --example leaking-tracked", &found);
}

#[test]
fn a_leak_is_found_by_valgrind() {
    if !machine::has("valgrind") {
        return;
    }
    let mut valgrind = machine::tool("valgrind");
    let found = output(valgrind.arg("--leak-check=full").arg(example("leaking")));
    prints("valgrind --leak-check=full target/debug/examples/leaking", &found);
}

#[test]
fn a_leak_is_found_by_heaptrack() {
    if !machine::has("heaptrack") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut heaptrack = machine::tool("heaptrack");
    // It is a script that does not quote the folder it writes to.
    heaptrack.current_dir(folder.path()).args(["--output", "leaking"]).arg(example("leaking"));
    let recorded = output(&mut heaptrack);
    assert!(recorded.iter().any(|line| line.contains("leaked allocations:")), "{recorded:#?}");
    // Compressed by zstd where that is installed, and by gzip elsewhere.
    let data = fs::read_dir(folder.path()).unwrap().next().expect("there is a record").unwrap();
    let command = "heaptrack_print --file leaking.zst --print-leaks 1 --print-peaks 0 \
                   --print-allocators 0 --print-temporary 0 --filter-bt-function words";
    let mut print = machine::tool("heaptrack_print");
    for word in command.split(' ').skip(1) {
        match word {
            "leaking.zst" => print.arg(data.path()),
            _ => print.arg(word),
        };
    }
    prints(command, &output(&mut print));
}

#[test]
#[should_panic(expected = "does not print")]
fn what_is_not_printed_is_found() {
    let almost = ["16 letters", "tracking: leak of 225 bytes in 4 blocks"].map(str::to_owned);
    prints("cargo run --example leaking-tracked", &almost);
}
