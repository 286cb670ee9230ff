//! The harness's own error rates, from a run in which every answer is known: System under further names, and
//! System made slower by a calibrated part.

use std::fs;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use report::record::{Cell, Verdict};
use serde::Serialize;
use strategy::Role;

use crate::error::{Context, Error};
use crate::folder::Folder;
use crate::judge::median;
use crate::matrix::Matrix;

/// The file of a run folder that holds the error rates.
const FILE: &str = "self-check.json";

/// What a run of known answers shows.
#[derive(Debug, PartialEq, Serialize)]
struct SelfCheck {
    /// Verdicts on System under further names: everything but `same` is wrong.
    copies: Verdicts,
    /// Verdicts on System made slower, by its true ratio: everything but `slower` is wrong.
    slowed: Vec<Slowed>,
    /// Each workload and parameter.
    rows: Vec<Row>,
}

/// How often each verdict was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Verdicts {
    faster: usize,
    slower: usize,
    same: usize,
    undecided: usize,
    /// Without a verdict, since the cell failed or has too few rounds with a ratio.
    none: usize,
}

/// The verdicts on System with this true ratio.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Slowed {
    true_ratio: f64,
    verdicts: Verdicts,
    /// The middle over the rows of what was measured.
    median_ratio: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Row {
    workload: String,
    parameter: String,
    noise_floor: Option<f64>,
    copies: Verdicts,
    /// True ratios that were told to be slower.
    told: Vec<f64>,
    /// The smallest difference that the row can tell, as a factor less 1: its floor, and beyond it half the
    /// interval of a copy.
    smallest_difference: Option<f64>,
}

impl Verdicts {
    fn count(&mut self, verdict: Option<Verdict>) {
        *match verdict {
            Some(Verdict::Faster) => &mut self.faster,
            Some(Verdict::Slower) => &mut self.slower,
            Some(Verdict::Same) => &mut self.same,
            Some(Verdict::Undecided) => &mut self.undecided,
            None => &mut self.none,
        } += 1;
    }

    fn all(self) -> usize {
        self.faster + self.slower + self.same + self.undecided + self.none
    }
}

/// Writes what `folder`, a run of the self-check's `matrix`, shows, and returns it as a text.
pub(crate) fn write(matrix: &Matrix, folder: &Folder) -> Result<String, Error> {
    // System and its second name are what the others are judged by.
    let is_judge = |role| matches!(role, Role::Reference | Role::SameAgain);
    let truths =
        matrix.cells().map(|cell| cell.case.contender.truth.filter(|_| !is_judge(cell.role())));
    let cells: Vec<_> = folder.cells().zip(truths).collect();
    let check = check(&cells);
    let path = folder.path().join(FILE);
    let mut text = serde_json::to_string_pretty(&check).expect("counts are plain data");
    text.push('\n');
    fs::write(&path, text).context(
        "write",
        &path,
        "make room or rights; the run itself is kept",
    )?;
    Ok(format!("{}Error rates: {}\n", render(&check), path.display()))
}

/// Compares the verdicts with the true ratios, row by row.
fn check(cells: &[(&Cell, Option<f64>)]) -> SelfCheck {
    let mut check = SelfCheck { copies: Verdicts::default(), slowed: Vec::new(), rows: Vec::new() };
    let mut measured: Vec<Vec<f64>> = Vec::new();
    let is_row = |a: &(&Cell, _), b: &(&Cell, _)| {
        (&a.0.workload, &a.0.parameter) == (&b.0.workload, &b.0.parameter)
    };
    for cells in cells.chunk_by(is_row) {
        let mut row = Row {
            workload: cells[0].0.workload.clone(),
            parameter: cells[0].0.parameter.clone(),
            noise_floor: cells[0].0.noise_floor,
            copies: Verdicts::default(),
            told: Vec::new(),
            smallest_difference: None,
        };
        let mut halves = Vec::new();
        for (cell, truth) in cells {
            let ratio = cell.ratio_to_system;
            match truth {
                Some(1.0) => {
                    row.copies.count(cell.verdict);
                    check.copies.count(cell.verdict);
                    halves.extend(ratio.map(|ratio| (ratio.hi / ratio.lo).sqrt()));
                }
                Some(truth) => {
                    let known = check.slowed.iter().position(|it| it.true_ratio == *truth);
                    let place = known.unwrap_or_else(|| {
                        check.slowed.push(Slowed {
                            true_ratio: *truth,
                            verdicts: Verdicts::default(),
                            median_ratio: None,
                        });
                        measured.push(Vec::new());
                        check.slowed.len() - 1
                    });
                    check.slowed[place].verdicts.count(cell.verdict);
                    measured[place].extend(ratio.map(|ratio| ratio.median));
                    if cell.verdict == Some(Verdict::Slower) {
                        row.told.push(*truth);
                    }
                }
                None => {}
            }
        }
        if let Some(floor) = row.noise_floor.filter(|_| !halves.is_empty()) {
            row.smallest_difference = Some((1.0 + floor) * median(&halves) - 1.0);
        }
        check.rows.push(row);
    }
    for (slowed, measured) in check.slowed.iter_mut().zip(measured) {
        slowed.median_ratio = (!measured.is_empty()).then(|| median(&measured));
    }
    check
}

