//! The command line, end to end: what a user types, what comes out, and what is left on disk.
//!
//! All of it runs the example `misbehaving`, which Cargo builds beside the tests.

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Bench, SHORT, cell, one_line_error, text};
use report::record::{Cell, State, Status};

#[test]
fn every_misbehaviour_fails_with_its_reason_and_the_others_are_measured() {
    let bench = Bench::new();
    let output = bench.run(&[&["--out", "run", "--cell-timeout", "2"], &SHORT[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let cells = bench.cells();
    assert_eq!(cells.len(), 27);
    for (id, reason) in [
        ("batch-random/overlapping/64", "overlap"),
        ("aligned/misaligned/4096@64", "align"),
        ("pair/hanging/64", "hung"),
        ("pair/aborting/64", "SIGABRT"),
        ("pair/panicking/64", "panicked: free list corrupt"),
        ("pair/exhausted/64", "refused a block of 64 bytes"),
        ("batch-random/repeating/64", "wrong answer"),
    ] {
        let cell = cell(&cells, id);
        assert_eq!(cell.status, Status::Failed, "{id}");
        let said = cell.reason.as_ref().unwrap();
        assert!(said.contains(reason), "{id}: {said}");
        assert_eq!(cell.verdict, None, "{id}");
    }
    let aborted = cell(&cells, "pair/aborting/64").last_output.as_ref().unwrap();
    assert!(aborted.contains("aborting: free list corrupt"), "{aborted}");
    for id in ["pair/system/64", "batch-random/system-again/64", "pair/misaligned/64"] {
        let cell = cell(&cells, id);
        assert_eq!((cell.status, cell.rounds_ns_per_op.len()), (Status::Measured, 3), "{id}");
        assert!(cell.verdict.is_some(), "{id}");
    }
    assert_eq!(bench.state(), State::Complete);
    let page = fs::read_to_string(bench.path("run/index.html")).unwrap();
    assert!(page.contains("SIGABRT") && page.contains("hung"));
    let table = text(&output.stdout);
    assert!(table.contains("failed [") && table.contains("run/index.html"), "{table}");
}

#[test]
fn a_killed_run_is_resumed_and_nothing_is_measured_twice() {
    let bench = Bench::new();
    let filter = "/system/|misaligned/64";
    let mut killed = bench
        .command(&[&[filter, "--out", "run"], &SHORT[..]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let rounds =
        |cells: &[Cell]| cells.iter().map(|cell| cell.rounds_ns_per_op.len()).sum::<usize>();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !bench.path("run/run.json").exists() || rounds(&bench.cells()) < 4 {
        assert!(Instant::now() < deadline, "nothing was measured");
        thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = bench.cells();
    assert!(rounds(&before) < 8 * 3, "the run was over before it was killed");
    assert_eq!(bench.state(), State::Unfinished);

    let resumed = bench.run(&["--out", "run", "--resume"]);
    assert!(resumed.status.success(), "{resumed:?}");
    let said = text(&resumed.stderr);
    assert!(said.contains(&format!("{} measurements", 8 * 3 - rounds(&before))), "{said}");
    let after = bench.cells();
    assert_eq!(rounds(&after), 8 * 3);
    for cell in before {
        let kept = &self::cell(&after, &cell.id).samples_ns_per_op[..cell.samples_ns_per_op.len()];
        assert_eq!(kept, cell.samples_ns_per_op, "{} was measured again", cell.id);
    }
    assert_eq!(bench.state(), State::Complete);

    let again = bench.run(&["--out", "run", "--resume"]);
    assert!(again.status.success() && text(&again.stderr).contains(" 0 measurements"), "{again:?}");
    assert_eq!(bench.cells(), after);
}

#[test]
fn an_interrupt_keeps_what_is_measured_and_says_how_to_go_on() {
    let bench = Bench::new();
    let running = bench
        .command(
            &[&["pair/system", "--out", "run", "--measurement-time", "2"], &SHORT[..2]].concat(),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !bench.path("run/run.json").exists() {
        assert!(Instant::now() < deadline, "the run did not begin");
        thread::sleep(Duration::from_millis(5));
    }
    // A shell has `kill` built in; as a program it is missing from small systems.
    let signal =
        Command::new("sh").args(["-c", "kill -INT $0", &running.id().to_string()]).status();
    let signal = signal.unwrap();
    assert!(signal.success());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(text(&output.stderr).contains("--resume --out run"), "{output:?}");
    assert!(bench.cells().iter().all(|cell| cell.status == Status::Measured));
    assert_eq!(bench.state(), State::Unfinished);
}

#[test]
fn what_cannot_be_run_is_one_line_that_names_it_and_the_remedy() {
    let bench = Bench::new();
    one_line_error(&bench.run(&["nonsense"]), &["nonsense", "--list"]);
    one_line_error(&bench.run(&["("]), &["`(`", "--exact"]);
    one_line_error(&bench.run(&["--rounds", "0"]), &["--rounds", "at least one round", "--help"]);
    one_line_error(&bench.run(&["--sample-size", "3"]), &["--sample-size", "10", "--help"]);
    one_line_error(&bench.run(&["--cell-timeout", "soon"]), &["--cell-timeout", "seconds"]);
    one_line_error(&bench.run(&["--no-such-flag"]), &["--no-such-flag", "--help"]);
    one_line_error(&bench.run(&["--exact"]), &["FILTER", "--help"]);
    one_line_error(&bench.run(&["--confidence-level", "2"]), &["--confidence-level", "between 0"]);
    one_line_error(&bench.run(&["--baseline", "lost"]), &["lost", "--save-baseline"]);
    one_line_error(&bench.run(&["--resume"]), &["results/latest", "--out DIR"]);
    fs::write(bench.path("file"), "").unwrap();
    one_line_error(&bench.run(&["--out", "file/run"]), &["file/run", "--out DIR"]);
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), 1, "something was written");
}

#[test]
fn a_run_is_not_overwritten_nor_resumed_with_other_settings() {
    let bench = Bench::new();
    assert!(bench.measure("pair/system/").status.success());
    let before = fs::read(bench.path("run/cells.jsonl")).unwrap();
    one_line_error(&bench.measure("pair/system/"), &["run", "--resume", "--out DIR"]);
    let other = bench.run(&["batch", "--out", "run", "--resume"]);
    one_line_error(&other, &["other settings", "pair/system/"]);
    assert_eq!(fs::read(bench.path("run/cells.jsonl")).unwrap(), before);
}

#[test]
fn a_corrupt_line_stops_a_resume_and_nothing_is_lost() {
    let bench = Bench::new();
    assert!(bench.measure("pair/system/").status.success());
    let path = bench.path("run/cells.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let (first, second) = whole.split_once('\n').unwrap();
    let corrupt = format!("{first}\n{}\n", &second[..second.len() / 2]);
    fs::write(&path, &corrupt).unwrap();
    one_line_error(&bench.run(&["--out", "run", "--resume"]), &["cells.jsonl line 2", "remove"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), corrupt);

    // A ratio is taken within a round, so a row that lost a line is measured anew as a whole.
    fs::write(&path, format!("{first}\n")).unwrap();
    let resumed = bench.run(&["--out", "run", "--resume"]);
    assert!(text(&resumed.stderr).contains(" 6 measurements"), "{resumed:?}");
    let cells = bench.cells();
    assert!(cells.iter().all(|cell| cell.rounds_ns_per_op.len() == 3), "{cells:?}");
}

#[test]
fn a_full_disk_ends_a_run_with_a_line_and_keeps_what_is_measured() {
    let bench = Bench::new();
    let many = ["--rounds", "3", "--sample-size", "100", "--measurement-time", "0.01"];
    let command = bench.command(&[&["pair/system/", "--out", "run"], &many[..]].concat());
    // A limit on the size of files, of 4 KiB in blocks of 512 bytes, stands in for a full disk: writing fails the same
    // way.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .env("CRITERION_HOME", bench.path("criterion"))
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("failed to write")
            && said.contains("run/cells.jsonl")
            && said.contains("--resume"),
        "{said}"
    );
    assert!(bench.run(&["--out", "run", "--resume"]).status.success());
    assert_eq!(bench.state(), State::Complete);
}

#[test]
fn the_default_folder_is_named_after_time_and_host_and_latest_points_at_it() {
    let bench = Bench::new();
    assert!(bench.run(&[&["pair/system/"], &SHORT[..]].concat()).status.success());
    let latest = fs::read_link(bench.path("results/latest")).unwrap();
    let name = latest.to_str().unwrap();
    let (time, host) = name.split_once('-').unwrap();
    assert!(time.len() == 16 && time.ends_with('Z') && !host.is_empty(), "{name}");
    let run = report::read(&bench.path("results/latest")).unwrap().run;
    assert!(run.command.starts_with("cargo bench -- pair/system/ --rounds 3"), "{}", run.command);
    assert!(bench.run(&["--resume"]).status.success());
}

#[test]
fn list_and_test_measure_nothing() {
    let bench = Bench::new();
    let list = text(&bench.run(&["--list", "pair"]).stdout);
    assert!(list.starts_with("pair/system/64: benchmark\n"), "{list}");
    assert!(list.ends_with("\n0 tests, 9 benchmarks\n"), "{list}");
    let terse =
        text(&bench.run(&["--list", "--format", "terse", "--exact", "pair/system/64"]).stdout);
    assert_eq!(terse, "pair/system/64: benchmark\n");
    let test = bench.run(&["--test", "pair/(system|misaligned)/"]);
    assert!(test.status.success(), "{test:?}");
    assert!(text(&test.stdout).contains("Testing pair/misaligned/64\nSuccess"), "{test:?}");
    let failing = bench.run(&["--test", "aligned/misaligned"]);
    assert_eq!(failing.status.code(), Some(1));
    assert!(text(&failing.stdout).contains("Failed"), "{failing:?}");
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), 0, "something was written");
}

#[test]
fn a_baseline_holds_the_samples_of_all_rounds_and_is_compared_with() {
    let bench = Bench::new();
    let save =
        [&["pair/system/", "--out", "run", "--save-baseline", "old", "--noplot"], &SHORT[..]];
    assert!(bench.run(&save.concat()).status.success());
    let samples = bench.path("criterion/pair/system/64/old/sample.json");
    let samples: serde_json::Value = serde_json::from_slice(&fs::read(samples).unwrap()).unwrap();
    let ours = &cell(&bench.cells(), "pair/system/64").samples_ns_per_op.concat();
    let criterion: Vec<f64> = samples["times"]
        .as_array()
        .unwrap()
        .iter()
        .zip(samples["iters"].as_array().unwrap())
        .map(|(ns, passes)| ns.as_f64().unwrap() / passes.as_f64().unwrap() / 1000.0)
        .collect();
    // Pieces in which a thread was preempted are no samples.
    assert!(
        criterion.len() == ours.len() && ours.len() > 20,
        "{} of {}",
        criterion.len(),
        ours.len()
    );
    for (criterion, ours) in criterion.iter().zip(ours) {
        assert!((criterion - ours).abs() < 0.002 * ours, "{criterion} is not {ours}");
    }
    let compare = [&["pair/system/", "--out", "next", "--baseline", "old"], &SHORT[..]].concat();
    let output = bench.run(&compare);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("change:"), "{output:?}");
    assert!(bench.path("criterion/report/index.html").exists());
    assert!(bench.path("criterion/pair/report/violin.svg").exists());
}

#[test]
fn all_strategies_of_a_row_have_the_seeds_one_answer() {
    let bench = Bench::new();
    assert!(bench.measure("batch-random/(system|misaligned)/").status.success());
    for cell in bench.cells() {
        assert_eq!(cell.ops, Some(1000), "{}", cell.id);
        assert_eq!(cell.checksum, bench.cells()[0].checksum, "{}", cell.id);
    }
}

#[test]
fn help_explains_every_flag() {
    let help = text(&Bench::new().run(&["--help"]).stdout);
    for flag in [
        "FILTER",
        "--list",
        "--test",
        "--quick",
        "--save-baseline",
        "--baseline",
        "--sample-size",
        "--measurement-time",
        "--warm-up-time",
        "--noplot",
        "--rounds",
        "--out",
        "--resume",
        "--cell-timeout",
    ] {
        assert!(help.contains(flag), "{flag} is not explained");
    }
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let bench = Bench::new();
    let mut list = bench.command(&["--list"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(list.stdout.take());
    assert!(list.wait().unwrap().success());
}

#[test]
fn an_unreadable_run_is_not_resumed() {
    let bench = Bench::new();
    fs::create_dir(bench.path("run")).unwrap();
    fs::write(bench.path("run/run.json"), "{").unwrap();
    fs::write(bench.path("run/cells.jsonl"), "").unwrap();
    one_line_error(&bench.run(&["--out", "run", "--resume"]), &["run.json"]);
}
