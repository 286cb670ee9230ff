//! What tests start on the machine: cargo, its compiler, and tools of others. Each is started without what the user
//! has set for their own work, so that a test says the same on every machine.

#![allow(dead_code, reason = "each test starts some of them")]

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

/// Settings of cargo that change what is built, where its programs lie, or what it prints.
const SETTINGS: [&str; 9] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TERM_QUIET",
    "CARGO_TERM_VERBOSE",
    "RUSTC_BOOTSTRAP",
    "RUSTFLAGS",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
];

/// Settings of tools and of the C library that change what a program does, or what is said about it. With the last one
/// valgrind asks a server on the internet for each library.
const BEHAVIOUR: [&str; 8] = [
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "GLIBC_TUNABLES",
    "MALLOC_CHECK_",
    "MALLOC_PERTURB_",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "DEBUGINFOD_URLS",
];

/// Where what tests build is kept from one run to the next. It lies in the build folder, from which programs can be run
/// everywhere; a folder for temporary files may forbid it.
pub fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The cargo that built the test.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    let profile = |(name, _): (OsString, OsString)| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_PROFILE_")).then_some(name)
    };
    for name in env::vars_os().filter_map(profile) {
        cargo.env_remove(name);
    }
    for name in SETTINGS {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_TERM_COLOR", "never");
    cargo
}

/// The compiler that belongs to [`cargo`]: the one in `PATH` may be of another toolchain, or none.
pub fn rustc() -> Command {
    let beside = Path::new(env!("CARGO")).with_file_name("rustc");
    match env::var_os("RUSTC") {
        Some(named) => Command::new(named),
        None if beside.exists() => Command::new(beside),
        None => Command::new("rustc"),
    }
}

/// The triple that programs are built for.
pub fn host() -> &'static str {
    static HOST: LazyLock<String> = LazyLock::new(|| {
        let version = succeeds(rustc().arg("-vV"));
        let version = String::from_utf8(version.stdout).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        host.expect("rustc knows its host").to_owned()
    });
    &HOST
}

/// Has cargo build a program: where it is.
pub fn built(cargo: &mut Command) -> PathBuf {
    let output = succeeds(cargo.args(["--message-format", "json"]));
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let built =
        messages.filter_map(|message| Some(message.unwrap()["executable"].as_str()?.into()));
    built.last().expect("it is a program")
}

/// A tool, or a program, whose words are read.
pub fn tool(name: impl AsRef<OsStr>) -> Command {
    let mut tool = Command::new(&name);
    for variable in BEHAVIOUR {
        tool.env_remove(variable);
    }
    tool.env("LC_ALL", "C");
    if name.as_ref() == "valgrind" {
        tool.arg("--command-line-only=yes");
    }
    tool
}

/// Whether there is such a tool. A missing one is said to be missing, or required.
pub fn has(name: &str) -> bool {
    let found = tool(name).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        left_out(&format!("{name} is not installed"));
    }
    found
}

/// Says that something was not tested for this reason, which `HEAPMARK_REQUIRE_TOOLS=1` makes a failure.
#[track_caller]
pub fn left_out(reason: &str) {
    let required = env::var_os("HEAPMARK_REQUIRE_TOOLS").is_some_and(|required| required == "1");
    assert!(!required, "{reason}");
    // Past the test harness, which shows what a test prints only if it fails.
    let mut terminal = io::stderr();
    writeln!(terminal, "not run: {reason}").unwrap();
}

/// The output of a command that succeeds.
#[track_caller]
pub fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [printed, said] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{command:?}: {}\n{printed}\n{said}", output.status);
    output
}
