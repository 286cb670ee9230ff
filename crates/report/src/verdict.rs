//! What is said of a cell's judgement: its mark, its word, and why there is none.

use crate::record::{Cell, Status, Verdict};

/// The mark of a verdict: its shape says what its colour says.
pub(crate) fn mark(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Faster) => "▼",
        Some(Verdict::Slower) => "▲",
        Some(Verdict::Same) => "=",
        Some(Verdict::Undecided) => "?",
        None => "",
    }
}

/// The word of a verdict, which is its class on the page as well.
pub(crate) fn word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Faster) => "faster",
        Some(Verdict::Slower) => "slower",
        Some(Verdict::Same) => "same",
        Some(Verdict::Undecided) => "undecided",
        None => "none",
    }
}

/// Why a cell that has a ratio has no verdict.
pub(crate) fn why_none(cell: &Cell) -> &'static str {
    if has_interval(cell) {
        "not judged, for want of an A/A in its row"
    } else {
        "one round: no verdict"
    }
}

/// Whether a ratio was taken in more than one round: a single one has no spread to tell an interval by.
pub(crate) fn has_interval(cell: &Cell) -> bool {
    let rounds = match cell.rounds_ratio.is_empty() {
        true => cell.rounds_ns_per_op.len(),
        false => cell.rounds_ratio.iter().flatten().count(),
    };
    rounds > 1
}

/// Whether a cell has a figure.
pub(crate) fn is_measured(cell: &Cell) -> bool {
    cell.status == Status::Measured && cell.ns_per_op.is_some()
}
