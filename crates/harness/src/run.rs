//! The parent: rounds over the matrix, and the folder that keeps it all.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use rand::SeedableRng;
use rand_pcg::Pcg64;
use report::RunFolder;
use report::record::{FORMAT, Noise, Run, Settings, State, Status};
use strategy::Role;
use workloads::Stream;

use crate::args::{Args, ListFormat, Matcher};
use crate::canary::Standard;
use crate::environment::{self, Build};
use crate::error::{Context, Error};
use crate::folder::{self, Folder};
use crate::matrix::{Cell, Matrix, Row};
use crate::plan::{self, RowPlan};
use crate::process::{self, Loss, Process};
use crate::progress::{NoiseWatch, Progress, minutes};
use crate::protocol::{Done, Message, Order};
use crate::replay;
use crate::spent::{Part, Spent};
use crate::terminal::{complain, say};
use crate::turns::{self, Entrant, Outcome, Table};

/// Seconds that starting, setting up and ending a contender takes in a round, on one of two cores.
const PROCESS_S: f64 = 0.006;

/// How many times its time a warm-up takes: criterion doubles its passes until the time is over.
const WARM_UP_SHARE: f64 = 1.6;

/// Seconds that a turn takes beside its passes: two processes wake each other.
const HAND_OVER_S: f64 = 0.000_06;

/// Seconds that criterion's report of a cell takes, once a run.
const REPORT_S: f64 = 0.08;

/// The part of the machine's free memory that the contenders of a row may take together.
const MEMORY_PART: f64 = 0.8;

/// What is noted of cells whose row does not fit into memory.
const APART: &str = "Measured one process after the other, since the contenders of this row do not fit into memory \
                     together: noise does not cancel as it does in turns.";

/// What is noted of cells whose live set is larger than a core's own cache.
const BEYOND_CACHE: &str = "The live set is larger than the core's own cache, so that these are the figures of a program \
                            that shares its core: after others had it, and a part of a turn that is not measured.";

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
    let tester = Tester::new(&settings, args, interrupted);
    let mut failed = false;
    // Not the reference beside them: nothing is compared.
    let matcher = Matcher::new(&settings).map_err(Error::Usage)?;
    let meant = |cell: &&Cell| cell.case.support.is_ok() && matcher.matches(&cell.id);
    for cell in matrix.cells().filter(meant) {
        match tester.test(cell)? {
            Tested::Well(_) => say(&format!("Testing {}\nSuccess\n", cell.id)),
            Tested::Failed(reason, last_output) => {
                failed = true;
                say(&format!("Testing {}\nFailed: {reason}\n{last_output}\n", cell.id));
            }
            Tested::Interrupted => return Ok(Ended::Interrupted),
        }
    }
    Ok(if failed { Ended::WithFailures } else { Ended::Well })
}

/// Begins or resumes a run.
pub(crate) fn open(
    root: &Path,
    build: Build,
    matrix: &mut Matrix,
    args: &Args,
) -> Result<Folder, Error> {
    if !args.resume {
        return create(root, build, matrix, args);
    }
    let mut folder = resume(root, build, matrix, args)?;
    if args.retry_failed {
        folder.forget_failures();
    }
    Ok(folder)
}

