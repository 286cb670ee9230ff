//! Records that nobody can have measured are refused in one line; odd ones still make a page.

use std::fs;

use report::record::{Interval, StateGroup, Status};

use crate::content::between;
use crate::fixture::{Fixture, turns};

/// The text of the error that reading `fixture` gives.
fn refusal(fixture: &Fixture) -> String {
    let folder = tempfile::tempdir().unwrap();
    fixture.write(folder.path());
    let error = report::read(folder.path()).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error.replace(&format!("{}/", folder.path().display()), "")
}

/// The error when a cell of the line `line` is changed.
fn cell(change: impl FnOnce(&mut report::record::Cell)) -> String {
    let mut fixture = turns();
    change(&mut fixture.cells[1]);
    let error = refusal(&fixture);
    let end = "; remove the line and --resume measures its row again";
    let error = error.strip_suffix(end).unwrap_or_else(|| panic!("{error}"));
    error.strip_prefix("cells.jsonl line 2: ").unwrap_or_else(|| panic!("{error}")).to_owned()
}

/// The error when the run is changed.
fn run(change: impl FnOnce(&mut report::record::Run)) -> String {
    let mut fixture = turns();
    change(&mut fixture.run);
    let error = refusal(&fixture);
    error.strip_prefix("run.json: ").unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn settings_out_of_bounds_are_named() {
    let rounds = "settings.rounds is 0, and has to be 1 to 100000";
    assert_eq!(run(|run| run.settings.rounds = 0), rounds);
    assert!(run(|run| run.settings.rounds = 100_001).starts_with("settings.rounds is 100001"));
    let size = "settings.sample_size is 1, and has to be 10 to 1000000";
    assert_eq!(run(|run| run.settings.sample_size = 1), size);
    let timeout = "settings.cell_timeout_s is -1.0, and has to be above 0 and at most 1000000.0";
    assert_eq!(run(|run| run.settings.cell_timeout_s = -1.0), timeout);
    assert!(
        run(|run| run.settings.measurement_time_s = 1e300)
            .starts_with("settings.measurement_time_s is 1e300")
    );
    assert!(
        run(|run| run.settings.warm_up_time_s = 0.0).starts_with("settings.warm_up_time_s is 0.0")
    );
    assert!(run(|run| run.settings.turn_ms = Some(-0.1)).starts_with("settings.turn_ms is -0.1"));
    assert!(
        run(|run| run.settings.settle_ms = Some(-0.1)).starts_with("settings.settle_ms is -0.1")
    );
    assert!(
        run(|run| run.settings.least_difference = 2.0)
            .starts_with("settings.least_difference is 2.0")
    );
    assert!(run(|run| run.settings.states = u32::MAX).starts_with("settings.states is 4294967295"));
}

#[test]
fn noise_and_times_of_a_run_that_cannot_be_are_named() {
    let samples =
        "noise.samples is 18446744073709551615, and no count goes beyond 9007199254740991";
    assert_eq!(run(|run| run.noise.samples = u64::MAX), samples);
    assert!(
        run(|run| run.noise.preempted_samples = 1 << 53).starts_with("noise.preempted_samples is")
    );
    assert!(run(|run| run.noise.canary_ns = -1.0).starts_with("noise.canary_ns is -1.0"));
    let spent = run(|run| {
        run.spent_s.insert("tests\nor not".to_owned(), -2.0);
    });
    assert_eq!(spent, "spent_s.tests or not is -2.0, and has to be 0 to 1000000000000000.0");
}

#[test]
fn figures_of_a_cell_that_cannot_be_are_named() {
    let sample = "samples_ns_per_op[2][4] is -1.0, and has to be 0 to 1000000000000000.0";
    assert_eq!(cell(|cell| cell.samples_ns_per_op[2][4] = -1.0), sample);
    assert!(
        cell(|cell| cell.rounds_ns_per_op[0] = 1.1e15)
            .starts_with("rounds_ns_per_op[0] is 1100000")
    );
    assert!(cell(|cell| cell.rounds_ratio[6] = Some(-0.5)).starts_with("rounds_ratio[6] is -0.5"));
    assert!(cell(|cell| cell.noise_floor = Some(-0.5)).starts_with("noise_floor is -0.5"));
    let group = StateGroup { states: vec![], ns_per_op: 1e16 };
    assert!(
        cell(|cell| cell.state_groups.push(group)).starts_with("state_groups[0].ns_per_op is 1")
    );
    let ends = Some(Interval { median: 0.5, lo: 0.6, hi: 0.4 });
    assert_eq!(cell(|cell| cell.ratio_to_system = ends), "ratio_to_system has lo 0.6 above hi 0.4");
    let outside = Some(Interval { median: 0.9, lo: 0.4, hi: 0.6 });
    assert!(
        cell(|cell| cell.ns_per_op = outside).starts_with("ns_per_op has its median 0.9 outside")
    );
    assert_eq!(cell(|cell| cell.ops = Some(0)), "ops is 0, and a measured cell has operations");
    assert!(cell(|cell| cell.ops = Some(1 << 53)).starts_with("ops is 9007199254740992"));
    assert!(cell(|cell| cell.noisy_samples = u64::MAX).starts_with("noisy_samples is 1844"));
}

#[test]
fn more_rounds_than_the_run_has_are_named() {
    let rounds = "rounds_ns_per_op has 8 rounds, and the run has 7";
    assert_eq!(cell(|cell| cell.rounds_ns_per_op.push(5.0)), rounds);
    assert!(cell(|cell| cell.rounds_ratio.push(None)).starts_with("rounds_ratio has 8 rounds"));
    assert!(
        cell(|cell| cell.samples_ns_per_op.push(vec![])).starts_with("samples_ns_per_op has 8")
    );
}

#[test]
fn null_in_the_place_of_a_number_is_named() {
    // What JSON makes of a float that is not finite.
    let infinite = Some(Interval { median: f64::INFINITY, lo: 0.0, hi: 1.0 });
    assert!(
        cell(|cell| cell.ratio_to_system = infinite).starts_with("not a cell (invalid type: null")
    );
    assert!(
        cell(|cell| cell.rounds_ns_per_op[0] = f64::NAN)
            .starts_with("not a cell (invalid type: null")
    );
    assert!(run(|run| run.noise.canary_ns = f64::NAN).starts_with("not a run (invalid type: null"));
    // A round without a ratio is a value.
    let mut fixture = turns();
    fixture.cells[1].rounds_ratio[3] = None;
    assert!(fixture.page().contains("data-cell=\"pair/jemalloc/16\""));
}

/// Every figure of a cell becomes `ns`.
fn fill(cell: &mut report::record::Cell, ns: f64) {
    cell.rounds_ns_per_op.fill(ns);
    cell.samples_ns_per_op.iter_mut().for_each(|samples| samples.fill(ns));
    cell.ns_per_op = Some(Interval { median: ns, lo: ns, hi: ns });
}

#[test]
fn figures_at_the_ends_of_the_bounds_make_a_page() {
    for (one, other) in [(5e-324, 5e-324), (5e-324, 1e15), (1e15, 10.0), (0.0, 1e15), (0.0, 0.0)] {
        let mut fixture = turns();
        fixture.cells.retain(|cell| cell.workload == "vec-push" && cell.status == Status::Measured);
        for (index, cell) in fixture.cells.iter_mut().enumerate() {
            fill(cell, if index % 2 == 0 { one } else { other });
        }
        let page = fixture.page();
        assert!(page.len() < 1_000_000, "{one}, {other}: {} bytes", page.len());
        assert!(!page.contains("NaN") && !page.contains(">inf"), "{one}, {other}");
    }
}

#[test]
fn a_name_of_300_characters_makes_a_page_and_files() {
    let mut fixture = turns();
    let name = "ü".repeat(300);
    for cell in fixture.cells.iter_mut().filter(|cell| cell.workload == "pair") {
        cell.workload = name.clone();
    }
    fixture.run.strategies[3].name = "ß".repeat(300);
    let folder = tempfile::tempdir().unwrap();
    fixture.write(folder.path());
    report::write(folder.path()).unwrap();
    let plots = fs::read_dir(folder.path().join("plots")).unwrap();
    let names: Vec<_> = plots.map(|plot| plot.unwrap().file_name()).collect();
    assert_eq!(names.len(), 26);
    assert!(names.iter().all(|name| name.len() <= 104), "{names:?}");
}

#[test]
fn a_program_that_prints_megabytes_does_not_blow_up_the_page() {
    let mut fixture = turns();
    let before = fixture.page().len();
    let cell = fixture.cell("churn-pareto/raii/16-1024");
    cell.reason = Some(format!("begins {} ends", "r".repeat(3_000_000)));
    cell.last_output = Some(format!("begins {}\nlast line", "o".repeat(3_000_000)));
    fixture.cell("churn/jemalloc/16-1024").notes.push("n".repeat(3_000_000));
    let page = fixture.page();
    assert!(page.len() < before + 40_000, "{} bytes more", page.len() - before);
    let output = between(&page, "<pre>", "</pre>");
    assert!(output.starts_with('(') && output.contains(" bytes before this are in cells.jsonl)"));
    assert!(output.ends_with("o\nlast line"), "the last of it is kept");
    assert!(page.contains("</b> begins rrr") && page.contains("more bytes are in cells.jsonl)"));
}

#[test]
fn a_row_of_thousands_of_strategies_makes_a_page() {
    // How the work grows with the row is tested beside the page; this took most of a minute when a cell looked at
    // all others.
    let mut fixture = turns();
    fixture.cells.retain(|cell| cell.workload == "vec-push");
    let models =
        ["pool", "raii"].map(|strategy| fixture.cell(&format!("vec-push/{strategy}/")).clone());
    for index in 0..5000 {
        let mut cell = models[index % 2].clone();
        cell.strategy = format!("made-up-{index}");
        cell.id = format!("vec-push/made-up-{index}/");
        cell.samples_ns_per_op.truncate(1);
        cell.status = if index % 3 == 0 { Status::Unsupported } else { Status::Measured };
        cell.reason = Some(format!("reason {index}"));
        fixture.cells.push(cell);
    }
    let page = fixture.page();
    assert_eq!(page.matches("data-entry=").count(), fixture.cells.len());
    let answer = between(&page, "aria-label=\"vec-push: ", "\"");
    assert!(answer.len() < 1000, "{} bytes", answer.len());
}
