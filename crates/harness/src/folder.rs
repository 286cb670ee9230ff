//! A run folder as it is written: whole files, replaced at once, so that a killed run is at
//! worst a cell behind and never half a line.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use report::record::{Cell, Run, State, Status};
use serde::Serialize;
use strategy::Role;

use crate::canary::Standard;
use crate::error::{Context, Error};
use crate::judge;
use crate::matrix::Matrix;
use crate::spent::{Part, Spent};
use crate::turns::Outcome;

/// What to do when a folder cannot be written.
const MAKE_ROOM: &str = "make room or rights and `cargo bench -- --resume`, or name another folder \
                         with --out DIR";

/// What to do when a folder cannot be made.
const NAME_ANOTHER: &str = "make room or rights, or name another folder with --out DIR";

/// How long a lock is waited for. A run that was killed while it started a cell's process leaves the
/// lock to that for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How many times what writing takes lies between two times.
const SAVE_SHARE: u32 = 20;

/// What is noted of a cell that did not begin as its round chose.
const STATE_MISSED: &str = "Its processes could not be brought into the start state that the round chose: this C library's \
                            heap has no top that moves.";

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A run folder that this process writes.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) run: Run,
    /// The cells of each row of the matrix, in its order.
    rows: Vec<Vec<(Role, Cell)>>,
    /// When it was last written, and how long that took.
    saved: Instant,
    save_took: Duration,
    /// Held as long as the run: two processes must not write one folder.
    _lock: File,
}

impl Folder {
    /// Makes the folder of a new run.
    pub(crate) fn create(path: PathBuf, run: Run, matrix: &Matrix) -> Result<Self, Error> {
        refuse_occupied(&path)?;
        fs::create_dir_all(&path).context("create", &path, NAME_ANOTHER)?;
        let path = fs::canonicalize(&path).context("find", &path, NAME_ANOTHER)?;
        let lock = hold(&path)?;
        // Another run may have begun meanwhile.
        refuse_occupied(&path)?;
        let rows = rows(matrix, HashMap::new());
        let mut folder = Self::of(path, run, rows, lock);
        folder.save()?;
        Ok(folder)
    }

    /// Takes up a run that was begun in `path` with `run` and `cells`.
    pub(crate) fn resume(
        path: PathBuf,
        lock: File,
        run: Run,
        cells: Vec<Cell>,
        matrix: &Matrix,
    ) -> Result<Self, Error> {
        let known: HashMap<_, _> = cells.into_iter().map(|cell| (cell.id.clone(), cell)).collect();
        if let Some(id) = known.keys().find(|id| matrix.cell(id).is_none()) {
            return Err(Error::Usage(format!(
                "{} has the cell {id}, which this build or the run's filter does not have; remove \
                 the line, or start anew without --resume",
                path.join("cells.jsonl").display()
            )));
        }
        let mut rows = rows(matrix, known);
        rows.iter_mut().filter(|row| !is_paired(row)).flatten().for_each(|(_, cell)| forget(cell));
        Ok(Self::of(path, run, rows, lock))
    }

    fn of(path: PathBuf, run: Run, rows: Vec<Vec<(Role, Cell)>>, lock: File) -> Self {
        Self { path, run, rows, saved: Instant::now(), save_took: Duration::ZERO, _lock: lock }
    }

