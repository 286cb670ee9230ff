//! The recipe for leaks in GUIDE.md prints what the guide says it prints.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use regex::Regex;

/// What the guide shows of a command: the lines after it, up to the next one.
fn shown(command: &str) -> Vec<String> {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("GUIDE.md")).unwrap();
    let (_, after) = guide.split_once(&format!("\n$ {command}\n")).expect("the guide has it");
    let lines =
        after.lines().take_while(|line| !line.starts_with("$ ") && !line.starts_with("```"));
    lines.map(comparable).collect()
}

/// A line without what differs from run to run and from machine to machine.
fn comparable(line: &str) -> String {
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    let line = line.replace(&root, "");
    let number = Regex::new(r"==\d+==|0x[0-9A-Fa-f]+|::h[0-9a-f]{16}").unwrap();
    number.replace_all(&line, "#").trim_end().to_owned()
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
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    text.lines().map(comparable).collect()
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline"]);
    cargo
}

#[test]
fn a_leak_is_reported_by_the_program_itself() {
    let found = output(cargo().args(["--example", "leaking-tracked"]));
    assert!(!shown("cargo run --example leaking-tracked").is_empty());
    prints("cargo run --example leaking-tracked", &found);
}

#[test]
fn a_leak_is_found_by_valgrind() {
    if !has("valgrind") {
        return;
    }
    let found = output(cargo().args(run_by("'valgrind','--leak-check=full'")));
    prints("valgrind --leak-check=full target/debug/examples/leaking", &found);
}

#[test]
fn a_leak_is_found_by_heaptrack() {
    if !has("heaptrack") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("leaking");
    let recorded =
        output(cargo().args(run_by(&format!("'heaptrack','--output','{}'", data.display()))));
    assert!(recorded.iter().any(|line| line.contains("leaked allocations:")), "{recorded:#?}");
    let command = "heaptrack_print --file leaking.zst --print-leaks 1 --print-peaks 0 \
                   --print-allocators 0 --print-temporary 0 --filter-bt-function words";
    let mut print = Command::new("heaptrack_print");
    let arguments = command.split(' ').skip(1).map(|word| match word {
        "leaking.zst" => format!("{}.zst", data.display()),
        _ => word.to_owned(),
    });
    prints(command, &output(print.args(arguments)));
}

/// Whether there is such a tool. One that is missing is said to be, or required.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("HEAPMARK_REQUIRE_TOOLS").is_none(), "{tool} is not installed");
        // Past the harness, which shows what a test prints only if it fails.
        let mut terminal = io::stderr();
        writeln!(terminal, "not run: {tool} is not installed").unwrap();
    }
    found
}

/// Has the example that leaks run by a tool.
fn run_by(runner: &str) -> [String; 4] {
    let runner = format!("target.'cfg(all())'.runner=[{runner}]");
    ["--config", &runner, "--example", "leaking"].map(str::to_owned)
}

#[test]
#[should_panic(expected = "does not print")]
fn what_is_not_printed_is_found() {
    let almost = ["16 letters", "tracking: leak of 225 bytes in 4 blocks"].map(str::to_owned);
    prints("cargo run --example leaking-tracked", &almost);
}
