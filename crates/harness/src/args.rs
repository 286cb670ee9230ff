//! The command line: criterion's own flags, and ours beside them.

use std::ffi::OsString;
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};
use criterion::Criterion;
use regex::Regex;
use report::record::Settings;

use crate::state::STATES;
use crate::terminal::takes_escapes;

/// How a cell is measured. Many short rounds rather than few long ones: two processes of one cell
/// differ by the luck of their addresses more than two samples of one process differ.
const FULL: Pace = Pace { rounds: 32, sample_size: 10, measurement_s: 0.02, warm_up_s: 0.005 };

/// The same with `--quick`.
const QUICK: Pace = Pace { rounds: 8, sample_size: 10, measurement_s: 0.015, warm_up_s: 0.005 };

/// One cell in this process, unless `--quick` is said: criterion's own defaults.
const IN_PROCESS: Pace = Pace { rounds: 1, sample_size: 100, measurement_s: 5.0, warm_up_s: 3.0 };

/// Seconds that a sample takes at the most, whatever time is set: a pass of the longest workload.
const LONGEST_SAMPLE_S: f64 = 0.005;

/// Bootstrap resamples of criterion's report.
const RESAMPLES: u32 = 5000;

/// Differences below this part of System's time are called the same.
const LEAST_DIFFERENCE: f64 = 0.03;

/// The longest name of a baseline, in bytes: it becomes a folder's name.
const LONGEST_NAME: usize = 200;

/// Folders that criterion itself has beside the baselines of a cell.
const CRITERIONS_OWN: [&str; 4] = ["new", "change", "report", "profile"];

/// How long and how often is measured.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    rounds: u32,
    pub(crate) sample_size: u32,
    pub(crate) measurement_s: f64,
    pub(crate) warm_up_s: f64,
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
                  is taken within a round.\n\nOne run at a time measures on a machine: a second one waits. The \
                  environment variable HEAPMARK_LOCK names another file than the machine's to wait for.\n\n\
                  Exit code: 0 all went well; 1 a cell failed; 2 nothing could be run as asked; 130 \
                  interrupted."
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

    #[arg(long, value_name = "N", help = paced_help("Rounds over the matrix, 1 to 1000", |it| it.rounds.into()), value_parser = rounds, help_heading = "Heapmark")]
    rounds: Option<u32>,
    /// The folder of this run [default: results/<UTC time>-<host>]
    #[arg(long, value_name = "DIR", help_heading = "Heapmark")]
    pub(crate) out: Option<PathBuf>,
    /// Finish the interrupted run in --out, or the latest one, with the settings that it began with
    #[arg(long, conflicts_with_all = ["list", "test"], help_heading = "Heapmark")]
    pub(crate) resume: bool,
    /// With --resume: measure the cells anew that failed
    #[arg(long, requires = "resume", help_heading = "Heapmark")]
    pub(crate) retry_failed: bool,
    /// Count a cell as hung after this many seconds in a round [default: 30, and three times what
    /// it is measured for at the least]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Heapmark")]
    pub(crate) cell_timeout: Option<f64>,
    /// Measure although another run is measuring on this machine, instead of waiting for its end
    #[arg(long, help_heading = "Heapmark")]
    pub(crate) no_wait: bool,
    /// Memory in MiB that the contenders of a row may take together; a row that takes more is measured
    /// one after the other [default: what is available]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 24), help_heading = "Heapmark")]
    pub(crate) memory: Option<u64>,
    /// Measure how often the verdicts are wrong: System under other names, and System made slower by
    /// known parts
    #[arg(long, conflicts_with_all = ["resume", "list", "test", "save_baseline", "baseline", "baseline_lenient", "load_baseline"], help_heading = "Heapmark")]
    pub(crate) self_check: bool,

    /// The measured part of a turn in milliseconds, 0.2 to 1000 [default: 2, and longer where the
    /// other part is]
    #[arg(long, value_name = "MS", value_parser = turn_ms, allow_negative_numbers = true, help_heading = "Turns")]
    turn_ms: Option<f64>,
    /// The part of a turn before that, which brings the caches back, 0 to 1000 [default: by what the
    /// row keeps alive]
    #[arg(long, value_name = "MS", value_parser = settle_ms, allow_negative_numbers = true, help_heading = "Turns")]
    settle_ms: Option<f64>,
    /// Take no turns: one contender's process follows the other
    #[arg(long, conflicts_with_all = ["turn_ms", "settle_ms"], help_heading = "Turns")]
    one_after_the_other: bool,
    /// Begin every round in the start state of round N, counted from 0, and with its stream of operations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..1000), help_heading = "Turns")]
    pub(crate) state: Option<u32>,

    /// Measure the one cell that FILTER names in this process, so that a profiler, a debugger or
    /// valgrind sees it: criterion's report, no turns, no results
    #[arg(long, requires = "filter", conflicts_with_all = NOT_IN_PROCESS, help_heading = "Looking into one cell")]
    in_process: bool,
    /// With --in-process: do this many passes, and measure nothing. Under callgrind the difference between two
    /// counts is what the passes take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "in_process", help_heading = "Looking into one cell")]
    pub(crate) passes: Option<u64>,
    /// Run the one cell that FILTER names in this process for about this many seconds, and measure nothing
    #[arg(long, value_name = "SECONDS", value_parser = profile_time, requires = "filter", conflicts_with_all = NOT_IN_PROCESS, help_heading = "Looking into one cell")]
    pub(crate) profile_time: Option<f64>,

    #[arg(long, value_name = "N", help = paced_help("Samples of a cell in a round, at least 10", |it| it.sample_size.into()), value_parser = clap::value_parser!(u32).range(10..=100_000), help_heading = "Measuring (criterion)")]
    sample_size: Option<u32>,
    #[arg(long, value_name = "SECONDS", help = paced_help("Seconds of sampling of a cell in a round", |it| it.measurement_s), value_parser = seconds, help_heading = "Measuring (criterion)")]
    measurement_time: Option<f64>,
    #[arg(long, value_name = "SECONDS", help = paced_help("Seconds of warm-up of a cell in a round", |it| it.warm_up_s), value_parser = seconds, help_heading = "Measuring (criterion)")]
    warm_up_time: Option<f64>,

    #[command(flatten)]
    pub(crate) report: ReportArgs,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    pub(crate) bench: bool,

    /// Only what is marked as ignored, and nothing is
    #[arg(long, hide = true)]
    pub(crate) ignored: bool,

    #[command(flatten)]
    idle: IdleArgs,

    #[command(flatten)]
    refused: RefusedArgs,
}

