//! What a strategy does to its process, and what the machine does to it, end to end: the first is the cell's failure,
//! the second never is.
//!
//! All of it runs the example `ending`, whose strategies tell the test what they need by variables that begin with
//! `MALLOC_`: cells have no others of the environment.

mod common;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Bench, SHORT, cell, program, text};
use report::record::{Cell, State, Status};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that measures the cells that `filter` names into `run`.
fn command(bench: &Bench, filter: &str) -> Command {
    let mut command = with(bench, filter, &["--cell-timeout", "2"]);
    command.args(SHORT);
    command
}

/// The same with these settings.
fn with(bench: &Bench, filter: &str, settings: &[&str]) -> Command {
    let mut command = bench.bare(program("ending"));
    command.args(["--bench", filter, "--out", "run"]).args(settings);
    command
}

fn run(bench: &Bench, filter: &str) -> Output {
    command(bench, filter).output().unwrap()
}

/// Waits until `is_so`.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The processes whose command line has `word` in it.
fn processes(word: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let id: u32 = name.to_str()?.parse().ok()?;
        let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        String::from_utf8_lossy(&line).split('\0').any(|it| it == word).then_some(id)
    });
    all.collect()
}

/// The processes that `parent` started and that are alive.
fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut fields = stat.rsplit(") ").next()?.split(' ');
        let is_alive = fields.next() != Some("Z");
        (is_alive && fields.next()? == parent.to_string()).then_some(id)
    });
    all.collect()
}

fn signal(id: &str, signal: &str) {
    // Small systems have it in the shell only.
    let kill = format!("kill -s {signal} -- {id}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
}

#[track_caller]
fn failed_with(cells: &[Cell], id: &str, reason: &str) {
    let cell = cell(cells, id);
    assert_eq!(cell.status, Status::Failed, "{id}: {cell:?}");
    let said = cell.reason.as_ref().unwrap();
    assert!(said.contains(reason), "{id}: {said}");
}

#[test]
fn a_cell_that_ends_itself_by_a_signal_fails_and_the_run_goes_on() {
    let bench = Bench::new();
    let output = run(&bench, "^pair/(interrupting|terminating|exiting)/");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let cells = bench.cells();
    failed_with(&cells, "pair/interrupting/64", "SIGINT twice");
    failed_with(&cells, "pair/terminating/64", "SIGTERM twice");
    failed_with(&cells, "pair/exiting/64", "exit status: 3");
    assert_eq!(cell(&cells, "pair/system/64").rounds_ns_per_op.len(), 3);
    assert_eq!(bench.state(), State::Complete);
}

#[test]
fn a_block_that_is_bad_only_while_it_is_measured_fails_the_cell() {
    let bench = Bench::new();
    assert_eq!(run(&bench, "^pair/late-").status.code(), Some(1));
    let cells = bench.cells();
    failed_with(&cells, "pair/late-misaligned/64", "misaligned");
    failed_with(&cells, "pair/late-short/64", "too short");
    assert_eq!(cell(&cells, "pair/system/64").status, Status::Measured);
}

#[test]
fn a_cell_that_somebody_ends_once_is_measured_again() {
    let bench = Bench::new();
    let marker = bench.path("marker");
    let output = command(&bench, "^pair/once-terminated/")
        .env("MALLOC_HEAPMARK_TEST_MARKER", &marker)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(marker.exists(), "nothing was terminated");
    assert_eq!(cell(&bench.cells(), "pair/once-terminated/64").rounds_ns_per_op.len(), 3);
}

#[test]
fn failures_are_tried_again_where_it_is_asked_for() {
    let bench = Bench::new();
    let marker = bench.path("marker");
    let once = |bench: &Bench| {
        let mut command = command(bench, "^pair/(once-terminated|exiting)/");
        command.env("MALLOC_HEAPMARK_TEST_MARKER", &marker);
        command
    };
    assert_eq!(once(&bench).output().unwrap().status.code(), Some(1));
    let measured = cell(&bench.cells(), "pair/system/64").samples_ns_per_op.clone();
    let again = |flags: &[&str]| {
        let mut command = bench.bare(program("ending"));
        command.args(["--bench", "--out", "run", "--resume"]).args(flags);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        text(&output.stderr)
    };
    assert!(!again(&[]).contains("exiting/64 failed"), "a failed cell was tried again unasked");
    assert!(again(&["--retry-failed"]).contains("exiting/64 failed"));
    // What was measured is measured once.
    assert_eq!(cell(&bench.cells(), "pair/system/64").samples_ns_per_op, measured);
}

#[test]
fn an_output_without_bounds_is_read_and_dropped() {
    let bench = Bench::new();
    let output = run(&bench, "^pair/(printing|panicking)/");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let cells = bench.cells();
    assert_eq!(cell(&cells, "pair/printing/64").status, Status::Measured);
    failed_with(&cells, "pair/panicking/64", "panicked: ");
    let panicked = cell(&cells, "pair/panicking/64");
    assert!(panicked.reason.as_ref().unwrap().len() < 10_000);
    assert!(panicked.last_output.as_ref().is_none_or(|output| output.len() < 10_000));
    assert!(fs::metadata(bench.path("run/cells.jsonl")).unwrap().len() < 100_000);
    assert!(
        !text(&output.stderr).contains('\u{1b}'),
        "a panic's text reached the terminal as it was"
    );
}

#[test]
fn what_a_strategy_leaves_behind_ends_with_its_cell() {
    let bench = Bench::new();
    let seconds = "83017";
    let output = command(&bench, "^pair/forking/")
        .env("MALLOC_HEAPMARK_TEST_SLEEP", seconds)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(processes(seconds), [0; 0]);
}

#[test]
fn no_cell_outlives_a_run_that_was_killed_and_no_folder_stays() {
    let bench = Bench::new();
    let temporary = bench.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut run = with(&bench, "^pair/sleeping/", &["--cell-timeout", "600"])
        .env("TMPDIR", &temporary)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut cells = Vec::new();
    wait_until("a cell's process that sleeps", || {
        cells = children(run.id());
        cells.iter().any(|id| {
            let called = fs::read_to_string(format!("/proc/{id}/wchan")).unwrap_or_default();
            called.contains("nanosleep")
        })
    });
    run.kill().unwrap();
    run.wait().unwrap();
    wait_until("the end of the cells", || {
        cells.iter().all(|id| !fs::exists(format!("/proc/{id}")).unwrap())
    });
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "a folder was left");
}

