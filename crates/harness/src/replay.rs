//! Criterion's own report and baselines, from the samples of all rounds.
//!
//! Criterion compares what one process measured; here every cell has several. So at the end one
//! process hands criterion the samples that the cells' processes took, a cell at a time, and
//! criterion analyses, compares, saves and plots them as if it had just taken them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hint;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use report::record::{Cell, Settings, Status};
use serde::Deserialize;
use workloads::Stream;

use crate::args::{Args, Matcher, ReportArgs};
use crate::error::{Context, Error};
use crate::matrix::Matrix;
use crate::process::{self, PROGRAM};
use crate::run::Ended;
use crate::terminal::{complain, pass_on};

/// The environment variable that makes the benchmark binary write criterion's report.
const ORDER: &str = "HEAPMARK_REPLAY";

/// How its value begins: the run folder to report on follows, or the name of a baseline that is compared
/// with another.
const RUN: &str = "run:";
const BASELINE: &str = "baseline:";

/// How often a parent looks whether the process has ended, and whether it was interrupted.
const LOOK: Duration = Duration::from_millis(20);

/// The bytes of the process's complaints that are kept.
const LAST_BYTES: usize = 64 << 10;

/// The fewest samples of a cell that criterion takes.
const LEAST_SAMPLES: usize = 10;

/// What the process that writes criterion's report is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Report on this run folder.
    Run(PathBuf),
    /// Compare what was saved under this name.
    Baseline(String),
    /// Something that no parent asks for.
    Unknown(OsString),
}

impl Order {
    fn of(value: OsString) -> Self {
        let bytes = value.as_bytes();
        if let Some(path) = bytes.strip_prefix(RUN.as_bytes()) {
            return Self::Run(OsStr::from_bytes(path).into());
        }
        match bytes.strip_prefix(BASELINE.as_bytes()).map(str::from_utf8) {
            Some(Ok(name)) if !name.is_empty() => Self::Baseline(name.into()),
            _ => Self::Unknown(value),
        }
    }
}

/// What this process is to do, if it is to write criterion's report.
pub(crate) fn order() -> Option<Order> {
    env::var_os(ORDER).map(Order::of)
}

/// Where criterion keeps its report: next to the program, unless the environment says otherwise.
pub(crate) fn home() -> PathBuf {
    if let Some(home) = env::var_os("CRITERION_HOME") {
        return home.into();
    }
    // target/release/deps/heapmark-0123456789abcdef
    let program = env::current_exe().unwrap_or_default();
    program.ancestors().nth(3).map_or_else(|| "target".into(), Path::to_owned).join("criterion")
}

/// Fails if criterion will not be able to write its report, or to compare what is to be compared, as far as that
/// can be told before anything is measured.
pub(crate) fn check_baseline(report: &ReportArgs, matrix: &Matrix) -> Result<(), Error> {
    if let Some(lack) = report.lack() {
        return Err(Error::Usage(lack.into()));
    }
    let home = home();
    let cells = matrix.cells().filter(|cell| cell.case.support.is_ok());
    let ids: Vec<_> = cells.map(|cell| cell.id.as_str()).collect();
    if !report.writes_nothing() {
        check_home(&home, &ids, report.saved_as())?;
    }
    check_compared(&home, &ids, report)
}

/// Fails if a cell lacks the baseline that every cell must have.
fn check_compared(home: &Path, ids: &[&str], report: &ReportArgs) -> Result<(), Error> {
    let Some(baseline) = &report.baseline else { return Ok(()) };
    match ids.iter().find(|id| !home.join(id).join(baseline).exists()) {
        None => Ok(()),
        Some(id) => Err(Error::Usage(format!(
            "there is no baseline `{baseline}` of {id} in {}; make it with --save-baseline \
             {baseline}, or compare those that have it with --baseline-lenient {baseline}",
            home.display()
        ))),
    }
}

