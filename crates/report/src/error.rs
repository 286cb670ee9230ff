//! What can go wrong between a run folder and its page, each in one line.

use std::io;
use std::path::PathBuf;

use crate::format;

/// Names from a file stand in a line of error with no more characters than this.
const LONGEST: usize = 100;

/// Why a run folder cannot be read, or its page not be written.
///
/// The text is one line that names the file, and the line and the field in it where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the run folder cannot be read; often it is not there.
    #[error("{}: cannot be read ({source})", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `run.json` does not describe a run.
    #[error("{}: not a run ({})", path.display(), one_line(source))]
    Run {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// `run.json` is of a format that this crate does not know.
    #[error("{}: format {found}, and this program reads format {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that the file states.
        found: u32,
        /// The format that this crate reads.
        known: u32,
    },
    /// A line of `cells.jsonl` is not a cell; often the run was killed while it was written.
    #[error(
        "{} line {line}: not a cell ({}); remove the line and --resume measures its row again",
        path.display(),
        one_line(source)
    )]
    Cell {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// A cell stands in `cells.jsonl` twice.
    #[error(
        "{} line {line}: {} stands on line {first} already; remove one of the two",
        path.display(),
        format::shortened(id, LONGEST)
    )]
    Twice {
        /// The file.
        path: PathBuf,
        /// The second of the two lines, counted from 1.
        line: usize,
        /// The first of the two lines, counted from 1.
        first: usize,
        /// The cell.
        id: String,
    },
    /// A value of `run.json` that cannot be.
    #[error("{}: {} {what}", path.display(), format::shortened(field, LONGEST))]
    RunValue {
        /// The file.
        path: PathBuf,
        /// The field, as in `settings.rounds`.
        field: String,
        /// What is wrong with it.
        what: String,
    },
    /// A value of a cell that cannot be.
    #[error(
        "{} line {line}: {} {what}; remove the line and --resume measures its row again",
        path.display(),
        format::shortened(field, LONGEST)
    )]
    CellValue {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The field, as in `samples_ns_per_op[2][4]`.
        field: String,
        /// What is wrong with it.
        what: String,
    },
    /// The page cannot be put together.
    #[error("{}: cannot be drawn ({source})", path.display())]
    Page {
        /// The page.
        path: PathBuf,
        /// What the template said.
        source: askama::Error,
    },
    /// The page or a plot cannot be written.
    #[error("{}: cannot be written ({source})", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// serde's own text, with the position left out that is always "line 1".
fn one_line(source: &serde_json::Error) -> String {
    let text = source.to_string();
    let end = format!(" at line {} column {}", source.line(), source.column());
    match text.strip_suffix(&end) {
        Some(what) if source.line() <= 1 => format!("{what} at column {}", source.column()),
        _ => text,
    }
}
