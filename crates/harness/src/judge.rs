//! From rounds to ratios and verdicts.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use report::record::{Cell, Interval, Settings, StateGroup, Status, Verdict};
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

/// How the note begins of a cell that has too few rounds with a ratio.
const PREEMPTED: &str =
    "Undecided: threads were preempted in too many pieces, or System's were, for a ratio in";

/// What a ratio may be off by: the interval that a floor was made of lies inside it.
const ROUNDING: f64 = 1e-9;

/// Random assignments of rounds to states that a cell's own is compared with: none of them may part the states as
/// far, so that a cell without states is told to have them once in a thousand times.
const SHUFFLES: usize = 1_000;

/// The least factor between the medians of neighbouring states that are called two: half of what is called a
/// difference is none between two states.
const GROUPS_APART: f64 = 1.05;

/// The rounds of each state that are needed to tell.
const ROUNDS_OF_STATE: usize = 3;

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
pub(crate) fn judge(row: &mut [(Role, Cell)], settings: &Settings) {
    let is_again =
        |(role, cell): &&(Role, Cell)| *role == Role::SameAgain && cell.status == Status::Measured;
    let floor = row.iter().find(is_again).and_then(|(_, again)| floor(&again.rounds_ratio));
    let is_reference =
        |(role, cell): &(Role, Cell)| *role == Role::Reference && cell.status == Status::Measured;
    let has_reference = row.iter().any(is_reference);
    let groups = state_groups(row, settings);
    for ((_, cell), groups) in row.iter_mut().zip(groups) {
        cell.ns_per_op = interval(&cell.rounds_ns_per_op);
        cell.ratio_to_system = match cell.status {
            Status::Measured => interval(&told(&cell.rounds_ratio)),
            Status::Unsupported | Status::Failed => None,
        };
        cell.noise_floor = floor;
        let rounds = told(&cell.rounds_ratio).len();
        let judged = cell.ratio_to_system.filter(|_| rounds > 1).zip(floor);
        cell.verdict =
            judged.map(|(ratio, floor)| verdict(ratio, floor, settings.least_difference));
        let all = cell.rounds_ratio.len();
        if has_reference && cell.status == Status::Measured && 2 * rounds < all {
            // The few rounds that are left are those in which it happened to be alone.
            cell.verdict = (all > 1).then_some(Verdict::Undecided);
            cell.notes.retain(|note| !note.starts_with(PREEMPTED));
            cell.notes.push(format!("{PREEMPTED} {} of {all} rounds.", all - rounds));
        }
        cell.state_groups = groups;
    }
}

/// The ratios of the rounds that have one.
fn told(rounds: &[Option<f64>]) -> Vec<f64> {
    rounds.iter().copied().flatten().collect()
}

/// The noise floor of a row, from the ratios of System under a second name: how far their interval reaches from
/// 1, as a factor less 1, so that a half and twice are equally far.
fn floor(again: &[Option<f64>]) -> Option<f64> {
    let again = told(again);
    let interval = interval(&again).filter(|_| again.len() > 1)?;
    let least = if again.len() < ENOUGH_ROUNDS { FEW_ROUNDS_FLOOR } else { LEAST_FLOOR };
    Some((interval.hi - 1.0).max(1.0 / interval.lo - 1.0).max(least))
}

/// What an interval says that lies somewhere about 1.
fn verdict(ratio: Interval, floor: f64, least_difference: f64) -> Verdict {
    let inside = |width: f64| {
        ratio.lo * (1.0 + width) >= 1.0 - ROUNDING && ratio.hi <= 1.0 + width + ROUNDING
    };
    if ratio.hi < 1.0 / (1.0 + floor) {
        Verdict::Faster
    } else if ratio.lo > 1.0 + floor {
        Verdict::Slower
    } else if inside(floor.max(least_difference)) {
        Verdict::Same
    } else {
        Verdict::Undecided
    }
}

