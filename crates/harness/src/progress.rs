//! How far a run is and how long it takes: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use report::record::Noise;

use crate::table;
use crate::terminal::{complain, takes_escapes};

/// Of fewer samples nothing is said: one that is noisy would be much.
const FEW_SAMPLES: u64 = 100;

/// The time between two lines about noise.
const NOISE_PAUSE: Duration = Duration::from_secs(60);

/// What tells the user.
#[derive(Debug)]
pub(crate) enum Progress {
    /// A bar on a terminal.
    Bar(ProgressBar),
    /// A line at the beginning of each row of each round.
    Lines {
        /// When the run began, or was resumed.
        start: Instant,
        /// Measurements to be made.
        total: u64,
        /// Measurements made.
        done: u64,
        /// What the last line was about.
        heading: String,
    },
}

impl Progress {
    /// For `total` measurements.
    pub(crate) fn new(total: u64) -> Self {
        if takes_escapes(stderr().is_terminal()) {
            let style = "{wide_bar} {pos}/{len} measurements, {eta} left  {msg:32!}";
            let style = ProgressStyle::with_template(style).expect("a fixed template");
            return Self::Bar(ProgressBar::new(total).with_style(style));
        }
        Self::Lines { start: Instant::now(), total, done: 0, heading: String::new() }
    }

    /// Says what is measured now: the `cell`, which belongs under `heading`.
    pub(crate) fn begin(&mut self, new_heading: &str, cell: &str) {
        match self {
            Self::Bar(bar) => bar.set_message(cell.to_owned()),
            Self::Lines { start, total, done, heading } if heading != new_heading => {
                heading.clear();
                heading.push_str(new_heading);
                let left = left(start.elapsed(), *done, *total);
                complain(&format!("{done}/{total} measurements{left}: {heading}"));
            }
            Self::Lines { .. } => {}
        }
    }

    /// Counts one measurement.
    pub(crate) fn end(&mut self) {
        match self {
            Self::Bar(bar) => bar.inc(1),
            Self::Lines { done, .. } => *done += 1,
        }
    }

    /// Says something that stays.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| complain(line)),
            Self::Lines { .. } => complain(line),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Tells during a run that the machine is noisy, now and then.
#[derive(Debug, Default)]
pub(crate) struct NoiseWatch {
    said: Option<Instant>,
}

impl NoiseWatch {
    /// Says how noisy a run has been, if that is much and was not said just now.
    pub(crate) fn look(&mut self, noise: &Noise, progress: &Progress) {
        if let Some(line) = self.line(noise, Instant::now()) {
            progress.say(&line);
        }
    }

    fn line(&mut self, noise: &Noise, now: Instant) -> Option<String> {
        let is_too_soon = self.said.is_some_and(|said| now.duration_since(said) < NOISE_PAUSE);
        if is_too_soon || noise.samples < FEW_SAMPLES || !table::is_noisy(noise) {
            return None;
        }
        self.said = Some(now);
        table::noise_line(noise)
    }
}

/// ", 3 min 20 s left", once there is something to tell it from.
fn left(elapsed: Duration, done: u64, total: u64) -> String {
    if done == 0 {
        return String::new();
    }
    let left = elapsed.mul_f64(total.saturating_sub(done) as f64 / done as f64);
    format!(", {} left", minutes(left))
}

/// "3 min 20 s".
pub(crate) fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 60 {
        0 => format!("{seconds} s"),
        minutes => format!("{minutes} min {} s", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_said_once_a_minute_and_only_if_it_is_much() {
        let noise = |samples, noisy_samples| Noise { samples, noisy_samples, ..Noise::default() };
        let start = Instant::now();
        let mut watch = NoiseWatch::default();
        assert_eq!(watch.line(&noise(99, 99), start), None);
        assert_eq!(watch.line(&noise(1000, 40), start), None);
        assert!(watch.line(&noise(1000, 120), start).unwrap().contains("12 %"));
        assert_eq!(watch.line(&noise(2000, 2000), start + Duration::from_secs(59)), None);
        let later = watch.line(&noise(2000, 400), start + Duration::from_secs(60));
        assert!(later.unwrap().contains("20 %"));
    }
}
