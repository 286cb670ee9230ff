//! The matrix of a run: columns of strategies, rows of workloads and parameters, in the order of
//! the page.

use std::collections::{BTreeMap, BTreeSet};

use crate::read::RunFolder;
use crate::record::{Cell, WorkloadInfo};

/// What a strategy is there for. The order is that of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// What the ratios are taken to.
    Reference,
    /// Written elsewhere. A role that this crate does not know counts as one.
    Contender,
    /// Written beside the benchmarks.
    Ours,
    /// The reference under a second name: the noise.
    SameAgain,
    /// What the harness itself costs.
    Floor,
    /// The least code that can do one workload.
    Limit,
    /// The reference in a process that never had a second thread.
    SingleThread,
}

impl Role {
    /// The role of that name in `run.json`.
    fn named(name: &str) -> Self {
        match name {
            "reference" => Self::Reference,
            "ours" => Self::Ours,
            "same-again" => Self::SameAgain,
            "floor" => Self::Floor,
            "limit" => Self::Limit,
            "single-thread" => Self::SingleThread,
            _ => Self::Contender,
        }
    }

    /// Whether it says something about the measurement, and is not a way of allocating memory
    /// that one could choose.
    pub(crate) fn is_control(self) -> bool {
        self >= Self::SameAgain
    }

    /// The word under the strategy's name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Contender => "",
            Self::Ours => "ours",
            Self::SameAgain => "same again",
            Self::Floor => "floor",
            Self::Limit => "limit",
            Self::SingleThread => "one thread",
        }
    }

    /// The class of its column on the page.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Reference | Self::Contender => "peer",
            Self::Ours => "ours",
            Self::SameAgain | Self::Floor | Self::Limit | Self::SingleThread => "control",
        }
    }
}

/// A column: a strategy.
#[derive(Clone, Debug)]
pub(crate) struct Column<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What it is there for.
    pub(crate) role: Role,
    /// One sentence, or nothing.
    pub(crate) about: &'a str,
}

/// Workloads under one heading.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    /// The heading.
    pub(crate) name: &'a str,
    /// Its workloads.
    pub(crate) workloads: Vec<Workload<'a>>,
}

/// A workload and the parameters it was run with.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What `run.json` says about it.
    pub(crate) info: Option<&'a WorkloadInfo>,
    /// Its rows.
    pub(crate) rows: Vec<Row<'a>>,
}

/// A row: a workload with a parameter.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// The workload's name.
    pub(crate) workload: &'a str,
    /// The parameter as it stands in the records.
    pub(crate) parameter: &'a str,
    /// A name for files and anchors, different for every row.
    pub(crate) slug: String,
}

/// The matrix.
#[derive(Debug)]
pub(crate) struct Grid<'a> {
    /// The strategies that have a cell: the reference, the contenders, ours, the controls.
    pub(crate) columns: Vec<Column<'a>>,
    /// The workloads that have a cell, by family.
    pub(crate) families: Vec<Family<'a>>,
    cells: BTreeMap<(&'a str, &'a str, &'a str), &'a Cell>,
    /// How often a cell was looked up.
    #[cfg(test)]
    pub(crate) lookups: std::cell::Cell<usize>,
}

impl<'a> Grid<'a> {
    /// Lays out the cells of a folder. Every cell gets its place, listed in `run.json` or not.
    pub(crate) fn new(folder: &'a RunFolder) -> Self {
        let key = |c: &'a Cell| (c.workload.as_str(), c.parameter.as_str(), c.strategy.as_str());
        let cells = folder.cells.iter().map(|cell| (key(cell), cell)).collect();
        Self {
            columns: columns_of(folder),
            families: families_of(folder),
            cells,
            #[cfg(test)]
            lookups: std::cell::Cell::default(),
        }
    }

    /// The cell of a row and a strategy, if it was measured or tried.
    pub(crate) fn cell(&self, row: &Row<'_>, strategy: &str) -> Option<&'a Cell> {
        #[cfg(test)]
        self.lookups.set(self.lookups.get() + 1);
        self.cells.get(&(row.workload, row.parameter, strategy)).copied()
    }

    /// The cells of a row, in the order of the columns.
    pub(crate) fn cells(&self, row: &Row<'_>) -> Vec<(&Column<'a>, &'a Cell)> {
        let cells = self.columns.iter().map(|column| (column, self.cell(row, column.name)));
        cells.filter_map(|(column, cell)| Some((column, cell?))).collect()
    }

    /// The columns that have a cell in a family.
    pub(crate) fn columns_in(&self, family: &Family<'_>) -> Vec<&Column<'a>> {
        let rows = family.workloads.iter().flat_map(|workload| &workload.rows);
        let has_cell =
            |column: &&Column<'a>| rows.clone().any(|row| self.cell(row, column.name).is_some());
        self.columns.iter().filter(has_cell).collect()
    }

    /// The rows of all workloads.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row<'a>> {
        self.families.iter().flat_map(|f| &f.workloads).flat_map(|w| &w.rows)
    }

    /// The first strategy in a role.
    pub(crate) fn in_role(&self, role: Role) -> Option<&Column<'a>> {
        self.columns.iter().find(|column| column.role == role)
    }

