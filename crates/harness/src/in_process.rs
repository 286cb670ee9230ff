//! One cell in this process, for tools that look into it: profilers, debuggers, valgrind.
//!
//! Nothing stands between the tool and the cell: no process, no turns, no run folder. The figures are criterion's own.
//! They are no results: one process is one layout of memory, and noise cancels with nothing.

use std::any::Any;
use std::env;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use strategy::Role;
use workloads::{Failure, Passes, Stream, Tally};

use crate::args::{Args, Matcher};
use crate::error::{Context, Error};
use crate::matrix::{Cell, Matrix, verified};
use crate::run::Ended;
use crate::state;
use crate::terminal::complain;

/// How the panic of `println!` begins.
const PRINTING: &str = "failed printing to std";

/// Measures or profiles the one cell that `args` name.
pub(crate) fn run(matrix: &Matrix, args: &Args) -> Result<Ended, Error> {
    let cell = the_one(matrix, args)?;
    // Criterion keeps what it measures. The next comparison of runs is not to meet it.
    let home = tempfile::tempdir().context("make a folder in", env::temp_dir(), "set TMPDIR")?;
    end_when_nobody_reads(home.path().to_owned());
    let mut criterion = configured(args, home.path());
    match panic::catch_unwind(AssertUnwindSafe(|| obey(&mut criterion, cell, args))) {
        Ok(Ok(())) => Ok(Ended::Well),
        Ok(Err(failure)) => {
            complain(&format!("{} failed: {failure}", cell.id));
            Ok(Ended::WithFailures)
        }
        Err(panic) => {
            complain(&format!(
                "{} failed: panicked: {}",
                cell.id,
                text(&*panic).unwrap_or("without a message")
            ));
            Ok(Ended::WithFailures)
        }
    }
}

/// The one cell that is meant.
fn the_one<'m>(matrix: &'m Matrix, args: &Args) -> Result<&'m Cell, Error> {
    let matcher = Matcher::new(&args.settings()).map_err(Error::Usage)?;
    let named: Vec<_> = matrix.cells().filter(|cell| matcher.matches(&cell.id)).collect();
    let name = "`cargo bench -- --exact ID` names one, `cargo bench -- --list` shows all";
    match named[..] {
        [] => Err(Error::Usage(format!("no cell matches the filter; {name}"))),
        [cell] => match cell.case.support {
            Ok(()) => Ok(cell),
            Err(unsupported) => {
                Err(Error::Usage(format!("{} cannot be run: {unsupported}", cell.id)))
            }
        },
        [first, second, ..] => Err(Error::Usage(format!(
            "one cell at a time can be looked into, and {} match, {} and {} among them; {name}",
            named.len(),
            first.id,
            second.id
        ))),
    }
}

fn configured(args: &Args, home: &Path) -> Criterion {
    let pace = args.in_process_pace();
    let criterion = Criterion::default()
        .output_directory(home)
        .without_plots()
        .sample_size(pace.sample_size as usize)
        .measurement_time(Duration::from_secs_f64(pace.measurement_s))
        .warm_up_time(Duration::from_secs_f64(pace.warm_up_s))
        .profile_time(args.profile_time.map(Duration::from_secs_f64));
    args.report.configure(criterion)
}

fn obey(criterion: &mut Criterion, cell: &Cell, args: &Args) -> Result<(), Failure> {
    let number = args.state.unwrap_or_default();
    let (stream, count) = (Stream::numbered(number), args.passes);
    if cell.role() != Role::SingleThread {
        // As in a run: from its second thread on glibc takes its locks.
        thread::spawn(|| ()).join().expect("an empty thread does not panic");
    }
    let answer = cell.case.answer(stream);
    let mut result = Ok(());
    state::on_stack(number, &mut || {
        state::settle_heap(number);
        result = cell.case.run(stream, &mut |passes| match count {
            // Always the same, for a tool that counts instructions.
            Some(count) => verified(passes, count, answer).map(drop),
            None => measure(criterion, cell, answer, passes),
        });
    });
    result
}

/// The way out of criterion, which cannot be told to stop.
struct Stopped(Failure);

/// Has criterion call for passes, and verifies what they did.
fn measure(
    criterion: &mut Criterion,
    cell: &Cell,
    answer: Tally,
    passes: &mut Passes<'_>,
) -> Result<(), Failure> {
    let mut sample = |count| {
        let start = Instant::now();
        if let Err(failure) = verified(passes, count, answer) {
            panic::resume_unwind(Box::new(Stopped(failure)));
        }
        // Criterion takes a sample of no time for a mistake.
        start.elapsed().max(Duration::from_nanos(1))
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut parts = cell.id.split('/');
        let mut part = || parts.next().expect("an id is workload/strategy/parameter");
        let mut group = criterion.benchmark_group(part());
        group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(answer.ops));
        group.bench_function(BenchmarkId::new(part(), part()), |bencher| {
            bencher.iter_custom(&mut sample);
        });
        group.finish();
    }));
    result.or_else(|panic| match panic.downcast::<Stopped>() {
        Ok(stopped) => Err(stopped.0),
        Err(panic) => panic::resume_unwind(panic),
    })
}

/// The text of a panic, if it has one.
fn text(panic: &dyn Any) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
}

/// Has this process end without an error once a reader of its output went away: such as `head`, which has what it
/// wants. Criterion panics there, and once more while that panic unwinds, which would abort the process.
fn end_when_nobody_reads(home: PathBuf) {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if text(info.payload()).is_some_and(|text| text.starts_with(PRINTING)) {
            let _at_worst_it_stays = fs::remove_dir_all(&home);
            process::exit(0);
        }
        others(info);
    }));
}
