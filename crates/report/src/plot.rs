//! The plot of a row: one line a strategy, with everything that was measured of it.

use crate::canvas::{Anchor, Canvas, Svg, Type, drawing, text_width};
use crate::first::First;
use crate::format;
use crate::grid::{Column, Grid, Role, Row};
use crate::ink::Ink;
use crate::record::{Cell, Environment, StateGroup, Status, Verdict};
use crate::scale::Scale;
use crate::states;
use crate::verdict;

/// The width of a plot in pixels.
const WIDTH: f64 = 960.0;
/// The height of a strategy's line.
const LINE: f64 = 26.0;
/// How much lower a line is whose rounds fall into groups by start state: their times stand under its figures.
const STATES: f64 = 13.0;
/// Above the first line: title, answer, place and heads of columns.
const TOP: f64 = 92.0;
/// Below the last line: the axis.
const BOTTOM: f64 = 52.0;
/// Between contenders, ours and controls.
const GAP: f64 = 8.0;
/// Right of the axis: figures, which end or begin so far from the right edge.
const RIGHT: f64 = 216.0;
const TIME_ENDS: f64 = 132.0;
const RATIO_ENDS: f64 = 66.0;
const MARK_BEGINS: f64 = 62.0;
const VERDICT_BEGINS: f64 = 52.0;
const WORD_BEGINS: f64 = 48.0;
/// Left and right of everything.
const EDGE: f64 = 6.0;
/// The size of a strategy's name, and of the word for its role.
const NAME_SIZE: f64 = 13.0;
const WORD_SIZE: f64 = 10.0;
/// Medians further apart than this are drawn on a logarithmic axis: on a linear one the
/// smallest would be a hair's breadth from zero.
const LINEAR_UP_TO: f64 = 20.0;

/// Draws a row; `first` is who is fastest in it.
pub(crate) fn draw(
    grid: &Grid<'_>,
    row: &Row<'_>,
    first: &First<'_>,
    environment: &Environment,
) -> Svg {
    let lines = lines_of(grid, row, first);
    let bottom = lines.last().map_or(TOP, |line| line.y + LINE / 2.0 + line.below());
    let answer = first.sentence.as_str();
    let name = lines.iter().map(|l| text_width(l.column.name, NAME_SIZE)).fold(60.0, f64::max);
    let word =
        lines.iter().map(|l| text_width(l.column.role.word(), WORD_SIZE)).fold(0.0, f64::max);
    let name = EDGE + name.min(220.0);
    let plot = Plot {
        reference: grid.reference(),
        scale: scale_of(&lines),
        name,
        left: name + 6.0 + word + 8.0,
        bottom,
        lines,
    };
    let title = [row.workload, row.parameter].join(" ");
    let title = title.trim_end();
    let label = format!("{title}: nanoseconds per operation of each strategy. {answer}");
    drawing((WIDTH, bottom + BOTTOM), &label, |canvas| {
        canvas.area((0.0, 0.0), (WIDTH, bottom + BOTTOM), Ink::Paper);
        let place = format!("{}, {}", environment.host, environment.cpu);
        plot.head(canvas, title, answer, &place);
        plot.axis(canvas);
        plot.lines.iter().for_each(|line| plot.line(canvas, line));
    })
}

/// A strategy's line.
struct Line<'a> {
    column: &'a Column<'a>,
    cell: &'a Cell,
    fastest: bool,
    tied: bool,
    y: f64,
}

impl Line<'_> {
    fn measured(&self) -> Option<&Cell> {
        verdict::is_measured(self.cell).then_some(self.cell)
    }

    /// The groups of rounds by start state.
    fn states(&self) -> &[StateGroup] {
        self.measured().and_then(states::groups).unwrap_or_default()
    }

    /// What the line takes below its marks.
    fn below(&self) -> f64 {
        if self.states().is_empty() { 0.0 } else { STATES }
    }

    fn inks(&self) -> (Ink, Ink) {
        match self.column.role {
            Role::Reference | Role::Contender => (Ink::Peer, Ink::PeerArea),
            Role::Ours => (Ink::Ours, Ink::OursArea),
            Role::SameAgain | Role::Floor | Role::Limit | Role::SingleThread => {
                (Ink::Control, Ink::ControlArea)
            }
        }
    }
}