#[test]
fn the_end_of_the_terminal_interrupts_the_run_and_fails_no_cell() {
    let bench = Bench::new();
    let run = with(&bench, "^pair/system/", &["--measurement-time", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, as a shell gives to what it runs.
        .process_group(0)
        .spawn()
        .unwrap();
    wait_until("a round that is being measured", || {
        bench.path("run/run.json").exists() && children(run.id()).len() > 1
    });
    signal(&format!("-{}", run.id()), "HUP");
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(bench.cells().iter().all(|cell| cell.status == Status::Measured), "{output:?}");
    assert_eq!(bench.state(), State::Unfinished);
}

#[test]
fn time_in_which_run_and_cell_are_stopped_is_no_hanging() {
    let bench = Bench::new();
    let run = with(
        &bench,
        "^pair/system/",
        &["--measurement-time", "1", "--rounds", "1", "--cell-timeout", "2"],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .process_group(0)
    .spawn()
    .unwrap();
    let mut cells = Vec::new();
    wait_until("a round that is being measured", || {
        cells = children(run.id());
        bench.path("run/run.json").exists() && cells.len() > 1
    });
    let all: Vec<String> = cells.iter().chain([&run.id()]).map(u32::to_string).collect();
    all.iter().for_each(|id| signal(id, "STOP"));
    // Longer than the cells' time limit.
    thread::sleep(Duration::from_secs(3));
    all.iter().rev().for_each(|id| signal(id, "CONT"));
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_full_or_missing_folder_for_temporary_files_is_no_strategys_failure() {
    let bench = Bench::new();
    let output = command(&bench, "^pair/system/").env("TMPDIR", "/nonexistent").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(bench.cells().iter().all(|cell| cell.status == Status::Measured));
}

#[test]
fn a_process_that_is_marked_as_a_cell_by_hand_says_so_and_ends() {
    let bench = Bench::new();
    for arguments in [&["--bench"][..], &["--help"], &[]] {
        let output = bench
            .bare(program("ending"))
            .args(arguments)
            .env("HEAPMARK_CELL", "1")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.contains("HEAPMARK_CELL") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn contenders_that_do_not_fit_into_memory_together_are_measured_apart_and_say_so() {
    let bench = Bench::new();
    let output = command(&bench, "^pair/system/").args(["--memory", "1"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let notes = |cell: &Cell, text: &str| cell.notes.iter().any(|note| note.contains(text));
    for cell in bench.cells() {
        assert_eq!(cell.rounds_ratio.len(), 3, "{}", cell.id);
        assert!(notes(&cell, "one process after the other"), "{}: {:?}", cell.id, cell.notes);
    }
    let together = Bench::new();
    assert!(run(&together, "^pair/system/").status.success());
    for cell in together.cells() {
        assert!(!notes(&cell, "one process after the other"), "{}: {:?}", cell.id, cell.notes);
        // This C library's heap comes to the state that the round chooses.
        assert!(!notes(&cell, "start state"), "{}: {:?}", cell.id, cell.notes);
    }
}

#[test]
fn cells_have_the_variables_of_allocators_and_no_others() {
    let bench = Bench::new();
    let run = with(&bench, "^pair/sleeping/", &["--cell-timeout", "600"])
        .env("MALLOC_ARENA_MAX", "1")
        .env("A_NAME_OF_NO_ALLOCATOR", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut environment = String::new();
    wait_until("a cell's environment", || {
        let ids = children(run.id());
        let read = |id: &u32| fs::read(format!("/proc/{id}/environ")).ok();
        let found = ids.iter().filter_map(read).map(|it| String::from_utf8_lossy(&it).into_owned());
        environment = found.collect();
        environment.contains("HEAPMARK_CELL=1")
    });
    signal(&run.id().to_string(), "TERM");
    run.wait_with_output().unwrap();
    let names: Vec<_> = environment.split('\0').filter_map(|it| it.split('=').next()).collect();
    assert!(names.contains(&"MALLOC_ARENA_MAX"), "{names:?}");
    assert!(!names.contains(&"A_NAME_OF_NO_ALLOCATOR") && !names.contains(&"PATH"), "{names:?}");
    let run = report::read(&bench.path("run")).unwrap().run;
    assert_eq!(run.environment.variables["MALLOC_ARENA_MAX"], "1");
}
