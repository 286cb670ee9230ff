//! What the page says of a run that was measured in turns, and what it says of an older one.

use std::fs;
use std::path::Path;

use report::record::{Interval, Verdict};

use crate::content::{between, escaped, square};
use crate::fixture::{complete, turns};

/// A line of a row's table.
fn entry<'p>(page: &'p str, id: &str) -> &'p str {
    between(page, &format!("data-entry=\"{id}\""), "</tr>")
}

/// What stands on the page for a row, from its anchor on.
fn figure<'p>(page: &'p str, slug: &str) -> &'p str {
    between(page, &format!("<figure id=\"row-{slug}\">"), "</figure>")
}

/// What `aria-label` says of a row's plot: its title and its answer.
fn answer<'p>(page: &'p str, row: &str) -> &'p str {
    between(
        page,
        &format!("aria-label=\"{row}: nanoseconds per operation of each strategy. "),
        "\"",
    )
}

#[test]
fn an_undecided_cell_is_not_drawn_as_the_same() {
    let mut fixture = turns();
    let page = fixture.page();
    let cell = fixture.cell("batch-lifo/pool/64");
    assert_eq!(cell.verdict, Some(Verdict::Undecided));
    let at = page.find("data-cell=\"batch-lifo/pool/64\"").unwrap();
    let class = page[..at].rsplit_once("class=\"").unwrap().1;
    assert!(
        class.starts_with("ours edge undecided") || class.starts_with("ours undecided"),
        "{class}"
    );
    let square = square(&page, cell);
    assert!(square.contains(">?</span>0.97×") || square.contains(">?</span>0.98×"), "{square}");
    assert!(square.contains("; undecided"), "{square}");
    assert!(entry(&page, "batch-lifo/pool/64").contains("? undecided"));
    assert!(page.contains("<b class=\"swatch undecided\">?</b> undecided"), "the legend");
    let plot = figure(&page, "batch-lifo-64");
    assert!(plot.contains("\n?\n</text>"), "the plot");
}

#[test]
fn verdicts_are_counted_apart() {
    let fixture = turns();
    let page = fixture.page();
    let scores = between(&page, "<table class=\"scores\">", "</table>");
    let heads = between(scores, "<thead>", "</thead>");
    assert!(heads.contains("? undecided") && heads.contains("no verdict"), "{heads}");
    let raii = between(scores, "<th scope=\"row\">raii ", "</tr>");
    let numbers: Vec<usize> = raii
        .split("<td class=\"n\">")
        .skip(1)
        .map(|rest| rest.split_once('<').unwrap().0.parse().unwrap())
        .collect();
    let count = |verdict| {
        let cells = fixture.cells.iter().filter(|cell| cell.strategy == "raii");
        cells.filter(|cell| cell.ratio_to_system.is_some() && cell.verdict == verdict).count()
    };
    use Verdict::{Faster, Same, Slower, Undecided};
    let expected = [Some(Faster), Some(Same), Some(Slower), Some(Undecided), None].map(count);
    assert_eq!(numbers[..5], expected);
    assert_eq!(expected[4], 1);
}

#[test]
fn an_undecided_least_median_is_not_named_fastest() {
    let page = turns().page();
    let answer = answer(&page, "batch-lifo 64");
    assert!(answer.starts_with("Undecided. The least median: pool ("), "{answer}");
    assert!(answer.contains("not told apart from it: system, raii."), "{answer}");
    let plot = figure(&page, "batch-lifo-64");
    assert!(plot.contains("\ntied\n") && !plot.contains("\nfastest\n"));
}

#[test]
fn the_fastest_is_tied_with_those_whose_interval_overlaps() {
    let mut fixture = turns();
    let intervals =
        [("pool", 0.2, 0.19, 0.22), ("bump", 0.23, 0.22, 0.24), ("bumpalo", 0.23, 0.221, 0.24)];
    for (strategy, median, lo, hi) in intervals {
        fixture.cell(&format!("pair/{strategy}/64")).ratio_to_system =
            Some(Interval { median, lo, hi });
    }
    let answer = answer(&fixture.page(), "pair 64").to_owned();
    assert!(answer.ends_with("; not told apart from it: bump."), "{answer}");
    // By itself it is the fastest.
    let bump = fixture.cell("pair/bump/64").ratio_to_system.as_mut().unwrap();
    bump.lo = 0.2201;
    let alone = crate::turns::answer(&fixture.page(), "pair 64").to_owned();
    assert!(alone.starts_with("Fastest: pool (") && !alone.contains("told apart"), "{alone}");
    // Without a verdict it is not, though the figures are the same.
    fixture.cell("pair/pool/64").verdict = None;
    let unjudged = crate::turns::answer(&fixture.page(), "pair 64").to_owned();
    assert!(unjudged.starts_with("Not judged, for want of an A/A"), "{unjudged}");
    assert!(unjudged.contains("The least median: pool ("), "{unjudged}");
}