    /// Where the folder is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The cells, row by row.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.rows.iter().flatten().map(|(_, cell)| cell)
    }

    /// The cell in this place of the matrix.
    pub(crate) fn cell(&self, row: usize, column: usize) -> &Cell {
        &self.rows[row][column].1
    }

    /// Adds what came of a round of a row, and writes it soon. Rounds that a failed cell has are kept.
    pub(crate) fn add(
        &mut self,
        row: usize,
        outcomes: Vec<(usize, Outcome)>,
        standard: &Standard,
    ) -> Result<(), Error> {
        for (column, outcome) in outcomes {
            let cell = &mut self.rows[row][column].1;
            match outcome {
                Outcome::Measured(measured) => {
                    let noisy = measured.canaries_ns.iter().filter(|ns| standard.is_noisy(**ns));
                    let noisy = noisy.count() as u64;
                    let noise = &mut self.run.noise;
                    noise.samples += measured.canaries_ns.len() as u64;
                    noise.noisy_samples += noisy;
                    noise.retaken_samples += measured.retaken;
                    noise.preempted_samples += measured.preempted;
                    cell.noisy_samples += noisy;
                    cell.retaken_samples += measured.retaken;
                    cell.preempted_samples += measured.preempted;
                    cell.rounds_ns_per_op.push(measured.ns_per_op);
                    cell.rounds_ratio.push(measured.ratio);
                    cell.samples_ns_per_op.push(measured.samples_ns_per_op);
                    if !measured.state_reached {
                        note(cell, STATE_MISSED);
                    }
                }
                Outcome::Failed(reason, last_output) => {
                    cell.status = Status::Failed;
                    cell.reason = Some(reason);
                    cell.last_output = (!last_output.is_empty()).then_some(last_output);
                }
            }
        }
        self.run.noise.canary_ns = standard.middle_ns() as f64;
        self.save_soon()
    }

    /// Adds a note to the cells of a row.
    pub(crate) fn note_row(&mut self, row: usize, text: &str) {
        self.rows[row].iter_mut().for_each(|(_, cell)| note(cell, text));
    }

    /// Takes cells that failed back to where they have no rounds.
    pub(crate) fn forget_failures(&mut self) {
        for (_, cell) in self.rows.iter_mut().flatten() {
            if cell.status == Status::Failed {
                cell.status = Status::Measured;
                (cell.reason, cell.last_output) = (None, None);
                forget(cell);
            }
        }
    }

    /// Writes the folder if the last time is long enough ago: a run with many rounds would spend its
    /// time on writing. What a killed run loses at most is what it measured in twenty times the time that
    /// writing takes.
    fn save_soon(&mut self) -> Result<(), Error> {
        if self.saved.elapsed() < SAVE_SHARE * self.save_took {
            return Ok(());
        }
        self.save()
    }

    /// Counts the time from `since` to now as spent on `part`, and writes it.
    pub(crate) fn spend(&mut self, part: Part, since: Instant) -> Result<(), Error> {
        let mut spent = Spent::default();
        spent.add(part, since);
        spent.pour(&mut self.run.spent_s);
        self.save()
    }

    /// Judges what was measured, and writes it.
    pub(crate) fn judge(&mut self) -> Result<(), Error> {
        let settings = &self.run.settings;
        self.rows.iter_mut().for_each(|row| judge::judge(row, settings));
        self.save()
    }

    /// Marks the run as complete.
    pub(crate) fn complete(&mut self) -> Result<(), Error> {
        self.run.state = State::Complete;
        self.run.finished_utc = Some(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        self.judge()
    }

    /// Writes the folder.
    pub(crate) fn save(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        let mut lines = Vec::new();
        for cell in self.cells() {
            write_json(&mut lines, cell, false);
        }
        replace(&self.path.join("cells.jsonl"), &lines)?;
        let mut run = Vec::new();
        write_json(&mut run, &self.run, true);
        replace(&self.path.join("run.json"), &run)?;
        (self.saved, self.save_took) = (Instant::now(), start.elapsed());
        Ok(())
    }
}

fn note(cell: &mut Cell, text: &str) {
    if cell.status == Status::Measured && !cell.notes.iter().any(|note| note == text) {
        cell.notes.push(text.into());
    }
}

/// Fails if `path` cannot be the folder of a new run, or is one of an old run. Nothing is touched.
fn refuse_occupied(path: &Path) -> Result<(), Error> {
    let shown = path.display();
    if path.join("run.json").exists() {
        return Err(Error::Usage(format!(
            "{shown} holds a run already; finish it with --resume, or name another folder with --out DIR"
        )));
    }
    if path.join("cells.jsonl").exists() {
        return Err(Error::Usage(format!(
            "{shown} holds cells.jsonl of a run whose run.json is lost, and a new run would overwrite it; bring \
             run.json back, or name another folder with --out DIR"
        )));
    }
    refuse_file(path)
}

/// Fails if `path` is there and no folder.
fn refuse_file(path: &Path) -> Result<(), Error> {
    if path.exists() && !path.is_dir() {
        return Err(Error::Usage(format!(
            "{} is a file, and a run is a folder; name another with --out DIR",
            path.display()
        )));
    }
    Ok(())
}

