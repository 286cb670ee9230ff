//! Who is fastest in a row. The verdicts and the intervals decide, not the medians alone.
//!
//! The first is the contender with the least median ratio; controls are no contenders. Every judged contender whose
//! interval overlaps that of the first shares its place, and so does the reference unless the first is judged faster
//! than it. Hence nobody whose verdict is "undecided" or "same" is ever first alone. A first without a verdict,
//! and a first in a row without ratios, is named as the least median and as nothing more.

use std::collections::BTreeSet;

use crate::format;
use crate::grid::{Column, Grid, Role, Row};
use crate::record::{Cell, Interval, Verdict};
use crate::verdict;

/// More names than this are counted and not listed.
const MOST_NAMES: usize = 12;

/// The first place of a row.
#[derive(Debug)]
pub(crate) struct First<'a> {
    /// Those that share it. Empty where the row does not tell.
    names: BTreeSet<&'a str>,
    /// The same in a sentence.
    pub(crate) sentence: String,
}

impl First<'_> {
    /// Whether a strategy shares the first place.
    pub(crate) fn has(&self, strategy: &str) -> bool {
        self.names.contains(strategy)
    }

    /// Whether more than one does.
    pub(crate) fn is_tied(&self) -> bool {
        self.names.len() > 1
    }
}

/// A contender with a figure.
struct Entrant<'a> {
    name: &'a str,
    cell: &'a Cell,
    is_reference: bool,
    ratio: Interval,
}

/// The first place of `row`.
pub(crate) fn of<'a>(grid: &Grid<'a>, row: &Row<'_>) -> First<'a> {
    let cells = grid.cells(row);
    let contends = |(column, cell): &(&Column<'a>, &'a Cell)| {
        !column.role.is_control() && verdict::is_measured(cell)
    };
    let measured: Vec<_> = cells.into_iter().filter(contends).collect();
    let nobody = |sentence: String| First { names: BTreeSet::new(), sentence };
    let least_time = measured.iter().min_by(|(_, a), (_, b)| ns(a).total_cmp(&ns(b)));
    let Some((column, cell)) = least_time else {
        return nobody("No strategy has a figure here.".to_owned());
    };
    if measured.len() == 1 {
        return nobody(format!(
            "Only {} has a figure here: {} ns.",
            column.name,
            format::ns(ns(cell))
        ));
    }
    if !measured.iter().any(|(column, _)| column.role == Role::Reference) {
        return nobody(format!(
            "No verdict, since {} has no figure here. The least median: {} ({} ns).",
            grid.reference(),
            column.name,
            format::ns(ns(cell))
        ));
    }
    let mut entrants: Vec<Entrant<'a>> =
        measured.iter().filter_map(|(column, cell)| entrant(column, cell)).collect();
    entrants.sort_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median));
    let without: Vec<&str> = measured
        .iter()
        .filter(|(column, cell)| entrant(column, cell).is_none())
        .map(|(column, _)| column.name)
        .collect();
    let mut first = place(grid.reference(), &entrants);
    if !without.is_empty() {
        first.sentence.push_str(&format!(" Without a ratio: {}.", listed(&without)));
    }
    first
}

fn ns(cell: &Cell) -> f64 {
    cell.ns_per_op.map_or(f64::INFINITY, |ns| ns.median)
}

fn entrant<'a>(column: &Column<'a>, cell: &'a Cell) -> Option<Entrant<'a>> {
    let is_reference = column.role == Role::Reference;
    let itself = Interval { median: 1.0, lo: 1.0, hi: 1.0 };
    let ratio = if is_reference { Some(itself) } else { cell.ratio_to_system };
    Some(Entrant { name: column.name, cell, is_reference, ratio: ratio? })
}

/// The first place among entrants in the order of their medians, of which the reference is one.
fn place<'a>(reference: &str, entrants: &[Entrant<'a>]) -> First<'a> {
    let Some((first, others)) = entrants.split_first() else {
        return First { names: BTreeSet::new(), sentence: String::new() };
    };
    let is_judged = |entrant: &Entrant<'_>| entrant.cell.verdict.is_some();
    let judged = if first.is_reference { others.iter().any(is_judged) } else { is_judged(first) };
    let figures = figures(first, reference);
    if !judged {
        let unjudged = if first.is_reference { others.first() } else { Some(first) };
        let why = unjudged.map_or("no verdict", |entrant| verdict::why_none(entrant.cell));
        let why = format::capitalized(why);
        return First {
            names: BTreeSet::new(),
            sentence: format!("{why}. The least median: {} ({figures}).", first.name),
        };
    }
    let shares = |other: &&Entrant<'_>| match (first.is_reference, other.is_reference) {
        (true, _) => other.cell.verdict.is_some_and(|verdict| verdict != Verdict::Slower),
        (_, true) => first.cell.verdict != Some(Verdict::Faster),
        _ => is_judged(other) && other.ratio.lo <= first.ratio.hi,
    };
    let tied: Vec<&'a str> = others.iter().filter(shares).map(|other| other.name).collect();
    let undecided = !first.is_reference && first.cell.verdict == Some(Verdict::Undecided);
    let head = if undecided { "Undecided. The least median" } else { "Fastest" };
    let sentence = if tied.is_empty() {
        format!("{head}: {} ({figures}).", first.name)
    } else {
        format!("{head}: {} ({figures}); not told apart from it: {}.", first.name, listed(&tied))
    };
    First { names: tied.into_iter().chain([first.name]).collect(), sentence }
}

fn figures(entrant: &Entrant<'_>, reference: &str) -> String {
    let ns = format::ns(ns(entrant.cell));
    match entrant.is_reference {
        true => format!("{ns} ns"),
        false => format!("{ns} ns, {} of {reference}", format::times(entrant.ratio.median)),
    }
}

/// Names, or as many of them as a sentence bears.
fn listed(names: &[&str]) -> String {
    match names.get(..MOST_NAMES) {
        Some(shown) if names.len() > MOST_NAMES + 1 => {
            format!("{} and {} more", shown.join(", "), names.len() - MOST_NAMES)
        }
        _ => names.join(", "),
    }
}