/// What has no sense where one cell is measured in this process.
const NOT_IN_PROCESS: [&str; 12] = [
    "resume",
    "list",
    "test",
    "out",
    "self_check",
    "save_baseline",
    "baseline",
    "baseline_lenient",
    "load_baseline",
    "verbose",
    "quiet",
    "output_format",
];

/// Flags that are taken for the sake of those who pass them to every test program, and change nothing.
#[derive(Clone, Debug, clap::Args)]
struct IdleArgs {
    /// Output is never captured
    #[arg(long, hide = true)]
    nocapture: bool,
    /// Output is always shown
    #[arg(long, hide = true)]
    show_output: bool,
    /// Nothing is ignored
    #[arg(long, hide = true)]
    include_ignored: bool,
    /// Cells never run side by side but in turns
    #[arg(long, hide = true, value_name = "N")]
    test_threads: Option<u32>,
}

/// Flags of criterion and of test programs that cannot be had here, each with a line of its own.
#[derive(Clone, Debug, clap::Args)]
struct RefusedArgs {
    #[arg(long, hide = true, value_name = "PATTERN")]
    skip: Vec<String>,
    #[arg(long, short = 'V', hide = true)]
    version: bool,
}

impl RefusedArgs {
    /// Why a flag is refused, and what to do instead.
    fn refusal(&self) -> Option<&'static str> {
        if !self.skip.is_empty() {
            return Some(
                "--skip is not known here; FILTER is a regular expression and names the cells to run, as in `pair/(pool|bump)/`",
            );
        }
        self.version.then_some("the benchmark has no version of its own; a run's `run.json` names the commit and what every strategy is built on")
    }
}

