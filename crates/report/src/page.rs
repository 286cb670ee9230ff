//! The page as a whole: what each of its sections says, handed to the template.

use askama::Template;

use crate::figure::{self, Figure};
use crate::format;
use crate::grid::{Column, Family, Grid, Role, Workload};
use crate::heatmap::{self, HeatMap};
use crate::ink;
use crate::noise::{self, Controls};
use crate::read::RunFolder;
use crate::record::{Run, State, Status, Verdict, WorkloadInfo};

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
    cells: usize,
    failed: usize,
    settings: String,
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
        let controls = noise::of(grid);
        Page {
            style: include_str!("../templates/page.css"),
            plot_style: ink::style(),
            run,
            began: format::moment(&run.started_utc),
            ended: run.finished_utc.as_deref().map_or_else(String::new, format::moment),
            unfinished: run.state == State::Unfinished,
            cells: folder.cells.iter().filter(|cell| cell.ns_per_op.is_some()).count(),
            failed: folder.cells.iter().filter(|cell| cell.status == Status::Failed).count(),
            settings: settings(run),
            reference: grid.reference(),
            ours: ours.map(|column| column.name).collect(),
            map: heatmap::of(grid),
            scores: grid.columns.iter().map(|column| score(folder, column)).collect(),
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
        const WORDS: [&str; 7] = ["No", "One", "Two", "Three", "Four", "Five", "Six"];
        WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
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

/// How often a strategy was faster, the same, slower, or without a figure.
fn score(folder: &RunFolder, column: &Column<'_>) -> Score {
    let cells: Vec<_> = folder.cells.iter().filter(|c| c.strategy == column.name).collect();
    let verdicts = |verdict| {
        let judged = cells.iter().filter(|c| c.status == Status::Measured);
        judged.filter(|c| c.verdict == Some(verdict)).count()
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
        faster: verdicts(Verdict::Faster),
        same: verdicts(Verdict::Same),
        slower: verdicts(Verdict::Slower),
        unsupported: statuses(Status::Unsupported),
        failed: statuses(Status::Failed),
    }
}

/// How the run was measured, in a sentence.
fn settings(run: &Run) -> String {
    let settings = &run.settings;
    let filter = match (&settings.filter, settings.exact) {
        (None, _) => String::new(),
        (Some(filter), false) => format!(" Only cells whose id matches {filter}."),
        (Some(filter), true) => format!(" Only the cell {filter}."),
    };
    format!(
        "{} rounds; in each a cell gets {} samples over {} s after {} s of warm-up, and fails \
         after {} s.{filter}",
        settings.rounds,
        settings.sample_size,
        settings.measurement_time_s,
        settings.warm_up_time_s,
        settings.cell_timeout_s,
    )
}

/// The noise of the machine over the whole run.
fn noise(run: &Run) -> Vec<(&'static str, String)> {
    let noise = &run.noise;
    let share =
        |part| format!("{} ({})", format::count(part), format::percent(part, noise.samples));
    vec![
        ("Fastest canary loop", format!("{} ns", format::ns(noise.canary_best_ns))),
        ("Samples kept", format::count(noise.samples)),
        ("Pieces of samples taken again", format::count(noise.retaken_samples)),
        ("Samples kept though a neighbour held the core", share(noise.noisy_samples)),
    ]
}

/// The environment, with every setting that could move a number.
fn environment(run: &Run) -> Vec<(&'static str, String)> {
    let environment = &run.environment;
    let or = |text: &str, empty: &str| if text.is_empty() { empty } else { text }.to_owned();
    let memory = environment.memory_bytes as f64 / f64::from(1 << 30);
    vec![
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
        ("Commit", or(environment.commit.as_deref().unwrap_or_default(), "not in a checkout")),
        ("Program", environment.program.clone()),
    ]
}
