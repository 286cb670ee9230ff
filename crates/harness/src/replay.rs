//! Criterion's own report and baselines, from the samples of all rounds.
//!
//! Criterion compares what one process measured; here every cell has several. So at the end one
//! process hands criterion the samples that the cells' processes took, a cell at a time, and
//! criterion analyses, compares, saves and plots them as if it had just taken them.

use std::env;
use std::hint;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use report::record::{Cell, Settings, Status};

use crate::args::ReportArgs;
use crate::error::{Context, Error};
use crate::matrix::Matrix;
use crate::process::{self, PROGRAM};

/// The environment variable that makes the benchmark binary write criterion's report of the run
/// folder that it names.
const FOLDER: &str = "HEAPMARK_REPLAY";

/// The run folder that this process is to replay, if it is to.
pub(crate) fn order() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
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

/// Fails if `--baseline` names one that a cell lacks, before anything is measured.
pub(crate) fn check_baseline(report: &ReportArgs, matrix: &Matrix) -> Result<(), Error> {
    let Some(baseline) = &report.baseline else { return Ok(()) };
    let home = home();
    let mut ids = matrix.cells().filter(|cell| cell.case.support.is_ok()).map(|cell| &cell.id);
    match ids.find(|id| !home.join(id).join(baseline).exists()) {
        None => Ok(()),
        Some(id) => Err(Error::Usage(format!(
            "there is no baseline `{baseline}` of {id} in {}; make it with --save-baseline \
             {baseline}, or compare those that have it with --baseline-lenient {baseline}",
            home.display()
        ))),
    }
}

/// Has a process of its own write criterion's report of `folder`, and print what criterion prints
/// of each cell. Returns what it complained of if it failed.
pub(crate) fn run(folder: &Path, report: &ReportArgs) -> Result<Option<String>, Error> {
    let output = Command::new(PROGRAM)
        .args(report.flags())
        .env(FOLDER, folder)
        .env("CRITERION_HOME", home())
        .stdout(Stdio::inherit())
        // Criterion's progress, which tells of a warm-up and of sampling that do not happen now.
        .stderr(Stdio::piped())
        .output()
        .context("run", PROGRAM, "the measurements and the page are in place")?;
    let complaint = || process::last_lines(&output.stderr);
    Ok((!output.status.success()).then(complaint))
}

/// Writes criterion's report of `folder`.
pub(crate) fn main(folder: &Path) -> ExitCode {
    let folder = match report::read(folder) {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut criterion = Criterion::default()
        .configure_from_args()
        // One call, with one pass: see `replay`.
        .warm_up_time(Duration::from_nanos(1));
    for workload in &folder.run.workloads {
        let mut group = criterion.benchmark_group(&workload.name);
        group.sampling_mode(SamplingMode::Flat);
        for cell in folder.cells.iter().filter(|cell| cell.workload == workload.name) {
            let samples = cell.samples_ns_per_op.concat();
            if cell.status == Status::Measured && !samples.is_empty() {
                let ops = cell.ops.unwrap_or(1);
                group.throughput(Throughput::Elements(ops));
                group.sample_size(samples.len());
                group.measurement_time(sampling_time(cell, &folder.run.settings));
                let mut replay = replay(samples.iter().map(|ns| ns * ops as f64).collect());
                group.bench_function(
                    BenchmarkId::new(&cell.strategy, &cell.parameter),
                    |bencher| {
                        bencher.iter_custom(&mut replay);
                    },
                );
            }
        }
        group.finish();
    }
    criterion.final_summary();
    ExitCode::SUCCESS
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
