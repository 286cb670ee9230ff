//! The heat map: every cell of a run at once, as a ratio to the reference.

use std::collections::BTreeMap;

use crate::first;
use crate::format;
use crate::grid::{Column, Grid, Role, Row};
use crate::noise;
use crate::record::{Cell, Status, Verdict};
use crate::states;
use crate::verdict;

/// A cell in words has no more characters than this: the whole reason stands in its footnote.
const LONGEST_TITLE: usize = 400;

/// The heat map as the template needs it.
#[derive(Debug)]
pub(crate) struct HeatMap {
    /// The rows by family.
    pub(crate) bands: Vec<Band>,
    /// Whether a row is marked as one with too much noise.
    pub(crate) suspect: bool,
    /// Why cells have no figure, in the order of the numbers in the cells.
    pub(crate) footnotes: Vec<String>,
}

/// The head of a column.
#[derive(Debug)]
pub(crate) struct Head {
    /// The strategy.
    pub(crate) name: String,
    /// What it is there for, a word or nothing.
    pub(crate) word: &'static str,
    /// One sentence.
    pub(crate) about: String,
    /// Classes.
    pub(crate) class: String,
}

/// The rows of a family.
#[derive(Debug)]
pub(crate) struct Band {
    /// The family.
    pub(crate) name: String,
    /// The heads of its columns: the strategies that have a cell in it.
    pub(crate) heads: Vec<Head>,
    /// Its rows.
    pub(crate) rows: Vec<Line>,
}

/// A row.
#[derive(Debug)]
pub(crate) struct Line {
    /// The workload.
    pub(crate) workload: String,
    /// Whether the row above is of the same workload.
    pub(crate) again: bool,
    /// The parameter.
    pub(crate) parameter: String,
    /// Whether the reference differs from itself in this row.
    pub(crate) suspect: bool,
    /// The anchor of the row's figure.
    pub(crate) slug: String,
    /// The cells.
    pub(crate) squares: Vec<Square>,
}

/// A cell.
#[derive(Debug)]
pub(crate) struct Square {
    /// `workload/strategy/parameter`, or nothing when it was not measured.
    pub(crate) id: String,
    /// Classes: verdict, step of colour, column.
    pub(crate) class: String,
    /// What the verdict looks like without colour.
    pub(crate) mark: &'static str,
    /// The figure.
    pub(crate) text: String,
    /// The whole of it in words.
    pub(crate) title: String,
    /// The number of a footnote.
    pub(crate) footnote: Option<usize>,
}

/// Lays out the heat map.
pub(crate) fn of(grid: &Grid<'_>) -> HeatMap {
    let mut footnotes = Footnotes::default();
    let mut bands = Vec::new();
    for family in &grid.families {
        let columns = grid.columns_in(family);
        let classes = column_classes(&columns);
        let heads = columns.iter().zip(&classes).map(|(column, class)| Head {
            name: column.name.to_owned(),
            word: column.role.word(),
            about: column.about.to_owned(),
            class: class.clone(),
        });
        let heads = heads.collect();
        let mut rows = Vec::new();
        for workload in &family.workloads {
            for (index, row) in workload.rows.iter().enumerate() {
                let first = first::of(grid, row);
                let states = states_of(grid, row);
                let squares = columns.iter().zip(&classes).map(|(column, class)| {
                    let first = first.has(column.name);
                    square(grid, row, column, (class, first), &states, &mut footnotes)
                });
                rows.push(Line {
                    workload: row.workload.to_owned(),
                    again: index > 0,
                    parameter: row.parameter.to_owned(),
                    suspect: noise::is_suspect(grid, row),
                    slug: row.slug.clone(),
                    squares: squares.collect(),
                });
            }
        }
        bands.push(Band { name: family.name.to_owned(), heads, rows });
    }
    let suspect = bands.iter().flat_map(|band| &band.rows).any(|row| row.suspect);
    HeatMap { bands, suspect, footnotes: footnotes.texts }
}

