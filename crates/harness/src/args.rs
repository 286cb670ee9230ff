//! The command line: criterion's own flags, and ours beside them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};
use regex::Regex;
use report::record::Settings;

/// How a cell is measured. Many short rounds rather than few long ones: two processes of one cell
/// differ by the luck of their addresses more than two samples of one process differ.
const FULL: Pace = Pace { rounds: 24, sample_size: 14, measurement_s: 0.028, warm_up_s: 0.008 };

/// The same with `--quick`.
const QUICK: Pace = Pace { rounds: 8, sample_size: 10, measurement_s: 0.015, warm_up_s: 0.006 };

struct Pace {
    rounds: u32,
    sample_size: u32,
    measurement_s: f64,
    warm_up_s: f64,
}

/// Compares ways of allocating memory: every strategy on every workload, each cell in a process
/// of its own, and a page of plots at the end.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cargo bench --",
    bin_name = "cargo bench --",
    disable_version_flag = true,
    after_help = "A cell is called workload/strategy/parameter. Cells that FILTER leaves out are not \
                  measured, except system and system-again beside each that it names, since a ratio \
                  is taken within a round.\n\nExit code: 0 all went well; 1 a cell failed; 2 nothing \
                  could be run as asked; 130 interrupted."
)]
pub(crate) struct Args {
    /// Run only cells whose id matches this regular expression
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// Take FILTER as the whole id of one cell
    #[arg(long, requires = "filter")]
    exact: bool,
    /// List the cells and do nothing else
    #[arg(long)]
    pub(crate) list: bool,
    /// How --list prints: one cell a line, with or without a count
    #[arg(long, value_enum, default_value_t = ListFormat::Pretty)]
    pub(crate) format: ListFormat,
    /// Run every cell once, under a wrapper that checks each call, and measure nothing
    #[arg(long)]
    pub(crate) test: bool,
    /// A quick look: fewer rounds and shorter samples of the same matrix
    #[arg(long)]
    quick: bool,

    /// Rounds over the matrix [default: 20, with --quick 5]
    #[arg(long, value_name = "N", value_parser = rounds, help_heading = "Heapmark")]
    rounds: Option<u32>,
    /// The folder of this run [default: results/<UTC time>-<host>]
    #[arg(long, value_name = "DIR", help_heading = "Heapmark")]
    pub(crate) out: Option<PathBuf>,
    /// Finish the interrupted run in --out, or the latest one, with the settings that it began with
    #[arg(long, conflicts_with_all = ["list", "test"], help_heading = "Heapmark")]
    pub(crate) resume: bool,
    /// Count a cell as hung after this many seconds in a round [default: 30, and three times what
    /// it is measured for at the least]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Heapmark")]
    pub(crate) cell_timeout: Option<f64>,

    /// Samples of a cell in a round, at least 10 [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000), help_heading = "Measuring (criterion)")]
    sample_size: Option<u32>,
    /// Seconds of sampling of a cell in a round [default: 0.05, with --quick 0.04]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Measuring (criterion)")]
    measurement_time: Option<f64>,
    /// Seconds of warm-up of a cell in a round [default: 0.015, with --quick 0.02]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Measuring (criterion)")]
    warm_up_time: Option<f64>,

    #[command(flatten)]
    pub(crate) report: ReportArgs,

    #[arg(long, hide = true)]
    pub(crate) retry_failed: bool,
    #[arg(long, hide = true)]
    pub(crate) self_check: bool,
    #[arg(long, hide = true)]
    pub(crate) memory: Option<u64>,
    #[arg(long, hide = true)]
    one_after_the_other: bool,
    #[arg(long, hide = true)]
    turn_ms: Option<f64>,
    #[arg(long, hide = true)]
    settle_ms: Option<f64>,
    #[arg(long, hide = true)]
    state: Option<u32>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    pub(crate) bench: bool,