/// Fails if nothing can be written in criterion's folder, or if something is in the way of a cell's.
fn check_home(home: &Path, ids: &[&str], name: Option<&str>) -> Result<(), Error> {
    const REMEDY: &str = "criterion's report and baselines go there: make room or rights, name another folder with \
                          CRITERION_HOME, or do without (--discard-baseline --noplot)";
    // Nothing is made yet: it may be something else that keeps the run from beginning.
    let path = path::absolute(home).context("find", home, REMEDY)?;
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(&path);
    tempfile::tempfile_in(there).context("create a file for", home, REMEDY)?;
    let folders = |id: &str| {
        let folder = home.join(id);
        let own = ["new", "report"].map(|own| folder.join(own));
        own.into_iter().chain(name.map(|name| folder.join(name))).chain([folder])
    };
    match ids.iter().find_map(|id| folders(id).find(|path| path.exists() && !path.is_dir())) {
        None => Ok(()),
        Some(file) => Err(Error::Usage(format!(
            "{} is a file, and criterion needs a folder there; move it, or name another place with CRITERION_HOME",
            file.display()
        ))),
    }
}

/// Has a process of its own write criterion's report of `folder`, and prints what criterion prints
/// of each cell. Returns what it complained of if it failed.
pub(crate) fn run(
    folder: &Path,
    report: &ReportArgs,
    interrupted: &AtomicBool,
) -> Result<Option<String>, Error> {
    let mut order = OsString::from(RUN);
    order.push(folder);
    start(&order, &report.flags(), interrupted)
}

/// Compares what is saved of the cells that `args` name with what is saved of them under another name.
pub(crate) fn compare(
    matrix: &Matrix,
    args: &Args,
    name: &str,
    interrupted: &AtomicBool,
) -> Result<Ended, Error> {
    let report = &args.report;
    if let Some(lack) = report.lack() {
        return Err(Error::Usage(lack.into()));
    }
    let home = home();
    let matcher = Matcher::new(&args.settings()).map_err(Error::Usage)?;
    let ids = matrix.cells().map(|cell| cell.id.as_str());
    let saved: Vec<_> = ids.filter(|id| matcher.matches(id) && is_saved(&home, id, name)).collect();
    if saved.is_empty() {
        return Err(Error::Usage(format!(
            "there is no baseline `{name}` of any of these cells in {}; make it with --save-baseline {name}",
            home.display()
        )));
    }
    check_compared(&home, &saved, report)?;
    let mut flags = report.flags();
    flags.extend(matcher.flags());
    let complaint = start(OsStr::new(&format!("{BASELINE}{name}")), &flags, interrupted)?;
    Ok(match complaint {
        _ if interrupted.load(Ordering::Relaxed) => Ended::Interrupted,
        None => Ended::Well,
        Some(complaint) => {
            complain(&format!("Criterion could not compare the two.\n{complaint}"));
            Ended::WithFailures
        }
    })
}

/// "1 cell", "2 cells".
fn counted(cells: usize) -> String {
    format!("{cells} cell{}", if cells == 1 { "" } else { "s" })
}

/// Whether samples of the cell `id` are saved under this name.
fn is_saved(home: &Path, id: &str, name: &str) -> bool {
    home.join(id).join(name).join("sample.json").is_file()
}

/// Has a process of its own obey `order`, and passes on what it prints. Returns what it complained of if it failed.
fn start(
    order: &OsStr,
    flags: &[String],
    interrupted: &AtomicBool,
) -> Result<Option<String>, Error> {
    let run = || {
        let mut child = Command::new(PROGRAM)
            .args(flags)
            .env(ORDER, order)
            .env("CRITERION_HOME", home())
            .stdin(Stdio::null())
            // Criterion panics where nobody reads on. This process does.
            .stdout(Stdio::piped())
            // Criterion's progress, which tells of a warm-up and of sampling that do not happen now.
            .stderr(Stdio::piped())
            .spawn()?;
        wait(&mut child, interrupted)
    };
    let (status, complaints) =
        run().context("run", PROGRAM, "the measurements and the page are in place")?;
    Ok((!status.success()).then(|| process::last_lines(&complaints)))
}

