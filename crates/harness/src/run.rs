//! The parent: rounds over the matrix, a process for each cell, and the folder that keeps it all.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use report::RunFolder;
use report::record::{FORMAT, Noise, Run, Settings, State, Status};

use crate::args::{Args, ListFormat, Matcher};
use crate::cell::{Measured, Order, Outcome};
use crate::environment::{self, Build};
use crate::error::{Context, Error};
use crate::folder::{self, Folder};
use crate::matrix::Matrix;
use crate::process::{self, End};
use crate::progress::{Progress, minutes};
use crate::replay;

/// Seconds that a cell's process takes beside warm-up and sampling: start, set-up, canaries and
/// criterion's analysis.
const PROCESS_S: f64 = 0.04;

/// Seconds that testing a cell takes, once a run.
const TEST_S: f64 = 0.03;

/// Seconds that criterion's report of a cell takes, once a run.
const REPORT_S: f64 = 0.1;

/// The part of a run's time that may be spent on waiting for a quiet core and on measuring again.
const RETAKE_PART: f64 = 0.3;

/// How many times its even share of what is left of that one cell may take: noise is uneven.
const RETAKE_SHARES: f64 = 3.0;

/// The most of that for one cell in one round, in seconds: an episode of noise is mostly over then.
const RETAKE_MOST_S: f64 = 0.5;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All cells were measured, or tested.
    Well,
    /// A cell failed.
    WithFailures,
    /// The user ended it.
    Interrupted,
}

/// Prints to standard output. If nobody listens any more, as behind `head`, so be it.
pub(crate) fn say(text: &str) {
    let _nobody_listens = stdout().write_all(text.as_bytes());
}

/// The results folder of this workspace.
fn results(root: &Path) -> PathBuf {
    root.join("results")
}

/// Keeps the cells that `settings` are about.
fn select(matrix: &mut Matrix, settings: &Settings) -> Result<(), Error> {
    let matcher = Matcher::new(settings).map_err(Error::Usage)?;
    matrix.select(|id| matcher.matches(id));
    if matrix.rows.is_empty() {
        return Err(Error::Usage(format!(
            "no cell matches the filter `{}`; `cargo bench -- --list` shows all cells",
            settings.filter.as_deref().unwrap_or_default()
        )));
    }
    Ok(())
}

/// Prints the cells that `args` are about, as criterion does.
pub(crate) fn list(matrix: &Matrix, args: &Args) -> Result<(), Error> {
    let matcher = Matcher::new(&args.settings()).map_err(Error::Usage)?;
    let cells =
        matrix.cells().filter(|cell| cell.case.support.is_ok() && matcher.matches(&cell.id));
    let ids: Vec<_> = cells.map(|cell| &cell.id).collect();
    let mut text: String = ids.iter().map(|id| format!("{id}: benchmark\n")).collect();
    if args.format == ListFormat::Pretty {
        text += &format!("\n0 tests, {} benchmarks\n", ids.len());
    }
    say(&text);
    Ok(())
}

/// Runs every cell once, under a checking wrapper and without, and measures nothing.
pub(crate) fn test(
    mut matrix: Matrix,
    args: &Args,
    interrupted: &AtomicBool,
) -> Result<Ended, Error> {
    let settings = args.settings();
    select(&mut matrix, &settings)?;
    let runner = Runner::new(&settings, interrupted);
    let mut failed = false;
    for cell in matrix.cells().filter(|cell| cell.case.support.is_ok()) {
        match runner.run(&cell.id, true, 0.0, 0.0)? {
            Ran::Done(_) => say(&format!("Testing {}\nSuccess\n", cell.id)),
            Ran::Failed { reason, last_output } => {
                failed = true;
                say(&format!("Testing {}\nFailed: {reason}\n{last_output}\n", cell.id));
            }
            Ran::Interrupted => return Ok(Ended::Interrupted),
        }
    }
    Ok(if failed { Ended::WithFailures } else { Ended::Well })
}