    /// Taken for the sake of those who pass it to every test program; output is never captured
    #[arg(long, hide = true)]
    nocapture: bool,
}

/// What is passed on to criterion when it writes its report from the samples of all rounds.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Report (criterion)")]
pub(crate) struct ReportArgs {
    /// Save the results under a named baseline
    #[arg(short, long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Compare to a named baseline, which every cell must have
    #[arg(short, long, value_name = "NAME", conflicts_with = "save_baseline")]
    pub(crate) baseline: Option<String>,
    /// Compare to a named baseline where a cell has it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["save_baseline", "baseline"])]
    baseline_lenient: Option<String>,
    /// Do not save the results for the next comparison
    #[arg(long, conflicts_with_all = ["save_baseline", "baseline", "baseline_lenient"])]
    discard_baseline: bool,
    /// Write none of criterion's plots and pages (Heapmark's own page is always written)
    #[arg(short, long)]
    noplot: bool,
    /// Bootstrap resamples [default: 5000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    nresamples: Option<u32>,
    /// Changes below this fraction are called noise [default: 0.01]
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    noise_threshold: Option<f64>,
    /// Confidence level [default: 0.95]
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    confidence_level: Option<f64>,
    /// Significance level [default: 0.05]
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    significance_level: Option<f64>,
    /// Colour criterion's output
    #[arg(short, long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Print additional statistics
    #[arg(short, long)]
    verbose: bool,
    /// Print criterion's results only
    #[arg(long, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Pretty,
    Terse,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

fn rounds(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("at least one round is needed".into()),
        Ok(rounds) if rounds <= 1000 => Ok(rounds),
        _ => Err("a whole number from 1 to 1000 is needed".into()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fraction) if fraction > 0.0 && fraction < 1.0 => Ok(fraction),
        _ => Err("a number between 0 and 1 is needed".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0.001 to 86400 are needed".into()),
    }
}

/// What came of reading the command line.
pub(crate) enum Parsed {
    /// Arguments to act on.
    Args(Box<Args>),
    /// A text that was asked for.
    Help(clap::Error),
    /// A line that says what is wrong and what to do.
    Error(String),
}

impl Args {
    /// Reads a command line.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
        match Self::try_parse_from(arguments) {
            Ok(args) => match args.matcher() {
                Ok(_) => Parsed::Args(Box::new(args)),
                Err(line) => Parsed::Error(line),
            },
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                // To a terminal in colours, elsewhere without.
                Parsed::Help(error)
            }
            Err(error) => {
                let text = error.render().to_string();
                let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
                let line = lines.collect::<Vec<_>>().join(" ");
                let line = line.trim_start_matches("error: ");
                Parsed::Error(format!("{line} (`cargo bench -- --help` explains all flags)"))
            }
        }
    }

    /// Whether this is a run that measures nothing: `--test`, or `cargo test --benches`, which
    /// does not pass `--bench`.
    pub(crate) fn is_test(&self) -> bool {
        self.test || !self.bench
    }

    /// The settings of a new run.
    pub(crate) fn settings(&self) -> Settings {
        let pace = if self.quick { QUICK } else { FULL };
        let measurement_time_s = self.measurement_time.unwrap_or(pace.measurement_s);
        let warm_up_time_s = self.warm_up_time.unwrap_or(pace.warm_up_s);
        let timeout_s = f64::max(30.0, 3.0 * (measurement_time_s + warm_up_time_s));
        Settings {
            filter: self.filter.clone(),
            exact: self.exact,
            rounds: self.rounds.unwrap_or(pace.rounds),
            quick: self.quick,
            sample_size: self.sample_size.unwrap_or(pace.sample_size),
            measurement_time_s,
            warm_up_time_s,
            turns: !self.one_after_the_other,
            turn_ms: self.turn_ms,
            settle_ms: self.settle_ms,
            states: crate::state::STATES,
            state: self.state,
            least_difference: 0.03,
            cell_timeout_s: self.cell_timeout.unwrap_or(timeout_s),
        }
    }

    /// Whether anything is said about how to measure.
    pub(crate) fn has_settings(&self) -> bool {
        let said = [self.rounds, self.sample_size].iter().any(Option::is_some)
            || [self.measurement_time, self.warm_up_time].iter().any(Option::is_some);
        said || self.filter.is_some() || self.quick
    }

    fn matcher(&self) -> Result<Matcher, String> {
        Matcher::new(&self.settings())
    }
}