/// Passes on what `child` prints until it ends. Returns the last of its complaints.
fn wait(child: &mut Child, interrupted: &AtomicBool) -> io::Result<(ExitStatus, Vec<u8>)> {
    let output = child.stdout.take().expect("it is piped");
    let complaints = child.stderr.take().expect("it is piped");
    thread::scope(|threads| {
        threads.spawn(|| each_piece(output, pass_on));
        let complaints = threads.spawn(|| {
            let mut last = Vec::new();
            each_piece(complaints, |piece| {
                last.extend_from_slice(piece);
                let surplus = last.len().saturating_sub(LAST_BYTES);
                last.drain(..surplus);
            });
            last
        });
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if interrupted.load(Ordering::Relaxed) {
                child.kill()?;
            }
            thread::sleep(LOOK);
        };
        Ok((status, complaints.join().expect("it only reads")))
    })
}

/// Hands on what comes from a pipe, to its end.
fn each_piece(mut pipe: impl Read, mut take: impl FnMut(&[u8])) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut piece) {
        take(&piece[..length]);
    }
}

/// The line to be said if criterion, which only prints its errors, did not save what it was to save of `cells`.
pub(crate) fn unsaved<'c>(
    cells: impl Iterator<Item = &'c Cell>,
    report: &ReportArgs,
) -> Option<String> {
    let name = report.saved_as()?;
    let home = home();
    let lost: Vec<_> =
        cells.filter(|cell| is_replayed(cell) && !is_kept(&home, cell, name)).collect();
    let first = lost.first()?;
    Some(format!(
        "Criterion did not save what it was given of {}, {} among them, as `{name}` in {}; its own lines \
         above may tell why.",
        counted(lost.len()),
        first.id,
        home.display()
    ))
}

/// Whether criterion is given this cell.
fn is_replayed(cell: &Cell) -> bool {
    cell.status == Status::Measured && samples_ns(cell).len() >= LEAST_SAMPLES
}

/// The line to be said of measured cells that criterion cannot be given. Pieces in which a thread was preempted are no
/// samples, so that a short run on a busy machine may be left with few.
pub(crate) fn left_out<'c>(cells: impl Iterator<Item = &'c Cell>) -> Option<String> {
    let few = |cell: &&Cell| {
        cell.status == Status::Measured && (1..LEAST_SAMPLES).contains(&samples_ns(cell).len())
    };
    let cells: Vec<_> = cells.filter(few).collect();
    let first = cells.first()?;
    Some(format!(
        "Criterion's report leaves out {}, {} among them: they have fewer than {LEAST_SAMPLES} samples, and it \
         takes no fewer. --rounds N takes more.",
        counted(cells.len()),
        first.id
    ))
}

/// Criterion's `sample.json`, as far as it is of use here.
#[derive(Deserialize)]
struct Saved {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Whether the samples of `cell`, and not others of an earlier run, are saved under this name.
fn is_kept(home: &Path, cell: &Cell, name: &str) -> bool {
    let path = home.join(&cell.id).join(name).join("sample.json");
    let saved = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Saved>(&text).ok());
    let samples = samples_ns(cell);
    saved.is_some_and(|saved| {
        saved.times.len() == samples.len()
            && saved.iters.len() == samples.len()
            && samples.iter().zip(&saved.iters).zip(&saved.times).all(|((ns, &passes), &time)| {
                // As `answer_ns` gives them, but for its rounding down.
                (ns * passes - time).abs() <= 1.0 + 1e-9 * time
            })
    })
}

/// The samples of all rounds of a cell, in nanoseconds per pass.
fn samples_ns(cell: &Cell) -> Vec<f64> {
    let ops = cell.ops.unwrap_or(1) as f64;
    cell.samples_ns_per_op.iter().flatten().map(|ns| ns * ops).collect()
}

