//! The controls by workload: what the machine's noise and the harness itself amount to.

use crate::format;
use crate::grid::{Grid, Role, Row};
use crate::record::{Cell, Status};

/// A row of the table of controls.
#[derive(Debug)]
pub(crate) struct Controls {
    /// The workload.
    pub(crate) workload: String,
    /// The parameter.
    pub(crate) parameter: String,
    /// The anchor of the row's figure.
    pub(crate) slug: String,
    /// The ratio of the reference to itself.
    pub(crate) again: Control,
    /// How far from 1 a ratio has to be to count as a difference.
    pub(crate) beyond: String,
    /// What the harness costs, in nanoseconds.
    pub(crate) floor: Control,
    /// The ratio in a process that never had a second thread.
    pub(crate) single: Control,
    /// Samples kept that were noisy, of all strategies, as a share.
    pub(crate) noisy: String,
}

/// A figure of a control.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The median, or what stands in its place.
    pub(crate) text: String,
    /// The interval.
    pub(crate) ends: String,
    /// Whether it calls for a second look.
    pub(crate) suspect: bool,
}

/// The controls of every row; none when the run has no controls.
pub(crate) fn of(grid: &Grid<'_>) -> Vec<Controls> {
    if !grid.columns.iter().any(|column| column.role.is_control()) {
        return Vec::new();
    }
    grid.rows().map(|row| controls(grid, row)).collect()
}

/// Whether the A/A of a row has an interval that does not hold 1.
pub(crate) fn is_suspect(grid: &Grid<'_>, row: &Row<'_>) -> bool {
    let again = grid.in_role(Role::SameAgain).and_then(|again| grid.cell(row, again.name));
    let ratio = again.filter(|cell| cell.status == Status::Measured);
    ratio.and_then(|cell| cell.ratio_to_system).is_some_and(|r| r.lo > 1.0 || r.hi < 1.0)
}

/// How many rows have an A/A whose interval does not hold 1.
pub(crate) fn suspects(controls: &[Controls]) -> usize {
    controls.iter().filter(|row| row.again.suspect).count()
}

fn controls(grid: &Grid<'_>, row: &Row<'_>) -> Controls {
    let cell = |role| grid.in_role(role).and_then(|column| grid.cell(row, column.name));
    // Near 1 the second digit would round away what is asked.
    let mut again = ratio(cell(Role::SameAgain), |value| format!("{value:.3}"));
    again.suspect = is_suspect(grid, row);
    let cells = grid.cells(row);
    let lists = cells.iter().flat_map(|(_, cell)| &cell.samples_ns_per_op);
    let samples = lists.map(Vec::len).sum::<usize>();
    let noisy = cells.iter().map(|(_, cell)| cell.noisy_samples).sum();
    let beyond = cells.iter().find_map(|(_, cell)| cell.noise_floor);
    Controls {
        workload: row.workload.to_owned(),
        parameter: row.parameter.to_owned(),
        slug: row.slug.clone(),
        again,
        beyond: beyond.map_or_else(|| "—".to_owned(), |beyond| format!("± {beyond:.3}")),
        floor: time(cell(Role::Floor)),
        single: ratio(cell(Role::SingleThread), format::ratio),
        noisy: format::percent(noisy, samples as u64),
    }
}

fn ratio(cell: Option<&Cell>, number: fn(f64) -> String) -> Control {
    let Some(ratio) = cell.and_then(|cell| cell.ratio_to_system) else { return without(cell) };
    Control {
        text: format!("{}×", number(ratio.median)),
        ends: format::ends(&ratio, number),
        suspect: false,
    }
}

fn time(cell: Option<&Cell>) -> Control {
    let Some(ns) = cell.and_then(|cell| cell.ns_per_op) else { return without(cell) };
    Control {
        text: format!("{} ns", format::ns(ns.median)),
        ends: format::ends(&ns, format::ns),
        suspect: false,
    }
}

/// What stands where there is no figure.
fn without(cell: Option<&Cell>) -> Control {
    let text = match cell.map(|cell| cell.status) {
        None => "·",
        Some(Status::Unsupported) => "—",
        Some(Status::Failed) => "✗ failed",
        Some(Status::Measured) => "no ratio",
    };
    Control { text: text.to_owned(), ..Control::default() }
}