/// The lines of a row, in the order of the columns: the same in every plot.
fn lines_of<'a>(grid: &'a Grid<'a>, row: &Row<'_>, first: &First<'_>) -> Vec<Line<'a>> {
    let mut y = TOP + LINE / 2.0;
    let mut group = None;
    let mut lines = Vec::new();
    for (column, cell) in grid.cells(row) {
        let class = column.role.class();
        if group.is_some_and(|before| before != class) {
            y += GAP;
        }
        group = Some(class);
        let line = Line { column, cell, fastest: first.has(column.name), tied: first.is_tied(), y };
        y += LINE + line.below();
        lines.push(line);
    }
    lines
}

/// The axis that suits what was measured. Floor and limit have no say in its kind, since they are no
/// ways of allocating memory, but lie on it like the rest.
fn scale_of(lines: &[Line<'_>]) -> Scale {
    let mut least = f64::INFINITY;
    let mut most = 0.0f64;
    let mut medians = (f64::INFINITY, 0.0f64);
    for line in lines {
        let Some(cell) = line.measured() else { continue };
        let Some(ns) = cell.ns_per_op else { continue };
        let samples = Samples::of(cell);
        let ends = samples.iter().flat_map(|s| [s.p5, s.p95]);
        let groups = line.states().iter().map(|group| group.ns_per_op);
        let values = cell.rounds_ns_per_op.iter().copied().chain(ends).chain(groups);
        let values = values.chain([ns.lo, ns.median, ns.hi]);
        for value in values {
            least = if value > 0.0 { least.min(value) } else { least };
            most = most.max(value);
        }
        if !matches!(line.column.role, Role::Floor | Role::Limit) {
            medians = (medians.0.min(ns.median), medians.1.max(ns.median));
        }
    }
    let wide = medians.0.max(f64::MIN_POSITIVE) * LINEAR_UP_TO < medians.1;
    if wide && least.is_finite() { Scale::log(least, most) } else { Scale::linear(most) }
}

/// The spread of all samples of a cell.
struct Samples {
    p5: f64,
    p25: f64,
    p75: f64,
    p95: f64,
}

impl Samples {
    /// `None` when fewer than two samples were kept: one has no spread.
    fn of(cell: &Cell) -> Option<Self> {
        let mut samples: Vec<f64> = cell.samples_ns_per_op.iter().flatten().copied().collect();
        if samples.len() < 2 {
            return None;
        }
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (samples.len() - 1) as f64;
            let (below, part) = (place.floor() as usize, place.fract());
            let above = (below + 1).min(samples.len() - 1);
            samples[below] + (samples[above] - samples[below]) * part
        };
        Some(Self { p5: at(0.05), p25: at(0.25), p75: at(0.75), p95: at(0.95) })
    }
}

/// Where things lie on the sheet.
struct Plot<'a> {
    reference: &'a str,
    scale: Scale,
    /// Where names end.
    name: f64,
    /// Where the axis begins.
    left: f64,
    bottom: f64,
    lines: Vec<Line<'a>>,
}

