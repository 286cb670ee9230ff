//! The recipe for leaks in GUIDE.md prints what the guide says it prints.

use std::fs;
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
    let number = Regex::new(r"==\d+==|0x[0-9A-Fa-f]+").unwrap();
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
    if Command::new("valgrind").arg("--version").output().is_err() {
        assert!(std::env::var_os("HEAPMARK_REQUIRE_TOOLS").is_none(), "valgrind is not installed");
        eprintln!("not run: valgrind is not installed");
        return;
    }
    let runner = ["--config", "target.'cfg(all())'.runner=['valgrind','--leak-check=full']"];
    let found = output(cargo().args(runner).args(["--example", "leaking"]));
    prints("valgrind --leak-check=full target/debug/examples/leaking", &found);
}

#[test]
#[should_panic(expected = "does not print")]
fn what_is_not_printed_is_found() {
    let almost = ["16 letters", "tracking: leak of 225 bytes in 4 blocks"].map(str::to_owned);
    prints("cargo run --example leaking-tracked", &almost);
}
