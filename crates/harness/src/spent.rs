//! Where the time of a run goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Every cell tried once.
    Tests,
    /// Processes started, and their workloads set up.
    Starting,
    /// Warming up.
    WarmUp,
    /// Turns, with the parts of them that are not measured.
    Sampling,
    /// Workloads torn down and verified, and processes ended.
    Ending,
    /// Judging, and writing the run folder and the page.
    Keeping,
    /// Criterion's report.
    Report,
}

impl Part {
    /// Its name in `run.json`.
    fn name(self) -> &'static str {
        match self {
            Self::Tests => "tests",
            Self::Starting => "starting",
            Self::WarmUp => "warm-up",
            Self::Sampling => "sampling",
            Self::Ending => "ending",
            Self::Keeping => "keeping",
            Self::Report => "report",
        }
    }
}

/// The time spent on each part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent(BTreeMap<Part, Duration>);

impl Spent {
    /// Counts the time from `since` to now, and returns the moment that it is now.
    pub(crate) fn add(&mut self, part: Part, since: Instant) -> Instant {
        let now = Instant::now();
        *self.0.entry(part).or_default() += now - since;
        now
    }

    /// Adds what was spent to the seconds of a record, and forgets it.
    pub(crate) fn pour(&mut self, into: &mut BTreeMap<String, f64>) {
        for (part, time) in std::mem::take(&mut self.0) {
            let seconds = into.entry(part.name().to_owned()).or_default();
            // To a millisecond: the record is for people.
            *seconds = ((*seconds + time.as_secs_f64()) * 1e3).round() / 1e3;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_added_to_what_an_earlier_part_of_the_run_spent() {
        let mut spent = Spent(BTreeMap::from([(Part::WarmUp, Duration::from_millis(1500))]));
        let mut record = BTreeMap::from([("warm-up".to_owned(), 2.0), ("tests".to_owned(), 1.0)]);
        spent.pour(&mut record);
        spent.pour(&mut record);
        assert_eq!(record, BTreeMap::from([("warm-up".into(), 3.5), ("tests".into(), 1.0)]));
    }
}
