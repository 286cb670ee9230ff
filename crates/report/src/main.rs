//! Draws the page of a run folder again.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Draws index.html and plots/*.svg of a run folder from its run.json and cells.jsonl.
#[derive(Parser)]
struct Arguments {
    /// The run folder, for instance results/latest.
    folder: PathBuf,
}

fn main() -> ExitCode {
    match report::write(&Arguments::parse().folder) {
        Ok(page) => {
            println!("{}", page.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}