/// The groups by start state that the rounds of each cell fall into; none for a cell whose states are alike.
///
/// What all cells of the row have in common in a round, a change of the clock above all, is taken off first. Then
/// the spread of the states' ranks is compared with that of [`SHUFFLES`] random assignments of the rounds to states (the
/// test of Kruskal and Wallis, by permutation), and neighbouring states are parted where their medians differ by more than [`GROUPS_APART`].
fn state_groups(row: &[(Role, Cell)], settings: &Settings) -> Vec<Vec<StateGroup>> {
    let states = if settings.state.is_some() { 0 } else { settings.states as usize };
    let logs: Vec<Vec<f64>> = row
        .iter()
        .map(|(_, cell)| {
            let middle = middle_or_one(&cell.rounds_ns_per_op).ln();
            cell.rounds_ns_per_op.iter().map(|ns| ns.ln() - middle).collect()
        })
        .collect();
    let common: Vec<f64> = (0..logs.iter().map(Vec::len).max().unwrap_or_default())
        .map(|round| {
            let there: Vec<f64> = logs.iter().filter_map(|logs| logs.get(round)).copied().collect();
            middle_or_one(&there)
        })
        .collect();
    let groups = |(index, logs): (usize, &Vec<f64>)| {
        let own: Vec<f64> = logs.iter().zip(&common).map(|(log, common)| log - common).collect();
        let measured = row[index].1.status == Status::Measured;
        let told = measured && states > 1 && own.len() >= ROUNDS_OF_STATE * states;
        if told { groups_of(&own, &row[index].1.rounds_ns_per_op, states) } else { Vec::new() }
    };
    logs.iter().enumerate().map(groups).collect()
}

/// The groups of one cell: `own` is what is told apart by, round by round.
fn groups_of(own: &[f64], rounds_ns: &[f64], states: usize) -> Vec<StateGroup> {
    let found: Vec<f64> = (0..states)
        .map(|state| median(&own.iter().skip(state).step_by(states).copied().collect::<Vec<_>>()))
        .collect();
    let mut sorted: Vec<usize> = (0..states).collect();
    sorted.sort_by(|a, b| found[*a].total_cmp(&found[*b]));
    let parted = |pair: &[usize]| found[pair[1]] - found[pair[0]] > GROUPS_APART.ln();
    if !sorted.windows(2).any(parted) {
        return Vec::new();
    }
    let mut ranks = ranks(own);
    let apart = rank_spread(&ranks, states);
    let mut random = Pcg64::seed_from_u64(own.len() as u64);
    for _ in 0..SHUFFLES {
        ranks.shuffle(&mut random);
        if rank_spread(&ranks, states) >= apart {
            return Vec::new();
        }
    }
    let groups = sorted.chunk_by(|a, b| !parted(&[*a, *b]));
    groups
        .map(|group| {
            let rounds = rounds_ns.iter().enumerate();
            let rounds = rounds.filter(|(round, _)| group.contains(&(round % states)));
            let ns: Vec<f64> = rounds.map(|(_, ns)| *ns).collect();
            let mut states: Vec<u32> = group.iter().map(|&state| state as u32).collect();
            states.sort_unstable();
            StateGroup { states, ns_per_op: median(&ns) }
        })
        .collect()
}

/// The place of each value among all, by size.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for (rank, place) in order.into_iter().enumerate() {
        ranks[place] = rank as f64;
    }
    ranks
}

/// How far the ranks of the states lie apart: what Kruskal and Wallis (1952) test by, but for constants.
fn rank_spread(ranks: &[f64], states: usize) -> f64 {
    let of_state = |state: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for rank in ranks.iter().skip(state).step_by(states) {
            (sum, count) = (sum + rank, count + 1.0);
        }
        f64::powi(sum, 2) / count
    };
    (0..states).map(of_state).sum()
}

