//! What stands around the plot of a row: what was noted, the table of figures, and why cells
//! have none.

use std::collections::BTreeMap;

use crate::canvas::Svg;
use crate::first::{self, First};
use crate::format;
use crate::grid::{Column, Grid, Role, Row};
use crate::plot;
use crate::record::{Cell, Environment, Interval, Status};
use crate::states;
use crate::verdict;

/// A row as the template needs it.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Its anchor, and the name of its plot's file.
    pub(crate) slug: String,
    /// The plot.
    pub(crate) svg: Svg,
    /// What a reader of the figures has to know, each note once.
    pub(crate) notes: Vec<Note>,
    /// The table.
    pub(crate) entries: Vec<Entry>,
    /// What failed, and how.
    pub(crate) failures: Vec<Failure>,
}

/// A note on how figures were taken.
#[derive(Debug, PartialEq)]
pub(crate) struct Note {
    /// Whose figures: names, or "all".
    pub(crate) whose: String,
    /// The note, a sentence.
    pub(crate) text: String,
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
    /// The groups of rounds by start state, if there are any.
    pub(crate) states: Option<String>,
    /// Why there are no figures, when there are none.
    pub(crate) reason: Option<String>,
    /// Rounds measured.
    pub(crate) rounds: usize,
    /// Samples kept.
    pub(crate) samples: usize,
    /// Samples taken again.
    pub(crate) retaken: String,
    /// Pieces left out since a thread was preempted.
    pub(crate) preempted: String,
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
    let first = first::of(grid, row);
    Figure {
        slug: row.slug.clone(),
        svg: plot::draw(grid, row, &first, environment),
        notes: notes(&cells),
        entries: cells.iter().map(|(column, cell)| entry(column, cell, &first)).collect(),
        failures: cells.iter().filter_map(|(_, cell)| failure(cell)).collect(),
    }
}

/// The notes of a row's cells, each once with the names of those that have it.
fn notes(cells: &[(&Column<'_>, &Cell)]) -> Vec<Note> {
    let mut whose: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for (column, cell) in cells {
        for note in &cell.notes {
            let names = whose.entry(note).or_insert_with(|| {
                order.push(note);
                Vec::new()
            });
            if names.last() != Some(&column.name) {
                names.push(column.name);
            }
        }
    }
    // Who has no figure has nothing to be noted of it, and does not keep a note from being everybody's.
    let everybody = cells.iter().filter(|(_, cell)| verdict::is_measured(cell)).count();
    let note = |text: &str| {
        let names = &whose[text];
        let all = names.len() >= everybody.max(2);
        Note {
            whose: if all { "all".to_owned() } else { names.join(", ") },
            text: format::beginning(text),
        }
    };
    order.into_iter().map(note).collect()
}

/// A line of the table.
fn entry(column: &Column<'_>, cell: &Cell, first: &First<'_>) -> Entry {
    let measured = cell.status == Status::Measured;
    let ns = cell.ns_per_op.filter(|_| measured);
    let ratio = cell.ratio_to_system.filter(|_| measured);
    // The ends of a single round are the round itself, which looks like certainty.
    let ns_ends = ns.filter(|_| cell.rounds_ns_per_op.len() > 1);
    let ratio_ends = ratio.filter(|_| verdict::has_interval(cell));
    let ends = |interval: Option<Interval>, number| {
        interval.map_or_else(String::new, |interval| format::ends(&interval, number))
    };
    let said = match cell.status {
        Status::Unsupported => "— unsupported".to_owned(),
        Status::Failed => "✗ failed".to_owned(),
        Status::Measured if column.role == Role::Reference => "reference".to_owned(),
        Status::Measured => match cell.verdict {
            Some(_) => {
                format!("{} {}", verdict::mark(cell.verdict), verdict::word(cell.verdict))
            }
            None if ratio_ends.is_some() => "not judged".to_owned(),
            None if ratio.is_some() => verdict::why_none(cell).to_owned(),
            None if ns.is_none() => "· not measured yet".to_owned(),
            None => "no ratio".to_owned(),
        },
    };
    let kind = match cell.status {
        Status::Unsupported => "unsupported",
        Status::Failed => "failed",
        Status::Measured if column.role == Role::Reference => "reference",
        Status::Measured => verdict::word(cell.verdict),
    };
    let place = if first.has(column.name) { " first" } else { "" };
    Entry {
        id: cell.id.clone(),
        strategy: cell.strategy.clone(),
        class: format!("{} {kind}{place}", column.role.class()),
        ns: ns.map_or_else(String::new, |ns| format::ns(ns.median)),
        ns_ends: ends(ns_ends, format::ns),
        ratio: ratio.map_or_else(String::new, |ratio| format::times(ratio.median)),
        ratio_ends: ends(ratio_ends, format::ratio),
        verdict: said,
        states: states::groups(cell).map(states::in_full),
        reason: (!measured).then(|| reason(cell)),
        rounds: cell.rounds_ns_per_op.len(),
        samples: cell.samples_ns_per_op.iter().map(Vec::len).sum(),
        retaken: format::count(cell.retaken_samples),
        preempted: format::count(cell.preempted_samples),
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
            .map(format::end),
    })
}

/// Why a cell has no figure.
fn reason(cell: &Cell) -> String {
    format::beginning(cell.reason.as_deref().unwrap_or("no reason recorded"))
}
