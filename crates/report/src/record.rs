//! The records of a run folder: `run.json` ([`Run`]) and the lines of `cells.jsonl` ([`Cell`]).
//!
//! They are written by the harness and read by the page, and by nobody else's types: a field
//! that is renamed here is a new format. `results/README.md` explains every field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of this format, as [`Run::format`] has it.
pub const FORMAT: u32 = 1;

/// A median with its interval (95 %, bootstrap over rounds).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The median.
    pub median: f64,
    /// The lower end.
    pub lo: f64,
    /// The upper end.
    pub hi: f64,
}

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was measured in at least one round and failed in none.
    Measured,
    /// The strategy's profile excludes what the workload demands.
    Unsupported,
    /// It crashed, hung, ran out of memory or gave a wrong answer.
    Failed,
}

/// How a strategy compares with System, seen against the workload's noise floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval of the ratio lies below the noise floor.
    Faster,
    /// The whole interval of the ratio lies above the noise floor.
    Slower,
    /// The interval lies inside the noise floor, or inside the least difference that counts
    /// ([`Settings::least_difference`]). (In runs without that setting: it touches the floor.)
    Same,
    /// None of these: the run does not tell.
    Undecided,
}

/// Rounds of a cell that form a group of their own by the start state of their processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateGroup {
    /// The start states, as [`Settings::states`] counts them.
    pub states: Vec<u32>,
    /// Nanoseconds per operation: the median over the group's rounds.
    pub ns_per_op: f64,
}

/// One line of `cells.jsonl`: one workload, strategy and parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// `workload/strategy/parameter`, the same as criterion's id.
    pub id: String,
    /// The workload's name.
    pub workload: String,
    /// The strategy's name.
    pub strategy: String,
    /// `64` is bytes, `4096@64` bytes at an alignment, `16-1024` a range of bytes.
    pub parameter: String,
    /// What became of the cell.
    pub status: Status,
    /// Why it is not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last lines that a failed cell printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_output: Option<String>,
    /// Nanoseconds per operation over the rounds.
    pub ns_per_op: Option<Interval>,
    /// Nanoseconds per operation, one number a round: the median of the round's samples.
    pub rounds_ns_per_op: Vec<f64>,
    /// The strategy's nanoseconds over System's: below 1 is faster. The median of
    /// [`rounds_ratio`](Self::rounds_ratio); in runs without that field, of the quotients of both cells' rounds.
    pub ratio_to_system: Option<Interval>,
    /// The ratio to System, one number a round: the median over the cycles of the round, in each of
    /// which both had a turn. Absent in a round of which no cycle is a sample for both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds_ratio: Vec<Option<f64>>,
    /// The groups that the rounds fall into by start state, if they do: two or more, fastest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state_groups: Vec<StateGroup>,
    /// What a reader of the figures has to know about how they were taken, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How far a ratio of this row has to be from 1 to count as a difference, as a factor less 1: 0.02 is
    /// a ratio above 1.02 or below 1 / 1.02. It is what System under a second name differs by, and 0.01 at the
    /// least. (In runs without [`Settings::least_difference`] it is linear: below 0.98.)
    pub noise_floor: Option<f64>,
    /// The judgement of the ratio.
    pub verdict: Option<Verdict>,
    /// Operations in one pass of the workload: the seed's known answer, verified in every sample.
    pub ops: Option<u64>,
    /// Checksum of the contents read back in one pass, in hexadecimal: known and verified likewise.
    pub checksum: Option<String>,
    /// Pieces of samples that were measured again because the canary saw a busy core.
    pub retaken_samples: u64,
    /// Samples that were kept although the canary saw a busy core.
    pub noisy_samples: u64,
    /// Pieces that were no sample, since a thread of theirs was preempted.
    #[serde(default)]
    pub preempted_samples: u64,
    /// Nanoseconds per operation of every sample, one list a round.
    pub samples_ns_per_op: Vec<Vec<f64>>,
}

