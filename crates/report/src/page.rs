//! The page as a whole: what each of its sections says, handed to the template.

use std::collections::BTreeMap;

use askama::Template;

use crate::figure::{self, Figure};
use crate::format;
use crate::grid::{Column, Family, Grid, Role, Workload};
use crate::heatmap::{self, HeatMap};
use crate::ink;
use crate::noise::{self, Controls, Machine};
use crate::read::RunFolder;
use crate::record::{Cell, Run, State, Status, Verdict, WorkloadInfo};
use crate::verdict;

/// What is written into a run folder.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// The page.
    pub(crate) html: String,
    /// The plots: name without extension, and file.
    pub(crate) plots: Vec<(String, String)>,
}

/// Draws a run.
pub(crate) fn draw(folder: &RunFolder) -> Result<Drawn, askama::Error> {
    let grid = Grid::new(folder);
    let page = Page::new(folder, &grid);
    let html = page.render()?;
    let figures = page.families.into_iter().flat_map(|f| f.workloads).flat_map(|w| w.figures);
    let plots = figures.map(|figure| (figure.slug, figure.svg.alone)).collect();
    Ok(Drawn { html, plots })
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    style: &'static str,
    plot_style: String,
    run: &'a Run,
    began: String,
    ended: String,
    unfinished: bool,
    /// Cells with figures.
    cells: usize,
    failed: usize,
    /// How many measurements the figures come from: a measurement is one cell in one round.
    measurements: String,
    settings: String,
    /// Whether contenders take turns.
    turns: bool,
    /// Whether floors are factors and "undecided" is a verdict; else they are linear and it is not.
    undecided: bool,
    /// The least difference that counts, in percent.
    least: String,
    /// Whether a noisy piece was measured again.
    gate: bool,
    machine: Option<Machine>,
    unjudged: bool,
    reference: &'a str,
    ours: Vec<&'a str>,
    map: HeatMap,
    scores: Vec<Score>,
    absent: Vec<&'a str>,
    families: Vec<FamilySection<'a>>,
    controls: Vec<Controls>,
    suspects: usize,
    floor: &'a str,
    limit: &'a str,
    again: &'a str,
    single: &'a str,
    noise: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, String)>,
}

/// How often a strategy won and lost.
struct Score {
    name: String,
    class: &'static str,
    role: &'static str,
    about: String,
    built_on: String,
    faster: usize,
    same: usize,
    slower: usize,
    undecided: usize,
    unjudged: usize,
    unsupported: usize,
    failed: usize,
}

struct FamilySection<'a> {
    name: &'a str,
    workloads: Vec<WorkloadSection<'a>>,
}

struct WorkloadSection<'a> {
    name: &'a str,
    info: Option<&'a WorkloadInfo>,
    figures: Vec<Figure>,
}

impl<'a> Page<'a> {
    fn new(folder: &'a RunFolder, grid: &Grid<'a>) -> Self {
        let run = &folder.run;
        let named = |role| grid.in_role(role).map_or("", |column| column.name);
        let ours = grid.columns.iter().filter(|column| column.role == Role::Ours);
        let used = |name: &str| grid.columns.iter().any(|column| column.name == name);
        let names = run.strategies.iter().map(|strategy| strategy.name.as_str());
        let controls = noise::of(grid, run);
        let scores = scores(folder, grid);
        let measurements =
            folder.cells.iter().map(|cell| cell.rounds_ns_per_op.len()).sum::<usize>();
        Page {
            style: include_str!("../templates/page.css"),
            plot_style: ink::style(),
            run,
            began: format::moment(&run.started_utc),
            ended: run.finished_utc.as_deref().map_or_else(String::new, format::moment),
            unfinished: run.state == State::Unfinished,
            cells: folder.cells.iter().filter(|cell| cell.ns_per_op.is_some()).count(),
            failed: folder.cells.iter().filter(|cell| cell.status == Status::Failed).count(),
            measurements: format::count(measurements as u64),
            settings: settings(run),
            turns: run.settings.turns,
            undecided: run.settings.least_difference > 0.0,
            least: least(run),
            gate: noise::canary_was_a_gate(run),
            machine: noise::of_machine(run),
            unjudged: scores.iter().any(|score| score.unjudged > 0),
            reference: grid.reference(),
            ours: ours.map(|column| column.name).collect(),
            map: heatmap::of(grid),
            scores,
            absent: names.filter(|name| !used(name)).collect(),
            families: families(run, grid),
            suspects: noise::suspects(&controls),
            controls,
            floor: named(Role::Floor),
            limit: named(Role::Limit),
            again: named(Role::SameAgain),
            single: named(Role::SingleThread),
            noise: noise(run),
            environment: environment(run),
        }
    }

    /// A word for a small number, for the start of a sentence.
    fn number(&self, count: usize) -> String {
        format::number(count)
    }
}

