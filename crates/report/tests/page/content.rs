//! What the page of a whole run holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use report::record::{Cell, Status, Verdict};

use crate::fixture::{NASTY, complete};

/// The part of `text` from behind `start` up to `end`.
pub fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start:?}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end:?} behind {start:?}")).0
}

/// The heat map's cell, without what stands before its own attributes.
pub fn square<'p>(page: &'p str, cell: &Cell) -> &'p str {
    between(page, &format!("data-cell=\"{}\"", cell.id), "</td>")
}

/// A text as it stands in HTML.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;");
    text.replace('"', "&#34;").replace('\'', "&#39;")
}

#[test]
fn every_cell_stands_in_the_heat_map_and_in_a_table() {
    let fixture = complete();
    let page = fixture.page();
    assert_eq!(fixture.cells.len(), 26 * 11);
    for cell in &fixture.cells {
        let square = square(&page, cell);
        let entry = between(&page, &format!("data-entry=\"{}\"", cell.id), "</tr>");
        match (cell.status, cell.ratio_to_system, cell.ns_per_op) {
            (Status::Unsupported, ..) => {
                assert!(square.contains(">—<"), "{}: {square}", cell.id);
                assert!(entry.contains("— unsupported"), "{}: {entry}", cell.id);
            }
            (Status::Failed, ..) => {
                assert!(square.contains("✗") && square.contains("failed"), "{}", cell.id);
                assert!(entry.contains("✗ failed"), "{}: {entry}", cell.id);
            }
            (Status::Measured, Some(ratio), Some(_)) if cell.strategy != "system" => {
                let verdict = match cell.verdict.unwrap() {
                    Verdict::Faster => ("▼", "▼ faster"),
                    Verdict::Slower => ("▲", "▲ slower"),
                    Verdict::Same => ("=", "= same"),
                    Verdict::Undecided => ("?", "? undecided"),
                };
                assert!(square.contains(verdict.0), "{}: {square}", cell.id);
                assert!(entry.contains(verdict.1), "{}: {entry}", cell.id);
                let shown = between(square, "</span>", "×</a>").parse::<f64>().unwrap();
                let off = (shown / ratio.median - 1.0).abs();
                assert!(off < 0.05, "{}: {shown} for {}", cell.id, ratio.median);
                assert!(entry.contains(&format!(">{}×<", between(square, "</span>", "×</a>"))));
            }
            (Status::Measured, _, Some(_)) => {
                assert!(square.contains(" ns</a>"), "{}: {square}", cell.id);
            }
            (Status::Measured, ..) => panic!("{} has no figure", cell.id),
        }
    }
}

#[test]
fn a_family_has_the_columns_of_those_who_take_part_in_it() {
    let mut fixture = complete();
    let churn = fixture.run.workloads.iter_mut().find(|info| info.name == "churn").unwrap();
    churn.family = "Of few".to_owned();
    let few = ["system", "pool", "system-again"];
    fixture.cells.retain(|cell| cell.workload != "churn" || few.contains(&&*cell.strategy));
    let page = fixture.page();
    let heads = |family: &str| {
        let map = between(&page, &format!("<h3>{family}</h3>"), "</thead>");
        map.matches("<th scope=\"col\"").count() - 1 // the corner
    };
    assert_eq!((heads("Of few"), heads("Hot paths, one thread")), (3, 11));
    let figure = between(&page, "<article id=\"workload-churn\">", "</article>");
    assert!(figure.contains("pool") && !figure.contains("mimalloc"));
}