/// `run.json`: what was run, where, and how quiet the machine was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The version of the format: [`FORMAT`].
    pub format: u32,
    /// When the run began: UTC, RFC 3339.
    pub started_utc: String,
    /// When it was complete, or absent.
    pub finished_utc: Option<String>,
    /// How far the run came.
    pub state: State,
    /// The command, as it was typed.
    pub command: String,
    /// How it was measured.
    pub settings: Settings,
    /// Where it was measured.
    pub environment: Environment,
    /// What each strategy crate is built on: crate name to `name version` of its dependencies.
    pub versions: BTreeMap<String, Vec<String>>,
    /// The strategies, in the order of the page.
    pub strategies: Vec<StrategyInfo>,
    /// The workloads, in the order of the page.
    pub workloads: Vec<WorkloadInfo>,
    /// How quiet the machine was.
    pub noise: Noise,
    /// Seconds that the run took, by what they went into: `tests`, `starting`, `warm-up`, `sampling`, `ending`,
    /// `keeping`, `report`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent_s: BTreeMap<String, f64>,
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being measured, or was killed.
    Unfinished,
    /// All cells have all their rounds.
    Complete,
}

/// How a run is measured. A resumed run keeps the settings that it began with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The regular expression that a cell's id has to match, or absent for all.
    pub filter: Option<String>,
    /// Whether the filter is an id to be matched as a whole.
    pub exact: bool,
    /// Rounds over the matrix.
    pub rounds: u32,
    /// A quick look: fewer rounds, shorter samples.
    pub quick: bool,
    /// Samples of a cell in a round.
    pub sample_size: u32,
    /// Seconds of sampling of a cell in a round.
    pub measurement_time_s: f64,
    /// Seconds of warm-up of a cell in a round.
    pub warm_up_time_s: f64,
    /// Seconds after which a cell counts as hung.
    pub cell_timeout_s: f64,
    /// Whether the contenders of a row are alive at once and take turns; else, and in runs without this
    /// setting, one process follows the other.
    #[serde(default)]
    pub turns: bool,
    /// Milliseconds that are measured in a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_ms: Option<f64>,
    /// Milliseconds at the beginning of a turn that are not measured, or absent where the row's live set decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_ms: Option<f64>,
    /// The number of start states over which the rounds go; 0 in runs that did not choose them.
    #[serde(default)]
    pub states: u32,
    /// The one start state and stream of all rounds, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<u32>,
    /// Differences below this part of System's time are called the same; 0 in runs that had no such bound.
    #[serde(default)]
    pub least_difference: f64,
}

/// Where a run was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Host name.
    pub host: String,
    /// CPU model.
    pub cpu: String,
    /// Logical cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Operating system and its version.
    pub os: String,
    /// Kernel and its version.
    pub kernel: String,
    /// C library and its version.
    pub libc: String,
    /// `rustc --version`.
    pub rustc: String,
    /// Target triple.
    pub target: String,
    /// Cargo's profile family and the level of optimization.
    pub profile: String,
    /// Flags that the build was given (`RUSTFLAGS`), often empty.
    pub rustflags: String,
    /// Cargo features of the benchmark.
    pub features: Vec<String>,
    /// Transparent huge pages: the kernel's setting.
    pub transparent_huge_pages: String,
    /// Variables of the environment that allocators look at, as the cells had them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Git commit, with `-dirty` where the tree differs from it; absent outside a checkout.
    pub commit: Option<String>,
    /// A digest of the measuring program, so that a resumed run does not mix two builds.
    pub program: String,
}

/// A strategy as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyInfo {
    /// Its name.
    pub name: String,
    /// `contender`, `ours`, `reference`, `same-again`, `floor`, `limit` or
    /// `single-thread`.
    pub role: String,
    /// One sentence.
    pub about: String,
}

/// A workload as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadInfo {
    /// Its name.
    pub name: String,
    /// Its family, a heading of the page.
    pub family: String,
    /// What it does.
    pub about: String,
    /// What it stands for in a program.
    pub stands_for: String,
    /// What one operation is.
    pub operation: String,
}

/// How quiet the machine was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// The fastest canary loop of the run, in nanoseconds.
    pub canary_best_ns: f64,
    /// The middle of the canary loops of the run, in nanoseconds, which a noisy one is told by; 0 in
    /// runs that told it by the fastest.
    #[serde(default)]
    pub canary_ns: f64,
    /// Samples measured and kept.
    pub samples: u64,
    /// Pieces of samples measured again.
    pub retaken_samples: u64,
    /// Samples kept although the canary saw a busy core.
    pub noisy_samples: u64,
    /// Pieces that were no sample, since a thread of theirs was preempted.
    #[serde(default)]
    pub preempted_samples: u64,
}