/// Tells which cells a run is about.
#[derive(Debug)]
pub(crate) enum Matcher {
    All,
    Exact(String),
    Regex(Regex),
}

impl Matcher {
    /// The matcher of a run's settings, or a line that says why its filter is none.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        match &settings.filter {
            None => Ok(Self::All),
            Some(id) if settings.exact => Ok(Self::Exact(id.clone())),
            Some(pattern) => Regex::new(pattern).map(Self::Regex).map_err(|error| {
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                format!("the filter `{pattern}` is not a regular expression: {why}; with --exact it is taken as it stands")
            }),
        }
    }

    /// Whether the cell with this id is meant.
    pub(crate) fn matches(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exact(exact) => id == exact,
            Self::Regex(regex) => regex.is_match(id),
        }
    }
}

/// Criterion's flags for a cell: how it is measured, and no report.
pub(crate) fn cell_flags(settings: &Settings, test: bool) -> Vec<String> {
    let mut flags = vec!["--bench".to_owned(), "--noplot".into(), "--discard-baseline".into()];
    if test {
        flags.push("--test".into());
        return flags;
    }
    // The least that criterion takes without a warning: a cell's own statistics go unused.
    flags.extend(["--nresamples".into(), "1001".into()]);
    flags.extend(["--sample-size".into(), settings.sample_size.to_string()]);
    flags.extend(["--measurement-time".into(), settings.measurement_time_s.to_string()]);
    flags.extend(["--warm-up-time".into(), settings.warm_up_time_s.to_string()]);
    flags
}

impl ReportArgs {
    /// What was typed of these flags, to be typed again with `--resume`.
    pub(crate) fn typed(&self) -> String {
        let values = [
            ("--save-baseline", &self.save_baseline),
            ("--baseline", &self.baseline),
            ("--baseline-lenient", &self.baseline_lenient),
        ];
        let values = values.into_iter().filter_map(|(flag, value)| {
            value.as_ref().map(|value| format!(" {flag} {}", shell_words::quote(value)))
        });
        values.chain(self.noplot.then(|| " --noplot".to_owned())).collect()
    }

    /// Criterion's flags for its report.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--bench".to_owned()];
        let mut value = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.extend([flag.to_owned(), value]);
            }
        };
        value("--save-baseline", self.save_baseline.clone());
        value("--baseline", self.baseline.clone());
        value("--baseline-lenient", self.baseline_lenient.clone());
        value("--nresamples", Some(self.nresamples.unwrap_or(5000).to_string()));
        value("--noise-threshold", self.noise_threshold.map(|number| number.to_string()));
        value("--confidence-level", self.confidence_level.map(|number| number.to_string()));
        value("--significance-level", self.significance_level.map(|number| number.to_string()));
        let color = self.color.to_possible_value().expect("no colour is hidden");
        value("--color", Some(color.get_name().to_owned()));
        for (is_set, flag) in [
            (self.discard_baseline, "--discard-baseline"),
            (self.noplot, "--noplot"),
            (self.verbose, "--verbose"),
            (self.quiet, "--quiet"),
        ] {
            if is_set {
                flags.push(flag.into());
            }
        }
        flags
    }
}

/// The time after which a cell counts as hung.
pub(crate) fn timeout(settings: &Settings) -> Duration {
    Duration::from_secs_f64(settings.cell_timeout_s)
}