fn render(check: &SelfCheck) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    let header = ["row", "noise floor", "copies told apart", "copies undecided", "slower told"];
    table.set_header(header.into_iter().chain(["smallest difference"]));
    let percent =
        |part: Option<f64>| part.map_or("-".into(), |part| format!("{:.1} %", 100.0 * part));
    for row in &check.rows {
        let told = row.told.iter().map(|truth| format!("{:.0} %", (truth - 1.0) * 100.0));
        table.add_row([
            format!("{} {}", row.workload, row.parameter),
            percent(row.noise_floor),
            (row.copies.faster + row.copies.slower).to_string(),
            (row.copies.undecided + row.copies.none).to_string(),
            told.collect::<Vec<_>>().join(", "),
            percent(row.smallest_difference),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let copies = check.copies;
    let mut text = format!(
        "\n{table}\nSystem under further names: {} of {} verdicts are `same`; {} `faster` or `slower`, {} `undecided`, {} \
         without a verdict.\n",
        copies.same,
        copies.all(),
        copies.faster + copies.slower,
        copies.undecided,
        copies.none
    );
    for slowed in &check.slowed {
        let verdicts = slowed.verdicts;
        text += &format!(
            "System made slower by {:.0} %: {} of {} rows say `slower`, {} `same`, {} `undecided`, {} `faster`.\n",
            (slowed.true_ratio - 1.0) * 100.0,
            verdicts.slower,
            verdicts.all(),
            verdicts.same,
            verdicts.undecided,
            verdicts.faster
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use report::record::{Interval, Status};

    use super::*;

    fn cell(parameter: &str, median: f64, verdict: Verdict) -> Cell {
        Cell {
            id: format!("pair/x/{parameter}"),
            workload: "pair".into(),
            strategy: "x".into(),
            parameter: parameter.into(),
            status: Status::Measured,
            reason: None,
            last_output: None,
            ns_per_op: None,
            rounds_ns_per_op: Vec::new(),
            ratio_to_system: Some(Interval { median, lo: median / 1.01, hi: median * 1.01 }),
            rounds_ratio: Vec::new(),
            state_groups: Vec::new(),
            notes: Vec::new(),
            noise_floor: Some(0.02),
            verdict: Some(verdict),
            ops: None,
            checksum: None,
            retaken_samples: 0,
            noisy_samples: 0,
            preempted_samples: 0,
            samples_ns_per_op: Vec::new(),
        }
    }

    #[test]
    fn wrong_verdicts_are_counted_against_what_is_true() {
        let cells = [
            (cell("16", 1.0, Verdict::Same), None),
            (cell("16", 1.0, Verdict::Same), Some(1.0)),
            (cell("16", 1.04, Verdict::Slower), Some(1.0)),
            (cell("16", 1.05, Verdict::Slower), Some(1.05)),
            (cell("64", 1.0, Verdict::Undecided), Some(1.0)),
            (cell("64", 1.03, Verdict::Same), Some(1.05)),
        ];
        let cells: Vec<_> = cells.iter().map(|(cell, truth)| (cell, *truth)).collect();
        let check = check(&cells);
        let copies = Verdicts { same: 1, slower: 1, undecided: 1, ..Verdicts::default() };
        assert_eq!(check.copies, copies);
        let verdicts = Verdicts { slower: 1, same: 1, ..Verdicts::default() };
        assert_eq!(check.slowed.len(), 1);
        assert_eq!((check.slowed[0].true_ratio, check.slowed[0].verdicts), (1.05, verdicts));
        assert_eq!((&check.rows[0].told[..], &check.rows[1].told[..]), (&[1.05][..], &[][..]));
        let smallest = check.rows[0].smallest_difference.unwrap();
        assert!((smallest - (1.02 * 1.01 - 1.0)).abs() < 1e-9, "{smallest}");
        let text = render(&check);
        assert!(
            text.contains("1 of 3 verdicts are `same`; 1 `faster` or `slower`, 1 `und"),
            "{text}"
        );
        assert!(text.contains("slower by 5 %: 1 of 2 rows"), "{text}");
    }
}
