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

/// The least noise floor of fewer than [`ENOUGH_ROUNDS`]: an interval over them says little, and two
/// processes of one cell can differ by a quarter.
const FEW_ROUNDS_FLOOR: f64 = 0.25;

/// The rounds from which on an interval is believed.
const ENOUGH_ROUNDS: usize = 5;

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
        .map(|same| least_floor(reference.len()).max(same.hi - 1.0).max(1.0 - same.lo));
    for (_, cell) in row {
        cell.ns_per_op = interval(&cell.rounds_ns_per_op);
        cell.ratio_to_system = match cell.status {
            Status::Measured => interval(&ratios(&cell.rounds_ns_per_op, &reference)),
            Status::Unsupported | Status::Failed => None,
        };
        cell.noise_floor = floor;
        cell.verdict = cell.ratio_to_system.zip(floor).map(|(ratio, floor)| verdict(ratio, floor));
    }
}

/// The noise floor below which no row of so many rounds goes.
fn least_floor(rounds: usize) -> f64 {
    if rounds < ENOUGH_ROUNDS { FEW_ROUNDS_FLOOR } else { LEAST_FLOOR }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A measured cell with these rounds.
    fn cell(role: Role, rounds: &[f64]) -> (Role, Cell) {
        let cell = Cell {
            id: format!("work/{role:?}/64"),
            workload: "work".into(),
            strategy: format!("{role:?}"),
            parameter: "64".into(),
            status: Status::Measured,
            reason: None,
            last_output: None,
            ns_per_op: None,
            rounds_ns_per_op: rounds.to_vec(),
            ratio_to_system: None,
            noise_floor: None,
            verdict: None,
            ops: Some(1000),
            checksum: None,
            retaken_samples: 0,
            rounds_ratio: Vec::new(),
            state_groups: Vec::new(),
            notes: Vec::new(),
            preempted_samples: 0,
            noisy_samples: 0,
            samples_ns_per_op: Vec::new(),
        };
        (role, cell)
    }

    /// The verdict on `contender`, beside a reference of 10 ns and a second one of `again`, each of
    /// three values measured twice.
    fn verdict_on(contender: &[f64; 3], again: &[f64; 3]) -> Option<Verdict> {
        let mut row = [
            cell(Role::Reference, &[10.0; 6]),
            cell(Role::SameAgain, &again.repeat(2)),
            cell(Role::Contender, &contender.repeat(2)),
        ];
        judge(&mut row);
        row[2].1.verdict
    }

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn an_interval_holds_the_median_and_lies_inside_the_values() {
        let values = [1.0, 1.1, 0.9, 1.05, 5.0];
        let interval = interval(&values).unwrap();
        assert_eq!(interval.median, 1.05);
        assert!(0.9 <= interval.lo && interval.lo <= 1.05, "{interval:?}");
        assert!(1.05 <= interval.hi && interval.hi <= 5.0, "{interval:?}");
        assert!(interval.lo < interval.hi);
        assert_eq!(Some(interval), super::interval(&values), "an interval is not repeatable");
    }

    #[test]
    fn no_rounds_have_no_interval() {
        assert_eq!(interval(&[]), None);
    }

    #[test]
    fn a_ratio_is_taken_within_a_round_so_that_drift_cancels() {
        let mut row = [
            cell(Role::Reference, &[10.0, 20.0, 40.0]),
            cell(Role::SameAgain, &[10.0, 20.0, 40.0]),
            cell(Role::Contender, &[5.0, 10.0, 20.0]),
        ];
        judge(&mut row);
        let ratio = row[2].1.ratio_to_system.unwrap();
        assert_eq!((ratio.lo, ratio.median, ratio.hi), (0.5, 0.5, 0.5));
        assert_eq!(row[2].1.verdict, Some(Verdict::Faster));
    }

    #[test]
    fn a_difference_beyond_the_noise_is_told_and_one_inside_is_not() {
        let quiet = [10.0, 10.05, 9.95];
        assert_eq!(verdict_on(&[9.5, 9.5, 9.5], &quiet), Some(Verdict::Faster));
        assert_eq!(verdict_on(&[10.5, 10.5, 10.5], &quiet), Some(Verdict::Slower));
        assert_eq!(verdict_on(&[10.0, 10.0, 10.0], &quiet), Some(Verdict::Same));
        let noisy = [10.0, 10.7, 9.4];
        assert_eq!(verdict_on(&[9.5, 9.5, 9.5], &noisy), Some(Verdict::Same));
        assert_eq!(verdict_on(&[10.5, 10.5, 10.5], &noisy), Some(Verdict::Same));
    }

    #[test]
    fn a_hundredth_is_never_a_difference() {
        let still = [10.0, 10.0, 10.0];
        assert_eq!(verdict_on(&[9.95, 9.95, 9.95], &still), Some(Verdict::Same));
        assert_eq!(verdict_on(&[9.8, 9.8, 9.8], &still), Some(Verdict::Faster));
    }

    #[test]
    fn from_few_rounds_only_a_large_difference_is_told() {
        let judged = |rounds: &[f64]| {
            let reference = vec![10.0; rounds.len()];
            let mut row = [
                cell(Role::Reference, &reference),
                cell(Role::SameAgain, &reference),
                cell(Role::Contender, rounds),
            ];
            judge(&mut row);
            row[2].1.verdict
        };
        assert_eq!(judged(&[9.0]), Some(Verdict::Same));
        assert_eq!(judged(&[9.0; 4]), Some(Verdict::Same));
        assert_eq!(judged(&[5.0; 4]), Some(Verdict::Faster));
        assert_eq!(judged(&[9.0; 5]), Some(Verdict::Faster));
    }

    #[test]
    fn an_interval_that_touches_the_noise_is_no_difference() {
        let quiet = [10.0, 10.0, 10.0];
        assert_eq!(verdict_on(&[9.0, 9.0, 9.99], &quiet), Some(Verdict::Same));
    }

    #[test]
    fn without_a_reference_there_is_no_ratio_and_without_a_second_one_no_verdict() {
        let mut row = [cell(Role::Contender, &[1.0]), cell(Role::SameAgain, &[1.0])];
        judge(&mut row);
        assert_eq!((row[0].1.ratio_to_system, row[0].1.verdict), (None, None));
        assert_eq!(row[0].1.ns_per_op.unwrap().median, 1.0);

        let mut row = [cell(Role::Reference, &[1.0]), cell(Role::Contender, &[2.0])];
        judge(&mut row);
        assert_eq!(row[1].1.ratio_to_system.unwrap().median, 2.0);
        assert_eq!(row[1].1.verdict, None);
    }

    #[test]
    fn a_failed_cell_keeps_its_rounds_and_has_no_ratio() {
        let mut row = [cell(Role::Reference, &[10.0]), cell(Role::Contender, &[5.0])];
        row[1].1.status = Status::Failed;
        judge(&mut row);
        assert_eq!(row[1].1.ratio_to_system, None);
        assert_eq!(row[1].1.rounds_ns_per_op, [5.0]);
    }
}
