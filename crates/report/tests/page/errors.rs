//! A folder that is not whole gives one line that says what to do, and no page.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fixture::complete;

/// Draws the fixture after `spoil` had its way with the folder, and returns the error's text.
fn error(spoil: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    complete().write(folder.path());
    spoil(folder.path());
    let error = report::write(folder.path()).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    assert!(!folder.path().join("index.html").exists());
    error.replace(&format!("{}/", folder.path().display()), "")
}

/// Changes the lines of `cells.jsonl`.
fn lines(folder: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let path = folder.join("cells.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(&path, lines.join("\n")).unwrap();
}

#[test]
fn a_line_that_is_no_cell_is_named() {
    let error = error(|folder| lines(folder, |lines| lines[16] = "{\"id\": 5}".to_owned()));
    assert_eq!(
        error,
        "cells.jsonl line 17: not a cell (invalid type: integer `5`, expected a string at \
         column 8); remove the line and --resume measures its row again"
    );
}

#[test]
fn a_last_line_cut_short_is_named() {
    let error = error(|folder| lines(folder, |lines| lines.last_mut().unwrap().truncate(200)));
    assert!(error.starts_with("cells.jsonl line 286: not a cell (EOF while parsing"), "{error}");
}

#[test]
fn empty_lines_are_counted_and_passed_over() {
    let error = error(|folder| {
        lines(folder, |lines| {
            lines.insert(0, String::new());
            lines[2] = "nonsense".to_owned();
        });
    });
    assert!(error.starts_with("cells.jsonl line 3: not a cell (expected "), "{error}");
}

#[test]
fn a_cell_that_stands_twice_is_named() {
    let error = error(|folder| lines(folder, |lines| lines.push(lines[3].clone())));
    assert_eq!(
        error,
        "cells.jsonl line 287: pair/bumpalo/16 stands on line 4 already; remove one of the two"
    );
}

#[test]
fn a_missing_file_is_named() {
    for name in ["run.json", "cells.jsonl"] {
        let error = error(|folder| fs::remove_file(folder.join(name)).unwrap());
        assert!(error.starts_with(&format!("{name}: cannot be read (")), "{error}");
    }
}

#[test]
fn a_run_of_another_shape_or_format_is_named() {
    let bad = error(|folder| fs::write(folder.join("run.json"), "{}").unwrap());
    assert!(bad.starts_with("run.json: not a run (missing field"), "{bad}");
    let newer = error(|folder| {
        let path = folder.join("run.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    });
    assert_eq!(newer, "run.json: format 2, and this program reads format 1");
}

#[test]
fn a_plot_that_cannot_be_written_is_named() {
    let error = error(|folder| fs::write(folder.join("plots"), "in the way").unwrap());
    assert!(error.starts_with("plots: cannot be written ("), "{error}");
}

#[test]
fn the_program_prints_the_page_or_one_line_of_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = || Command::new(env!("CARGO_BIN_EXE_report")).arg(folder.path()).output().unwrap();
    let failed = run();
    assert!(!failed.status.success());
    let error = String::from_utf8(failed.stderr).unwrap();
    assert!(error.starts_with("report: ") && error.lines().count() == 1, "{error}");
    complete().write(folder.path());
    let drawn = run();
    assert!(drawn.status.success());
    let page = folder.path().join("index.html");
    assert_eq!(String::from_utf8(drawn.stdout).unwrap(), format!("{}\n", page.display()));
}