#[test]
fn where_system_is_first_those_who_are_not_slower_are_tied_with_it() {
    let mut fixture = turns();
    for cell in
        fixture.cells.iter_mut().filter(|cell| cell.workload == "grow" && cell.strategy != "system")
    {
        let Some(ratio) = cell.ratio_to_system.as_mut() else { continue };
        *ratio = Interval { median: 1.3, lo: 1.2, hi: 1.4 };
        cell.verdict = Some(Verdict::Slower);
    }
    let raii = fixture.cell("grow/raii/1048576");
    raii.ratio_to_system = Some(Interval { median: 1.02, lo: 0.99, hi: 1.1 });
    raii.verdict = Some(Verdict::Undecided);
    let answer = answer(&fixture.page(), "grow 1048576").to_owned();
    assert!(
        answer.starts_with("Fastest: system (") && answer.ends_with("from it: raii."),
        "{answer}"
    );
}

#[test]
fn one_round_has_no_interval_and_no_verdict() {
    let page = turns().page();
    let entry = entry(&page, "batch-fifo/pool/64");
    assert!(entry.contains("one round: no verdict") && !entry.contains('['), "{entry}");
    let mut fixture = turns();
    let square = square(&page, fixture.cell("batch-fifo/pool/64"));
    assert!(square.contains("one round: no verdict") && !square.contains("mark"), "{square}");
    assert!(square.contains("0.27×") && !square.contains('['), "{square}");
    let answer = answer(&page, "batch-fifo 64");
    assert!(answer.starts_with("One round: no verdict. The least median: bump ("), "{answer}");
    let plot = figure(&page, "batch-fifo-64");
    assert!(
        plot.contains("no verdict") && !plot.contains("\nfastest\n") && !plot.contains("\ntied\n")
    );
    let row = between(&page, "<a href=\"#row-batch-fifo-64\">batch-fifo", "</tr>");
    assert!(!row.contains('!'), "a single round of the A/A is not suspect: {row}");
}

#[test]
fn groups_by_start_state_are_told_in_table_plot_and_heat_map() {
    let page = turns().page();
    let figure = figure(&page, "aligned-4096-at-64");
    let full = "two states: 57.0 ns (start states 0, 3) and 71.0 ns (start states 1, 2)";
    assert_eq!(figure.matches(&format!("<td colspan=\"9\">{full}</td>")).count(), 3);
    assert_eq!(figure.matches("two states: 57.0 ns and 71.0 ns\n</text>").count(), 3);
    let square = square(&page, turns().cell("aligned/raii/4096@64"));
    assert!(square.contains(full), "{square}");
    let number = between(square, "<a href=\"#note-", "\"");
    let note = between(&page, &format!("<li id=\"note-{number}\">"), "</li>");
    assert!(
        note.starts_with("aligned 4096@64, by start state. system: two states: 57.0 ns"),
        "{note}"
    );
    // One group is no groups.
    let mut fixture = turns();
    fixture.cells.iter_mut().for_each(|cell| cell.state_groups.truncate(1));
    assert!(!fixture.page().contains(" states: 57.0 ns"));
}

#[test]
fn a_note_stands_once_under_its_row_with_those_it_is_about() {
    let page = turns().page();
    let figure = figure(&page, "churn-16-1024");
    assert_eq!(figure.matches("<b>all:</b> Caches are as after a context switch.</p>").count(), 1);
    let alone = escaped("It does not fit into memory beside the others & was measured <alone>.");
    assert!(figure.contains(&format!("<b>jemalloc, mimalloc:</b> {alone}</p>")), "{figure}");
    assert_eq!(page.matches("class=\"note\"").count(), 2);
}