/// Brings a run to its end.
pub(crate) fn measure(
    matrix: &Matrix,
    folder: &mut Folder,
    args: &Args,
    interrupted: &AtomicBool,
) -> Result<Ended, Error> {
    let ended = rounds(matrix, folder, args, interrupted)?;
    let start = Instant::now();
    if ended == Ended::Interrupted {
        folder.judge()?;
    } else {
        folder.complete()?;
    }
    folder.spend(Part::Keeping, start)?;
    Ok(ended)
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

/// Measures what the folder lacks.
fn rounds(
    matrix: &Matrix,
    folder: &mut Folder,
    args: &Args,
    interrupted: &AtomicBool,
) -> Result<Ended, Error> {
    let settings = folder.run.settings.clone();
    let start = Instant::now();
    let tester = Tester::new(&settings, args, interrupted);
    let Some(rows) = tests(matrix, folder, &tester)? else { return Ok(Ended::Interrupted) };
    let mut spent = Spent::default();
    spent.add(Part::Tests, start);
    let left = left(folder, &settings);
    announce(matrix, folder, &rows, left);
    let mut table = Table { settings: &settings, interrupted, random: random(), spent };
    let mut standard = Standard::default();
    let mut progress = Progress::new(left);
    let mut noise = NoiseWatch::default();
    for round in 0..settings.rounds {
        for (row_index, row) in matrix.rows.iter().enumerate() {
            let heading = format!(
                "round {} of {}, {} {}",
                round + 1,
                settings.rounds,
                row.workload,
                row.parameter
            );
            // Once more if a cell was ended from outside, without the ones that have failed.
            loop {
                let lacking = lacking(folder, row_index, row, round);
                if lacking.is_empty() {
                    break;
                }
                progress.begin(&heading, &row.cells[lacking[0]].id);
                let measured = &rows[row_index];
                let entrants = tester.entrants(row, &lacking, &measured.plan, round);
                let mut outcomes = match table.measure(&entrants, measured.apart)? {
                    turns::Ended::Well(outcomes) => outcomes,
                    turns::Ended::Interrupted => {
                        progress.finish();
                        return Ok(Ended::Interrupted);
                    }
                };
                let since = Instant::now();
                let canaries = outcomes.iter().filter_map(|(_, outcome)| match outcome {
                    Outcome::Measured(measured) => Some(&measured.canaries_ns),
                    Outcome::Failed(..) => None,
                });
                standard.remember(canaries.flatten().copied());
                // The reference came along for the others' sake if it has this round already.
                outcomes.retain(|(column, _)| lacking.contains(column));
                for (column, outcome) in &outcomes {
                    if let Outcome::Failed(reason, _) = outcome {
                        progress.say(&format!("{} failed: {reason}", row.cells[*column].id));
                    }
                    progress.end();
                }
                folder.add(row_index, outcomes, &standard)?;
                noise.look(&folder.run.noise, &progress);
                table.spent.add(Part::Keeping, since);
                table.spent.pour(&mut folder.run.spent_s);
            }
        }
    }
    table.spent.pour(&mut folder.run.spent_s);
    progress.finish();
    let failed = folder.cells().any(|cell| cell.status == Status::Failed);
    Ok(if failed { Ended::WithFailures } else { Ended::Well })
}

/// A generator for the order of turns: the noise of the machine is not to meet the same order twice.
fn random() -> Pcg64 {
    Pcg64::seed_from_u64(Timestamp::now().as_nanosecond() as u64)
}

/// The places of the cells of a row that lack this round.
fn lacking(folder: &Folder, row_index: usize, row: &Row, round: u32) -> Vec<usize> {
    let lacks = |column: &usize| {
        let cell = folder.cell(row_index, *column);
        cell.status == Status::Measured && cell.rounds_ns_per_op.len() <= round as usize
    };
    (0..row.cells.len()).filter(lacks).collect()
}

/// The measurements that a folder lacks.
fn left(folder: &Folder, settings: &Settings) -> u64 {
    let rounds = u64::from(settings.rounds);
    let open = folder.cells().filter(|cell| cell.status == Status::Measured);
    open.map(|cell| rounds.saturating_sub(cell.rounds_ns_per_op.len() as u64)).sum()
}

/// How a row is measured, as its tests say.
struct RowMeasured {
    plan: RowPlan,
    /// Whether its contenders do not take turns.
    apart: bool,
    /// Seconds that a round of each cell takes.
    cells_s: Vec<f64>,
}

/// Tests every cell that lacks a round, and tells how the rows are measured. Cells that fail get no rounds.
/// Nothing, if the run is being ended.
fn tests(
    matrix: &Matrix,
    folder: &mut Folder,
    tester: &Tester<'_>,
) -> Result<Option<Vec<RowMeasured>>, Error> {
    let settings = &folder.run.settings.clone();
    let mut progress = Progress::new(matrix.cells().count() as u64);
    let mut rows = Vec::new();
    for (row_index, row) in matrix.rows.iter().enumerate() {
        let lacking = lacking(folder, row_index, row, settings.rounds - 1);
        let live_bytes = row.cells.iter().map(|cell| cell.case.live_bytes).max();
        let plan = plan::of(settings, live_bytes.unwrap_or_default(), tester.cache_bytes);
        let mut resident_bytes = 0;
        let mut cells_s = vec![0.0; row.cells.len()];
        for (column, cell) in row.cells.iter().enumerate() {
            progress.begin("tests", &cell.id);
            if lacking.contains(&column) {
                match tester.test(cell)? {
                    Tested::Well(done) => {
                        resident_bytes += done.resident_bytes;
                        let turn_s = plan::turn_s(settings, plan.turns, done.pass_ns);
                        cells_s[column] = PROCESS_S
                            + WARM_UP_SHARE * settings.warm_up_time_s
                            + plan.turns.turns() as f64 * (turn_s + HAND_OVER_S);
                    }
                    Tested::Failed(reason, last_output) => {
                        progress.say(&format!("{} failed: {reason}", cell.id));
                        let outcome = Outcome::Failed(reason, last_output);
                        folder.add(row_index, vec![(column, outcome)], &Standard::default())?;
                    }
                    Tested::Interrupted => {
                        progress.finish();
                        return Ok(None);
                    }
                }
            }
            progress.end();
        }
        let fits = resident_bytes <= tester.together_bytes;
        if !fits {
            folder.note_row(row_index, APART);
        } else if settings.turns && plan.is_beyond_cache {
            folder.note_row(row_index, BEYOND_CACHE);
        }
        rows.push(RowMeasured { plan, apart: !fits || !settings.turns, cells_s });
    }
    progress.finish();
    Ok(Some(rows))
}

/// Says what is measured and how long it will take.
fn announce(matrix: &Matrix, folder: &Folder, rows: &[RowMeasured], left: u64) {
    let settings = &folder.run.settings;
    let mut seconds = 0.0;
    for (row_index, (row, measured)) in matrix.rows.iter().zip(rows).enumerate() {
        for round in 0..settings.rounds {
            let lacking = lacking(folder, row_index, row, round);
            seconds += lacking.iter().map(|&column| measured.cells_s[column]).sum::<f64>();
        }
    }
    let cells = folder.cells().filter(|cell| cell.status == Status::Measured).count();
    complain(&format!(
        "{cells} cells in {} rounds, {left} measurements to make: {}, and {} for criterion's report. Results in {}",
        settings.rounds,
        minutes(Duration::from_secs_f64(seconds)),
        minutes(Duration::from_secs_f64(cells as f64 * REPORT_S)),
        folder.path().display()
    ));
}

/// What a test found.
enum Tested {
    Well(Done),
    Failed(String, String),
    Interrupted,
}

/// Tests cells, and writes the orders for all of their processes.
struct Tester<'s> {
    settings: &'s Settings,
    self_check: bool,
    interrupted: &'s AtomicBool,
    /// The memory that a process may map.
    memory_bytes: Option<u64>,
    /// The memory that the contenders of a row may take together.
    together_bytes: u64,
    cache_bytes: u64,
    /// The cores that this process may use.
    cores: Vec<usize>,
}

