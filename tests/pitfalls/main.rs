//! Every mistake of `examples/pitfalls` is found by the tools that GUIDE.md says find it, with the
//! kind of error that it names, and by no other; the same without the mistake is clean under all.
//!
//! The table in GUIDE.md is what these runs say, to the letter.

#[path = "../machine/mod.rs"]
mod machine;
mod programs;
mod table;
mod tools;

use std::thread;

use programs::{Mistake, Programs, Way};
use table::Row;
use tools::{Seen, TOOLS, Tool};

#[test]
fn each_tool_finds_what_the_guide_says_it_finds() {
    let programs = Programs::all();
    for reason in TOOLS.iter().filter_map(Tool::missing) {
        machine::left_out(&format!("a column of the table of pitfalls: {reason}"));
    }

    let columns: Vec<_> = thread::scope(|scope| {
        let columns = TOOLS.map(|tool| scope.spawn(move || column(programs, &tool)));
        columns.into_iter().map(|column| column.join().unwrap()).collect()
    });
    let rejected = programs.rejected();
    let row = |(index, mistake): (usize, Mistake)| Row {
        rejected: rejected.get(&mistake.name).cloned(),
        seen: columns.iter().map(|column| column[index].clone()).collect(),
        mistake,
    };
    let rows: Vec<_> = programs.mistakes().into_iter().enumerate().map(row).collect();
    for Row { mistake, rejected, seen } in &rows {
        let found = rejected.is_some() || seen.iter().any(|seen| *seen != Seen::Nothing);
        assert!(found, "nobody finds {}", mistake.name);
    }
    table::compare(&rows);
}

/// ThreadSanitizer, helgrind and DRD find it, too, but say the same of the good one: they do not see
/// how the standard library, which is not built for them, keeps its threads in order.
#[test]
fn loom_finds_the_data_race() {
    let programs = Programs::all();
    let [good, bad] = [Way::Good, Way::Bad].map(|way| programs.under_loom(way));
    let said = String::from_utf8_lossy(&bad.stderr);
    assert!(said.contains("Causality violation: Concurrent write accesses"), "{said}");
    assert!(!bad.status.success());
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
}

/// What a tool says of each mistake.
fn column(programs: &Programs, tool: &Tool) -> Vec<Seen> {
    let look = |mistake: Mistake| {
        if tool.missing().is_some() {
            return Seen::NotRun;
        }
        let good = tool.run(programs, &mistake.name, Way::Good);
        assert_eq!(good, Seen::Nothing, "{} sees it in the good {}", tool.name, mistake.name);
        tool.run(programs, &mistake.name, Way::Bad)
    };
    programs.mistakes().into_iter().map(look).collect()
}
