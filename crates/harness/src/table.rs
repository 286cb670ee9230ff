//! The table that ends a run in the terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use report::record::{Cell, Interval, Noise, Run, StateGroup, Status, StrategyInfo, Verdict};

/// The columns of text that a strategy takes at the least, with its padding.
const COLUMN: usize = 14;

/// The padding on both sides of a column.
const PADDING: usize = 2;

/// The columns of text that the workloads take.
const HEADING: usize = 24;

/// The part of noisy samples, or of preempted pieces, from which something should be done.
const MUCH_NOISE: f64 = 0.05;

/// The part from which it is worth a line.
const SOME_NOISE: f64 = 0.01;

/// Renders the ratios of all cells: a table a family, a row a workload and parameter, a column a
/// strategy that has a cell there. Where `width` does not hold all strategies, several tables follow
/// one another.
pub(crate) fn render(run: &Run, cells: &[&Cell], width: usize) -> String {
    let mut notes = Notes::default();
    let mut text = String::from(
        "\nRatio to system (its time = 1, less is faster) with the 95 % interval over the rounds; \
         under system: ns per operation. ▼ faster, ▲ slower, = same, ? undecided\n",
    );
    let family = |cell: &Cell| {
        let info = run.workloads.iter().find(|workload| workload.name == cell.workload);
        info.map_or("", |info| info.family.as_str())
    };
    for cells in cells.chunk_by(|a, b| family(a) == family(b)) {
        let here = run.strategies.iter().filter(|it| cells.iter().any(|c| c.strategy == it.name));
        for strategies in fitting(here, width) {
            text += &format!("{}\n", table(family(cells[0]), &strategies, cells, &mut notes));
        }
    }
    for (number, note) in (1..).zip(&notes.0) {
        text += &format!("[{number}] {note}\n");
    }
    text
}

/// The cells of a family for a group of strategies.
fn table(family: &str, strategies: &[&StrategyInfo], cells: &[&Cell], notes: &mut Notes) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    let names = strategies.iter().map(|strategy| strategy.name.as_str());
    table.set_header(std::iter::once(family).chain(names.clone()));
    for row in cells.chunk_by(|a, b| (&a.workload, &a.parameter) == (&b.workload, &b.parameter)) {
        let heading = format!("{} {}", row[0].workload, row[0].parameter);
        let texts = names.clone().map(|name| {
            let cell = row.iter().find(|cell| cell.strategy == name);
            cell.map_or_else(String::new, |cell| cell_text(cell, notes))
        });
        table.add_row(std::iter::once(heading).chain(texts).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The strategies, in groups that fit beside the workloads into `width`.
fn fitting<'s>(
    strategies: impl Iterator<Item = &'s StrategyInfo>,
    width: usize,
) -> Vec<Vec<&'s StrategyInfo>> {
    let mut groups: Vec<Vec<&StrategyInfo>> = Vec::new();
    let mut left = 0;
    for strategy in strategies {
        let column = COLUMN.max(strategy.name.len() + PADDING);
        match groups.last_mut() {
            Some(group) if column <= left => group.push(strategy),
            _ => {
                groups.push(vec![strategy]);
                left = width.saturating_sub(HEADING);
            }
        }
        left = left.saturating_sub(column);
    }
    groups
}

/// The reasons, each once.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// The number of `note`.
    fn number(&mut self, note: String) -> usize {
        let known = self.0.iter().position(|known| *known == note);
        known.unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        }) + 1
    }
}

fn cell_text(cell: &Cell, notes: &mut Notes) -> String {
    let reason = || cell.reason.clone().unwrap_or_default();
    match (cell.status, cell.ratio_to_system, cell.ns_per_op) {
        (Status::Unsupported, ..) => {
            format!("— [{}]", notes.number(format!("{}: {}", cell.strategy, reason())))
        }
        (Status::Failed, ..) => {
            format!("failed [{}]", notes.number(format!("{}: {}", cell.id, reason())))
        }
        (Status::Measured, _, None) => "not yet".into(),
        (Status::Measured, _, Some(ns)) if cell.strategy == "system" => {
            let marks = marks(cell, notes);
            format!("{} ns{marks}{}", short(ns.median), range(cell, ns))
        }
        (Status::Measured, Some(ratio), _) => {
            let verdict = match cell.verdict.filter(|_| is_repeated(cell)) {
                Some(Verdict::Same) => "= ",
                Some(Verdict::Undecided) => "? ",
                Some(Verdict::Faster) => "▼ ",
                Some(Verdict::Slower) => "▲ ",
                None => "",
            };
            let marks = marks(cell, notes);
            format!("{verdict}{}{marks}{}", short(ratio.median), range(cell, ratio))
        }
        (Status::Measured, None, Some(ns)) => {
            let (mark, note) = match cell.verdict {
                Some(_) => ("? ", "no ratio: in no round were enough turns of both a sample"),
                None => ("", "no ratio: system has no measurement in this row"),
            };
            format!("{mark}{} ns [{}]", short(ns.median), notes.number(note.to_owned()))
        }
    }
}

