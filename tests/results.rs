//! Every run folder that is committed is whole, and so is the one that `HEAPMARK_RUN` names.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use report::RunFolder;
use report::record::{Cell, Interval, Run, State, Status, Verdict};

/// The run folders that are committed, and that of `HEAPMARK_RUN`. A user's own runs may be
/// unfinished, or drawn by an older page.
fn folders() -> Vec<PathBuf> {
    committed().into_iter().chain(env::var_os("HEAPMARK_RUN").map(PathBuf::from)).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Those that `.gitignore` does not ignore. Git would know as well, but a copy of the sources without a history has
/// nothing for it to look at, and it refuses a folder that belongs to another user.
fn committed() -> Vec<PathBuf> {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let excepted = ignored.lines().filter_map(|line| line.strip_prefix("!/results/"));
    let folders = excepted.filter(|name| !name.contains('.'));
    folders.map(|name| root().join("results").join(name)).collect()
}

#[test]
fn the_runs_that_are_not_ignored_are_those_that_are_committed() {
    let mut git = Command::new("git");
    let listed = git.args(["ls-files", "results/*/run.json"]).current_dir(root()).output();
    // Nothing is listed where the folder lies in the tree of another project.
    let knows = |output: &Output| output.status.success() && !output.stdout.is_empty();
    let Some(listed) = listed.ok().filter(knows) else {
        eprintln!("not tested: git knows nothing of this folder");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut listed: Vec<_> =
        listed.lines().map(|file| root().join(file).parent().unwrap().to_owned()).collect();
    let mut excepted = committed();
    listed.sort();
    excepted.sort();
    assert_eq!(excepted, listed);
}

fn complete() -> Vec<RunFolder> {
    let folders = folders().into_iter().map(|path| report::read(&path).unwrap());
    folders.filter(|folder| folder.run.state == State::Complete).collect()
}

#[test]
fn there_is_a_complete_run() {
    assert!(!complete().is_empty());
}

/// The rows of the hot paths, and of the peers: a committed run has all of either.
const ROWS: [usize; 2] = [26, 23];

/// How far System may come out from itself: in nine rows of ten, and in all. The peers have rows with two threads,
/// which need both cores of the machine.
fn bounds(run: &Run, peers: bool) -> (f64, f64) {
    match (run.settings.turns, peers) {
        (true, false) => (0.01, 0.02),
        (true, true) => (0.01, 0.03),
        (false, _) => (0.03, 0.10),
    }
}

/// A wide noise floor is no excuse: over the whole run System has to come out as itself.
#[test]
fn in_a_committed_run_system_is_itself() {
    for folder in committed() {
        let RunFolder { run, cells, .. } = report::read(&folder).unwrap();
        let peers = run.workloads.iter().any(|workload| workload.family.starts_with("Peers"));
        let again: Vec<&Cell> =
            cells.iter().filter(|cell| cell.strategy == "system-again").collect();
        assert!(again.len() >= ROWS[usize::from(peers)], "{} is not whole", folder.display());
        let off: Vec<f64> =
            again.iter().map(|cell| (cell.ratio_to_system.unwrap().median - 1.0).abs()).collect();
        let (most, all) = bounds(&run, peers);
        let near = off.iter().filter(|off| **off <= most).count();
        assert!(10 * near >= 9 * off.len(), "{}: {near} of {}", folder.display(), off.len());
        assert!(off.iter().all(|off| *off <= all), "{}: {off:?}", folder.display());
        if run.settings.turns {
            for cell in again {
                assert_eq!(cell.verdict, Some(Verdict::Same), "{} {}", folder.display(), cell.id);
            }
        }
    }
}

#[test]
fn every_cell_has_all_that_its_status_promises() {
    for RunFolder { path, run, cells } in complete() {
        assert!(!cells.is_empty(), "{}", path.display());
        for cell in &cells {
            let at = format!("{} {}", path.display(), cell.id);
            let id = [&*cell.workload, &*cell.strategy, &*cell.parameter].join("/");
            assert_eq!(cell.id, id, "{at}");
            match cell.status {
                Status::Measured => {
                    assert_eq!(cell.rounds_ns_per_op.len(), run.settings.rounds as usize, "{at}");
                    assert_eq!(cell.samples_ns_per_op.len(), run.settings.rounds as usize, "{at}");
                    let samples = cell.samples_ns_per_op.iter().flatten();
                    let sane = samples.clone().all(|ns| ns.is_finite() && *ns > 0.0);
                    assert!(sane && samples.count() > 0, "{at}");
                    let ns = cell.ns_per_op.unwrap();
                    assert!(ns.lo <= ns.median && ns.median <= ns.hi, "{at}");
                    assert!(cell.ops.unwrap() > 0 && cell.checksum.is_some(), "{at}");
                    assert_eq!(cell.reason, None, "{at}");
                }
                Status::Unsupported | Status::Failed => {
                    assert!(!cell.reason.as_ref().unwrap().is_empty(), "{at}");
                    assert_eq!((cell.ratio_to_system, cell.verdict), (None, None), "{at}");
                }
            }
        }
    }
}

/// The ratios of a cell, a number a round that has one, sorted. Runs without the field have quotients of rounds.
fn ratios(cell: &Cell, system: &Cell) -> Vec<f64> {
    let quotients = cell.rounds_ns_per_op.iter().zip(&system.rounds_ns_per_op);
    let mut ratios: Vec<f64> = match &*cell.rounds_ratio {
        [] => quotients.map(|(ns, system)| ns / system).collect(),
        rounds => rounds.iter().flatten().copied().collect(),
    };
    ratios.sort_by(f64::total_cmp);
    ratios
}

/// The verdict that follows from a ratio and the row's noise floor.
fn verdict(ratio: Interval, floor: f64, least_difference: f64) -> Verdict {
    let Interval { lo, hi, .. } = ratio;
    if least_difference == 0.0 {
        // Older runs: the floor is linear, and what touches it is the same.
        return match (hi < 1.0 - floor, lo > 1.0 + floor) {
            (true, _) => Verdict::Faster,
            (_, true) => Verdict::Slower,
            _ => Verdict::Same,
        };
    }
    let within = f64::max(floor, least_difference);
    if hi < 1.0 / (1.0 + floor) {
        Verdict::Faster
    } else if lo > 1.0 + floor {
        Verdict::Slower
    } else if lo * (1.0 + within) >= 1.0 - 1e-9 && hi <= 1.0 + within + 1e-9 {
        Verdict::Same
    } else {
        Verdict::Undecided
    }
}

#[test]
fn ratios_and_verdicts_follow_from_the_rounds() {
    for RunFolder { path, run, cells } in complete() {
        let least_difference = run.settings.least_difference;
        let systems = cells.iter().filter(|cell| cell.strategy == "system");
        let systems: BTreeMap<_, _> =
            systems.map(|cell| ((&cell.workload, &cell.parameter), cell)).collect();
        for cell in &cells {
            let at = format!("{} {}", path.display(), cell.id);
            let rounds = cell.rounds_ratio.len();
            assert!(rounds == 0 || rounds == cell.rounds_ns_per_op.len(), "{at}");
            // Where threads were preempted in most rounds nothing is told, whatever the rest says.
            let told = cell.rounds_ratio.iter().flatten().count();
            let is_lost = 2 * told < rounds && cell.verdict == Some(Verdict::Undecided);
            let Some(ratio) = cell.ratio_to_system else {
                assert!(cell.verdict.is_none() || is_lost, "{at}");
                continue;
            };
            let ratios = ratios(cell, systems[&(&cell.workload, &cell.parameter)]);
            // The middle of an even number is between the middle two: halfway in older runs, and on a
            // logarithmic scale in newer ones.
            let (below, above) = (ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2]);
            let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
            let order = [least, ratio.lo, ratio.median, ratio.hi, most];
            assert!(order.is_sorted_by(|a, b| *a <= b + 1e-9 * b), "{at}: {order:?}");
            if least_difference == 0.0 {
                assert!((ratio.median - f64::midpoint(below, above)).abs() < 1e-9, "{at}");
            }
            let middle = [below, ratio.median, above];
            assert!(middle.is_sorted_by(|a, b| *a <= b + 1e-9 * b), "{at}: {middle:?}");
            let is_judged = least_difference == 0.0 || ratios.len() > 1;
            let floor = cell.noise_floor.filter(|_| is_judged);
            let expected = floor.map(|floor| verdict(ratio, floor, least_difference));
            assert!(
                cell.verdict == expected || is_lost,
                "{at}: {:?}, not {expected:?}",
                cell.verdict
            );
        }
    }
}

#[test]
fn verdicts_of_newer_runs_are_undecided_where_nothing_is_told() {
    let judge = |lo, hi| verdict(Interval { median: lo, lo, hi }, 0.01, 0.02);
    assert_eq!(judge(0.1, 0.98), Verdict::Faster);
    assert_eq!(judge(1.02, 3.0), Verdict::Slower);
    assert_eq!(judge(0.985, 1.015), Verdict::Same);
    assert_eq!(judge(0.97, 1.0), Verdict::Undecided);
    assert_eq!(judge(0.995, 1.03), Verdict::Undecided);
    // A floor that is as wide as the time itself still lets a tenth of it be faster.
    assert_eq!(verdict(Interval { median: 0.1, lo: 0.09, hi: 0.11 }, 1.0, 0.02), Verdict::Faster);
    // In older runs whatever is not told apart is the same.
    assert_eq!(verdict(Interval { median: 0.9, lo: 0.8, hi: 1.2 }, 0.01, 0.0), Verdict::Same);
}

#[test]
fn all_strategies_of_a_row_have_one_answer() {
    for RunFolder { path, cells, .. } in complete() {
        let mut answers: BTreeMap<_, &Cell> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| cell.status == Status::Measured) {
            let first = answers.entry((&cell.workload, &cell.parameter)).or_insert(cell);
            let same = (cell.ops, &cell.checksum) == (first.ops, &first.checksum);
            assert!(same, "{} {} and {}", path.display(), first.id, cell.id);
        }
    }
}

#[test]
fn the_page_is_a_function_of_the_folder() {
    for folder in folders() {
        let copy = tempfile::tempdir().unwrap();
        for name in ["run.json", "cells.jsonl"] {
            fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
        let drawn = fs::read_to_string(report::write(copy.path()).unwrap()).unwrap();
        let kept = fs::read_to_string(folder.join("index.html")).unwrap();
        assert!(drawn == kept, "{} is not drawn from its records", folder.display());
        for plot in fs::read_dir(copy.path().join("plots")).unwrap() {
            let plot = plot.unwrap();
            let kept = fs::read(folder.join("plots").join(plot.file_name())).unwrap();
            assert!(fs::read(plot.path()).unwrap() == kept, "{}", plot.path().display());
        }
    }
}
