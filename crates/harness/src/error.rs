//! Errors that end a run: one line that says what and what to do.

use std::io;
use std::path::PathBuf;

/// What ends a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line asks for something that cannot be had.
    #[error("{0}")]
    Usage(String),
    /// A file or folder could not be used.
    #[error("failed to {doing} {}: {source}; {remedy}", path.display())]
    File {
        /// What was tried, as in "failed to write".
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the user can do.
        remedy: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A cell's process could not be started or waited for.
    #[error(
        "failed to run {id} in a process of its own: {source}; `cargo bench -- --resume` continues"
    )]
    Process {
        /// The cell.
        id: String,
        /// What the system said.
        source: io::Error,
    },
    /// The run folder could not be read, or the page not drawn.
    #[error(transparent)]
    Report(#[from] report::Error),
}

/// Adds what was tried, with what, and what to do to an error of the system.
pub(crate) trait Context<T> {
    /// As in "failed to `doing` `path`: ...; `remedy`".
    fn context(
        self,
        doing: &'static str,
        path: impl Into<PathBuf>,
        remedy: &'static str,
    ) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(
        self,
        doing: &'static str,
        path: impl Into<PathBuf>,
        remedy: &'static str,
    ) -> Result<T, Error> {
        self.map_err(|source| Error::File { doing, path: path.into(), remedy, source })
    }
}
