//! Whether what was read can be: a record that parses may still hold figures that nobody can have measured.
//!
//! The bounds are generous. They keep out what would make the page, or a run that is resumed from the
//! records, go on without end or believe nonsense; they do not ask whether a figure is likely.

use crate::record::{Cell, Interval, Noise, Run, Settings, Status};

/// Counts are below this: up to here a float holds every one of them.
const COUNTS_BELOW: u64 = 1 << 53;
/// No time is longer than this: 11 days for an operation, in nanoseconds. No ratio is greater either.
const MOST: f64 = 1e15;
/// More rounds than anyone waits for.
const MOST_ROUNDS: u32 = 100_000;
/// criterion takes ten samples at the least.
const SAMPLES: std::ops::RangeInclusive<u32> = 10..=1_000_000;
/// Settings of time end here: 11 days, in seconds.
const MOST_SECONDS: f64 = 1e6;
/// How far the middle of an interval may lie outside of it, as a part: what rounding does.
const ROUNDING: f64 = 1e-6;

/// A value that cannot be: its field, and what is wrong with it.
#[derive(Debug, PartialEq)]
pub(crate) struct Wrong {
    /// The field, as in `settings.rounds`.
    pub(crate) field: String,
    /// As in `is 0, and has to be 1 to 100000`.
    pub(crate) what: String,
}

type Checked = Result<(), Wrong>;

/// Whether `run.json` can be.
pub(crate) fn run(run: &Run) -> Checked {
    settings(&run.settings)?;
    noise(&run.noise)?;
    count("environment.memory_bytes", run.environment.memory_bytes)?;
    for (name, seconds) in &run.spent_s {
        within(&format!("spent_s.{name}"), *seconds, 0.0, MOST)?;
    }
    Ok(())
}

fn settings(settings: &Settings) -> Checked {
    whole("settings.rounds", settings.rounds, 1..=MOST_ROUNDS)?;
    whole("settings.sample_size", settings.sample_size, SAMPLES)?;
    seconds("settings.measurement_time_s", settings.measurement_time_s)?;
    seconds("settings.warm_up_time_s", settings.warm_up_time_s)?;
    seconds("settings.cell_timeout_s", settings.cell_timeout_s)?;
    if let Some(turn) = settings.turn_ms {
        seconds("settings.turn_ms", turn)?;
    }
    if let Some(settle) = settings.settle_ms {
        within("settings.settle_ms", settle, 0.0, MOST_SECONDS)?;
    }
    whole("settings.states", settings.states, 0..=MOST_ROUNDS)?;
    within("settings.least_difference", settings.least_difference, 0.0, 1.0)
}

fn noise(noise: &Noise) -> Checked {
    time("noise.canary_best_ns", noise.canary_best_ns)?;
    time("noise.canary_ns", noise.canary_ns)?;
    count("noise.samples", noise.samples)?;
    count("noise.retaken_samples", noise.retaken_samples)?;
    count("noise.noisy_samples", noise.noisy_samples)?;
    count("noise.preempted_samples", noise.preempted_samples)
}

/// Whether a line of `cells.jsonl` can be one of a run with these settings.
pub(crate) fn cell(cell: &Cell, settings: &Settings) -> Checked {
    if let Some(ns) = &cell.ns_per_op {
        interval("ns_per_op", ns)?;
    }
    if let Some(ratio) = &cell.ratio_to_system {
        interval("ratio_to_system", ratio)?;
    }
    if let Some(floor) = cell.noise_floor {
        time("noise_floor", floor)?;
    }
    rounds("rounds_ns_per_op", cell.rounds_ns_per_op.len(), settings)?;
    rounds("rounds_ratio", cell.rounds_ratio.len(), settings)?;
    rounds("samples_ns_per_op", cell.samples_ns_per_op.len(), settings)?;
    for (round, ns) in cell.rounds_ns_per_op.iter().enumerate() {
        time_at(|| format!("rounds_ns_per_op[{round}]"), *ns)?;
    }
    for (round, ratio) in cell.rounds_ratio.iter().enumerate() {
        time_at(|| format!("rounds_ratio[{round}]"), ratio.unwrap_or(0.0))?;
    }
    for (round, samples) in cell.samples_ns_per_op.iter().enumerate() {
        for (sample, ns) in samples.iter().enumerate() {
            time_at(|| format!("samples_ns_per_op[{round}][{sample}]"), *ns)?;
        }
    }
    for (index, group) in cell.state_groups.iter().enumerate() {
        time_at(|| format!("state_groups[{index}].ns_per_op"), group.ns_per_op)?;
    }
    if let Some(ops) = cell.ops {
        count("ops", ops)?;
        if ops == 0 && cell.status == Status::Measured {
            return wrong("ops", "is 0, and a measured cell has operations");
        }
    }
    count("retaken_samples", cell.retaken_samples)?;
    count("noisy_samples", cell.noisy_samples)?;
    count("preempted_samples", cell.preempted_samples)
}

/// No more rounds than the run has.
fn rounds(field: &str, found: usize, settings: &Settings) -> Checked {
    if found <= settings.rounds as usize {
        return Ok(());
    }
    wrong(field, format!("has {found} rounds, and the run has {}", settings.rounds))
}

/// Both ends and the middle, in their order.
fn interval(field: &str, interval: &Interval) -> Checked {
    let Interval { median, lo, hi } = *interval;
    time_at(|| format!("{field}.median"), median)?;
    time_at(|| format!("{field}.lo"), lo)?;
    time_at(|| format!("{field}.hi"), hi)?;
    if lo > hi {
        return wrong(field, format!("has lo {lo:?} above hi {hi:?}"));
    }
    if median < lo * (1.0 - ROUNDING) || median > hi * (1.0 + ROUNDING) {
        return wrong(field, format!("has its median {median:?} outside of {lo:?} to {hi:?}"));
    }
    Ok(())
}

fn time(field: &str, value: f64) -> Checked {
    within(field, value, 0.0, MOST)
}

/// [`time`], for fields whose name is only put together when it is needed: there are many.
fn time_at(field: impl Fn() -> String, value: f64) -> Checked {
    if (0.0..=MOST).contains(&value) { Ok(()) } else { within(&field(), value, 0.0, MOST) }
}

/// A length of time in a setting, which is never zero.
fn seconds(field: &str, value: f64) -> Checked {
    if value > 0.0 && value <= MOST_SECONDS {
        return Ok(());
    }
    wrong(field, format!("is {value:?}, and has to be above 0 and at most {MOST_SECONDS:?}"))
}

fn within(field: &str, value: f64, least: f64, most: f64) -> Checked {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    wrong(field, format!("is {value:?}, and has to be {least} to {most:?}"))
}

fn whole(field: &str, value: u32, bounds: std::ops::RangeInclusive<u32>) -> Checked {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (least, most) = bounds.into_inner();
    wrong(field, format!("is {value}, and has to be {least} to {most}"))
}

fn count(field: &str, value: u64) -> Checked {
    if value < COUNTS_BELOW {
        return Ok(());
    }
    wrong(field, format!("is {value}, and no count goes beyond {}", COUNTS_BELOW - 1))
}

fn wrong(field: &str, what: impl Into<String>) -> Checked {
    Err(Wrong { field: field.to_owned(), what: what.into() })
}
