//! The table in GUIDE.md: which tool finds which mistake.

use std::fs;

use crate::programs::Mistake;
use crate::tools::{Seen, TOOLS};

/// Between these two the table stands.
const MARKERS: [&str; 2] = ["<!-- pitfalls -->", "<!-- /pitfalls -->"];

/// What the cell of a tool says that finds nothing.
const NOT_SEEN: &str = "—";

/// A mistake and who finds it.
pub struct Row {
    pub mistake: Mistake,
    /// The error of rustc for the mistake made with the type that rules it out.
    pub rejected: Option<String>,
    /// What each tool says.
    pub seen: Vec<Seen>,
}

/// Compares the rows with GUIDE.md. The cells of a tool that was not run are taken from there.
pub fn compare(rows: &[Row]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/GUIDE.md");
    let guide = fs::read_to_string(path).unwrap();
    let [begin, end] = MARKERS;
    let (_, rest) = guide.split_once(begin).expect("GUIDE.md has a place for the table");
    let (written, _) = rest.split_once(end).expect("the table ends");
    let table = markdown(rows, written);
    assert!(
        written.trim() == table.trim(),
        "the table in GUIDE.md is not what the runs say, which is:\n\n{begin}\n\n{table}\n{end}\n"
    );
}

/// The table of the rows, and of `written` where there are none.
fn markdown(rows: &[Row], written: &str) -> String {
    let tools = TOOLS.iter().map(|tool| tool.name);
    let headings = ["mistake", "what rules it out", "rustc, given that"].into_iter().chain(tools);
    let headings: Vec<_> = headings.collect();
    let mut table = line(&headings) + &line(&vec!["---"; headings.len()]);
    for row in rows {
        let Mistake { name, what, ruled_out_by } = &row.mistake;
        let name = format!("`{name}`: {what}");
        let old = cells(written, &name);
        let first = [&name, ruled_out_by, row.rejected.as_deref().unwrap_or(NOT_SEEN)];
        let seen = row.seen.iter().enumerate().map(|(index, seen)| match seen {
            Seen::Kind(kind) => kind,
            Seen::Nothing => NOT_SEEN,
            Seen::NotRun => old.get(first.len() + index).copied().unwrap_or("?"),
        });
        table += &line(&first.into_iter().chain(seen).collect::<Vec<_>>());
    }
    table
}

fn line(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The cells of the row that begins with `first`.
fn cells<'t>(table: &'t str, first: &str) -> Vec<&'t str> {
    let rows = table.lines().map(|line| line.trim_matches([' ', '|']).split(" | "));
    let mut rows = rows.map(Iterator::collect::<Vec<_>>);
    rows.find(|cells| cells[0] == first).unwrap_or_default()
}

#[test]
fn a_tool_that_was_not_run_keeps_its_cells() {
    let row = |seen: [Seen; TOOLS.len()]| {
        let mistake =
            Mistake { name: "leak".into(), what: "lost".into(), ruled_out_by: "`Box`".into() };
        [Row { mistake, rejected: None, seen: seen.into() }]
    };
    let lost = Seen::Kind("definitely lost".to_owned());
    let all = markdown(&row([Seen::Nothing, lost, Seen::Nothing, Seen::Nothing]), "");
    let cells = "| `leak`: lost | `Box` | — | — | definitely lost | — | — |\n";
    assert!(all.ends_with(cells), "{all}");
    let not_run = row([Seen::Nothing, Seen::NotRun, Seen::Nothing, Seen::NotRun]);
    assert_eq!(markdown(&not_run, &all), all);
}
