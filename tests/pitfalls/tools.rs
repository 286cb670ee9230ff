//! The tools, how each is run, and the words in which it says what it found.

use std::path::Path;

use regex::Regex;

use crate::machine;
use crate::programs::{Build, Programs, Way};

/// Something that may find a mistake while the program runs.
pub struct Tool {
    /// The heading of its column.
    pub name: &'static str,
    /// The program that it looks at.
    program: &'static str,
    build: Build,
    /// What the program is run by, and with.
    runner: &'static [&'static str],
    /// What it says, as a pattern, and the kind of error that this is. `{}` in the kind is the first
    /// group of the pattern.
    kinds: &'static [(&'static str, &'static str)],
    /// Whether it names the line of the mistake, or that of the allocation.
    names_the_place: bool,
    /// Why it cannot be run.
    why_missing: fn() -> Option<String>,
}

/// What a tool says of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is an error of this kind.
    Kind(String),
    /// There is none.
    Nothing,
    /// It was not asked.
    NotRun,
}

/// In the order of their columns.
pub const TOOLS: [Tool; 4] = [
    Tool {
        name: "debug build",
        program: "pitfalls",
        build: Build::Debug,
        runner: &[],
        kinds: &[
            (r"misaligned pointer dereference", "panics: misaligned pointer dereference"),
            (r"free\(\): double free detected", "glibc aborts: double free detected"),
        ],
        names_the_place: false,
        why_missing: || None,
    },
    Tool {
        name: "valgrind",
        program: "pitfalls",
        build: Build::Release,
        // What is `possibly lost` is what the standard library keeps for its threads.
        runner: &[
            "valgrind",
            "--quiet",
            "--error-exitcode=99",
            "--leak-check=full",
            "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite",
        ],
        kinds: &[
            (r"(Invalid (?:read|write)) of size", "{}"),
            (r"(Invalid free\(\))", "{}"),
            (r"are (definitely lost)", "{}"),
            (r"depends on uninitialised value", "uninitialised value"),
        ],
        names_the_place: true,
        why_missing: || match machine::tool("valgrind").arg("--version").output() {
            Ok(output) if output.status.success() => None,
            _ => Some("there is no valgrind".to_owned()),
        },
    },
    Tool {
        name: "AddressSanitizer",
        program: "pitfalls",
        build: Build::Sanitized,
        runner: &[],
        kinds: &[
            (r"ERROR: AddressSanitizer: (?:attempting )?([a-z-]+)", "{}"),
            (r"ERROR: LeakSanitizer: (detected memory leaks)", "{}"),
        ],
        names_the_place: false,
        why_missing: || {
            let sysroot = machine::succeeds(machine::rustc().args(["--print", "sysroot"]));
            let sysroot = String::from_utf8(sysroot.stdout).unwrap();
            let host = machine::host();
            let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("lib");
            let names = std::fs::read_dir(libraries).unwrap().map(|it| it.unwrap().file_name());
            let mut names = names.map(|name| name.to_string_lossy().into_owned());
            let found = names.any(|name| name.ends_with("_rt.asan.a"));
            (!found).then(|| format!("there is no AddressSanitizer for {host}"))
        },
    },
    Tool {
        name: "`Checking`",
        program: "pitfalls-checked",
        build: Build::Release,
        runner: &[],
        kinds: &[(r"tracking: (leak|[a-z ]+) of ", "{}")],
        names_the_place: true,
        why_missing: || None,
    },
];

impl Tool {
    /// Why it cannot be run, if so.
    pub fn missing(&self) -> Option<String> {
        (self.why_missing)()
    }

    /// Runs a program under it. A program that fails with none of the `kinds` is a panic.
    pub fn run(&self, programs: &Programs, mistake: &str, way: Way) -> Seen {
        let path = programs.path(self.build, self.program);
        let mut command = match self.runner {
            [] => machine::tool(path),
            [runner, arguments @ ..] => {
                let mut command = machine::tool(runner);
                command.args(arguments).arg(path);
                command
            }
        };
        // Names of functions take it a second.
        command.env("ASAN_OPTIONS", "detect_leaks=1:symbolize=0");
        let output = command.args([mistake, way.argument()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let found = self.kind(&said);
        let status = output.status;
        // A leak is reported by a program that ends well.
        assert!(found.is_some() || status.success(), "{command:?}: {status}\n{said}");
        let place = format!("{}.rs:", mistake.replace('-', "_"));
        let named = found.is_none() || !self.names_the_place || said.contains(&place);
        assert!(named, "{command:?} does not name {place}\n{said}");
        found.map_or(Seen::Nothing, Seen::Kind)
    }

    /// The kind of the first error in a report.
    fn kind(&self, report: &str) -> Option<String> {
        let found = self.kinds.iter().filter_map(|(pattern, kind)| {
            let captures = Regex::new(pattern).unwrap().captures(report)?;
            let word = captures.get(1).map_or("", |group| group.as_str());
            Some((captures.get(0).unwrap().start(), kind.replace("{}", word)))
        });
        found.min().map(|(_, kind)| kind)
    }
}

#[test]
fn the_first_error_of_a_report_counts() {
    let valgrind = &TOOLS[1];
    let report = "==1== Invalid write of size 8\n==1==    at 0x1\n==1== Invalid free() / delete\n";
    assert_eq!(valgrind.kind(report).unwrap(), "Invalid write");
    assert_eq!(valgrind.kind("==1== HEAP SUMMARY"), None);
    let sanitizer = &TOOLS[2];
    let report = "==7==ERROR: AddressSanitizer: attempting double-free on 0x7b in thread T0:\n\
                  SUMMARY: AddressSanitizer: double-free";
    assert_eq!(sanitizer.kind(report).unwrap(), "double-free");
}