/// What is passed on to criterion when it writes its report from the samples of all rounds.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Report (criterion)")]
pub(crate) struct ReportArgs {
    /// Save the results under a named baseline
    #[arg(short, long, value_name = "NAME", value_parser = baseline_name)]
    save_baseline: Option<String>,
    /// Compare to a named baseline, which every cell must have
    #[arg(short, long, value_name = "NAME", value_parser = baseline_name, conflicts_with = "save_baseline")]
    pub(crate) baseline: Option<String>,
    /// Compare to a named baseline where a cell has it
    #[arg(long, value_name = "NAME", value_parser = baseline_name, conflicts_with_all = ["save_baseline", "baseline"])]
    baseline_lenient: Option<String>,
    /// Measure nothing: compare this baseline, where a cell has it, to the one of --baseline
    #[arg(long, value_name = "NAME", value_parser = baseline_name, conflicts_with_all = ["save_baseline", "resume", "list", "test", "out"])]
    pub(crate) load_baseline: Option<String>,
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
    #[arg(short, long, alias = "colour", value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Print additional statistics
    #[arg(short, long)]
    verbose: bool,
    /// Print criterion's results only
    #[arg(long, conflicts_with = "verbose")]
    quiet: bool,
    /// Print as criterion does, with more, or as the bencher crate does, for programs that read that
    #[arg(long, value_enum)]
    pub(crate) output_format: Option<OutputFormat>,
    /// What draws criterion's plots [default: gnuplot if it is installed, else plotters]
    #[arg(long, value_enum)]
    plotting_backend: Option<PlottingBackend>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Pretty,
    Terse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Criterion,
    Verbose,
    Bencher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlottingBackend {
    Gnuplot,
    Plotters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// A help text with the defaults of both paces.
fn paced_help(text: &str, value: fn(&Pace) -> f64) -> String {
    format!("{text} [default: {}, with --quick {}]", value(&FULL), value(&QUICK))
}

fn rounds(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("at least one round is needed".into()),
        Ok(rounds) if rounds <= 1000 => Ok(rounds),
        _ => Err("a whole number from 1 to 1000 is needed".into()),
    }
}

/// A name that a folder can have beside those that criterion has there.
fn baseline_name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("a baseline needs a name".into()),
        "." | ".." => Err("a baseline's name is the name of a folder".into()),
        _ if text.starts_with('-') => Err("a baseline's name begins with no `-`".into()),
        _ if text.contains('/') => Err("a baseline's name has no `/`".into()),
        _ if text.len() > LONGEST_NAME => {
            Err(format!("a baseline's name has {LONGEST_NAME} bytes at the most"))
        }
        _ if text.chars().any(char::is_control) => {
            Err("a baseline's name has no control characters".into())
        }
        _ if CRITERIONS_OWN.contains(&text) => {
            Err("criterion has a folder of this name of its own; take another".into())
        }
        _ => Ok(text.into()),
    }
}

fn turn_ms(text: &str) -> Result<f64, String> {
    within(text, 0.2, 1000.0, "milliseconds")
}

fn settle_ms(text: &str) -> Result<f64, String> {
    within(text, 0.0, 1000.0, "milliseconds")
}

fn profile_time(text: &str) -> Result<f64, String> {
    within(text, 1.0, 86_400.0, "seconds")
}

fn within(text: &str, least: f64, most: f64, unit: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{unit} from {least} to {most} are needed")),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fraction) if fraction > 0.0 && fraction < 1.0 => Ok(fraction),
        _ => Err("a number between 0 and 1 is needed".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.001, 86_400.0, "seconds")
}

/// What came of reading the command line.
pub(crate) enum Parsed {
    /// Arguments to act on.
    Args(Box<Args>),
    /// A text that was asked for.
    Help(StyledStr),
    /// A line that says what is wrong and what to do.
    Error(String),
}

