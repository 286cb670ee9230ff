//! A process for each cell, rounds, statistics, and the run folder.
//!
//! [`main`] is the whole of a benchmark's `main`: it is given a [`Matrix`] of cells and does what
//! the command line says. The same program plays three parts: the parent, which walks over the
//! matrix in rounds; a cell's own process, which the parent starts for every measurement; and, at
//! the end, the one that hands all samples to criterion for its report.

#![forbid(unsafe_code)]

mod args;
mod canary;
mod cell;
mod environment;
mod error;
mod folder;
mod in_process;
mod judge;
mod machine;
mod matrix;
mod plan;
mod process;
mod progress;
mod protocol;
mod replay;
mod run;
mod sampler;
mod self_check;
mod spent;
mod state;
mod table;
mod terminal;
mod turns;
mod workspace;

use std::env;
use std::fs;
use std::io::{self, IsTerminal, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

pub use environment::Build;
pub use matrix::Matrix;

use args::{Args, ListFormat, OutputFormat, Parsed};
use error::Error;
use report::record::{Cell, Run};
use run::Ended;
use spent::Part;
use terminal::{complain, pass_on, say, takes_escapes};

/// Nothing could be run as asked.
const UNUSABLE: u8 = 2;

/// Ended by Ctrl-C, as shells number it: 128 and SIGINT.
const INTERRUPTED: u8 = 130;

/// The columns of a table that does not go to a terminal.
const WIDE: usize = 240;

/// Does what the command line of this process asks for, with the cells that `add` adds. Those of the self-check are
/// added by `add_self_check`. The folder `results` is that of the workspace around the current folder.
#[must_use]
pub fn main(
    build: Build,
    add: impl Fn(&mut Matrix),
    add_self_check: impl Fn(&mut Matrix),
) -> ExitCode {
    if env::var_os(cell::MARK).is_some() {
        return cell::main(|order| {
            let mut matrix = Matrix::only(order.cell);
            if order.self_check {
                add_self_check(&mut matrix)
            } else {
                add(&mut matrix)
            }
            matrix
        });
    }
    if let Some(order) = replay::order() {
        return replay::main(&order, || all(add));
    }
    let args = match Args::read(env::args_os()) {
        Parsed::Args(args) => args,
        Parsed::Help(help) => {
            let to_terminal = takes_escapes(stdout().is_terminal());
            let help = if to_terminal { help.ansi().to_string() } else { help.to_string() };
            pass_on(help.as_bytes());
            return ExitCode::SUCCESS;
        }
        Parsed::Error(line) => {
            complain(&format!("error: {line}"));
            return ExitCode::from(UNUSABLE);
        }
    };
    let matrix = if args.self_check { all(add_self_check) } else { all(add) };
    match act(build, matrix, &args) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::WithFailures) => ExitCode::FAILURE,
        Ok(Ended::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            complain(&format!("error: {error}"));
            ExitCode::from(UNUSABLE)
        }
    }
}

/// The matrix of all cells that `add` adds.
fn all(add: impl Fn(&mut Matrix)) -> Matrix {
    let mut matrix = Matrix::default();
    add(&mut matrix);
    matrix
}

fn act(build: Build, mut matrix: Matrix, args: &Args) -> Result<Ended, Error> {
    matrix.check().map_err(Error::Usage)?;
    if args.ignored {
        if args.list && args.format == ListFormat::Pretty {
            say("\n0 tests, 0 benchmarks\n");
        }
        return Ok(Ended::Well);
    }
    if args.list {
        return run::list(&matrix, args).map(|()| Ended::Well);
    }
    if args.is_in_process() {
        return in_process::run(&matrix, args);
    }
    let interrupted = listen()?;
    if args.is_test() {
        return run::test(matrix, args, &interrupted);
    }
    if let Some(name) = &args.report.load_baseline {
        return replay::compare(&matrix, args, name, &interrupted);
    }
    let root = workspace::root();
    if args.out.is_none() && !args.resume {
        folder::check_latest(&root.join("results"))?;
    }
    let mut folder = run::open(&root, build, &mut matrix, args)?;
    let _machine = machine::hold(!args.no_wait, &interrupted);
    let mut ended = run::measure(&matrix, &mut folder, args, &interrupted)?;
    let page = report::write(folder.path())?;
    let out = args.out.as_ref().map(|out| format!(" --out {}", quoted(out))).unwrap_or_default();
    let again = format!("`{} -- --resume{out}{}`", build.command(), args.report.typed());
    let is_interrupted = || interrupted.load(Ordering::Relaxed);
    let start = Instant::now();
    if ended != Ended::Interrupted && !args.self_check {
        let complaint = replay::run(folder.path(), &args.report, &interrupted)?;
        let lost = replay::unsaved(folder.cells(), &args.report);
        if let Some(line) = replay::left_out(folder.cells()) {
            complain(&line);
        }
        if is_interrupted() {
            ended = Ended::Interrupted;
        } else if let Some(complaint) = complaint {
            ended = Ended::WithFailures;
            complain(&format!(
                "Criterion could not write its report; {again} has it try again.\n{complaint}"
            ));
        } else if let Some(lost) = lost {
            ended = Ended::WithFailures;
            complain(&format!("{lost} {again} has it try again."));
        }
        folder.spend(Part::Report, start)?;
        report::write(folder.path())?;
    }
    if args.self_check {
        say(&self_check::write(&matrix, &folder)?);
    }
    conclude(&folder.run, &folder.cells().collect::<Vec<_>>(), &page, args);
    if ended == Ended::Interrupted || is_interrupted() {
        ended = Ended::Interrupted;
        complain(&format!("Interrupted; nothing measured is lost. {again} goes on."));
    }
    Ok(ended)
}

/// Prints what was measured, and where it is shown.
fn conclude(run: &Run, cells: &[&Cell], page: &Path, args: &Args) {
    let page = format!("Page: {}\n", page.display());
    let noise = table::noise_line(&run.noise).map(|line| format!("{line}\n")).unwrap_or_default();
    if args.report.output_format == Some(OutputFormat::Bencher) {
        // Standard output is for the program that reads this format.
        complain(format!("{noise}{page}").trim_end());
        return;
    }
    let width = if stdout().is_terminal() { terminal_width() } else { WIDE };
    say(&format!("{}{noise}{page}", table::render(run, cells, width)));
}

/// From now on Ctrl-C, SIGTERM and the end of the terminal set the flag that is returned, and a run ends in
/// order. A second Ctrl-C ends this process at once.
fn listen() -> Result<Arc<AtomicBool>, Error> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let register = || {
        // Where it is inherited as ignored, the system forgets how the processes ended that this one starts.
        flag::register(SIGCHLD, Arc::default())?;
        flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(&interrupted))?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // `nohup` has it ignored, and means it.
            if signal != SIGHUP || !is_ignored(signal) {
                flag::register(signal, Arc::clone(&interrupted))?;
            }
        }
        io::Result::Ok(())
    };
    register().map_err(|error| Error::Usage(format!("failed to listen for signals: {error}")))?;
    Ok(interrupted)
}

/// Whether this process ignores `signal`. Source: `man 5 proc_pid_status`, `SigIgn`, a bit for each signal.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}

/// The columns of the terminal that standard output goes to.
fn terminal_width() -> usize {
    comfy_table::Table::new().width().map_or(WIDE, usize::from)
}