/// Begins or resumes a run, and brings it to its end.
pub(crate) fn measure(
    root: &Path,
    build: Build,
    mut matrix: Matrix,
    args: &Args,
    interrupted: &AtomicBool,
) -> Result<(Folder, Ended), Error> {
    let mut folder = if args.resume {
        resume(root, build, &mut matrix, args)?
    } else {
        create(root, build, &mut matrix, args)?
    };
    let settings = folder.run.settings.clone();
    let ended = rounds(&matrix, &mut folder, &settings, interrupted)?;
    if ended != Ended::Interrupted {
        folder.complete()?;
    }
    Ok((folder, ended))
}

fn create(root: &Path, build: Build, matrix: &mut Matrix, args: &Args) -> Result<Folder, Error> {
    let settings = args.settings();
    select(matrix, &settings)?;
    replay::check_baseline(&args.report, matrix)?;
    let now = Timestamp::now();
    let remedy = "it is this program's own, and has to be readable";
    let environment =
        environment::environment(root, build).context("read", "this program", remedy)?;
    let default =
        || results(root).join(format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), environment.host));
    let path = args.out.clone().unwrap_or_else(default);
    let typed = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let typed = shell_words::join(typed.filter(|argument| argument != "--bench"));
    let run = Run {
        format: FORMAT,
        started_utc: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        finished_utc: None,
        state: State::Unfinished,
        command: format!("{} -- {typed}", build.command()).trim_end_matches(" -- ").into(),
        settings,
        environment,
        versions: build.versions(),
        strategies: matrix.strategies.clone(),
        workloads: matrix.workloads.clone(),
        noise: Noise::default(),
        spent_s: BTreeMap::new(),
    };
    let folder = Folder::create(path, run, matrix)?;
    if args.out.is_none() {
        folder::point_latest(folder.path())?;
    }
    Ok(folder)
}

fn resume(root: &Path, build: Build, matrix: &mut Matrix, args: &Args) -> Result<Folder, Error> {
    let path = args.out.clone().unwrap_or_else(|| results(root).join("latest"));
    let path = fs::canonicalize(&path).context(
        "find the run to resume in",
        &path,
        "name its folder with --out DIR",
    )?;
    let lock = folder::lock(&path)?;
    let RunFolder { mut run, cells, .. } = report::read(&path)?;
    let asked = args.settings();
    run.settings.cell_timeout_s = args.cell_timeout.unwrap_or(run.settings.cell_timeout_s);
    let asked = Settings { cell_timeout_s: run.settings.cell_timeout_s, ..asked };
    if args.has_settings() && asked != run.settings {
        return Err(Error::Usage(format!(
            "{} was begun with other settings (`{}`); leave them out with --resume, or start anew \
             without it",
            path.display(),
            run.command
        )));
    }
    let here = environment::environment(root, build).context(
        "read",
        "this program",
        "it is this program's own, and has to be readable",
    )?;
    let there = &run.environment;
    if (&there.program, &there.host, &there.cpu) != (&here.program, &here.host, &here.cpu) {
        return Err(Error::Usage(format!(
            "{} was begun by another build or on another machine, and the two do not mix; start \
             anew without --resume",
            path.display()
        )));
    }
    select(matrix, &run.settings)?;
    replay::check_baseline(&args.report, matrix)?;
    Folder::resume(path, lock, run, cells, matrix)
}

