//! Reading a run folder: `run.json` and `cells.jsonl`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::check::{self, Wrong};
use crate::record::{Cell, FORMAT, Run, Settings};

/// What a run folder holds.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFolder {
    /// The folder.
    pub path: PathBuf,
    /// `run.json`.
    pub run: Run,
    /// The lines of `cells.jsonl`, in the order of the file. There may be none yet.
    pub cells: Vec<Cell>,
}

/// Reads the run folder `folder`.
///
/// Empty lines of `cells.jsonl` are passed over.
///
/// # Errors
///
/// When one of the two files is missing or cannot be read, when `run.json` is not a run of the
/// format that this crate knows, when a line of `cells.jsonl` is not a cell or repeats one, and when
/// a value cannot be: a negative time, an interval whose ends are the wrong way round, more rounds than the run has.
/// No line is dropped in silence: a page that leaves out a result would look like a verdict.
///
/// ```no_run
/// let folder = report::read("results/latest".as_ref())?;
/// println!("{} cells on {}", folder.cells.len(), folder.run.environment.host);
/// # Ok::<(), report::Error>(())
/// ```
pub fn read(folder: &Path) -> Result<RunFolder, Error> {
    let path = folder.join("run.json");
    let text = text_of(&path)?;
    let run: Run = match serde_json::from_str(&text) {
        Ok(run) => run,
        Err(source) => return Err(Error::Run { path, source }),
    };
    if run.format != FORMAT {
        return Err(Error::Format { path, found: run.format, known: FORMAT });
    }
    if let Err(Wrong { field, what }) = check::run(&run) {
        return Err(Error::RunValue { path, field, what });
    }
    let cells = cells_of(folder.join("cells.jsonl"), &run.settings)?;
    Ok(RunFolder { path: folder.to_owned(), run, cells })
}

/// The cells of `cells.jsonl`, each once.
fn cells_of(path: PathBuf, settings: &Settings) -> Result<Vec<Cell>, Error> {
    let text = text_of(&path)?;
    let mut cells = Vec::new();
    let mut lines = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        let cell: Cell = match serde_json::from_str(line) {
            Ok(cell) => cell,
            Err(source) => return Err(Error::Cell { path, line: number, source }),
        };
        let key = (cell.workload.clone(), cell.strategy.clone(), cell.parameter.clone());
        if let Some(first) = lines.insert(key, number) {
            return Err(Error::Twice { path, line: number, first, id: cell.id });
        }
        if let Err(Wrong { field, what }) = check::cell(&cell, settings) {
            return Err(Error::CellValue { path, line: number, field, what });
        }
        cells.push(cell);
    }
    Ok(cells)
}

/// The text of a file.
fn text_of(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
