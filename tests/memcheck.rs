//! Each mistake of the examples `misuse-*` is found, with its site, where the pool or arena tells the tool
//! what is allocated, and is not where it does not.
//!
//! `scripts/memcheck` runs these; they need the tools, and build the examples anew.

mod machine;

use std::path::{Path, PathBuf};
use std::process::Command;

/// How a program is built and run so that a tool sees what it does.
struct Tool {
    /// The feature that has the strategies tell it.
    feature: &'static str,
    /// What builds a program for it.
    cargo: fn(&mut Command) -> &mut Command,
    /// What runs a program in it.
    runs: &'static [&'static str],
}

const VALGRIND: Tool = Tool {
    feature: "valgrind",
    cargo: |cargo| cargo,
    runs: &["valgrind", "-q", "--error-exitcode=9", "--leak-check=full"],
};

const ASAN: Tool = Tool {
    feature: "asan",
    cargo: |cargo| {
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
        cargo.args(["--target", machine::host()])
    },
    runs: &["env"],
};

/// What memcheck says when a byte is touched that may not be, with what it knows of the block.
const READ: &[&str] = &["Invalid read of size", "free'd", "Block was alloc'd at"];
const WRITE: &[&str] = &["Invalid write of size"];
const WRITE_INTO_FREED: &[&str] = &["Invalid write of size", "free'd", "Block was alloc'd at"];
const FREE: &[&str] = &["Invalid free()"];
const UNWRITTEN: &[&str] = &["depends on uninitialised value"];
const LEAK: &[&str] = &["A block was never freed", "free'd", "Block was alloc'd at"];

/// What AddressSanitizer says of any of them. It does not see the last two.
const POISON: &[&str] = &["AddressSanitizer: use-after-poison"];
const UNSEEN: &[&str] = &[];

/// The crate, the mistake, and what each tool says.
const MISTAKES: [(&str, &str, &[&str], &[&str]); 25] = [
    ("pool", "use-after-free", READ, POISON),
    ("pool", "use-after-reset", READ, POISON),
    ("pool", "overrun", WRITE, POISON),
    ("pool", "overrun-shared", WRITE, POISON),
    ("pool", "double-free", FREE, POISON),
    ("pool", "never-written", UNWRITTEN, UNSEEN),
    ("pool", "leak", LEAK, UNSEEN),
    ("bump", "use-after-free", READ, POISON),
    ("bump", "use-after-reset", READ, POISON),
    ("bump", "use-after-scope", READ, POISON),
    ("bump", "overrun", WRITE_INTO_FREED, POISON),
    ("bump", "underrun", WRITE, POISON),
    ("bump", "double-free", FREE, POISON),
    ("bump", "never-written", UNWRITTEN, UNSEEN),
    ("simd", "use-after-free", READ, POISON),
    ("simd", "overrun", WRITE, POISON),
    ("simd", "double-free", FREE, POISON),
    ("simd", "never-written", UNWRITTEN, UNSEEN),
    ("simd", "leak", LEAK, UNSEEN),
    ("raii", "use-after-free", READ, POISON),
    ("raii", "use-after-free-shared", READ, POISON),
    ("raii", "overrun", WRITE, POISON),
    ("raii", "double-free", FREE, POISON),
    ("raii", "never-written", UNWRITTEN, UNSEEN),
    ("raii", "leak", LEAK, UNSEEN),
];

#[test]
#[ignore = "needs valgrind and libclang: scripts/memcheck runs it"]
fn valgrind_finds_each_mistake_inside_of_a_pool_or_an_arena_if_it_is_told() {
    find_all(&VALGRIND, |&(name, mistake, said, _)| (name, mistake, said));
}

#[test]
#[ignore = "needs a compiler with AddressSanitizer: scripts/memcheck runs it"]
fn asan_finds_each_mistake_inside_of_a_pool_or_an_arena_if_it_is_told() {
    find_all(&ASAN, |&(name, mistake, _, said)| (name, mistake, said));
}

type Mistake = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

fn find_all(
    tool: &Tool,
    expected: impl Fn(&Mistake) -> (&'static str, &'static str, &'static [&'static str]),
) {
    // Programs run from the build folder, and may not from a folder for temporary files.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let told = |name| build(tool, name, &[tool.feature], folder.path());
    let untold = |name| build(tool, name, &[], folder.path());
    let mut wrong = Vec::new();
    for name in ["pool", "bump", "simd", "raii"] {
        let programs = [told(name), untold(name)];
        for (_, mistake, said) in MISTAKES.iter().map(&expected).filter(|it| it.0 == name) {
            let [told, untold] = programs.each_ref().map(|program| run(tool, program, mistake));
            // The function that makes the mistake.
            let site = format!("misuse_{name}::{}", mistake.replace('-', "_"));
            let missing = |what: &&str| !told.contains(*what);
            let missing: Vec<_> = said.iter().copied().filter(missing).collect();
            // Of a leak the block is what there is to say; of all others, where the mistake was made.
            let finding = match mistake {
                "leak" => &told[..],
                _ => told.split(" Address 0x").next().unwrap_or_default(),
            };
            if !missing.is_empty() || (!said.is_empty() && !finding.contains(&site)) {
                wrong.push(format!("{name} {mistake}: {missing:?} or {site} is not in\n{told}"));
            }
            if said.is_empty() && is_report(&told) {
                wrong.push(format!("{name} {mistake}: it is not to be seen, but\n{told}"));
            }
            if is_report(&untold) {
                wrong.push(format!("{name} {mistake}: found without the feature\n{untold}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Builds the example of a crate and returns a copy of it, since the next build replaces it.
fn build(tool: &Tool, name: &str, features: &[&str], folder: &Path) -> PathBuf {
    let example = format!("misuse-{name}");
    let mut cargo = machine::cargo();
    cargo.args(["build", "--quiet", "--package", &format!("strategy-{name}")]);
    cargo.args(["--example", &example, "--features", &features.join(",")]);
    let built = machine::built((tool.cargo)(&mut cargo).current_dir(env!("CARGO_MANIFEST_DIR")));
    let copy = folder.join(format!("{example}-{}", features.join("-")));
    std::fs::copy(built, &copy).unwrap();
    copy
}

/// What a program and the tool say when it makes a mistake.
fn run(tool: &Tool, program: &Path, mistake: &str) -> String {
    let [runner, arguments @ ..] = tool.runs else { unreachable!("a tool is run by a program") };
    let mut command = machine::tool(runner);
    let output = command.args(arguments).arg(program).arg(mistake).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a tool has found anything.
fn is_report(said: &str) -> bool {
    let reports = ["Invalid", "uninitialised", "Unaddressable", "definitely lost", "ERROR: "];
    reports.iter().any(|report| said.contains(report))
}