impl Plot<'_> {
    fn x(&self, value: f64) -> f64 {
        self.left + self.scale.position(value) * (WIDTH - RIGHT - self.left)
    }

    /// Title, answer, place, and the heads of the columns of figures.
    fn head(&self, canvas: &Canvas<'_>, title: &str, answer: &str, place: &str) {
        canvas.text(title, (EDGE, 18.0), look(15.0, true, Ink::Text, Anchor::Start));
        let cut = |text, size| {
            format::shortened(text, ((WIDTH - 2.0 * EDGE) / text_width("n", size)) as usize)
        };
        let answer = cut(answer, 13.0);
        canvas.text(&answer, (EDGE, 39.0), look(13.0, false, Ink::Text, Anchor::Start));
        let place = cut(place, 11.5);
        canvas.text(&place, (EDGE, 58.0), look(11.5, false, Ink::Quiet, Anchor::Start));
        let head = look(10.5, false, Ink::Quiet, Anchor::End);
        let y = TOP - 9.0;
        canvas.text("median, ns", (WIDTH - TIME_ENDS, y), head);
        let versus = format::shortened(&format!("÷ {}", self.reference), 10);
        canvas.text(&versus, (WIDTH - RATIO_ENDS, y), head);
        let arrow = Type { anchor: Anchor::Start, ..head };
        canvas.text("← faster", (self.left, y), Type { bold: true, ..arrow });
    }

    /// Grid, ticks and the axis's title, and the line at the reference's median.
    fn axis(&self, canvas: &Canvas<'_>) {
        let (top, bottom) = (TOP, self.bottom + 2.0);
        if self.lines.iter().all(|line| line.measured().is_none()) {
            return;
        }
        for line in self.lines.iter().filter(|line| line.measured().is_some()) {
            let right = WIDTH - RIGHT;
            canvas.line((self.left, line.y), (right, line.y), 0.5, Ink::Grid);
        }
        for tick in &self.scale.ticks {
            let x = self.x(*tick);
            canvas.line((x, top), (x, bottom), 1.0, Ink::Grid);
            let label = self.scale.label(*tick);
            let type_ = look(11.0, false, Ink::Quiet, Anchor::Middle);
            canvas.text(&label, (x, bottom + 11.0), type_);
        }
        let title = if self.scale.log {
            "ns per operation, logarithmic: does not start at zero"
        } else {
            "ns per operation, from zero"
        };
        let middle = (self.left + WIDTH - RIGHT) / 2.0;
        let type_ = look(11.5, false, Ink::Text, Anchor::Middle);
        canvas.text(title, (middle, bottom + 31.0), type_);
        let reference = self.lines.iter().find(|line| line.column.role == Role::Reference);
        let ns = reference.and_then(Line::measured).and_then(|cell| cell.ns_per_op);
        if let Some(ns) = ns {
            let x = self.x(ns.median);
            canvas.line((x, top), (x, bottom), 1.0, Ink::Reference);
        }
    }

    /// One strategy: its name, its marks or why there are none, its figures.
    fn line(&self, canvas: &Canvas<'_>, line: &Line<'_>) {
        self.name(canvas, line);
        let (ink, _) = line.inks();
        let cell = line.cell;
        let reason = cell.reason.as_deref().unwrap_or_default();
        match cell.status {
            Status::Unsupported => {
                self.note(canvas, line.y, &format!("—  {reason}"), Ink::Quiet);
            }
            Status::Failed => {
                self.note(canvas, line.y, &format!("✗ failed: {reason}"), Ink::Failed);
            }
            Status::Measured => {
                self.marks(canvas, line, cell);
                figures(canvas, line, cell, ink);
            }
        }
    }

    /// Words in the place of marks, on paper of their own so that no line runs through them.
    fn note(&self, canvas: &Canvas<'_>, y: f64, text: &str, ink: Ink) {
        let left = self.left + 4.0;
        let text =
            format::shortened(text, ((WIDTH - EDGE - left) / text_width("n", 11.0)) as usize);
        let right = left + text_width(&text, 11.0);
        canvas.area((left - 2.0, y - 8.0), (right, y + 8.0), Ink::Paper);
        canvas.text(&text, (left, y), look(11.5, false, ink, Anchor::Start));
    }

    fn name(&self, canvas: &Canvas<'_>, line: &Line<'_>) {
        let ink = match line.column.role.class() {
            "peer" => Ink::Text,
            "ours" => Ink::Ours,
            _ => Ink::Quiet,
        };
        let name =
            format::shortened(line.column.name, (220.0 / text_width("n", NAME_SIZE)) as usize);
        let type_ = look(NAME_SIZE, line.fastest, ink, Anchor::End);
        canvas.text(&name, (self.name, line.y), type_);
        let small = look(WORD_SIZE, false, Ink::Quiet, Anchor::Start);
        canvas.text(line.column.role.word(), (self.name + 6.0, line.y + 0.5), small);
    }

    /// Samples as a box with whiskers, the interval as a bar, rounds as dots, the median as a
    /// stroke; where rounds fall into groups by start state, a stroke for each group instead.
    fn marks(&self, canvas: &Canvas<'_>, line: &Line<'_>, cell: &Cell) {
        let (ink, area) = line.inks();
        let y = line.y;
        if let Some(samples) = Samples::of(cell) {
            let (from, to) = (self.x(samples.p5), self.x(samples.p95));
            canvas.line((from, y), (to, y), 1.0, ink);
            canvas.area((self.x(samples.p25), y - 8.0), (self.x(samples.p75), y + 8.0), area);
        }
        let Some(ns) = cell.ns_per_op else { return };
        canvas.area((self.x(ns.lo), y - 1.5), (self.x(ns.hi), y + 1.5), ink);
        for round in &cell.rounds_ns_per_op {
            canvas.dot((self.x(*round), y), 3.0, ink);
        }
        let stroke = |value| {
            let x = self.x(value);
            canvas.line((x, y - 9.0), (x, y + 9.0), 2.0, ink);
        };
        match line.states() {
            [] => stroke(ns.median),
            groups => groups.iter().for_each(|group| stroke(group.ns_per_op)),
        }
    }
}

