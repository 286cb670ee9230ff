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
mod judge;
mod matrix;
mod plan;
mod process;
mod progress;
mod protocol;
mod replay;
mod run;
mod sampler;
mod spent;
mod state;
mod table;
mod turns;

use std::env;
use std::io::{IsTerminal, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use environment::Build;
pub use matrix::Matrix;

use args::{Args, Parsed};
use error::Error;
use run::Ended;

/// Nothing could be run as asked.
const UNUSABLE: u8 = 2;

/// Ended by Ctrl-C, as shells number it: 128 and SIGINT.
const INTERRUPTED: u8 = 130;

/// The columns of a table that does not go to a terminal.
const WIDE: usize = 240;

/// Does what the command line of this process asks for, in the workspace `root`, with the cells that `add` adds.
/// Those of the self-check are added by `add_self_check`.
#[must_use]
pub fn main(
    root: &Path,
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
    if let Some(folder) = replay::order() {
        return replay::main(&folder);
    }
    let args = match Args::read(env::args_os()) {
        Parsed::Args(args) => args,
        Parsed::Help(help) => {
            let _nobody_listens = help.print();
            return ExitCode::SUCCESS;
        }
        Parsed::Error(line) => {
            eprintln!("error: {line}");
            return ExitCode::from(UNUSABLE);
        }
    };
    let mut matrix = Matrix::default();
    if args.self_check {
        add_self_check(&mut matrix)
    } else {
        add(&mut matrix)
    }
    match act(root, build, matrix, &args) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::WithFailures) => ExitCode::FAILURE,
        Ok(Ended::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn act(root: &Path, build: Build, matrix: Matrix, args: &Args) -> Result<Ended, Error> {
    if args.list {
        return run::list(&matrix, args).map(|()| Ended::Well);
    }
    let interrupted = listen()?;
    if args.is_test() {
        return run::test(matrix, args, &interrupted);
    }
    let (folder, mut ended) = run::measure(root, build, matrix, args, &interrupted)?;
    let page = report::write(folder.path())?;
    let out = args.out.as_ref().map(|out| format!(" --out {}", quoted(out))).unwrap_or_default();
    let again = format!("`{} -- --resume{out}{}`", build.command(), args.report.typed());
    if ended != Ended::Interrupted
        && let Some(complaint) = replay::run(folder.path(), &args.report)?
    {
        ended = Ended::WithFailures;
        eprintln!("Criterion could not write its report; {again} has it try again.\n{complaint}");
    }
    let cells: Vec<_> = folder.cells().collect();
    let width = if stdout().is_terminal() { terminal_width() } else { WIDE };
    run::say(&table::render(&folder.run, &cells, width));
    run::say(&format!("Page: {}\n", page.display()));
    if interrupted.load(Ordering::Relaxed) {
        ended = Ended::Interrupted;
        eprintln!("Interrupted; nothing measured is lost. {again} goes on.");
    }
    Ok(ended)
}

/// From now on Ctrl-C and SIGTERM set the flag that is returned, and a run ends in order.
fn listen() -> Result<Arc<AtomicBool>, Error> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|error| Error::Usage(format!("failed to listen for Ctrl-C: {error}")))?;
    Ok(interrupted)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}

/// The columns of the terminal that standard output goes to.
fn terminal_width() -> usize {
    comfy_table::Table::new().width().map_or(WIDE, usize::from)
}
