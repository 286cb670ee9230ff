//! What surrounds a run: other runs, signals, terminals, readers that go away, files in the way, tools that call it.

mod common;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Bench, SHORT, cell, one_line_error, program, text};
use nix::pty::openpty;
use report::record::{State, Status};

/// A run of two cells.
const PAIR: [&str; 3] = ["pair/system/", "--out", "run"];

impl Bench {
    /// The names of what lies in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Waits until the run has begun.
    fn await_run(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.path("run/run.json").exists() {
            assert!(Instant::now() < deadline, "the run did not begin");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs `command` with a terminal as its three streams. Returns what the terminal got.
    fn on_terminal(command: &mut Command) -> String {
        let pty = openpty(None, None).unwrap();
        let stream = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        drop(pty.slave);
        // The command holds ends of the terminal as well.
        *command = Command::new("true");
        let mut shown = Vec::new();
        // It ends with an error, once nobody has the other end any more.
        let _end = File::from(pty.master).read_to_end(&mut shown);
        assert!(child.wait().unwrap().success(), "{}", String::from_utf8_lossy(&shown));
        String::from_utf8_lossy(&shown).into_owned()
    }
}

/// As a shell runs a command line: `$0` is the program.
fn shell(script: &str, command: &Command) -> Output {
    let mut shell = Command::new("bash");
    shell.args(["-c", script]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.output().unwrap()
}

fn with<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [flags, &SHORT[..]].concat()
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let bench = Bench::new();
    let long = "x".repeat(201);
    for (flags, names) in [
        (&["--rounds", "1001"][..], &["--rounds", "1 to 1000"][..]),
        (&["--sample-size", "100001"], &["--sample-size", "100000"]),
        (&["--measurement-time", "1e9"], &["--measurement-time", "86400"]),
        (&["--warm-up-time", "0"], &["--warm-up-time", "0.001"]),
        (&["--measurement-time", "nan"], &["--measurement-time", "0.001"]),
        (&["--turn-ms", "0.1"], &["--turn-ms", "0.2 to 1000"]),
        (&["--settle-ms", "-1"], &["--settle-ms"]),
        (&["--settle-ms", "1001"], &["--settle-ms", "0 to 1000"]),
        (&["--state", "1000"], &["--state", "0..1000"]),
        (&["--memory", "0"], &["--memory"]),
        (&["--turn-ms", "2", "--one-after-the-other"], &["--turn-ms", "--one-after-the-other"]),
        (&["--retry-failed"], &["--resume"]),
        (&["--self-check", "--resume"], &["--self-check", "--resume"]),
        (&["--self-check", "--baseline", "x"], &["--self-check", "--baseline"]),
        (&["--save-baseline", ""], &["--save-baseline", "needs a name"]),
        (&["--save-baseline", "a/../b"], &["--save-baseline", "no `/`"]),
        (&["--save-baseline", ".."], &["--save-baseline", "folder"]),
        (&["--save-baseline", "new"], &["--save-baseline", "of its own"]),
        (&["--save-baseline", &long], &["--save-baseline", "200 bytes"]),
        (&["--baseline", "a/b"], &["--baseline", "no `/`"]),
        (&["--load-baseline", "x"], &["--load-baseline", "--baseline NAME"]),
        (&["--load-baseline", "x", "--baseline", "y"], &["`x`", "--save-baseline x"]),
        (&["--skip", "pair"], &["--skip", "FILTER"]),
        (&["--version"], &["run.json"]),
        (&["--output-format", "xml"], &["--output-format", "bencher"]),
        (&["--profile-time", "5"], &["FILTER"]),
        (&["--profile-time", "0.5", "pair/system/"], &["--profile-time", "1 to 86400"]),
        (&["--profile-time", "5", "pair"], &["9 match", "pair/system/64", "--exact ID"]),
        (&["--in-process", "--exact", "nonsense"], &["no cell", "--list"]),
        (&["--in-process", "pair/system/", "--resume"], &["--in-process", "--resume"]),
    ] {
        one_line_error(&bench.run(flags), names);
    }
    assert_eq!(bench.names(), [""; 0], "something was written");
}

#[test]
fn the_settings_of_turns_are_recorded_and_a_resumed_run_keeps_them() {
    let bench = Bench::new();
    let flags = ["--turn-ms", "1.5", "--settle-ms", "0.5", "--state", "3"];
    assert!(bench.run(&with(&[&PAIR[..], &flags].concat())).status.success());
    let settings = report::read(&bench.path("run")).unwrap().run.settings;
    assert!(settings.turns);
    assert_eq!((settings.turn_ms, settings.settle_ms), (Some(1.5), Some(0.5)));
    assert_eq!((settings.state, settings.states), (Some(3), 8));
    assert!((settings.least_difference - 0.03).abs() < 1e-9);
    for other in [&["--turn-ms", "3"][..], &["--state", "1"], &["--one-after-the-other"]] {
        let resumed = bench.run(&[&["--resume", "--out", "run"], other].concat());
        one_line_error(&resumed, &["other settings"]);
    }
}

#[test]
fn nextest_lists_and_runs_every_cell_alone() {
    let bench = Bench::new();
    let call = |flags: &[&str]| bench.bare(program("misbehaving")).args(flags).output().unwrap();
    let list = text(&call(&["--list", "--format", "terse"]).stdout);
    assert_eq!(list.lines().count(), 27);
    assert!(list.lines().all(|line| line.ends_with(": benchmark")), "{list}");
    let ignored = call(&["--list", "--format", "terse", "--ignored"]);
    assert!(ignored.status.success() && ignored.stdout.is_empty(), "{ignored:?}");
    for bench_flag in [&[][..], &["--bench", "--test"]] {
        let flags = [&["pair/misaligned/64", "--exact", "--nocapture"], bench_flag].concat();
        let run = call(&flags);
        assert!(run.status.success(), "{run:?}");
        assert_eq!(text(&run.stdout), "Testing pair/misaligned/64\nSuccess\n");
    }
    let failing = call(&["aligned/misaligned/4096@64", "--exact", "--nocapture"]);
    assert_eq!(failing.status.code(), Some(1), "{failing:?}");
    let nothing = call(&["pair/system/64", "--exact", "--ignored"]);
    assert!(nothing.status.success() && nothing.stdout.is_empty(), "{nothing:?}");
    let idle = call(&["--list", "--include-ignored", "--show-output", "--test-threads", "1"]);
    assert!(idle.status.success(), "{idle:?}");
    assert_eq!(bench.names(), [""; 0], "something was written");
}

#[test]
fn a_cell_is_measured_and_profiled_in_this_process() {
    let bench = Bench::new();
    let short = ["--sample-size", "10", "--measurement-time", "0.01", "--warm-up-time", "0.001"];
    let exact = ["--exact", "pair/system/64", "--in-process"];
    let measured = bench.run(&[&exact[..], &short].concat());
    assert!(measured.status.success(), "{measured:?}");
    let report = text(&measured.stdout);
    assert!(report.contains("pair/system/64") && report.contains("time:"), "{report}");
    // What a profiler sees: the process that it started does the work, and starts no other.
    let mut profiled = bench
        .bare(program("misbehaving"))
        .args(["pair/system/64", "--profile-time", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", profiled.id());
    thread::sleep(Duration::from_millis(500));
    let children = fs::read_to_string(children).unwrap();
    let mut report = String::new();
    profiled.stdout.take().unwrap().read_to_string(&mut report).unwrap();
    assert!(profiled.wait().unwrap().success());
    assert_eq!(children, "");
    assert!(report.contains("pair/system/64: Complete"), "{report}");
    for (id, reason) in [
        ("batch-random/repeating/64", "wrong answer"),
        ("pair/panicking/64", "panicked: free list corrupt"),
        ("pair/exhausted/64", "refused a block"),
    ] {
        let failed = bench.run(&[&["--exact", id, "--in-process"], &short[..]].concat());
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        let said = text(&failed.stderr);
        assert!(said.contains(&format!("{id} failed: {reason}")), "{said}");
    }
    assert_eq!(bench.names(), [""; 0], "something was written");
}

#[test]
fn two_baselines_are_compared_and_nothing_is_measured() {
    let bench = Bench::new();
    for name in ["old", "late"] {
        let save = ["pair/system/", "--out", name, "--save-baseline", name, "--noplot"];
        assert!(bench.run(&with(&save)).status.success());
    }
    let before = bench.names();
    let compared = bench.run(&["--load-baseline", "late", "--baseline", "old"]);
    assert!(compared.status.success(), "{compared:?}");
    let report = text(&compared.stdout);
    assert_eq!(report.matches("change:").count(), 2, "{report}");
    assert!(bench.path("criterion/pair/system/64/report/index.html").exists());
    let one =
        ["--load-baseline", "late", "--baseline-lenient", "lost", "--exact", "pair/system/64"];
    let report = text(&bench.run(&one).stdout);
    assert!(report.contains("time:") && !report.contains("change:"), "{report}");
    assert!(!report.contains("system-again"), "{report}");
    let lost = bench.run(&["--load-baseline", "late", "--baseline", "lost"]);
    one_line_error(&lost, &["`lost`", "pair/system", "--baseline-lenient"]);
    assert_eq!(bench.names(), before);
}

#[test]
fn the_bencher_format_is_alone_on_standard_output() {
    let bench = Bench::new();
    let output = bench.run(&with(&[&PAIR[..], &["--output-format", "bencher"]].concat()));
    assert!(output.status.success(), "{output:?}");
    let lines = text(&output.stdout);
    let lines: Vec<_> = lines.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("test pair/system/64 ... bench:"), "{lines:?}");
    assert!(lines[0].contains("ns/iter (+/- "), "{lines:?}");
    assert!(text(&output.stderr).contains("Page: "));
}

#[test]
fn a_baseline_that_cannot_be_saved_is_an_error_and_not_silence() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "").unwrap();
    let save = with(&[&PAIR[..], &["--save-baseline", "kept", "--noplot"]].concat());
    let run_at =
        |home: &str| bench.command(&save).env("CRITERION_HOME", bench.path(home)).output().unwrap();
    one_line_error(&run_at("file/home"), &["file/home", "CRITERION_HOME", "--discard-baseline"]);
    one_line_error(&run_at("file"), &["file", "CRITERION_HOME"]);
    let cells = bench.path("criterion/pair/system/64");
    fs::create_dir_all(&cells).unwrap();
    fs::write(cells.join("kept"), "").unwrap();
    one_line_error(&bench.run(&save), &["pair/system/64/kept", "is a file"]);
    fs::remove_file(cells.join("kept")).unwrap();
    assert!(!bench.path("run").exists(), "something was measured");

    // What is in the way here is seen by criterion only, which prints a line and goes on.
    fs::create_dir_all(cells.join("kept/sample.json")).unwrap();
    let unsaved = bench.run(&save);
    assert_eq!(unsaved.status.code(), Some(1), "{unsaved:?}");
    let said = text(&unsaved.stderr);
    assert!(said.contains("of 1 cell, pair/system/64") && said.contains("`kept`"), "{said}");
    assert!(said.contains("--resume --out run --save-baseline kept --noplot"), "{said}");
    assert_eq!(bench.state(), State::Complete);
    fs::remove_dir(cells.join("kept/sample.json")).unwrap();
    let again = ["--resume", "--out", "run", "--save-baseline", "kept", "--noplot"];
    assert!(bench.run(&again).status.success());
    assert!(cells.join("kept/sample.json").is_file());
}

#[test]
fn an_old_baseline_does_not_pass_for_the_one_that_was_not_saved() {
    let bench = Bench::new();
    let save = |out| with(&["pair/system/", "--out", out, "--save-baseline", "kept", "--noplot"]);
    assert!(bench.run(&save("first")).status.success());
    // Criterion writes here before it copies to `kept`.
    let new = bench.path("criterion/pair/system/64/new/sample.json");
    fs::remove_file(&new).unwrap();
    fs::create_dir(&new).unwrap();
    let second = bench.run(&save("second"));
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(text(&second.stderr).contains("pair/system/64"), "{second:?}");
}

#[test]
fn a_cell_with_too_few_samples_for_criterion_is_left_out_with_a_word() {
    let bench = Bench::new();
    assert!(bench.measure("pair/system/").status.success());
    let mut cells = bench.cells();
    cells[0].samples_ns_per_op = vec![vec![70.0; 3]; 3];
    let lines: Vec<_> = cells.iter().map(|cell| serde_json::to_string(cell).unwrap()).collect();
    fs::write(bench.path("run/cells.jsonl"), lines.join("\n") + "\n").unwrap();
    let resumed = bench.run(&["--resume", "--out", "run", "--save-baseline", "kept"]);
    assert!(resumed.status.success(), "{resumed:?}");
    let said = text(&resumed.stderr);
    assert!(said.contains("leaves out 1 cell, pair/system/64") && said.contains("--rounds"));
    assert!(!bench.path("criterion/pair/system/64/kept").exists());
    assert!(bench.path("criterion/pair/system-again/64/kept/sample.json").is_file());
}

#[test]
fn what_is_in_the_way_is_named_and_left_as_it_is() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "text").unwrap();
    let onto = bench.run(&["pair/system/", "--out", "file"]);
    one_line_error(&onto, &["file is a file", "--out DIR"]);
    assert!(!text(&onto.stderr).contains("--resume"), "{onto:?}");
    one_line_error(&bench.run(&["--resume", "--out", "file"]), &["file is a file"]);
    assert_eq!(fs::read(bench.path("file")).unwrap(), b"text");

    fs::create_dir(bench.path("other")).unwrap();
    one_line_error(&bench.run(&["--resume", "--out", "other"]), &["other/run.json"]);
    assert_eq!(fs::read_dir(bench.path("other")).unwrap().count(), 0);

    assert!(bench.measure("pair/system/").status.success());
    let cells = fs::read(bench.path("run/cells.jsonl")).unwrap();
    fs::remove_file(bench.path("run/run.json")).unwrap();
    let again = bench.measure("pair/system/");
    one_line_error(&again, &["cells.jsonl", "run.json is lost", "--out DIR"]);
    assert_eq!(fs::read(bench.path("run/cells.jsonl")).unwrap(), cells);

    fs::create_dir_all(bench.path("results/latest")).unwrap();
    one_line_error(&bench.run(&["pair/system/"]), &["results/latest", "rename", "--out DIR"]);
    let left: Vec<_> = fs::read_dir(bench.path("results")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_run_goes_to_the_workspace_that_one_stands_in() {
    let bench = Bench::new();
    let package = bench.path("clone/crates/package");
    fs::create_dir_all(&package).unwrap();
    fs::write(bench.path("clone/Cargo.toml"), "[workspace]\nmembers = [\"crates/*\"]\n").unwrap();
    fs::write(package.join("Cargo.toml"), "[package]\nname = \"package\"\n").unwrap();
    let run =
        bench.command(&with(&["pair/system/", "--noplot"])).current_dir(&package).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert!(bench.path("clone/results/latest/run.json").exists());
    let resumed = bench.command(&["--resume"]).current_dir(bench.path("clone")).output().unwrap();
    assert!(resumed.status.success(), "{resumed:?}");
    assert!(!package.join("results").exists());
}

#[test]
fn measurements_are_not_called_cells() {
    let bench = Bench::new();
    let said = text(&bench.measure("pair/system/").stderr);
    assert!(said.contains("2 cells in 3 rounds, 6 measurements"), "{said}");
    assert!(said.contains("0/6 measurements: round 1 of 3"), "{said}");
    assert!(!said.contains("/6 cells"), "{said}");
}

#[test]
fn readers_that_go_away_and_full_devices_change_nothing() {
    let bench = Bench::new();
    for (number, script) in [
        // The status is that of the run, not of its reader.
        "set -o pipefail; \"$0\" \"$@\" 2>&1 | head -1",
        "set -o pipefail; \"$0\" \"$@\" | head -1",
        "\"$0\" \"$@\" 2>/dev/full",
        "\"$0\" \"$@\" >/dev/full",
        "\"$0\" \"$@\" >&- 2>&-",
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("run{number}");
        let command = bench.command(&with(&["pair/system/", "--out", &out]));
        let output = shell(script, &command);
        assert_eq!(output.status.code(), Some(0), "{script}: {output:?}");
        let run = report::read(&bench.path(&out)).unwrap().run;
        assert_eq!(run.state, State::Complete, "{script}");
        assert!(!text(&output.stderr).contains("panicked"), "{script}: {output:?}");
    }
    let in_process = bench.command(&["--exact", "pair/system/64", "--in-process", "--quick"]);
    for script in ["\"$0\" \"$@\" >/dev/full", "set -o pipefail; \"$0\" \"$@\" 2>&1 | true"] {
        let output = shell(script, &in_process);
        assert_eq!(output.status.code(), Some(0), "{script}: {output:?}");
        assert!(!text(&output.stderr).contains("panicked"), "{script}: {output:?}");
    }
    for flags in [&["--help"][..], &["--list"], &["--nonsense"]] {
        let output = shell("\"$0\" \"$@\" >/dev/full 2>/dev/full", &bench.command(flags));
        let expected = if flags[0] == "--nonsense" { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{flags:?}");
    }
}

#[test]
fn a_terminal_that_wants_no_escapes_gets_none() {
    let bench = Bench::new();
    for (number, (name, value, is_plain)) in
        [("TERM", "xterm", false), ("TERM", "dumb", true), ("NO_COLOR", "1", true)]
            .into_iter()
            .enumerate()
    {
        let out = format!("run{number}");
        for flags in [&["--help"][..], &with(&["pair/system/", "--out", &out])] {
            let mut command = bench.command(flags);
            command.env("TERM", "xterm").env_remove("NO_COLOR").env(name, value);
            let shown = Bench::on_terminal(&mut command);
            assert_eq!(!shown.contains('\u{1b}'), is_plain, "{name}={value}: {shown:?}");
        }
    }
}

#[test]
fn what_a_cell_says_does_not_reach_the_terminal_as_it_is() {
    let bench = Bench::new();
    let run = |flags: &[&str]| bench.bare(program("shouting")).args(flags).output().unwrap();
    let short = with(&["--bench", "--out", "run"]);
    for flags in [&short[..], &["--test"], &["--exact", "pair/shouting/64", "--in-process"]] {
        let output = run(flags);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let streams = text(&output.stdout) + &text(&output.stderr);
        assert!(streams.contains("[31mred"), "{streams}");
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        let is_in_process = flags.contains(&"--in-process");
        // In this process the panic itself prints as well, as in any program.
        assert!(is_in_process || !streams.contains(control), "{streams:?}");
    }

    // The same run once more, now that nothing is amiss.
    assert_eq!(cell(&bench.cells(), "pair/shouting/64").status, Status::Failed);
    fs::write(bench.path("quiet"), "").unwrap();
    let resumed = run(&["--bench", "--out", "run", "--resume"]);
    assert_eq!(resumed.status.code(), Some(1), "{resumed:?}");
    let retried = run(&["--bench", "--out", "run", "--resume", "--retry-failed"]);
    assert!(retried.status.success(), "{retried:?}");
    let cells = bench.cells();
    let shouting = cell(&cells, "pair/shouting/64");
    assert_eq!((shouting.status, shouting.rounds_ns_per_op.len()), (Status::Measured, 3));
    assert_eq!(cell(&cells, "pair/system/64").rounds_ns_per_op.len(), 3);
}

#[test]
fn signals_that_are_inherited_as_ignored_do_no_harm() {
    let bench = Bench::new();
    let ignoring = |signal: &str, flags: &[&str]| {
        let script = format!("exec env --ignore-signal={signal} \"$0\" \"$@\"");
        shell(&script, &bench.command(flags))
    };
    let run = ignoring("CHLD", &with(&PAIR));
    assert!(run.status.success(), "{run:?}");
    let resumed = ignoring("CHLD", &["--resume", "--out", "run"]);
    assert!(resumed.status.success(), "{resumed:?}");
    let test = ignoring("CHLD", &["--test", "pair/system/64"]);
    assert!(test.status.success(), "{test:?}");
    assert!(text(&test.stdout).contains("Success"), "{test:?}");
    let compared = ignoring("CHLD", &["--load-baseline", "base", "--baseline", "base"]);
    assert!(compared.status.success(), "{compared:?}");
}

#[test]
fn a_run_ends_in_order_by_each_signal_that_ends_programs() {
    for (signal, is_ignored) in [("-TERM", false), ("-HUP", false), ("-HUP", true)] {
        let bench = Bench::new();
        let slow = ["--measurement-time", "0.3", "--rounds", "3"];
        let command = bench.command(&[&PAIR[..], &slow].concat());
        // `nohup` begins a program so.
        let mut started = Command::new("env");
        if is_ignored {
            started.arg("--ignore-signal=HUP");
        }
        started.arg(command.get_program()).args(command.get_args());
        started.current_dir(bench.folder.path()).stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            started.env(name, value.unwrap());
        }
        let running = started.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        bench.await_run();
        let sent = Command::new("kill").args([signal, &running.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let output = running.wait_with_output().unwrap();
        let expected = if is_ignored { 0 } else { 130 };
        assert_eq!(output.status.code(), Some(expected), "{signal}: {output:?}");
        let says = text(&output.stderr).contains("nothing measured is lost");
        assert_eq!(says, !is_ignored, "{signal}: {output:?}");
        assert!(bench.cells().iter().all(|cell| cell.status == Status::Measured));
    }
}

#[test]
fn a_folder_for_temporary_files_of_any_bytes_is_no_panic() {
    let bench = Bench::new();
    let name = OsStr::from_bytes(b"/nowhere/\xff");
    for flags in [&["--help"][..], &["--list"], &["--test", "pair/system/64"], &with(&PAIR)] {
        let output = bench.command(flags).env("TMPDIR", name).output().unwrap();
        assert!(output.status.success(), "{flags:?}: {output:?}");
    }
    let in_process = ["--exact", "pair/system/64", "--in-process"];
    let output = bench.command(&in_process).env("TMPDIR", name).output().unwrap();
    one_line_error(&output, &["/nowhere/", "TMPDIR"]);
}

#[test]
fn variables_that_only_a_run_sets_are_refused_by_hand() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).unwrap();
    let empty = format!("run:{}", bench.path("empty").display());
    for value in ["", "1", "nonsense", "baseline:", "run:/nowhere", &empty] {
        let output = bench.command(&[]).env("HEAPMARK_REPLAY", value).output().unwrap();
        one_line_error(&output, &["HEAPMARK_REPLAY", "unset it"]);
    }
    let bytes = OsStr::from_bytes(b"baseline:\xff");
    let output = bench.command(&[]).env("HEAPMARK_REPLAY", bytes).output().unwrap();
    one_line_error(&output, &["HEAPMARK_REPLAY"]);
}

#[test]
fn two_contenders_of_one_name_are_refused_before_anything_is_measured() {
    let bench = Bench::new();
    for flags in [&["--bench", "--out", "run"][..], &["--test"], &["--list"]] {
        let output = bench.bare(program("twins")).args(flags).output().unwrap();
        one_line_error(&output, &["twin", "rename"]);
    }
    assert_eq!(bench.names(), [""; 0], "something was written");
}

#[test]
fn a_second_run_on_the_machine_waits_for_the_first() {
    let bench = Bench::new();
    let first = File::create(bench.path(".machine")).unwrap();
    first.lock().unwrap();
    let mut second =
        bench.command(&with(&PAIR)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let holder = format!("process {}", std::process::id());
    for name in ["Another run", &holder, ".machine", "--no-wait", "Ctrl-C"] {
        assert!(line.contains(name), "`{name}` is not in: {line}");
    }
    assert!(second.try_wait().unwrap().is_none(), "it did not wait");
    assert!(bench.cells().iter().all(|cell| cell.rounds_ns_per_op.is_empty()));
    drop(first);
    lines.for_each(drop);
    assert!(second.wait().unwrap().success());
    assert_eq!(bench.state(), State::Complete);
}

#[test]
fn a_run_that_waits_can_be_given_up_and_one_that_does_not_says_so() {
    let bench = Bench::new();
    let first = File::create(bench.path(".machine")).unwrap();
    first.lock().unwrap();
    let waiting =
        bench.command(&with(&PAIR)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    bench.await_run();
    let sent = Command::new("kill").args(["-INT", &waiting.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");

    let beside = bench.run(&["--resume", "--out", "run", "--no-wait"]);
    assert!(beside.status.success(), "{beside:?}");
    assert!(text(&beside.stderr).contains("warning: another run"), "{beside:?}");
    assert!(bench.run(&["--list"]).status.success());
    assert!(bench.run(&["--test", "pair/system/64"]).status.success());
}

#[test]
fn a_lock_that_cannot_be_made_is_a_warning() {
    let bench = Bench::new();
    let nowhere = bench.path("nowhere/lock");
    let output = bench.command(&with(&PAIR)).env("HEAPMARK_LOCK", nowhere).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("warning: ") && said.contains("nowhere/lock"), "{said}");
    assert!(said.contains("HEAPMARK_LOCK"), "{said}");
}

#[test]
fn a_link_to_the_latest_run_is_replaced() {
    let bench = Bench::new();
    fs::create_dir(bench.path("results")).unwrap();
    symlink("gone", bench.path("results/latest")).unwrap();
    assert!(bench.run(&with(&["pair/system/"])).status.success());
    assert!(bench.path("results/latest/run.json").exists());
}