#[test]
fn rows_and_columns_stand_in_their_order() {
    let page = complete().page();
    let cells = page.split("data-cell=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0);
    let cells: Vec<&str> = cells.collect();
    let first_row: Vec<_> = cells[..11].iter().map(|id| id.split('/').nth(1).unwrap()).collect();
    let order = "system jemalloc mimalloc bumpalo pool bump simd raii system-again noop \
                 system-single-thread";
    assert_eq!(first_row.join(" "), order);
    let rows: Vec<_> = cells.iter().filter_map(|id| id.split_once("/system/")).collect();
    let pair: Vec<_> = rows.iter().filter(|row| row.0 == "pair").map(|row| row.1).collect();
    assert_eq!(pair, ["16", "64", "256", "1024", "4096"]);
    let aligned: Vec<_> = rows.iter().filter(|row| row.0 == "aligned").map(|row| row.1).collect();
    assert_eq!(aligned, ["4096@32", "4096@64", "4096@4096", "65536@64", "1048576@64"]);
}

#[test]
fn a_missing_figure_has_a_footnote_with_its_reason() {
    let fixture = complete();
    let page = fixture.page();
    let mut notes = 0;
    for cell in fixture.cells.iter().filter(|cell| cell.status != Status::Measured) {
        let number = between(square(&page, cell), "<sup><a href=\"#note-", "\"");
        let note = between(&page, &format!("<li id=\"note-{number}\">"), "</li>");
        let reason = escaped(cell.reason.as_ref().unwrap());
        assert!(note.contains(&reason) && note.contains(&cell.strategy), "{}: {note}", cell.id);
        let entry = between(&page, &format!("data-entry=\"{}\"", cell.id), "</tr>");
        assert!(entry.contains(&reason), "{}: {entry}", cell.id);
        notes += 1;
    }
    assert!(notes > 20);
}

#[test]
fn a_row_without_the_reference_says_why_it_has_no_ratios() {
    let mut fixture = complete();
    let page = fixture.page();
    let square = square(&page, fixture.cell("fragment/jemalloc/16-4096"));
    let number = between(square, "<sup><a href=\"#note-", "\"");
    let note = between(&page, &format!("<li id=\"note-{number}\">"), "</li>");
    assert_eq!(note, "No ratio: system has no figure in this row.");
}

#[test]
fn what_a_failed_program_printed_cannot_break_the_page() {
    let page = complete().page();
    assert!(!page.contains("<script"), "markup of a reason got through");
    assert!(page.contains(&escaped(NASTY)));
    let output = between(&page, "<pre>", "</pre>");
    assert!(output.contains("&#60;script&#62;"), "{output}");
    assert!(!page.contains('\u{1b}'), "control characters got through");
}

#[test]
fn the_page_asks_the_network_for_nothing() {
    let page = complete().page();
    for forbidden in ["http://", "https://", "src=", "<link", "@import", "url(", "<iframe"] {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
    for href in page.split("href=\"").skip(1) {
        assert!(href.starts_with('#'), "{}", &href[..40]);
    }
}

#[test]
fn every_link_has_a_target() {
    let page = complete().page();
    for href in page.split("href=\"#").skip(1) {
        let target = href.split_once('"').unwrap().0;
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
}

#[test]
fn every_row_has_a_plot_in_the_page_and_as_a_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixture");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    let fixture = complete();
    fixture.write(&folder);
    let page = fs::read_to_string(report::write(&folder).unwrap()).unwrap();
    let rows: BTreeSet<_> = fixture.cells.iter().map(|c| (&c.workload, &c.parameter)).collect();
    let files = fs::read_dir(folder.join("plots")).unwrap().map(|file| file.unwrap().path());
    let files: BTreeSet<_> = files.collect();
    assert_eq!(files.len(), rows.len());
    assert_eq!(page.matches("<svg").count(), rows.len());
    assert!(files.contains(&folder.join("plots/aligned-4096-at-64.svg")));
    for file in files {
        let plot = fs::read_to_string(&file).unwrap();
        assert!(plot.contains("prefers-color-scheme"), "{}", file.display());
        assert!(plot.contains("made-up, Synthetic 9000"), "{}", file.display());
        assert!(plot.trim_end().ends_with("</svg>"), "{}", file.display());
        assert!(!plot.contains("#FFFFFE"), "{}: a colour without a class", file.display());
        let starts = plot.contains("from zero") != plot.contains("does not start at zero");
        assert!(starts, "{}: the axis does not say where it starts", file.display());
    }
}

#[test]
fn a_plot_is_logarithmic_only_where_contenders_are_far_apart() {
    let folder = tempfile::tempdir().unwrap();
    complete().write(folder.path());
    report::write(folder.path()).unwrap();
    let plot = |slug: &str| {
        let path = folder.path().join("plots").join(slug).with_extension("svg");
        fs::read_to_string(path).unwrap()
    };
    // The floor alone is more than twenty times below System there.
    assert!(plot("churn-16-1024").contains("from zero"));
    assert!(plot("grow-1048576").contains("logarithmic"));
}

#[test]
fn a_plot_shows_every_round() {
    let mut fixture = complete();
    fixture.cells.retain(|cell| cell.workload == "vec-push");
    let rounds: usize = fixture.cells.iter().map(|cell| cell.rounds_ns_per_op.len()).sum();
    assert_eq!(rounds, 70);
    assert_eq!(fixture.page().matches("<circle").count(), rounds);
}

#[test]
fn strategies_that_are_not_told_apart_share_the_first_place() {
    let page = complete().page();
    assert!(page.contains("Fastest: bump (1.27 ns, 0.24× of system)."));
    let tied = between(&page, "batch-random 64: nanoseconds", "\"");
    assert!(tied.contains("not told apart from it: "), "{tied}");
}

#[test]
fn the_bias_and_the_controls_are_stated() {
    let page = complete().page();
    assert!(page.contains("Four of the contenders (pool, bump, simd, raii) were written by"));
    let noise = between(&page, "<section id=\"noise\">", "</section>");
    for text in ["system-again", "noop", "system-single-thread", "611 ns", "never had a second"] {
        assert!(noise.contains(text), "{text}");
    }
    assert_eq!(noise.matches("<a href=\"#row-").count(), 26);
}

#[test]
fn the_environment_and_the_command_are_on_the_page() {
    let fixture = complete();
    let page = fixture.page();
    let environment = &fixture.run.environment;
    let texts = [&environment.host, &environment.cpu, &environment.kernel, &environment.libc];
    let more = [&environment.rustc, environment.commit.as_ref().unwrap(), &fixture.run.command];
    for text in texts.into_iter().chain(more) {
        assert!(page.contains(&escaped(text)), "{text}");
    }
    assert!(page.contains("libmimalloc-sys 0.0.0-made-up"));
}