impl Args {
    /// Reads a command line.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
        match Self::try_parse_from(arguments) {
            Ok(args) => match args.check() {
                Ok(()) => Parsed::Args(Box::new(args)),
                Err(line) => Parsed::Error(line),
            },
            Err(error) if error.kind() == ErrorKind::DisplayHelp => Parsed::Help(error.render()),
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

    /// Whether one cell is looked into in this process, without a run.
    pub(crate) fn is_in_process(&self) -> bool {
        self.in_process || self.profile_time.is_some()
    }

    /// The pace of a cell that is measured in this process.
    pub(crate) fn in_process_pace(&self) -> Pace {
        self.paced(if self.quick { QUICK } else { IN_PROCESS })
    }

    /// What is said of the pace, and `pace` for the rest.
    fn paced(&self, pace: Pace) -> Pace {
        Pace {
            rounds: self.rounds.unwrap_or(pace.rounds),
            sample_size: self.sample_size.unwrap_or(pace.sample_size),
            measurement_s: self.measurement_time.unwrap_or(pace.measurement_s),
            warm_up_s: self.warm_up_time.unwrap_or(pace.warm_up_s),
        }
    }

    /// The settings of a new run.
    pub(crate) fn settings(&self) -> Settings {
        let pace = self.paced(if self.quick { QUICK } else { FULL });
        let samples_s = f64::from(pace.sample_size) * LONGEST_SAMPLE_S;
        let timeout_s = f64::max(30.0, 3.0 * (pace.measurement_s + pace.warm_up_s + samples_s));
        Settings {
            filter: self.filter.clone(),
            exact: self.exact,
            rounds: pace.rounds,
            quick: self.quick,
            sample_size: pace.sample_size,
            measurement_time_s: pace.measurement_s,
            warm_up_time_s: pace.warm_up_s,
            turns: !self.one_after_the_other,
            turn_ms: self.turn_ms,
            settle_ms: self.settle_ms,
            states: STATES,
            state: self.state,
            least_difference: LEAST_DIFFERENCE,
            cell_timeout_s: self.cell_timeout.unwrap_or(timeout_s),
        }
    }

    /// Whether anything is said about how to measure.
    pub(crate) fn has_settings(&self) -> bool {
        let counts = [self.rounds, self.sample_size, self.state];
        let times = [self.measurement_time, self.warm_up_time, self.turn_ms, self.settle_ms];
        let said = counts.iter().any(Option::is_some) || times.iter().any(Option::is_some);
        said || self.filter.is_some() || self.quick || self.one_after_the_other
    }

    /// What no single flag tells.
    fn check(&self) -> Result<(), String> {
        if let Some(refusal) = self.refused.refusal() {
            return Err(refusal.into());
        }
        let report = &self.report;
        if report.load_baseline.is_some()
            && report.baseline.is_none()
            && report.baseline_lenient.is_none()
        {
            return Err("--load-baseline NAME needs the baseline to compare it to: --baseline NAME, or --baseline-lenient NAME".into());
        }
        Matcher::new(&self.settings()).map(drop)
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

    /// Criterion's flags for the same cells.
    pub(crate) fn flags(&self) -> Vec<String> {
        match self {
            Self::All => Vec::new(),
            Self::Exact(id) => vec!["--exact".into(), "--".into(), id.clone()],
            Self::Regex(regex) => vec!["--".into(), regex.as_str().into()],
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

    /// The folder of each cell in which criterion saves its samples, if it is to.
    pub(crate) fn saved_as(&self) -> Option<&str> {
        if self.discard_baseline || self.load_baseline.is_some() {
            None
        } else if self.baseline.is_some() || self.baseline_lenient.is_some() {
            // For the next comparison with this one.
            Some("new")
        } else {
            Some(self.save_baseline.as_deref().unwrap_or("base"))
        }
    }

    /// Whether criterion writes nothing at all.
    pub(crate) fn writes_nothing(&self) -> bool {
        self.saved_as().is_none() && self.noplot
    }

    /// A line about what this machine lacks for the report, if it lacks something.
    pub(crate) fn lack(&self) -> Option<&'static str> {
        if self.plotting_backend != Some(PlottingBackend::Gnuplot) || self.noplot {
            return None;
        }
        let mut gnuplot = Command::new("gnuplot");
        gnuplot.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let is_there = gnuplot.status().is_ok_and(|status| status.success());
        (!is_there).then_some(
            "gnuplot is not installed; leave out --plotting-backend, and plotters draws the plots",
        )
    }

    /// Whether criterion prints in colours. What is said goes before what the environment asks for.
    fn has_color(&self) -> bool {
        match self.color {
            Color::Auto => takes_escapes(stdout().is_terminal()),
            Color::Always => true,
            Color::Never => false,
        }
    }

    /// Criterion in this process, set up as these flags say.
    pub(crate) fn configure(&self, criterion: Criterion) -> Criterion {
        criterion
            .with_output_color(self.has_color())
            .nresamples(self.nresamples.unwrap_or(RESAMPLES) as usize)
            .noise_threshold(self.noise_threshold.unwrap_or(0.01))
            .confidence_level(self.confidence_level.unwrap_or(0.95))
            .significance_level(self.significance_level.unwrap_or(0.05))
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
        value("--load-baseline", self.load_baseline.clone());
        value("--baseline", self.baseline.clone());
        value("--baseline-lenient", self.baseline_lenient.clone());
        value("--nresamples", Some(self.nresamples.unwrap_or(RESAMPLES).to_string()));
        value("--noise-threshold", self.noise_threshold.map(|number| number.to_string()));
        value("--confidence-level", self.confidence_level.map(|number| number.to_string()));
        value("--significance-level", self.significance_level.map(|number| number.to_string()));
        value("--color", Some(if self.has_color() { "always" } else { "never" }.into()));
        let output = self.output_format.filter(|&it| it == OutputFormat::Bencher);
        value("--output-format", output.map(|_| "bencher".into()));
        value(
            "--plotting-backend",
            self.plotting_backend
                .and_then(|it| it.to_possible_value().map(|it| it.get_name().to_owned())),
        );
        let verbose = self.verbose || self.output_format == Some(OutputFormat::Verbose);
        for (is_set, flag) in [
            (self.discard_baseline, "--discard-baseline"),
            (self.noplot, "--noplot"),
            (verbose, "--verbose"),
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
