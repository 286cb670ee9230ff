//! A cell's own process: criterion measures, the canary watches, every sample is verified.

use std::env;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode};
use serde::{Deserialize, Serialize};
use strategy::Role;
use workloads::{Failure, Passes, Stream, Tally};

use crate::canary::Canary;
use crate::matrix::{Cell, Matrix, verified};

/// The environment variable that makes the benchmark binary a cell: an [`Order`] as JSON.
pub(crate) const ORDER: &str = "HEAPMARK_CELL";

/// The part of a sample that the canary judges at a time. Episodes of noise last milliseconds and
/// more, so a piece is mostly all quiet or all busy.
const PIECE: Duration = Duration::from_millis(1);

/// What the parent asks of a cell's process. What criterion is to do stands on its command line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The cell.
    pub(crate) id: String,
    /// Where the [`Outcome`] is to be written.
    pub(crate) outcome: PathBuf,
    /// Whether the cell is tested and not measured: one pass under a checking wrapper, one without.
    pub(crate) test: bool,
    /// Seconds of warm-up, in which nothing is waited for or measured again: criterion tells from
    /// the time that it takes how many passes make a sample.
    pub(crate) warm_up_s: f64,
    /// Seconds that may be spent on waiting for a quiet core and on measuring pieces again.
    pub(crate) retake_s: f64,
    /// The fastest canary loop of the run so far.
    pub(crate) canary_ns: f64,
    /// The memory that the process may map, in bytes, or absent for no limit.
    pub(crate) memory_bytes: Option<u64>,
    /// The seconds of processor time that it may use.
    pub(crate) cpu_s: u64,
}

/// What a cell's process answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It did what was asked.
    Done(Measured),
    /// It stopped, with this reason.
    Failed(String),
}

/// What was measured; all of it is 0 or empty for a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Nanoseconds per operation of each sample.
    pub(crate) samples_ns_per_op: Vec<f64>,
    /// Pieces measured again.
    pub(crate) retaken: u64,
    /// Samples kept although the canary saw a busy core.
    pub(crate) noisy: u64,
    /// Seconds spent on waiting for a quiet core and on measuring pieces again.
    pub(crate) retake_s: f64,
    /// The fastest canary loop.
    pub(crate) canary_ns: f64,
}

/// The order for this process, if it is a cell's.
pub(crate) fn order() -> Option<Order> {
    let text = env::var(ORDER).ok()?;
    Some(serde_json::from_str(&text).expect("the parent writes its own type"))
}

/// Carries out `order` and writes the outcome. Success means that an outcome was written.
pub(crate) fn main(matrix: &Matrix, order: &Order) -> ExitCode {
    let result = panic::catch_unwind(AssertUnwindSafe(|| obey(matrix, order)));
    let outcome = match result {
        Ok(Ok(measured)) => Outcome::Done(measured),
        Ok(Err(reason)) => Outcome::Failed(reason),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Outcome::Failed(format!("panicked: {}", text.unwrap_or("without a message")))
        }
    };
    let text = serde_json::to_string(&outcome).expect("an outcome is plain data");
    match fs::write(&order.outcome, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to write {}: {error}", order.outcome.display());
            ExitCode::FAILURE
        }
    }
}

fn obey(matrix: &Matrix, order: &Order) -> Result<Measured, String> {
    let cell = matrix.cell(&order.id).ok_or("no such cell in this build")?;
    limit(order, cell.case.reserves_bytes)
        .map_err(|error| format!("failed to limit the cell's process: {error}"))?;
    if order.test {
        cell.inspect().map_err(|failure| failure.to_string())?;
    }
    if cell.role() != Role::SingleThread {
        // From its second thread on glibc takes its locks; a service has always had one.
        thread::spawn(|| ()).join().expect("an empty thread does not panic");
    }
    let answer = cell.case.answer(Stream::FIRST);
    let mut sampler = Sampler::new(answer, order);
    let bench = &mut |passes: &mut Passes<'_>| {
        sampler.begin();
        let mut criterion = Criterion::default().configure_from_args();
        bench(&mut criterion, cell, |count| sampler.sample(passes, count));
        sampler.failure.take().map_or(Ok(()), Err)
    };
    cell.case.run(Stream::FIRST, bench).map_err(|failure| failure.to_string())?;
    if order.test {
        return Ok(Measured::default());
    }
    let samples = samples(&criterion_home(), &order.id)?;
    let ops = answer.ops as f64;
    let noisy = sampler.noisy.iter().rev().take(samples.len()).filter(|&&noisy| noisy).count();
    Ok(Measured {
        samples_ns_per_op: samples.into_iter().map(|pass_ns| rounded(pass_ns / ops)).collect(),
        retaken: sampler.retaken,
        noisy: noisy as u64,
        retake_s: order.retake_s - sampler.retake.as_secs_f64(),
        canary_ns: sampler.canary.best_ns(),
    })
}