/// The sections of workloads.
fn families<'a>(run: &Run, grid: &Grid<'a>) -> Vec<FamilySection<'a>> {
    let figures = |workload: &Workload<'a>| {
        workload.rows.iter().map(|row| figure::of(grid, row, &run.environment)).collect()
    };
    let section = |workload: &Workload<'a>| WorkloadSection {
        name: workload.name,
        info: workload.info,
        figures: figures(workload),
    };
    let family = |family: &Family<'a>| FamilySection {
        name: family.name,
        workloads: family.workloads.iter().map(section).collect(),
    };
    grid.families.iter().map(family).collect()
}

/// How often each strategy was faster, the same, slower, or without a figure.
fn scores(folder: &RunFolder, grid: &Grid<'_>) -> Vec<Score> {
    let mut cells: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in &folder.cells {
        cells.entry(&cell.strategy).or_default().push(cell);
    }
    let of = |column: &Column<'_>| cells.get(column.name).map_or(&[][..], Vec::as_slice);
    grid.columns.iter().map(|column| score(folder, column, of(column))).collect()
}

fn score(folder: &RunFolder, column: &Column<'_>, cells: &[&Cell]) -> Score {
    let judged = |verdict| {
        let is_there = |c: &&&Cell| c.ratio_to_system.is_some() || c.verdict.is_some();
        let judged = cells.iter().filter(|c| verdict::is_measured(c)).filter(is_there);
        judged.filter(|c| c.verdict == verdict).count()
    };
    let statuses = |status| cells.iter().filter(|c| c.status == status).count();
    let built_on = folder.run.versions.get(&format!("strategy-{}", column.name));
    Score {
        name: column.name.to_owned(),
        class: column.role.class(),
        role: match column.role {
            Role::Contender => "contender",
            role => role.word(),
        },
        about: column.about.to_owned(),
        built_on: built_on.map_or_else(String::new, |names| names.join(", ")),
        faster: judged(Some(Verdict::Faster)),
        same: judged(Some(Verdict::Same)),
        slower: judged(Some(Verdict::Slower)),
        undecided: judged(Some(Verdict::Undecided)),
        unjudged: judged(None),
        unsupported: statuses(Status::Unsupported),
        failed: statuses(Status::Failed),
    }
}

/// How the run was measured, in a few sentences.
fn settings(run: &Run) -> String {
    let settings = &run.settings;
    let rounds = match settings.rounds {
        1 => "1 round".to_owned(),
        rounds => format!("{} rounds", format::count(rounds.into())),
    };
    let way = if settings.turns { turns(run) } else { "One process follows the other.".to_owned() };
    let states = match (settings.state, settings.states) {
        (Some(state), _) => format!(" All rounds repeat start state and stream {state}."),
        (None, 0) => String::new(),
        (None, states) => format!(" The rounds go over {states} start states."),
    };
    let filter = match (&settings.filter, settings.exact) {
        (None, _) => String::new(),
        (Some(filter), false) => format!(" Only cells whose id matches {filter}."),
        (Some(filter), true) => format!(" Only the cell {filter}."),
    };
    format!(
        "{rounds}. {way} In a round a cell gets {} samples over {} s after {} s of warm-up, and fails \
         after {} s.{states}{filter}",
        settings.sample_size,
        settings.measurement_time_s,
        settings.warm_up_time_s,
        settings.cell_timeout_s,
    )
}

/// How turns are taken.
fn turns(run: &Run) -> String {
    let turn = run.settings.turn_ms.map_or_else(String::new, |turn| format!(" of {turn} ms"));
    let settle = match run.settings.settle_ms {
        Some(settle) => format!("{settle} ms"),
        None => "a part that the row's live set decides".to_owned(),
    };
    format!(
        "All strategies of a row are alive at once and take turns{turn} on one core, in an order drawn \
         for each cycle; before its turn is measured, each runs for {settle}."
    )
}

/// The least difference that counts, in percent.
fn least(run: &Run) -> String {
    let percent = format!("{:.2}", 100.0 * run.settings.least_difference);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}

/// The noise of the machine over the whole run.
fn noise(run: &Run) -> Vec<(&'static str, String)> {
    let noise = &run.noise;
    let share = |part, whole| format!("{} ({})", format::count(part), format::percent(part, whole));
    let best = ("Fastest canary loop", format!("{} ns", format::ns(noise.canary_best_ns)));
    let kept = ("Samples kept", format::count(noise.samples));
    if noise::canary_was_a_gate(run) {
        return vec![
            best,
            kept,
            ("Pieces of samples taken again", format::count(noise.retaken_samples)),
            (
                "Samples kept though a neighbour held the core",
                share(noise.noisy_samples, noise.samples),
            ),
        ];
    }
    let mut facts = vec![
        ("Middle canary loop", format!("{} ns", format::ns(noise.canary_ns))),
        best,
        kept,
        ("Noisy ones among them", share(noise.noisy_samples, noise.samples)),
        (
            "Pieces left out, since a thread was preempted",
            share(noise.preempted_samples, noise.samples + noise.preempted_samples),
        ),
    ];
    if noise.retaken_samples > 0 {
        facts.push(("Pieces of samples taken again", format::count(noise.retaken_samples)));
    }
    facts
}