/// Measures what the folder lacks. In each round the strategies of a row follow one another, in
/// an order that is rotated from round to round.
fn rounds(
    matrix: &Matrix,
    folder: &mut Folder,
    settings: &Settings,
    interrupted: &AtomicBool,
) -> Result<Ended, Error> {
    let runner = Runner::new(settings, interrupted);
    let missing = |folder: &Folder, row: usize, column: usize, round: usize| {
        let cell = folder.cell(row, column);
        cell.status == Status::Measured && cell.rounds_ns_per_op.len() <= round
    };
    let rounds = settings.rounds as usize;
    let open = folder.cells().filter(|cell| cell.status == Status::Measured);
    let left = open.map(|cell| rounds.saturating_sub(cell.rounds_ns_per_op.len()) as u64).sum();
    announce(folder, settings, left);
    let mut retake_s = RETAKE_PART * left as f64 * cell_s(settings);
    let mut measurements_left = left;
    let mut progress = Progress::new(left);
    for round in 0..rounds {
        for (row_index, row) in matrix.rows.iter().enumerate() {
            for place in 0..row.cells.len() {
                let column = (place + round) % row.cells.len();
                if !missing(folder, row_index, column, round) {
                    continue;
                }
                let id = &row.cells[column].id;
                let heading =
                    format!("round {} of {rounds}, {} {}", round + 1, row.workload, row.parameter);
                progress.begin(&heading, id);
                let canary_ns = folder.run.noise.canary_best_ns;
                let mut ran = Ran::Done(Measured::default());
                if folder.cell(row_index, column).rounds_ns_per_op.is_empty() {
                    ran = runner.run(id, true, canary_ns, 0.0)?;
                }
                if matches!(ran, Ran::Done(_)) {
                    let share_s = RETAKE_SHARES * retake_s / measurements_left as f64;
                    let most_s = share_s.clamp(0.0, RETAKE_MOST_S);
                    ran = runner.run(id, false, canary_ns, most_s)?;
                }
                match ran {
                    Ran::Done(measured) => {
                        retake_s -= measured.retake_s;
                        folder.add_round(row_index, column, measured)?;
                    }
                    Ran::Failed { reason, last_output } => {
                        progress.say(&format!("{id} failed: {reason}"));
                        folder.fail(row_index, column, reason, last_output)?;
                    }
                    Ran::Interrupted => {
                        progress.finish();
                        return Ok(Ended::Interrupted);
                    }
                }
                progress.end();
                measurements_left -= 1;
            }
        }
    }
    progress.finish();
    let failed = folder.cells().any(|cell| cell.status == Status::Failed);
    Ok(if failed { Ended::WithFailures } else { Ended::Well })
}

/// Seconds that a cell takes in a round, on a quiet machine.
fn cell_s(settings: &Settings) -> f64 {
    settings.warm_up_time_s + settings.measurement_time_s + PROCESS_S
}

/// Says beforehand what is measured and how long it will take.
fn announce(folder: &Folder, settings: &Settings, left: u64) {
    let cells: Vec<_> = folder.cells().filter(|cell| cell.status == Status::Measured).collect();
    let untested = cells.iter().filter(|cell| cell.rounds_ns_per_op.is_empty()).count();
    let seconds =
        left as f64 * cell_s(settings) + untested as f64 * TEST_S + cells.len() as f64 * REPORT_S;
    eprintln!(
        "{} cells in {} rounds, {left} measurements to make: {} to {}. Results in {}",
        cells.len(),
        settings.rounds,
        minutes(Duration::from_secs_f64(seconds)),
        minutes(Duration::from_secs_f64(seconds * (1.0 + RETAKE_PART))),
        folder.path().display()
    );
}

/// What came of a cell's process.
enum Ran {
    Done(Measured),
    Failed { reason: String, last_output: String },
    Interrupted,
}

/// Runs cells.
struct Runner<'s> {
    settings: &'s Settings,
    memory_bytes: Option<u64>,
    interrupted: &'s AtomicBool,
}

impl<'s> Runner<'s> {
    fn new(settings: &'s Settings, interrupted: &'s AtomicBool) -> Self {
        Self { settings, memory_bytes: environment::memory_bytes(), interrupted }
    }

    /// Runs the cell `id` in a process of its own.
    fn run(&self, id: &str, test: bool, canary_ns: f64, retake_s: f64) -> Result<Ran, Error> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(Ran::Interrupted);
        }
        let process = |source| Error::Process { id: id.into(), source };
        let scratch = tempfile::tempdir().map_err(process)?;
        let order = Order {
            id: id.into(),
            outcome: scratch.path().join("outcome.json"),
            test,
            warm_up_s: self.settings.warm_up_time_s,
            retake_s,
            canary_ns: if canary_ns > 0.0 { canary_ns } else { f64::MAX },
            memory_bytes: self.memory_bytes,
            cpu_s: self.settings.cell_timeout_s.ceil() as u64 + 1,
        };
        let end = process::run(&order, self.settings, scratch.path(), self.interrupted)
            .map_err(process)?;
        Ok(match end {
            End::Answered(Outcome::Done(measured), _) => Ran::Done(measured),
            End::Answered(Outcome::Failed(reason), last_output) => {
                Ran::Failed { reason, last_output }
            }
            End::Lost(reason, last_output) => Ran::Failed { reason, last_output },
            End::Interrupted => Ran::Interrupted,
        })
    }
}