    /// The name of what ratios are taken to.
    pub(crate) fn reference(&self) -> &'a str {
        self.in_role(Role::Reference).map_or("system", |column| column.name)
    }
}

/// The strategies that have a cell, those of `run.json` first, sorted by role.
fn columns_of(folder: &RunFolder) -> Vec<Column<'_>> {
    let used: BTreeSet<&str> = folder.cells.iter().map(|cell| cell.strategy.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut columns: Vec<Column<'_>> = folder
        .run
        .strategies
        .iter()
        .map(|s| Column { name: &s.name, role: Role::named(&s.role), about: &s.about })
        .chain(used.iter().map(|name| Column { name, role: Role::Contender, about: "" }))
        .filter(|column| used.contains(column.name) && seen.insert(column.name))
        .collect();
    columns.sort_by_key(|column| column.role);
    columns
}

/// The workloads that have a cell, those of `run.json` first, by family.
fn families_of(folder: &RunFolder) -> Vec<Family<'_>> {
    let mut parameters: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for cell in &folder.cells {
        parameters.entry(&cell.workload).or_default().insert(&cell.parameter);
    }
    let mut slugs = Slugs::default();
    let mut families: Vec<Family<'_>> = Vec::new();
    let listed = folder.run.workloads.iter().map(|w| (w.name.as_str(), Some(w)));
    let all: Vec<_> = listed.chain(parameters.keys().map(|name| (*name, None))).collect();
    for (name, info) in all {
        // What is drawn is taken out, so that nothing is drawn twice.
        let Some(parameters) = parameters.remove(name) else { continue };
        let family = info.map_or("Others", |w| w.family.as_str());
        let mut parameters: Vec<&str> = parameters.into_iter().collect();
        parameters.sort_by_key(|text| (numbers(text), *text));
        let rows = parameters.into_iter().map(|parameter| Row {
            workload: name,
            parameter,
            slug: slug(name, parameter, &mut slugs),
        });
        let workload = Workload { name, info, rows: rows.collect() };
        match families.iter_mut().find(|f| f.name == family) {
            Some(family) => family.workloads.push(workload),
            None => families.push(Family { name: family, workloads: vec![workload] }),
        }
    }
    families
}

/// The numbers in a parameter, so that 64 comes before 1024 and `4096@32` before `4096@64`.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The bytes of a slug before its number: file systems take 255 bytes for a name.
const SLUG_BYTES: usize = 90;

/// A name for files and anchors that no other row has.
fn slug(workload: &str, parameter: &str, taken: &mut Slugs) -> String {
    let text = if parameter.is_empty() {
        workload.to_owned()
    } else {
        format!("{workload}-{}", parameter.replace('@', "-at-"))
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let plain: String = text.chars().map(plain).take(SLUG_BYTES).collect();
    let plain = if plain.is_empty() { "-".to_owned() } else { plain };
    let mut slug = plain.clone();
    // Rows of one slug go on where the last one stopped: counting from 2 each time would take long for many.
    let mut number = taken.numbers.get(&plain).copied().unwrap_or(2);
    while !taken.slugs.insert(slug.clone()) {
        slug = format!("{plain}-{number}");
        number += 1;
    }
    taken.numbers.insert(plain, number);
    slug
}

/// The slugs that are taken, and the number that the next of the same text may try.
#[derive(Default)]
struct Slugs {
    slugs: BTreeSet<String>,
    numbers: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_safe_file_names_and_never_the_same() {
        let mut taken = Slugs::default();
        let slugs = [
            slug("aligned", "4096@64", &mut taken),
            slug("pair", "../x", &mut taken),
            slug("pair", "---x", &mut taken),
            slug("grow", "", &mut taken),
            slug("", "", &mut taken),
        ];
        assert_eq!(slugs, ["aligned-4096-at-64", "pair----x", "pair----x-2", "grow", "-"]);
        let long = "ä".repeat(300);
        let slugs: BTreeSet<String> = (0..100).map(|_| slug(&long, "64", &mut taken)).collect();
        assert_eq!(slugs.len(), 100);
        assert!(slugs.iter().all(|slug| slug.len() <= 100));
    }

    #[test]
    fn parameters_sort_by_their_numbers() {
        let mut parameters = ["65536@64", "4096@4096", "4096@64", "1024", "64"];
        parameters.sort_by_key(|text| (numbers(text), *text));
        assert_eq!(parameters, ["64", "1024", "4096@64", "4096@4096", "65536@64"]);
    }

    #[test]
    fn unknown_roles_are_contenders_and_controls_come_last() {
        assert_eq!(Role::named("newcomer"), Role::Contender);
        assert!(Role::named("floor").is_control() && !Role::named("ours").is_control());
    }
}