/// The median, or 1 of nothing.
fn middle_or_one(values: &[f64]) -> f64 {
    if values.is_empty() { 1.0 } else { median(values) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    fn settings() -> Settings {
        plan::tests::settings(10, 0.05)
    }

    /// A measured cell with these rounds, beside a reference of 10 ns.
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
            rounds_ratio: rounds.iter().map(|ns| Some(ns / 10.0)).collect(),
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
        judge(&mut row, &settings());
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
    fn rounds_without_a_ratio_count_for_none() {
        let mut row = [
            cell(Role::Reference, &[10.0; 3]),
            cell(Role::SameAgain, &[10.0; 3]),
            cell(Role::Contender, &[5.0, 10.0, 5.0]),
        ];
        row[2].1.rounds_ratio[1] = None;
        judge(&mut row, &settings());
        let ratio = row[2].1.ratio_to_system.unwrap();
        assert_eq!((ratio.lo, ratio.median, ratio.hi), (0.5, 0.5, 0.5));
        assert_eq!(row[2].1.verdict, Some(Verdict::Faster));
    }

    #[test]
    fn a_difference_beyond_the_noise_is_told() {
        let quiet = [10.0, 10.05, 9.95];
        assert_eq!(verdict_on(&[9.5; 3], &quiet), Some(Verdict::Faster));
        assert_eq!(verdict_on(&[10.5; 3], &quiet), Some(Verdict::Slower));
        assert_eq!(verdict_on(&[10.0; 3], &quiet), Some(Verdict::Same));
    }

    #[test]
    fn noise_is_no_evidence_of_sameness() {
        let quiet = [10.0, 10.05, 9.95];
        // It may well be a tenth slower.
        assert_eq!(verdict_on(&[9.8, 10.0, 11.0], &quiet), Some(Verdict::Undecided));
        // Nor does a wide floor hide what reaches beyond it.
        assert_eq!(verdict_on(&[9.0, 10.0, 13.0], &[10.0, 11.0, 9.0]), Some(Verdict::Undecided));
        assert_eq!(verdict_on(&[9.9, 10.0, 10.2], &quiet), Some(Verdict::Same));
    }

    #[test]
    fn however_wide_the_floor_a_tenth_of_the_time_is_faster() {
        // On a linear scale a floor of 2 would reach below zero.
        let noisy = [10.0, 30.0, 5.0];
        assert_eq!(verdict_on(&[1.0; 3], &noisy), Some(Verdict::Faster));
        assert_eq!(verdict_on(&[100.0; 3], &noisy), Some(Verdict::Slower));
        assert_eq!(verdict_on(&[5.0; 3], &noisy), Some(Verdict::Same));
    }

    #[test]
    fn a_floor_is_as_wide_to_both_sides() {
        let floor = |ratios: &[f64]| {
            floor(&ratios.iter().map(|ratio| Some(*ratio)).collect::<Vec<_>>()).unwrap()
        };
        let (half, twice) = (floor(&[0.5; 5]), floor(&[2.0; 5]));
        assert!((half - 1.0).abs() < 1e-9 && (twice - 1.0).abs() < 1e-9, "{half} {twice}");
        assert_eq!(floor(&[1.0; 5]), 0.01);
    }

    #[test]
    fn a_hundredth_is_never_a_difference() {
        let still = [10.0, 10.0, 10.0];
        assert_eq!(verdict_on(&[9.95, 9.95, 9.95], &still), Some(Verdict::Same));
        assert_eq!(verdict_on(&[9.8, 9.8, 9.8], &still), Some(Verdict::Faster));
    }

    #[test]
    fn from_few_rounds_only_a_large_difference_is_told_and_from_one_none() {
        let judged = |rounds: &[f64]| {
            let reference = vec![10.0; rounds.len()];
            let mut row = [
                cell(Role::Reference, &reference),
                cell(Role::SameAgain, &reference),
                cell(Role::Contender, rounds),
            ];
            judge(&mut row, &settings());
            row[2].1.verdict
        };
        assert_eq!(judged(&[1.0]), None);
        assert_eq!(judged(&[9.0; 4]), Some(Verdict::Same));
        assert_eq!(judged(&[5.0; 4]), Some(Verdict::Faster));
        assert_eq!(judged(&[9.0; 5]), Some(Verdict::Faster));
    }

    #[test]
    fn rounds_that_differ_by_their_start_state_are_grouped() {
        // The clock changes from round to round, for both.
        let clock =
            [1.0, 1.3, 0.9, 1.1, 1.0, 0.8, 1.2, 1.0, 1.1, 0.9, 1.0, 1.4, 1.0, 0.9, 1.2, 1.0];
        let steady: Vec<f64> = clock.iter().map(|clock| 10.0 * clock).collect();
        let two: Vec<f64> = clock
            .iter()
            .enumerate()
            .map(|(round, clock)| if [1, 2].contains(&(round % 4)) { 71.0 } else { 57.0 } * clock)
            .collect();
        let mut row = [
            cell(Role::Reference, &steady),
            cell(Role::SameAgain, &steady),
            cell(Role::Contender, &steady),
            cell(Role::Contender, &two),
        ];
        judge(&mut row, &settings());
        let states = |cell: &Cell| -> Vec<Vec<u32>> {
            cell.state_groups.iter().map(|group| group.states.clone()).collect()
        };
        assert_eq!(states(&row[0].1), Vec::<Vec<u32>>::new());
        assert_eq!(states(&row[3].1), [[0, 3], [1, 2]]);
        assert!(row[3].1.state_groups[0].ns_per_op < row[3].1.state_groups[1].ns_per_op);

        // One state that is repeated has no groups.
        judge(&mut row, &Settings { state: Some(1), ..settings() });
        assert_eq!(states(&row[3].1), Vec::<Vec<u32>>::new());
    }

    #[test]
    fn noise_makes_no_states() {
        let mut random = Pcg64::seed_from_u64(1);
        let mut found = 0;
        for _ in 0..200 {
            let noise = |_| 10.0 + random.random_range(0.0..3.0);
            let rounds: Vec<f64> = (0..16).map(noise).collect();
            let mut row = [cell(Role::Reference, &[10.0; 16]), cell(Role::Contender, &rounds)];
            row[0].1.status = Status::Failed;
            judge(&mut row, &settings());
            found += usize::from(!row[1].1.state_groups.is_empty());
        }
        assert!(found <= 2, "{found} of 200");
    }

    #[test]
    fn a_cell_that_was_preempted_in_most_rounds_is_undecided_and_says_so() {
        let mut row = [
            cell(Role::Reference, &[10.0; 8]),
            cell(Role::SameAgain, &[10.0; 8]),
            cell(Role::Contender, &[5.0; 8]),
        ];
        row[2].1.rounds_ratio[1..].fill(None);
        judge(&mut row, &settings());
        judge(&mut row, &settings());
        assert_eq!(row[2].1.verdict, Some(Verdict::Undecided));
        assert_eq!(row[2].1.notes.len(), 1);
        assert!(row[2].1.notes[0].ends_with("7 of 8 rounds."), "{:?}", row[2].1.notes);
        row[2].1.rounds_ratio.fill(None);
        judge(&mut row, &settings());
        let cell = &row[2].1;
        assert_eq!((cell.ratio_to_system, cell.verdict), (None, Some(Verdict::Undecided)));
    }

    #[test]
    fn system_again_is_the_same_however_its_interval_is_rounded() {
        let mut random = Pcg64::seed_from_u64(2);
        for _ in 0..300 {
            let again: Vec<f64> = (0..8).map(|_| 10.0 * random.random_range(0.5..2.0)).collect();
            let mut row = [cell(Role::Reference, &[10.0; 8]), cell(Role::SameAgain, &again)];
            judge(&mut row, &settings());
            assert_eq!(row[1].1.verdict, Some(Verdict::Same), "{again:?}");
        }
    }

    #[test]
    fn without_a_reference_there_is_no_ratio_and_without_a_second_one_no_verdict() {
        let mut row = [cell(Role::Contender, &[1.0]), cell(Role::SameAgain, &[1.0])];
        row.iter_mut().for_each(|(_, cell)| cell.rounds_ratio = vec![None]);
        judge(&mut row, &settings());
        assert_eq!((row[0].1.ratio_to_system, row[0].1.verdict), (None, None));
        assert_eq!(row[0].1.ns_per_op.unwrap().median, 1.0);

        let mut row = [cell(Role::Reference, &[10.0]), cell(Role::Contender, &[20.0])];
        judge(&mut row, &settings());
        assert_eq!(row[1].1.ratio_to_system.unwrap().median, 2.0);
        assert_eq!(row[1].1.verdict, None);
    }

    #[test]
    fn a_failed_cell_keeps_its_rounds_and_has_no_ratio() {
        let mut row = [cell(Role::Reference, &[10.0]), cell(Role::Contender, &[5.0])];
        row[1].1.status = Status::Failed;
        judge(&mut row, &settings());
        assert_eq!(row[1].1.ratio_to_system, None);
        assert_eq!(row[1].1.rounds_ns_per_op, [5.0]);
    }
}
