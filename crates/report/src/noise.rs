//! The controls by workload: what the machine's noise and the harness itself amount to.

use crate::format;
use crate::grid::{Grid, Role, Row};
use crate::record::{Cell, Run, Status};
use crate::verdict;

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

/// From this share of the samples on, noise is a notice at the top of the page.
const NOTICED: f64 = 0.05;

/// The machine's noise in a sentence or two, for the top of the page.
#[derive(Debug)]
pub(crate) struct Machine {
    /// What was noisy, and how much.
    pub(crate) text: String,
    /// Whether it is enough to do something about it.
    pub(crate) much: bool,
}

/// What there is to say about the machine; nothing when it was quiet.
pub(crate) fn of_machine(run: &Run) -> Option<Machine> {
    let noise = &run.noise;
    let pieces = noise.samples + noise.preempted_samples;
    let mut parts = Vec::new();
    if noise.noisy_samples > 0 {
        let share = format::percent(noise.noisy_samples, noise.samples);
        parts.push(format!("{share} of the samples are noisy: something else held the core"));
    }
    if noise.preempted_samples > 0 {
        let share = format::percent(noise.preempted_samples, pieces);
        parts.push(format!(
            "{share} of what was taken is left out, since a thread was preempted in it"
        ));
    }
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let most =
        share(noise.noisy_samples, noise.samples).max(share(noise.preempted_samples, pieces));
    (!parts.is_empty()).then(|| Machine { text: parts.join("; "), much: most > NOTICED })
}

/// Whether the canary was a gate: in older runs a noisy piece was measured again, and noise was told by
/// the fastest loop. Now it is a report.
pub(crate) fn canary_was_a_gate(run: &Run) -> bool {
    run.noise.canary_ns == 0.0 && !run.settings.turns && run.settings.least_difference == 0.0
}

/// The controls of every row; none when the run has no controls.
pub(crate) fn of(grid: &Grid<'_>, run: &Run) -> Vec<Controls> {
    if !grid.columns.iter().any(|column| column.role.is_control()) {
        return Vec::new();
    }
    let is_factor = run.settings.least_difference > 0.0;
    grid.rows().map(|row| controls(grid, row, is_factor)).collect()
}

/// Whether the A/A of a row has an interval that does not hold 1.
pub(crate) fn is_suspect(grid: &Grid<'_>, row: &Row<'_>) -> bool {
    let again = grid.in_role(Role::SameAgain).and_then(|again| grid.cell(row, again.name));
    let ratio = again.filter(|cell| cell.status == Status::Measured && verdict::has_interval(cell));
    ratio.and_then(|cell| cell.ratio_to_system).is_some_and(|r| r.lo > 1.0 || r.hi < 1.0)
}

/// How many rows have an A/A whose interval does not hold 1.
pub(crate) fn suspects(controls: &[Controls]) -> usize {
    controls.iter().filter(|row| row.again.suspect).count()
}

fn controls(grid: &Grid<'_>, row: &Row<'_>, is_factor: bool) -> Controls {
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
        beyond: match (beyond, is_factor) {
            (None, _) => "—".to_owned(),
            (Some(beyond), true) => format!("{:.3}×", 1.0 + beyond),
            (Some(beyond), false) => format!("± {beyond:.3}"),
        },
        floor: time(cell(Role::Floor)),
        single: ratio(cell(Role::SingleThread), format::ratio),
        noisy: format::percent(noisy, samples as u64),
    }
}

fn ratio(cell: Option<&Cell>, number: fn(f64) -> String) -> Control {
    let Some((cell, ratio)) = cell.and_then(|cell| Some((cell, cell.ratio_to_system?))) else {
        return without(cell);
    };
    Control {
        text: format!("{}×", number(ratio.median)),
        ends: if verdict::has_interval(cell) {
            format::ends(&ratio, number)
        } else {
            String::new()
        },
        suspect: false,
    }
}

fn time(cell: Option<&Cell>) -> Control {
    let Some((cell, ns)) = cell.and_then(|cell| Some((cell, cell.ns_per_op?))) else {
        return without(cell);
    };
    let has_ends = cell.rounds_ns_per_op.len() > 1;
    Control {
        text: format!("{} ns", format::ns(ns.median)),
        ends: if has_ends { format::ends(&ns, format::ns) } else { String::new() },
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