/// The cells of `matrix`, those of `known` with what they hold already.
fn rows(matrix: &Matrix, mut known: HashMap<String, Cell>) -> Vec<Vec<(Role, Cell)>> {
    let rows = matrix.rows.iter();
    rows.map(|row| {
        let cells = row.cells.iter();
        cells
            .map(|cell| {
                let case = &cell.case;
                let answer = case.support.is_ok().then(|| case.answer(workloads::Stream::FIRST));
                let record = known.remove(&cell.id).unwrap_or_else(|| Cell {
                    id: cell.id.clone(),
                    workload: row.workload.into(),
                    strategy: cell.strategy().into(),
                    parameter: row.parameter.clone(),
                    status: match case.support {
                        Ok(()) => Status::Measured,
                        Err(_) => Status::Unsupported,
                    },
                    reason: case.support.err().map(|unsupported| unsupported.to_string()),
                    last_output: None,
                    ns_per_op: None,
                    rounds_ns_per_op: Vec::new(),
                    ratio_to_system: None,
                    noise_floor: None,
                    verdict: None,
                    ops: answer.map(|answer| answer.ops),
                    checksum: answer.map(|answer| format!("{:#018x}", answer.checksum)),
                    retaken_samples: 0,
                    rounds_ratio: Vec::new(),
                    state_groups: Vec::new(),
                    notes: Vec::new(),
                    preempted_samples: 0,
                    noisy_samples: 0,
                    samples_ns_per_op: Vec::new(),
                });
                (cell.role(), record)
            })
            .collect()
    })
    .collect()
}

/// Whether the rounds of a row belong together: a run that was cut leaves the cells of a row at most
/// one round apart. Where a line was removed there are more, and a ratio of its new rounds to
/// the old ones of System would not be one within a round.
fn is_paired(row: &[(Role, Cell)]) -> bool {
    let measured = row.iter().filter(|(_, cell)| cell.status == Status::Measured);
    let rounds = measured.map(|(_, cell)| cell.rounds_ns_per_op.len());
    let most = rounds.clone().max().unwrap_or_default();
    rounds.min().unwrap_or_default() + 1 >= most
}

/// Takes a measured cell back to where it has no rounds.
fn forget(cell: &mut Cell) {
    if cell.status == Status::Measured {
        cell.rounds_ns_per_op.clear();
        cell.rounds_ratio.clear();
        cell.preempted_samples = 0;
        cell.samples_ns_per_op.clear();
        cell.retaken_samples = 0;
        cell.noisy_samples = 0;
    }
}

fn write_json(text: &mut Vec<u8>, value: &impl Serialize, pretty: bool) {
    let written = if pretty {
        serde_json::to_writer_pretty(&mut *text, value)
    } else {
        serde_json::to_writer(&mut *text, value)
    };
    written.expect("records are plain data and a vector takes all");
    text.push(b'\n');
}

/// Replaces a file as a whole: at no moment is there half of it, not even after the power failed. For that the
/// new file is on the disk before it has the name, and the name before this returns.
fn replace(path: &Path, text: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().context("write", path, MAKE_ROOM)
}

/// Holds `path`, which has to be the folder of a run, for this process.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    refuse_file(path)?;
    // A folder that is none stays as it is.
    report::read(path)?;
    hold(path)
}

/// Holds the folder `path` for this process.
fn hold(path: &Path) -> Result<File, Error> {
    let name = path.join(".lock");
    let file = File::create(&name).context("create", &name, MAKE_ROOM)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Usage(format!(
                    "{} is being written by another run; wait for it, or name another folder with \
                     --out DIR",
                    path.display()
                )));
            }
            Err(TryLockError::Error(source)) => {
                return Err(source).context("lock", &name, MAKE_ROOM);
            }
        }
    }
}

/// Fails if something else has the name of the link that points at the latest run in `results`.
pub(crate) fn check_latest(results: &Path) -> Result<(), Error> {
    let latest = results.join("latest");
    if latest.is_symlink() || !latest.exists() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{} is no link, and a run makes it one that points at the latest; rename it, or name a folder with --out DIR",
        latest.display()
    )))
}

/// Points `latest` beside a run folder at it.
pub(crate) fn point_latest(folder: &Path) -> Result<(), Error> {
    let (Some(results), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Ok(());
    };
    let new = results.join(".latest.new");
    let point = || {
        if new.is_symlink() {
            fs::remove_file(&new)?;
        }
        symlink(name, &new)?;
        fs::rename(&new, results.join("latest"))
    };
    point().context("write", results.join("latest"), MAKE_ROOM)
}
