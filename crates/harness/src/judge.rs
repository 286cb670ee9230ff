//! From rounds to ratios and verdicts.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use report::record::{Cell, Interval, Status, Verdict};
use strategy::Role;

/// Bootstrap resamples: the ends of an interval move by less than the last digit shown.
const RESAMPLES: usize = 2_000;

/// The part of the resampled medians that lies inside an interval.
const CONFIDENCE: f64 = 0.95;

/// The least noise floor: below a hundredth no ratio is called a difference, however still the
/// machine was, since the layout of code in memory alone moves a loop by that much.
const LEAST_FLOOR: f64 = 0.01;

/// The middle of `values`: the mean of the middle two of an even number.
///
/// # Panics
///
/// If there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    assert!(!values.is_empty(), "a median is of something");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// The median of `values` with the interval of its bootstrap (Efron 1979: medians of samples
/// drawn with replacement, percentile method). The same values give the same interval.
pub(crate) fn interval(values: &[f64]) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    let mut random = Pcg64::seed_from_u64(values.len() as u64);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw = |_| values[random.random_range(0..values.len())];
            median(&(0..values.len()).map(draw).collect::<Vec<_>>())
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let tail = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
    Some(Interval { median: median(values), lo: medians[tail], hi: medians[RESAMPLES - 1 - tail] })
}

/// Fills in what follows from the rounds, for the cells of one row with their roles.
pub(crate) fn judge(row: &mut [(Role, Cell)]) {
    let rounds_of = |role: Role| {
        let cell = row.iter().find(|(its, cell)| *its == role && cell.status == Status::Measured);
        cell.map(|(_, cell)| cell.rounds_ns_per_op.clone())
    };
    let reference = rounds_of(Role::Reference).unwrap_or_default();
    let floor = rounds_of(Role::SameAgain)
        .and_then(|again| interval(&ratios(&again, &reference)))
        .map(|same| LEAST_FLOOR.max(same.hi - 1.0).max(1.0 - same.lo));
    for (_, cell) in row {
        cell.ns_per_op = interval(&cell.rounds_ns_per_op);
        cell.ratio_to_system = match cell.status {
            Status::Measured => interval(&ratios(&cell.rounds_ns_per_op, &reference)),
            Status::Unsupported | Status::Failed => None,
        };
        cell.verdict = cell.ratio_to_system.zip(floor).map(|(ratio, floor)| verdict(ratio, floor));
    }
}

/// The ratio of each round that both have.
fn ratios(rounds: &[f64], reference: &[f64]) -> Vec<f64> {
    rounds.iter().zip(reference).map(|(ns, reference)| ns / reference).collect()
}

/// A ratio whose interval touches the floor on either side of 1 is no difference.
fn verdict(ratio: Interval, floor: f64) -> Verdict {
    if ratio.hi < 1.0 - floor {
        Verdict::Faster
    } else if ratio.lo > 1.0 + floor {
        Verdict::Slower
    } else {
        Verdict::Same
    }
}