/// Where the time went, the most first; nothing where the run does not say.
fn spent(run: &Run) -> String {
    let all: f64 = run.spent_s.values().sum();
    let mut parts: Vec<(&String, f64)> = run.spent_s.iter().map(|(name, s)| (name, *s)).collect();
    parts.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let share = |seconds: f64| if all > 0.0 { 100.0 * seconds / all } else { 0.0 };
    let part = |(name, seconds): &(&String, f64)| {
        let name = format::shortened(name, 40);
        format!("{name} {} ({:.0} %)", format::seconds(*seconds), share(*seconds))
    };
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// Variables that allocators look at; nothing where the run does not say.
fn variables(run: &Run) -> String {
    let all = &run.environment.variables;
    if all.is_empty() && noise::canary_was_a_gate(run) {
        return String::new();
    }
    let one = |(name, value): (&String, &String)| format::beginning(&format!("{name}={value}"));
    let all = all.iter().map(one).collect::<Vec<_>>().join(", ");
    if all.is_empty() { "none".to_owned() } else { all }
}

/// The environment, with every setting that could move a number.
fn environment(run: &Run) -> Vec<(&'static str, String)> {
    let environment = &run.environment;
    let or = |text: &str, empty: &str| if text.is_empty() { empty } else { text }.to_owned();
    let memory = environment.memory_bytes as f64 / f64::from(1 << 30);
    let facts = vec![
        ("Host", environment.host.clone()),
        ("CPU", environment.cpu.clone()),
        ("Logical cores", environment.cores.to_string()),
        ("Memory", format!("{memory:.1} GiB")),
        ("Operating system", environment.os.clone()),
        ("Kernel", environment.kernel.clone()),
        ("C library", environment.libc.clone()),
        ("Compiler", environment.rustc.clone()),
        ("Target", environment.target.clone()),
        ("Profile", environment.profile.clone()),
        ("RUSTFLAGS", or(&environment.rustflags, "none")),
        ("Features", or(&environment.features.join(", "), "none")),
        ("Transparent huge pages", environment.transparent_huge_pages.clone()),
        ("Variables of allocators", variables(run)),
        ("Commit", or(environment.commit.as_deref().unwrap_or_default(), "not in a checkout")),
        ("Program", environment.program.clone()),
        ("Where the time went", spent(run)),
    ];
    // What older runs do not say is left out.
    let said = |(name, text): &(&str, String)| {
        !text.is_empty() || !matches!(*name, "Variables of allocators" | "Where the time went")
    };
    facts.into_iter().filter(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of one row with so many strategies.
    fn of_strategies(count: usize) -> RunFolder {
        let interval = r#"{"median": 1.0, "lo": 1.0, "hi": 1.0}"#;
        let cell = |index: usize| {
            let text = format!(
                r#"{{"id": "row/s{index}/", "workload": "row", "strategy": "s{index}", "parameter": "",
                "status": "measured", "ns_per_op": {interval}, "rounds_ns_per_op": [1.0, 1.0],
                "ratio_to_system": {interval}, "noise_floor": 0.01, "verdict": "same", "ops": 1, "checksum": "0",
                "retaken_samples": 0, "noisy_samples": 0, "samples_ns_per_op": []}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let run = serde_json::from_str(
            r#"{"format": 1, "started_utc": "", "finished_utc": null, "state": "unfinished", "command": "",
            "settings": {"filter": null, "exact": false, "rounds": 2, "quick": false, "sample_size": 10,
            "measurement_time_s": 1, "warm_up_time_s": 1, "cell_timeout_s": 1},
            "environment": {"host": "", "cpu": "", "cores": 1, "memory_bytes": 1, "os": "", "kernel": "", "libc": "",
            "rustc": "", "target": "", "profile": "", "rustflags": "", "features": [], "transparent_huge_pages": "",
            "commit": null, "program": ""}, "versions": {}, "workloads": [],
            "strategies": [{"name": "s0", "role": "reference", "about": ""}],
            "noise": {"canary_best_ns": 1, "samples": 0, "retaken_samples": 0, "noisy_samples": 0}}"#,
        );
        RunFolder { path: "".into(), run: run.unwrap(), cells: (0..count).map(cell).collect() }
    }

    #[test]
    fn a_cell_looks_at_no_more_cells_in_a_long_row_than_in_a_short_one() {
        let lookups = |count| {
            let folder = of_strategies(count);
            let grid = Grid::new(&folder);
            Page::new(&folder, &grid);
            grid.lookups.get() / count
        };
        assert!(lookups(20) > 0);
        assert_eq!(lookups(200), lookups(20));
    }
}