/// Footnotes in the order in which they are asked for, each text once.
#[derive(Default)]
struct Footnotes {
    texts: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

impl Footnotes {
    /// The number of a text.
    fn number(&mut self, text: String) -> usize {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        self.texts.push(text.clone());
        self.numbers.insert(text, self.texts.len());
        self.texts.len()
    }
}

/// The groups of a row's cells by start state, all in one footnote; nothing when there are none.
fn states_of(grid: &Grid<'_>, row: &Row<'_>) -> String {
    let told = |(column, cell): &(&Column<'_>, &Cell)| {
        states::groups(cell).map(|groups| format!("{}: {}", column.name, states::in_full(groups)))
    };
    let cells: Vec<String> = grid.cells(row).iter().filter_map(told).collect();
    match cells.is_empty() {
        true => String::new(),
        false => {
            let row = [row.workload, row.parameter].join(" ");
            format!("{}, by start state. {}.", row.trim_end(), cells.join("; "))
        }
    }
}

/// The class of each column, with `edge` where another group begins.
fn column_classes(columns: &[&Column<'_>]) -> Vec<String> {
    let mut before = Role::Reference.class();
    let class = |column: &&Column<'_>| {
        let class = column.role.class();
        let edge = if class == before { "" } else { " edge" };
        before = class;
        format!("{class}{edge}")
    };
    columns.iter().map(class).collect()
}

/// A cell of the heat map.
fn square(
    grid: &Grid<'_>,
    row: &Row<'_>,
    column: &Column<'_>,
    (class, fastest): (&str, bool),
    states: &str,
    footnotes: &mut Footnotes,
) -> Square {
    let Some(cell) = grid.cell(row, column.name) else {
        return Square {
            id: String::new(),
            class: format!("{class} missing"),
            mark: "",
            text: "·".to_owned(),
            title: "not measured in this run".to_owned(),
            footnote: None,
        };
    };
    let reference = grid.reference();
    let (kind, mark, text, note) = match (cell.status, cell.ns_per_op, cell.ratio_to_system) {
        (Status::Unsupported, ..) => ("unsupported", "", "—".to_owned(), Some(why(cell))),
        (Status::Failed, ..) => ("failed", "✗", "failed".to_owned(), Some(why(cell))),
        (Status::Measured, Some(ns), _) if column.role == Role::Reference => {
            ("absolute", "", format!("{} ns", format::ns(ns.median)), None)
        }
        (Status::Measured, _, Some(ratio)) => {
            let mark = verdict::mark(cell.verdict);
            (verdict::word(cell.verdict), mark, format::times(ratio.median), None)
        }
        (Status::Measured, Some(ns), None) => {
            let has_figure = grid.cell(row, reference).is_some_and(verdict::is_measured);
            let reason = match has_figure {
                false => format!("No ratio: {reference} has no figure in this row."),
                true => format!(
                    "No ratio: in no round was a sample of these taken beside one of {reference}."
                ),
            };
            let (kind, mark) = match cell.verdict {
                Some(_) => (verdict::word(cell.verdict), verdict::mark(cell.verdict)),
                None => ("absolute", ""),
            };
            (kind, mark, format!("{} ns", format::ns(ns.median)), Some(reason))
        }
        (Status::Measured, None, None) => ("missing", "", "·".to_owned(), None),
    };
    let has_states = states::groups(cell).is_some();
    let note = note.or_else(|| has_states.then(|| states.to_owned()));
    let footnote = note.map(|note| footnotes.number(note));
    // A control is not a way to be faster, so it gets the mark without the colour.
    let step = match (cell.verdict, cell.ratio_to_system) {
        (Some(Verdict::Faster), Some(ratio)) => format!(" f{}", step(ratio.median)),
        (Some(Verdict::Slower), Some(ratio)) => format!(" s{}", step(ratio.median)),
        _ => String::new(),
    };
    let step = if column.role.is_control() { String::new() } else { step };
    let first = if fastest { " first" } else { "" };
    Square {
        id: cell.id.clone(),
        class: format!("{class} {kind}{step}{first}"),
        mark,
        text,
        title: in_words(cell, reference, fastest),
        footnote,
    }
}

/// Which of the six steps of colour a ratio gets, by how many times it is off 1.
fn step(ratio: f64) -> usize {
    const ENDS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 3.0];
    let off = if ratio > 0.0 { ratio.log2().abs() } else { f64::INFINITY };
    1 + ENDS.iter().filter(|end| off >= **end).count()
}

/// Why a cell has no figure.
fn why(cell: &Cell) -> String {
    let reason = cell.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let reason = format::beginning(reason.unwrap_or("no reason recorded"));
    match cell.status {
        Status::Failed => format!("{} failed: {reason}", cell.id),
        _ => format!("{}: {reason}", cell.strategy),
    }
}

/// A cell as a sentence, for pointers that rest on it and for readers that cannot see it.
fn in_words(cell: &Cell, reference: &str, fastest: bool) -> String {
    let mut parts = Vec::new();
    match cell.status {
        Status::Measured => {}
        Status::Unsupported | Status::Failed => parts.push(why(cell)),
    }
    let measured = cell.status == Status::Measured;
    if let Some(ratio) = cell.ratio_to_system.filter(|_| measured) {
        let mut text = format!("{} of {reference}", format::times(ratio.median));
        if verdict::has_interval(cell) {
            text = format!("{text} {}", format::ends(&ratio, format::ratio));
        }
        parts.push(text);
    }
    if let Some(ns) = cell.ns_per_op.filter(|_| measured) {
        let mut text = format!("{} ns per operation", format::ns(ns.median));
        if cell.rounds_ns_per_op.len() > 1 {
            text = format!("{text} {}", format::ends(&ns, format::ns));
        }
        parts.push(text);
    }
    parts.extend(states::groups(cell).map(states::in_full));
    match (cell.verdict, cell.ratio_to_system) {
        (Some(_), _) => parts.push(verdict::word(cell.verdict).to_owned()),
        (None, Some(_)) => parts.push(verdict::why_none(cell).to_owned()),
        (None, None) => {}
    }
    if fastest {
        parts.push("among the fastest of its row".to_owned());
    }
    format::shortened(&format!("{}: {}", cell.id, parts.join("; ")), LONGEST_TITLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_steps_are_the_same_on_both_sides_of_one() {
        let ratios = [1.0, 1.1, 1.3, 1.5, 2.5, 5.0, 40.0];
        assert_eq!(ratios.map(step), [1, 1, 2, 3, 4, 5, 6]);
        assert_eq!(ratios.map(|ratio| step(1.0 / ratio)), [1, 1, 2, 3, 4, 5, 6]);
        assert_eq!(step(0.0), 6);
    }
}