impl<'s> Tester<'s> {
    fn new(settings: &'s Settings, args: &Args, interrupted: &'s AtomicBool) -> Self {
        let free = environment::free_memory_bytes().map(|bytes| bytes as f64 * MEMORY_PART);
        Self {
            settings,
            self_check: args.self_check,
            interrupted,
            memory_bytes: environment::memory_bytes(),
            together_bytes: args
                .memory
                .map(|mib| mib << 20)
                .or(free.map(|bytes| bytes as u64))
                .unwrap_or(u64::MAX),
            cache_bytes: plan::cache_bytes(),
            cores: cores(),
        }
    }

    /// Runs the cell once in a process of its own; again, if that was ended from outside.
    fn test(&self, cell: &Cell) -> Result<Tested, Error> {
        let plan = plan::of(self.settings, 0, self.cache_bytes);
        let order = Order { test: true, ..self.order(cell, &plan, 0) };
        for again in [false, true] {
            let mut process = Process::start(&order, self.settings)
                .map_err(|source| Error::Process { id: cell.id.clone(), source })?;
            let answer = process.receive(self.interrupted).and_then(|answer| match answer {
                Message::Done(done) => process.end(self.interrupted).map(|()| done),
                Message::Failed(reason) => Err(Loss::Failed(reason)),
                message => Err(Loss::Failed(format!("said {message:?} in a test"))),
            });
            let last_output = process.kill();
            match answer {
                Ok(done) => return Ok(Tested::Well(done)),
                Err(Loss::Failed(reason)) => return Ok(Tested::Failed(reason, last_output)),
                Err(Loss::Interrupted) => return Ok(Tested::Interrupted),
                Err(Loss::Ended(signal)) if again => {
                    return Ok(Tested::Failed(process::ended_again(signal), last_output));
                }
                Err(Loss::Ended(_)) => {}
            }
        }
        unreachable!("the second time every way returns")
    }

    /// Those who take part in a round: the cells that lack it, and the reference.
    fn entrants(&self, row: &Row, lacking: &[usize], plan: &RowPlan, round: u32) -> Vec<Entrant> {
        let cells = row.cells.iter().enumerate();
        let taking_part = cells.filter(|(column, cell)| {
            lacking.contains(column) || cell.role() == Role::Reference && cell.case.support.is_ok()
        });
        taking_part
            .map(|(column, cell)| {
                let order = self.order(cell, plan, self.settings.state.unwrap_or(round));
                Entrant {
                    column,
                    id: cell.id.clone(),
                    order,
                    ops: cell.case.answer(Stream::numbered(order.state)).ops,
                    is_reference: cell.role() == Role::Reference,
                }
            })
            .collect()
    }

    fn order(&self, cell: &Cell, plan: &RowPlan, state: u32) -> Order {
        let core = self.cores.get(state as usize % self.cores.len().max(1)).copied();
        Order {
            cell: cell.index,
            self_check: self.self_check,
            test: false,
            state,
            plan: plan.turns,
            // Threads that work at once need cores of their own.
            core: core.filter(|_| cell.case.threads == 1),
            memory_bytes: self.memory_bytes,
            cpu_s: self.settings.cell_timeout_s.ceil() as u64 + 1,
        }
    }
}

/// The cores that this process may use.
fn cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or_default()).collect()
}