/// Obeys `order`. The cells of the program are made if they are needed.
pub(crate) fn main(order: &Order, matrix: impl FnOnce() -> Matrix) -> ExitCode {
    match order {
        Order::Run(folder) => match report::read(folder) {
            Ok(folder) => {
                report_run(&folder);
                ExitCode::SUCCESS
            }
            Err(error) => unusable(&error.to_string()),
        },
        Order::Baseline(name) => {
            report_baseline(&matrix(), name);
            ExitCode::SUCCESS
        }
        Order::Unknown(value) => unusable(&format!("it is `{}`", value.to_string_lossy())),
    }
}

fn unusable(why: &str) -> ExitCode {
    complain(&format!(
        "error: {ORDER} is set, and only a run sets it, for the process that writes criterion's report; unset it ({why})"
    ));
    ExitCode::from(crate::UNUSABLE)
}

/// Writes criterion's report of a run.
fn report_run(folder: &report::RunFolder) {
    let mut criterion = Criterion::default()
        .configure_from_args()
        // One call, with one pass: see `replay`.
        .warm_up_time(Duration::from_nanos(1));
    for workload in &folder.run.workloads {
        let mut group = criterion.benchmark_group(&workload.name);
        group.sampling_mode(SamplingMode::Flat);
        let cells = folder.cells.iter().filter(|cell| cell.workload == workload.name);
        for cell in cells.filter(|cell| is_replayed(cell)) {
            let samples = samples_ns(cell);
            group.throughput(Throughput::Elements(cell.ops.unwrap_or(1)));
            group.sample_size(samples.len());
            group.measurement_time(sampling_time(cell, &folder.run.settings));
            let mut replay = replay(samples);
            group.bench_function(BenchmarkId::new(&cell.strategy, &cell.parameter), |bencher| {
                bencher.iter_custom(&mut replay);
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

/// Has criterion compare what is saved of the cells of `matrix` under `name`. Criterion leaves out cells by its own
/// flags.
fn report_baseline(matrix: &Matrix, name: &str) {
    let home = home();
    let mut criterion = Criterion::default().configure_from_args();
    for workload in &matrix.workloads {
        let mut group = criterion.benchmark_group(&workload.name);
        let rows = matrix.rows.iter().filter(|row| row.workload == workload.name);
        for (row, cell) in rows.flat_map(|row| row.cells.iter().map(move |cell| (row, cell))) {
            if is_saved(&home, &cell.id, name) {
                group.throughput(Throughput::Elements(cell.case.answer(Stream::FIRST).ops));
                let id = BenchmarkId::new(cell.strategy(), &row.parameter);
                group.bench_function(id, |_| unreachable!("what is loaded is not measured"));
            }
        }
        group.finish();
    }
    criterion.final_summary();
}

/// The time in which the samples of `cell` were taken.
fn sampling_time(cell: &Cell, settings: &Settings) -> Duration {
    Duration::from_secs_f64(settings.measurement_time_s * cell.rounds_ns_per_op.len().max(1) as f64)
}

/// Answers criterion's calls with samples in nanoseconds per pass. The first call is the
/// warm-up, from whose real time criterion tells how many passes make a sample, so it
/// takes as long as a pass did.
fn replay(samples: Vec<f64>) -> impl FnMut(u64) -> Duration {
    let mut next = None;
    move |passes| {
        let index = match next {
            None => {
                let (start, pass) = (Instant::now(), Duration::from_nanos(samples[0] as u64));
                // Not asleep, which takes ten times as long as a short pass.
                while start.elapsed() < pass {
                    hint::spin_loop();
                }
                0
            }
            Some(index) => index,
        };
        next = Some(if next.is_none() { 0 } else { (index + 1) % samples.len() });
        Duration::from_nanos((samples[index] * passes as f64) as u64).max(Duration::from_nanos(1))
    }
}