/// Bounds the process, so that a strategy that takes memory without end, or a loop that outlives
/// its parent, ends by itself.
fn limit(order: &Order, reserves_bytes: u64) -> io::Result<()> {
    use rlimit::Resource;
    if let Some(bytes) = order.memory_bytes {
        let bytes = bytes.saturating_add(reserves_bytes).min(Resource::AS.get_hard()?);
        Resource::AS.set(bytes, bytes)?;
    }
    // SIGXCPU comes at the soft limit, and says what it is for; at the hard one comes SIGKILL.
    let hard = Resource::CPU.get_hard()?.min(order.cpu_s + 1);
    Resource::CPU.set(hard - 1, hard)
}

/// Has criterion call `sample` for one cell, as the function `strategy` of the group `workload`.
fn bench(criterion: &mut Criterion, cell: &Cell, mut sample: impl FnMut(u64) -> Duration) {
    let mut parts = cell.id.split('/');
    let mut part = || parts.next().expect("an id is workload/strategy/parameter");
    let mut group = criterion.benchmark_group(part());
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(BenchmarkId::new(part(), part()), |bencher| {
        bencher.iter_custom(&mut sample);
    });
    group.finish();
}

/// Where criterion keeps this process's files.
fn criterion_home() -> PathBuf {
    env::var_os("CRITERION_HOME").map(PathBuf::from).expect("the parent sets it for every cell")
}

/// The samples that criterion took, in nanoseconds per pass.
fn samples(home: &Path, id: &str) -> Result<Vec<f64>, String> {
    /// Criterion's `sample.json`, as far as it is of use here.
    #[derive(Deserialize)]
    struct Samples {
        iters: Vec<f64>,
        times: Vec<f64>,
    }
    let path = home.join(id).join("new/sample.json");
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("criterion left no samples ({}: {error})", path.display()))?;
    let samples: Samples = serde_json::from_str(&text).map_err(|error| {
        format!("criterion's samples are unreadable ({}: {error})", path.display())
    })?;
    Ok(samples.times.iter().zip(&samples.iters).map(|(ns, passes)| ns / passes).collect())
}

/// To a ten-thousandth of a nanosecond: less than any clock tells over a sample.
fn rounded(ns: f64) -> f64 {
    (ns * 1e4).round() / 1e4
}

/// Measures samples in pieces, between which the canary looks.
struct Sampler {
    answer: Tally,
    canary: Canary,
    /// What is left for waiting and for measuring pieces again.
    retake: Duration,
    retaken: u64,
    /// For each sample, warm-up included, whether a busy piece was kept.
    noisy: Vec<bool>,
    warm_up: Duration,
    /// When the warm-up began.
    start: Instant,
    /// The time of one pass as last measured, or absent before the first.
    pass: Option<Duration>,
    failure: Option<Failure>,
}

impl Sampler {
    fn new(answer: Tally, order: &Order) -> Self {
        Self {
            answer,
            canary: Canary::new(order.canary_ns),
            retake: Duration::from_secs_f64(order.retake_s),
            retaken: 0,
            noisy: Vec::new(),
            warm_up: Duration::from_secs_f64(order.warm_up_s),
            start: Instant::now(),
            pass: None,
            failure: None,
        }
    }

    /// Waits for a quiet core, and lets the warm-up begin.
    fn begin(&mut self) {
        self.wait();
        self.start = Instant::now();
    }

    /// Measures `count` passes. After a failure it returns at once, so that criterion, which
    /// cannot be told to stop, comes to its end.
    fn sample(&mut self, passes: &mut Passes<'_>, count: u64) -> Duration {
        let mut elapsed = Duration::ZERO;
        let mut noisy = false;
        let mut left = count;
        while left > 0 && self.failure.is_none() {
            let piece = left.min(self.passes_in_a_piece());
            match self.piece(passes, piece) {
                Ok((time, quiet)) => {
                    left -= piece;
                    elapsed += time;
                    noisy |= !quiet;
                }
                Err(failure) => self.failure = Some(failure),
            }
        }
        self.noisy.push(noisy);
        // Criterion takes a sample of no time for a mistake.
        elapsed.max(Duration::from_nanos(1))
    }

    /// As many passes as make a piece.
    fn passes_in_a_piece(&self) -> u64 {
        self.pass.map_or(1, |pass| (PIECE.as_nanos() / pass.as_nanos().max(1)).max(1) as u64)
    }

    /// Measures `count` passes on a quiet core, as far as the bound on waiting and measuring again
    /// allows it. Returns the time and whether the core was quiet.
    fn piece(&mut self, passes: &mut Passes<'_>, count: u64) -> Result<(Duration, bool), Failure> {
        loop {
            let warm = self.start.elapsed() >= self.warm_up;
            let quiet_before = self.canary.is_quiet() || warm && self.wait();
            let start = Instant::now();
            verified(passes, count, self.answer)?;
            let time = start.elapsed();
            let quiet = quiet_before && self.canary.is_quiet();
            if quiet || !warm || self.retake < time {
                self.pass = Some(time / u32::try_from(count).unwrap_or(u32::MAX));
                return Ok((time, quiet));
            }
            self.retake -= time;
            self.retaken += 1;
        }
    }

    /// Waits for a quiet core, within the bound.
    fn wait(&mut self) -> bool {
        let (quiet, waited) = self.canary.await_quiet(self.retake);
        self.retake = self.retake.saturating_sub(waited);
        quiet
    }
}