/// Whether there are rounds to compare: one alone has no interval, and decides nothing.
fn is_repeated(cell: &Cell) -> bool {
    cell.rounds_ns_per_op.len() > 1
}

/// The interval on a line of its own, if there is one.
fn range(cell: &Cell, interval: Interval) -> String {
    if !is_repeated(cell) {
        return String::new();
    }
    format!("\n{}–{}", short(interval.lo), short(interval.hi))
}

/// The numbers of the notes about how the figures of a cell are to be read, as in " [2] [3]".
fn marks(cell: &Cell, notes: &mut Notes) -> String {
    let row = format!("{} {}", cell.workload, cell.parameter);
    // What holds for a row is said once.
    let mut texts: Vec<_> = cell.notes.iter().map(|note| format!("{row}: {note}")).collect();
    if !cell.state_groups.is_empty() {
        texts.push(format!("{}: {}", cell.id, states(&cell.state_groups)));
    }
    texts.into_iter().map(|text| format!(" [{}]", notes.number(text))).collect()
}

/// "two states: 57.0 ns and 71.0 ns".
fn states(groups: &[StateGroup]) -> String {
    let count = match groups.len() {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        4 => "four".to_owned(),
        count => count.to_string(),
    };
    let times: Vec<_> =
        groups.iter().map(|group| format!("{} ns", short(group.ns_per_op))).collect();
    let (last, others) = times.split_last().map_or(("", &[][..]), |(last, rest)| (last, rest));
    format!("{count} states: {} and {last}", others.join(", "))
}

/// How noisy a run was, in parts of what was measured: samples that were noisy, and pieces that were preempted.
fn noise_parts(noise: &Noise) -> (f64, f64) {
    let part = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    (
        part(noise.noisy_samples, noise.samples),
        part(noise.preempted_samples, noise.samples.saturating_add(noise.preempted_samples)),
    )
}

/// Whether a run is so noisy that something should be done.
pub(crate) fn is_noisy(noise: &Noise) -> bool {
    let (noisy, preempted) = noise_parts(noise);
    f64::max(noisy, preempted) > MUCH_NOISE
}

/// How noisy a run was, and what to do if that is much; nothing where it was quiet.
pub(crate) fn noise_line(noise: &Noise) -> Option<String> {
    let (noisy, preempted) = noise_parts(noise);
    if f64::max(noisy, preempted) < SOME_NOISE {
        return None;
    }
    let mut line = format!(
        "{:.0} % of the samples were noisy, {:.0} % of the pieces preempted",
        100.0 * noisy,
        100.0 * preempted
    );
    line += if is_noisy(noise) {
        ": something else uses this machine. Close what runs beside the benchmark, take more rounds (--rounds N), or \
         measure on another machine."
    } else {
        "."
    };
    Some(line)
}