/// The figures right of the axis.
fn figures(canvas: &Canvas<'_>, line: &Line<'_>, cell: &Cell, ink: Ink) {
    let y = line.y;
    let ink = if ink == Ink::Control { Ink::Quiet } else { Ink::Text };
    let right = look(12.5, line.fastest, ink, Anchor::End);
    if let Some(ns) = cell.ns_per_op {
        canvas.text(&format::ns(ns.median), (WIDTH - TIME_ENDS, y), right);
    }
    if line.column.role == Role::Reference {
        canvas.text("1", (WIDTH - RATIO_ENDS - 9.0, y), Type { ink: Ink::Quiet, ..right });
    } else if let Some(ratio) = cell.ratio_to_system {
        canvas.text(&format::times(ratio.median), (WIDTH - RATIO_ENDS, y), right);
        let mark = look(9.0, false, ink, Anchor::Start);
        canvas.text(verdict::mark(cell.verdict), (WIDTH - MARK_BEGINS, y), mark);
        let word = match cell.verdict {
            None => "no verdict",
            Some(Verdict::Undecided) if !line.fastest => "undecided",
            Some(_) => "",
        };
        let small = look(9.5, false, Ink::Quiet, Anchor::Start);
        if !word.is_empty() {
            canvas.text(word, (WIDTH - VERDICT_BEGINS, y), small);
        }
    }
    if line.fastest {
        let word = if line.tied { "tied" } else { "fastest" };
        let small = look(10.5, false, ink, Anchor::Start);
        canvas.text(word, (WIDTH - WORD_BEGINS, y), small);
    }
    if !line.states().is_empty() {
        let small = look(10.0, false, ink, Anchor::Start);
        let text = format::shortened(&states::in_short(line.states()), 38);
        canvas.text(&text, (WIDTH - RIGHT + 8.0, y + STATES + 1.0), small);
    }
}

/// How a text looks, in short.
fn look(size: f64, bold: bool, ink: Ink, anchor: Anchor) -> Type {
    Type { size, bold, ink, anchor }
}