#[test]
fn noise_stands_at_the_top_when_there_was_any() {
    let mut fixture = turns();
    let header = |page: &str| between(page, "<header>", "</header>").to_owned();
    let much = header(&fixture.page());
    assert!(much.contains("<b>A noisy machine.</b> 23 % of the samples are noisy"), "{much}");
    assert!(
        much.contains("2.34 % of what was taken is left out") && much.contains("--rounds"),
        "{much}"
    );
    fixture.run.noise.noisy_samples = 490;
    let little = header(&fixture.page());
    assert!(
        !little.contains("A noisy machine") && little.contains("<dt>Noise</dt><dd>4.90 % of"),
        "{little}"
    );
    fixture.run.noise.preempted_samples = 1000;
    assert!(header(&fixture.page()).contains("A noisy machine"), "preempted ones count as well");
    (fixture.run.noise.noisy_samples, fixture.run.noise.preempted_samples) = (0, 0);
    let quiet = header(&fixture.page());
    assert!(!quiet.contains("noisy") && !quiet.contains("<dt>Noise</dt>"), "{quiet}");
}

#[test]
fn how_it_was_measured_and_where_the_time_went_are_told() {
    let mut fixture = turns();
    let page = fixture.page();
    let settings = between(&page, "<dt>Settings</dt><dd>", "</dd>");
    assert!(settings.contains("take turns of 1.7 ms on one core"), "{settings}");
    assert!(settings.contains("a part that the row&#39;s live set decides"), "{settings}");
    assert!(settings.contains("over 4 start states"), "{settings}");
    let spent = between(&page, "<dt>Where the time went</dt><dd>", "</dd>");
    assert_eq!(
        spent,
        "sampling 240 s (60 %), starting 96 s (24 %), warm-up 60 s (15 %), tests 4.0 s (1 %)"
    );
    assert!(page.contains("<dt>Variables of allocators</dt><dd>MALLOC_ARENA_MAX=1</dd>"));
    fixture.run.settings.state = Some(2);
    fixture.run.settings.settle_ms = Some(0.3);
    fixture.run.environment.variables.clear();
    let page = fixture.page();
    let settings = between(&page, "<dt>Settings</dt><dd>", "</dd>");
    assert!(settings.contains("All rounds repeat start state and stream 2."), "{settings}");
    assert!(settings.contains("each runs for 0.3 ms"), "{settings}");
    assert!(page.contains("<dt>Variables of allocators</dt><dd>none</dd>"));
}

#[test]
fn measurements_are_not_called_cells() {
    let fixture = turns();
    let measurements: usize = fixture.cells.iter().map(|cell| cell.rounds_ns_per_op.len()).sum();
    let cells = fixture.cells.iter().filter(|cell| cell.ns_per_op.is_some()).count();
    let figures = format!("<dd>{cells} cells, from 1,{} measurements of", measurements - 1000);
    assert!(fixture.page().contains(&figures), "{figures}");
}

#[test]
fn each_kind_of_run_is_explained_in_its_own_words() {
    let (old, new) = (complete().page(), turns().page());
    let only_old = [
        "is taken again, within a bound",
        "off the row's noise floor",
        ">retaken<",
        "0.250 with fewer than five",
    ];
    let only_new = [
        "nothing is measured again",
        "? undecided when it does neither",
        ">preempted<",
        "counts, 2 %",
        "1.250 with fewer than five",
    ];
    for text in only_old {
        assert!(old.contains(text) && !new.contains(text), "{text}");
    }
    for text in only_new {
        assert!(new.contains(text) && !old.contains(text), "{text}");
    }
    assert!(
        !old.contains("undecided: the") && !old.contains("? undecided"),
        "no such verdict in an older run"
    );
    assert!(!old.contains("Where the time went") && !old.contains("Variables of allocators"));
    assert!(old.contains("<dt>Settings</dt><dd>7 rounds. One process follows the other."));
}

#[test]
fn a_page_of_turns_is_left_to_be_looked_at() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("turns");
    fs::create_dir_all(&folder).unwrap();
    turns().write(&folder);
    let page = fs::read_to_string(report::write(&folder).unwrap()).unwrap();
    assert!(!page.contains("NaN") && !page.contains("inf×"));
}
