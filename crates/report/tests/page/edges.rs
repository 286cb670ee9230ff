//! Runs that are unfinished, nearly empty or odd still make a page, and the same one each time.

use std::fs;

use report::record::State;

use crate::fixture::complete;

#[test]
fn the_same_folder_gives_the_same_bytes_and_keeps_its_records() {
    let folder = tempfile::tempdir().unwrap();
    complete().write(folder.path());
    let record = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let before = (record("run.json"), record("cells.jsonl"));
    report::write(folder.path()).unwrap();
    let first = (record("index.html"), record("plots/pair-64.svg"));
    report::write(folder.path()).unwrap();
    assert!(first == (record("index.html"), record("plots/pair-64.svg")));
    assert!(before == (record("run.json"), record("cells.jsonl")));
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["cells.jsonl", "index.html", "plots", "run.json"]);
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let fixture = complete();
    let mut turned = complete();
    turned.cells.reverse();
    assert!(fixture.page() == turned.page());
}

#[test]
fn an_unfinished_run_says_so() {
    let mut fixture = complete();
    assert!(!fixture.page().contains("This run is unfinished"));
    fixture.run.state = State::Unfinished;
    fixture.run.finished_utc = None;
    fixture.cells.truncate(100);
    let measured = fixture.cells.iter().filter(|cell| cell.ns_per_op.is_some()).count();
    assert!(0 < measured && measured < 100, "{measured}");
    let page = fixture.page();
    assert!(page.contains("<b>This run is unfinished.</b>"));
    assert!(page.contains(&format!("So far {measured} cells have figures")));
    // The row that was reached has cells that are still to come.
    assert!(page.contains("title=\"not measured in this run\">·</td>"));
}

#[test]
fn a_run_without_cells_makes_a_page() {
    let mut fixture = complete();
    fixture.cells.clear();
    fixture.run.state = State::Unfinished;
    let page = fixture.page();
    assert!(page.contains("No cell has been measured yet."));
    assert!(page.contains("Without a cell in this run: system, jemalloc"));
    assert!(!page.contains("<svg"));
}

#[test]
fn a_filtered_run_shows_what_it_has() {
    let mut fixture = complete();
    fixture.cells.retain(|cell| cell.strategy == "pool" && cell.workload == "pair");
    fixture.run.settings.filter = Some("^pair/pool/".to_owned());
    let page = fixture.page();
    assert!(page.contains("Only cells whose id matches ^pair/pool/."));
    assert!(page.contains("This run has no controls."));
    assert_eq!(page.matches("<svg").count(), 5);
}

#[test]
fn what_run_json_does_not_list_is_drawn_all_the_same() {
    let mut fixture = complete();
    fixture.run.strategies.retain(|strategy| strategy.name != "pool");
    fixture.run.workloads.clear();
    let page = fixture.page();
    for cell in &fixture.cells {
        assert!(page.contains(&format!("data-cell=\"{}\"", cell.id)), "{}", cell.id);
    }
    assert!(page.contains("run.json does not describe this workload."));
}

#[test]
fn one_sample_of_one_round_makes_a_plot() {
    let mut fixture = complete();
    fixture.cells.retain(|cell| cell.id == "pair/pool/64");
    let cell = fixture.cell("pair/pool/64");
    cell.rounds_ns_per_op = vec![1.5];
    cell.samples_ns_per_op = vec![vec![1.5]];
    let ns = cell.ns_per_op.as_mut().unwrap();
    (ns.median, ns.lo, ns.hi) = (1.5, 1.5, 1.5);
    let page = fixture.page();
    assert_eq!(page.matches("<circle").count(), 1);
    assert!(page.contains("\n1.50\n</text>"));
}

#[test]
fn figures_of_zero_and_no_figures_make_a_plot() {
    let mut fixture = complete();
    fixture.cells.retain(|cell| cell.workload == "vec-push");
    for cell in &mut fixture.cells {
        cell.rounds_ns_per_op.fill(0.0);
        cell.samples_ns_per_op.clear();
        cell.ratio_to_system = None;
        cell.verdict = None;
        let nothing = report::record::Interval { median: 0.0, lo: 0.0, hi: 0.0 };
        cell.ns_per_op = (cell.strategy != "bump").then_some(nothing);
    }
    let page = fixture.page();
    assert!(page.contains("not measured yet"));
    assert!(!page.contains("NaN") && !page.contains("inf ns"));
}

#[test]
fn a_ratio_without_a_verdict_is_shown_as_not_judged() {
    let mut fixture = complete();
    fixture.cells.retain(|cell| cell.strategy != "system-again" && cell.workload == "grow");
    fixture.cells.iter_mut().for_each(|cell| cell.verdict = None);
    let page = fixture.page();
    assert!(page.contains("40.0×</a>"));
    assert!(page.contains(">not judged<") && page.contains("for want of an A/A"));
    assert!(!page.contains("class=\"mark\""), "a mark without a verdict");
}

#[test]
fn quick_mode_is_no_verdict() {
    let mut fixture = complete();
    fixture.run.settings.quick = true;
    assert!(fixture.page().contains("<b>Quick mode.</b>"));
}
