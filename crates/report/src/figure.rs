//! What stands around the plot of a row: who is fastest, the table of figures, and why cells
//! have none.

use crate::canvas::Svg;
use crate::format;
use crate::grid::{Column, Grid, Role, Row};
use crate::plot;
use crate::record::{Cell, Environment, Status};

/// A row as the template needs it.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Its anchor, and the name of its plot's file.
    pub(crate) slug: String,
    /// The plot.
    pub(crate) svg: Svg,
    /// The table.
    pub(crate) entries: Vec<Entry>,
    /// What failed, and how.
    pub(crate) failures: Vec<Failure>,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `workload/strategy/parameter`.
    pub(crate) id: String,
    /// The strategy.
    pub(crate) strategy: String,
    /// Classes.
    pub(crate) class: String,
    /// Nanoseconds per operation.
    pub(crate) ns: String,
    /// The interval of that.
    pub(crate) ns_ends: String,
    /// The ratio.
    pub(crate) ratio: String,
    /// The interval of that.
    pub(crate) ratio_ends: String,
    /// The verdict in a word, with its mark.
    pub(crate) verdict: String,
    /// Why there are no figures, when there are none.
    pub(crate) reason: Option<String>,
    /// Rounds measured.
    pub(crate) rounds: usize,
    /// Samples kept.
    pub(crate) samples: usize,
    /// Samples taken again.
    pub(crate) retaken: String,
    /// Samples kept that were noisy.
    pub(crate) noisy: String,
}

/// A cell that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The strategy.
    pub(crate) strategy: String,
    /// The reason.
    pub(crate) reason: String,
    /// The last lines that it printed.
    pub(crate) last_output: Option<String>,
}

/// Lays out a row.
pub(crate) fn of(grid: &Grid<'_>, row: &Row<'_>, environment: &Environment) -> Figure {
    let cells = grid.cells(row);
    Figure {
        slug: row.slug.clone(),
        svg: plot::draw(grid, row, &answer(grid, row), environment),
        entries: cells.iter().map(|(column, cell)| entry(grid, row, column, cell)).collect(),
        failures: cells.iter().filter_map(|(_, cell)| failure(cell)).collect(),
    }
}

/// Who is fastest, as a sentence.
fn answer(grid: &Grid<'_>, row: &Row<'_>) -> String {
    let fastest = grid.fastest(row);
    let Some((first, others)) = fastest.split_first() else {
        return "No strategy has a figure here.".to_owned();
    };
    let figures = |name: &str| {
        let cell = grid.cell(row, name);
        let ns = cell.and_then(|cell| cell.ns_per_op).map_or(0.0, |ns| ns.median);
        let ratio = cell.and_then(|cell| cell.ratio_to_system);
        match ratio.filter(|_| name != grid.reference()) {
            Some(ratio) => format!(
                "{} ns, {} of {}",
                format::ns(ns),
                format::times(ratio.median),
                grid.reference()
            ),
            None => format!("{} ns", format::ns(ns)),
        }
    };
    if others.is_empty() {
        format!("Fastest: {first} ({}).", figures(first))
    } else {
        format!(
            "Fastest: {first} ({}); not told apart from it: {}.",
            figures(first),
            others.join(", ")
        )
    }
}

/// A line of the table.
fn entry(grid: &Grid<'_>, row: &Row<'_>, column: &Column<'_>, cell: &Cell) -> Entry {
    let measured = cell.status == Status::Measured;
    let ns = cell.ns_per_op.filter(|_| measured);
    let ratio = cell.ratio_to_system.filter(|_| measured);
    let verdict = match cell.status {
        Status::Unsupported => "— unsupported".to_owned(),
        Status::Failed => "✗ failed".to_owned(),
        Status::Measured if column.role == Role::Reference => "reference".to_owned(),
        Status::Measured => match cell.verdict {
            Some(_) => {
                format!("{} {}", format::mark(cell.verdict), format::word(cell.verdict))
            }
            None if ratio.is_some() => "not judged".to_owned(),
            None if ns.is_none() => "· not measured yet".to_owned(),
            None => "no ratio".to_owned(),
        },
    };
    let kind = match cell.status {
        Status::Unsupported => "unsupported",
        Status::Failed => "failed",
        Status::Measured => format::word(cell.verdict),
    };
    let first = if grid.fastest(row).contains(&column.name) { " first" } else { "" };
    Entry {
        id: cell.id.clone(),
        strategy: cell.strategy.clone(),
        class: format!("{} {kind}{first}", column.role.class()),
        ns: ns.map_or_else(String::new, |ns| format::ns(ns.median)),
        ns_ends: ns.map_or_else(String::new, |ns| format::ends(&ns, format::ns)),
        ratio: ratio.map_or_else(String::new, |ratio| format::times(ratio.median)),
        ratio_ends: ratio.map_or_else(String::new, |ratio| format::ends(&ratio, format::ratio)),
        verdict,
        reason: (!measured).then(|| reason(cell)),
        rounds: cell.rounds_ns_per_op.len(),
        samples: cell.samples_ns_per_op.iter().map(Vec::len).sum(),
        retaken: format::count(cell.retaken_samples),
        noisy: format::count(cell.noisy_samples),
    }
}

/// How a cell failed, if it did.
fn failure(cell: &Cell) -> Option<Failure> {
    (cell.status == Status::Failed).then(|| Failure {
        strategy: cell.strategy.clone(),
        reason: reason(cell),
        last_output: cell
            .last_output
            .as_deref()
            .filter(|output| !output.trim().is_empty())
            .map(format::printable),
    })
}

/// Why a cell has no figure.
fn reason(cell: &Cell) -> String {
    format::printable(cell.reason.as_deref().unwrap_or("no reason recorded"))
}