/// About three digits.
fn short(number: f64) -> String {
    match number {
        ..0.0995 => format!("{number:.3}"),
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<StrategyInfo> {
        let info = |name: &&str| StrategyInfo {
            name: (*name).into(),
            role: "contender".into(),
            about: String::new(),
        };
        names.iter().map(info).collect()
    }

    #[test]
    fn tables_are_as_wide_as_the_terminal_and_lose_no_strategy() {
        let strategies = named(&["system", "pool", "a-very-long-name-of-thirty-chars", "bump"]);
        let names = |width| -> Vec<Vec<String>> {
            let groups = fitting(strategies.iter(), width).into_iter();
            groups.map(|group| group.iter().map(|it| it.name.clone()).collect()).collect()
        };
        assert_eq!(names(200).len(), 1);
        assert_eq!(
            names(80),
            [vec!["system", "pool"], vec!["a-very-long-name-of-thirty-chars", "bump"]]
        );
        assert_eq!(names(10).len(), 4);
    }

    #[test]
    fn numbers_have_about_three_digits() {
        let texts = [0.0123, 0.31, 1.0, 9.996, 28.04, 35_000.4].map(short);
        assert_eq!(texts, ["0.012", "0.31", "1.00", "10.0", "28.0", "35000"]);
    }

    /// A cell of `pool` with these rounds: ten nanoseconds, and half of System's time.
    fn measured(rounds: usize) -> Cell {
        let interval = |median: f64| Interval { median, lo: 0.9 * median, hi: 1.1 * median };
        Cell {
            id: "pair/pool/64".into(),
            workload: "pair".into(),
            strategy: "pool".into(),
            parameter: "64".into(),
            status: Status::Measured,
            reason: None,
            last_output: None,
            ns_per_op: Some(interval(10.0)),
            rounds_ns_per_op: vec![10.0; rounds],
            ratio_to_system: Some(interval(0.5)),
            rounds_ratio: vec![Some(0.5); rounds],
            state_groups: Vec::new(),
            notes: Vec::new(),
            noise_floor: None,
            verdict: None,
            ops: None,
            checksum: None,
            retaken_samples: 0,
            noisy_samples: 0,
            preempted_samples: 0,
            samples_ns_per_op: Vec::new(),
        }
    }

    #[test]
    fn a_verdict_is_a_mark_and_one_round_has_none() {
        let text = |verdict, rounds| {
            let cell = Cell { verdict, ..measured(rounds) };
            cell_text(&cell, &mut Notes::default())
        };
        assert_eq!(text(Some(Verdict::Faster), 2), "▼ 0.50\n0.45–0.55");
        assert_eq!(text(Some(Verdict::Slower), 2), "▲ 0.50\n0.45–0.55");
        assert_eq!(text(Some(Verdict::Same), 2), "= 0.50\n0.45–0.55");
        assert_eq!(text(Some(Verdict::Undecided), 2), "? 0.50\n0.45–0.55");
        assert_eq!(text(None, 2), "0.50\n0.45–0.55");
        assert_eq!(text(Some(Verdict::Faster), 1), "0.50");
        let system = Cell { strategy: "system".into(), ..measured(1) };
        assert_eq!(cell_text(&system, &mut Notes::default()), "10.0 ns");
    }

    #[test]
    fn states_and_notes_stand_under_the_table_and_what_a_row_shares_is_said_once() {
        let group = |state, ns_per_op| StateGroup { states: vec![state], ns_per_op };
        let pool = Cell {
            state_groups: vec![group(0, 57.0), group(1, 71.0)],
            notes: vec!["Measured apart.".into()],
            ..measured(4)
        };
        let bump = Cell { id: "pair/bump/64".into(), state_groups: Vec::new(), ..pool.clone() };
        let mut notes = Notes::default();
        assert_eq!(cell_text(&pool, &mut notes), "0.50 [1] [2]\n0.45–0.55");
        assert_eq!(cell_text(&bump, &mut notes), "0.50 [1]\n0.45–0.55");
        assert_eq!(
            notes.0,
            ["pair 64: Measured apart.", "pair/pool/64: two states: 57.0 ns and 71.0 ns"]
        );
        let three = [group(0, 1.0), group(1, 2.0), group(2, 3.0)];
        assert_eq!(states(&three), "three states: 1.00 ns, 2.00 ns and 3.00 ns");
    }

    #[test]
    fn noise_is_said_in_parts_and_with_what_to_do_where_it_is_much() {
        let line = |noisy_samples, preempted_samples| {
            noise_line(&Noise {
                samples: 900,
                noisy_samples,
                preempted_samples,
                ..Noise::default()
            })
        };
        assert_eq!(line(0, 0), None);
        assert_eq!(line(5, 5), None);
        let little = line(27, 0).unwrap();
        assert_eq!(little, "3 % of the samples were noisy, 0 % of the pieces preempted.");
        for (much, part) in [(line(108, 0), "12 %"), (line(0, 100), "10 %")] {
            let much = much.unwrap();
            assert!(much.contains(part) && much.contains("--rounds N"), "{much}");
        }
        assert_eq!(noise_line(&Noise::default()), None);
    }
}
