//! A run that never was: every kind of cell, with values that are made up and look it.
//!
//! Hosts, versions and figures here are no measurements and stay out of `results/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use report::record::*;

/// The reason of the cell that fails: what a hostile or unlucky program can print.
pub const NASTY: &str = "panicked: \"<script>alert('x')</script>\" & more";

/// A run folder in memory.
pub struct Fixture {
    pub run: Run,
    pub cells: Vec<Cell>,
}

impl Fixture {
    /// Writes the two files into `folder`.
    pub fn write(&self, folder: &Path) {
        let run = serde_json::to_string_pretty(&self.run).unwrap();
        fs::write(folder.join("run.json"), run).unwrap();
        let lines = self.cells.iter().map(|cell| serde_json::to_string(cell).unwrap() + "\n");
        fs::write(folder.join("cells.jsonl"), lines.collect::<String>()).unwrap();
    }

    /// Draws it in a folder of its own and returns the page.
    pub fn page(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        fs::read_to_string(report::write(folder.path()).unwrap()).unwrap()
    }

    /// The cell of that id.
    pub fn cell(&mut self, id: &str) -> &mut Cell {
        self.cells.iter_mut().find(|cell| cell.id == id).unwrap()
    }
}

/// A complete run with 11 strategies and 26 rows.
pub fn complete() -> Fixture {
    let mut random = Random(7);
    let mut cells = Vec::new();
    for (workload, parameter, system_ns) in rows() {
        let drift: Vec<f64> = (0..7).map(|_| 1.0 + 0.05 * random.next()).collect();
        let system: Vec<f64> =
            drift.iter().map(|drift| system_ns * drift * (1.0 + 0.01 * random.next())).collect();
        for strategy in strategies() {
            let name = strategy.name.as_str();
            let mut cell = empty(workload, name, parameter);
            if let Some(reason) = unsupported(workload, name) {
                cell.status = Status::Unsupported;
                cell.reason = Some(reason.to_owned());
            } else if id_of(&cell) == "churn-pareto/raii/16-1024" {
                cell.status = Status::Failed;
                cell.reason = Some(NASTY.to_owned());
                cell.last_output = Some(format!("thread 'main' {NASTY}\n\u{1b}[31mred\u{1b}[0m\n"));
            } else {
                let factor = factor(workload, name);
                let spread = 0.012 + 0.02 * random.next();
                let rounds = match name {
                    "system" => system.clone(),
                    _ => drift
                        .iter()
                        .map(|drift| system_ns * factor * drift * (1.0 + spread * random.signed()))
                        .collect(),
                };
                measure(&mut cell, &rounds, &system, &mut random);
                cell.retaken_samples = (40.0 * random.next()) as u64;
                cell.noisy_samples = (3.0 * random.next()) as u64;
            }
            cells.push(cell);
        }
    }
    let mut fixture = Fixture { run: run(), cells };
    without_system(&mut fixture, "fragment", "16-4096");
    fixture.run.noise = Noise {
        canary_ns: 0.0,
        preempted_samples: 0,
        canary_best_ns: 611.4,
        samples: fixture
            .cells
            .iter()
            .flat_map(|c| &c.samples_ns_per_op)
            .map(Vec::len)
            .sum::<usize>() as u64,
        retaken_samples: fixture.cells.iter().map(|c| c.retaken_samples).sum(),
        noisy_samples: fixture.cells.iter().map(|c| c.noisy_samples).sum(),
    };
    fixture
}

/// The same run as it is measured in turns: all four verdicts, one round without a verdict, states, notes, noise.
pub fn turns() -> Fixture {
    let mut fixture = complete();
    fixture.run.settings = Settings {
        turns: true,
        turn_ms: Some(1.7),
        states: 4,
        least_difference: 0.02,
        ..fixture.run.settings
    };
    for cell in fixture.cells.iter_mut().filter(|cell| cell.ratio_to_system.is_some()) {
        let ns = cell.ns_per_op.unwrap().median;
        let ratio = cell.ratio_to_system.unwrap().median;
        cell.rounds_ratio =
            cell.rounds_ns_per_op.iter().map(|round| Some(ratio * round / ns)).collect();
        cell.noise_floor = Some(0.01);
        cell.retaken_samples = 0;
        cell.preempted_samples = cell.noisy_samples;
        cell.verdict = Some(verdict(cell.ratio_to_system.unwrap(), 0.01));
        if ["raii", "system-again"].contains(&&*cell.strategy) || cell.strategy == "system" {
            if cell.strategy != "system" {
                cell.ratio_to_system = Some(Interval { median: 1.002, lo: 0.996, hi: 1.009 });
            }
            cell.verdict = Some(Verdict::Same);
        }
    }
    // The least median is undecided, and so shares its place with System.
    for strategy in ["jemalloc", "mimalloc", "bumpalo", "pool", "bump", "noop"] {
        let cell = fixture.cell(&format!("batch-lifo/{strategy}/64"));
        let middle = if strategy == "pool" { 0.975 } else { 1.2 };
        cell.ratio_to_system =
            Some(Interval { median: middle, lo: middle - 0.05, hi: middle + 0.04 });
        cell.verdict = Some(verdict(cell.ratio_to_system.unwrap(), 0.01));
    }
    for cell in fixture.cells.iter_mut().filter(|cell| cell.workload == "batch-fifo") {
        let (Some(ns), Some(ratio)) = (&mut cell.ns_per_op, &mut cell.ratio_to_system) else {
            continue;
        };
        cell.rounds_ns_per_op.truncate(1);
        cell.rounds_ratio.truncate(1);
        cell.samples_ns_per_op.truncate(1);
        (ns.median, ratio.median) = (cell.rounds_ns_per_op[0], cell.rounds_ratio[0].unwrap());
        (ns.lo, ns.hi, ratio.lo, ratio.hi) = (ns.median, ns.median, ratio.median, ratio.median);
        cell.verdict = None;
    }
    for strategy in ["system", "system-again", "raii"] {
        let cell = fixture.cell(&format!("aligned/{strategy}/4096@64"));
        let group = |states: [u32; 2], ns_per_op| StateGroup { states: states.to_vec(), ns_per_op };
        cell.state_groups = vec![group([0, 3], 57.0), group([1, 2], 71.0)];
        cell.ns_per_op = Some(Interval { median: 64.0, lo: 56.5, hi: 71.5 });
        cell.rounds_ns_per_op = vec![57.0, 71.2, 70.8, 57.1, 56.9, 71.1, 70.9];
        cell.samples_ns_per_op = cell.rounds_ns_per_op.iter().map(|ns| vec![*ns; 30]).collect();
    }
    for cell in fixture.cells.iter_mut().filter(|cell| cell.workload == "churn") {
        cell.notes.push("Caches are as after a context switch.".to_owned());
    }
    let alone = "It does not fit into memory beside the others & was measured <alone>.";
    fixture.cell("churn/jemalloc/16-1024").notes.push(alone.to_owned());
    fixture.cell("churn/mimalloc/16-1024").notes.push(alone.to_owned());
    fixture.run.noise = Noise {
        canary_best_ns: 611.4,
        canary_ns: 655.0,
        samples: 10_000,
        retaken_samples: 0,
        noisy_samples: 2300,
        preempted_samples: 240,
    };
    let spent = [("warm-up", 60.0), ("sampling", 240.0), ("starting", 96.0), ("tests", 4.0)];
    fixture.run.spent_s = spent.map(|(name, seconds)| (name.to_owned(), seconds)).into();
    let variable = ("MALLOC_ARENA_MAX".to_owned(), "1".to_owned());
    fixture.run.environment.variables.extend([variable]);
    fixture
}

/// The verdict of runs with a least difference of 0.02.
fn verdict(ratio: Interval, floor: f64) -> Verdict {
    let within = f64::max(floor, 0.02);
    if ratio.hi < 1.0 / (1.0 + floor) {
        Verdict::Faster
    } else if ratio.lo > 1.0 + floor {
        Verdict::Slower
    } else if ratio.lo >= 1.0 / (1.0 + within) && ratio.hi <= 1.0 + within {
        Verdict::Same
    } else {
        Verdict::Undecided
    }
}

/// System hangs in a row, so that nobody has a ratio there.
fn without_system(fixture: &mut Fixture, workload: &str, parameter: &str) {
    for cell in &mut fixture.cells {
        if cell.workload == workload && cell.parameter == parameter {
            cell.ratio_to_system = None;
            cell.verdict = None;
            if cell.strategy == "system" {
                *cell = empty(workload, "system", parameter);
                cell.status = Status::Failed;
                cell.reason = Some("no answer within 120 s".to_owned());
                cell.last_output = Some(String::new());
            }
        }
    }
}

/// Workload, parameter, and the made-up nanoseconds of System.
fn rows() -> Vec<(&'static str, &'static str, f64)> {
    vec![
        ("pair", "16", 5.1),
        ("pair", "64", 5.3),
        ("pair", "256", 5.5),
        ("pair", "1024", 6.1),
        ("pair", "4096", 38.0),
        ("pair-opaque", "16", 6.0),
        ("pair-opaque", "64", 6.2),
        ("pair-opaque", "1024", 7.7),
        ("batch-lifo", "64", 10.1),
        ("batch-fifo", "64", 10.4),
        ("batch-random", "64", 10.9),
        ("zeroed", "64", 9.0),
        ("zeroed", "4096", 71.0),
        ("zeroed", "1048576", 61_240.0),
        ("aligned", "4096@32", 64.0),
        ("aligned", "4096@64", 81.0),
        ("aligned", "4096@4096", 143.0),
        ("aligned", "65536@64", 260.0),
        ("aligned", "1048576@64", 15_800.0),
        ("grow", "1048576", 93_000.0),
        ("churn", "16-1024", 28.3),
        ("churn-pareto", "16-1024", 24.9),
        ("request", "16-1024", 21.0),
        ("fragment", "16-1024", 33.0),
        ("fragment", "16-4096", 41.0),
        ("vec-push", "", 3.2),
    ]
}

fn strategies() -> Vec<StrategyInfo> {
    let all = [
        ("system", "reference", "the C library's malloc"),
        ("jemalloc", "contender", "size classes in slabs, a cache of free blocks for each thread"),
        ("mimalloc", "contender", "free lists for each page, sharded by thread"),
        ("bumpalo", "contender", "an arena of growing chunks, freed all at once"),
        ("pool", "ours", "blocks of one size on a stack of pointers kept apart from them"),
        ("bump", "ours", "a cursor in chunks that double up to 1 MiB"),
        ("simd", "ours", "buffers aligned to 64 bytes, in classes"),
        ("raii", "ours", "System behind an owner that frees once"),
        ("noop", "floor", "blocks carved and touched beforehand"),
        ("system-again", "same-again", "System under a second name"),
        ("system-single-thread", "single-thread", "System before a second thread existed"),
    ];
    let info = |(name, role, about): (&str, &str, &str)| StrategyInfo {
        name: name.to_owned(),
        role: role.to_owned(),
        about: about.to_owned(),
    };
    all.map(info).to_vec()
}

/// Why a strategy cannot serve a workload.
fn unsupported(workload: &str, strategy: &str) -> Option<&'static str> {
    match (workload, strategy) {
        ("grow" | "churn" | "churn-pareto" | "fragment" | "request" | "vec-push", "pool") => {
            Some("serves blocks of one size; the workload asks for several")
        }
        ("churn" | "churn-pareto" | "fragment", "bump" | "bumpalo") => {
            Some("frees all at once; the workload frees one by one and would grow without bound")
        }
        ("pair" | "pair-opaque", "simd") => {
            Some("serves sizes from 4 KiB; the workload asks for less")
        }
        ("fragment", "noop") => Some("carves blocks of one size"),
        _ => None,
    }
}

/// The made-up share of System's time.
fn factor(workload: &str, strategy: &str) -> f64 {
    match (workload, strategy) {
        ("zeroed", "bump") => 0.01,
        ("grow", "bumpalo") => 40.0,
        ("request", "bump") => 0.04,
        ("aligned", "simd") => 0.011,
        ("batch-random", "bump" | "bumpalo") => 0.2,
        ("batch-random", "pool") => 0.203,
        (_, "jemalloc") => 0.62,
        (_, "mimalloc") => 0.71,
        (_, "bumpalo") => 0.35,
        (_, "pool") => 0.27,
        (_, "bump") => 0.24,
        (_, "simd") => 1.34,
        (_, "raii") => 1.01,
        (_, "noop") => 0.06,
        (_, "system-single-thread") => 0.55,
        _ => 1.0,
    }
}

/// Fills in what 7 rounds of 30 samples would give.
fn measure(cell: &mut Cell, rounds: &[f64], system: &[f64], random: &mut Random) {
    let ratios: Vec<f64> = rounds.iter().zip(system).map(|(ns, system)| ns / system).collect();
    let ratio = interval(&ratios);
    cell.ns_per_op = Some(interval(rounds));
    cell.rounds_ns_per_op = rounds.to_vec();
    cell.samples_ns_per_op = rounds
        .iter()
        .map(|ns| {
            let skewed = |random: &mut Random| 0.97 + 0.05 * random.next() / (0.3 + random.next());
            (0..30).map(|_| ns * skewed(random)).collect()
        })
        .collect();
    cell.ops = Some(1000);
    cell.checksum = Some("5eed".to_owned());
    if cell.strategy != "system" {
        cell.ratio_to_system = Some(ratio);
        cell.verdict = Some(match ratio {
            Interval { hi, .. } if hi < 0.97 => Verdict::Faster,
            Interval { lo, .. } if lo > 1.03 => Verdict::Slower,
            _ => Verdict::Same,
        });
    } else {
        cell.ratio_to_system = Some(Interval { median: 1.0, lo: 1.0, hi: 1.0 });
        cell.verdict = Some(Verdict::Same);
    }
}

fn interval(values: &[f64]) -> Interval {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Interval { median: sorted[sorted.len() / 2], lo: sorted[1], hi: sorted[sorted.len() - 2] }
}

fn id_of(cell: &Cell) -> String {
    [cell.workload.as_str(), &cell.strategy, &cell.parameter].join("/")
}

fn empty(workload: &str, strategy: &str, parameter: &str) -> Cell {
    let mut cell = Cell {
        id: String::new(),
        workload: workload.to_owned(),
        strategy: strategy.to_owned(),
        parameter: parameter.to_owned(),
        status: Status::Measured,
        reason: None,
        last_output: None,
        ns_per_op: None,
        rounds_ns_per_op: Vec::new(),
        ratio_to_system: None,
        noise_floor: None,
        verdict: None,
        ops: None,
        checksum: None,
        retaken_samples: 0,
        rounds_ratio: Vec::new(),
        state_groups: Vec::new(),
        notes: Vec::new(),
        preempted_samples: 0,
        noisy_samples: 0,
        samples_ns_per_op: Vec::new(),
    };
    cell.id = id_of(&cell);
    cell
}

fn run() -> Run {
    let workload = |name: &str, family: &str, about: &str, stands_for: &str| WorkloadInfo {
        name: name.to_owned(),
        family: family.to_owned(),
        about: about.to_owned(),
        stands_for: stands_for.to_owned(),
        operation: "one block allocated, written, read and freed".to_owned(),
    };
    let hot = "Hot paths, one thread";
    let workloads = [
        ("pair", "allocate, write, free at once; the layout is known at compile time"),
        ("pair-opaque", "as pair, with the layout hidden from the compiler"),
        ("batch-lifo", "allocate 1000, then free newest first"),
        ("batch-fifo", "allocate 1000, then free oldest first"),
        ("batch-random", "allocate 1000, then free in a shuffled order"),
        ("zeroed", "allocate zeroed, verify zero, dirty it, free"),
        ("aligned", "allocate aligned, touch, free"),
        ("grow", "a byte vector pushed to 1 MiB from empty, by doubling"),
        ("churn", "10,000 live blocks; free a random one, allocate another in its place"),
        ("churn-pareto", "as churn, with sizes skewed 80/20 six times over"),
        ("request", "1000 blocks of mixed small sizes, all given up together"),
        ("fragment", "fill, free every other block, ask for a larger size; 50 phases"),
    ];
    let mut workloads: Vec<_> = workloads
        .map(|(name, about)| workload(name, hot, about, "a made-up program that does just that"))
        .to_vec();
    workloads.push(workload("vec-push", "What memory is for", "growing vectors", "containers"));
    let versions = [
        ("strategy-jemalloc", vec!["tikv-jemallocator 0.0.0-made-up"]),
        ("strategy-mimalloc", vec!["mimalloc 0.0.0-made-up", "libmimalloc-sys 0.0.0-made-up"]),
        ("strategy-pool", vec![]),
    ];
    Run {
        format: 1,
        started_utc: "2001-01-01T00:00:00Z".to_owned(),
        finished_utc: Some("2001-01-01T00:21:40Z".to_owned()),
        state: State::Complete,
        command: "cargo bench --bench heapmark -- 'pair|churn' --sample-size 30".to_owned(),
        settings: Settings {
            filter: None,
            exact: false,
            rounds: 7,
            quick: false,
            sample_size: 30,
            measurement_time_s: 0.5,
            warm_up_time_s: 0.1,
            turns: false,
            turn_ms: None,
            settle_ms: None,
            states: 0,
            state: None,
            least_difference: 0.0,
            cell_timeout_s: 120.0,
        },
        environment: Environment {
            host: "made-up".to_owned(),
            cpu: "Synthetic 9000 64-Core Processor".to_owned(),
            cores: 2,
            memory_bytes: 8_243_404_800,
            os: "Fixture Linux 0".to_owned(),
            kernel: "0.0.0-fixture".to_owned(),
            libc: "glibc 0.00".to_owned(),
            rustc: "rustc 0.0.0 (fixture)".to_owned(),
            target: "x86_64-unknown-linux-gnu".to_owned(),
            profile: "release, opt-level 3".into(),
            rustflags: String::new(),
            features: vec!["jemalloc".to_owned(), "mimalloc".to_owned()],
            transparent_huge_pages: "always [madvise] never".to_owned(),
            commit: Some("0000000000000000000000000000000000000000-dirty".to_owned()),
            variables: BTreeMap::new(),
            program: "sha256:0000".to_owned(),
        },
        versions: versions
            .map(|(name, on)| (name.to_owned(), on.into_iter().map(str::to_owned).collect()))
            .into_iter()
            .collect(),
        strategies: strategies(),
        workloads,
        noise: Noise::default(),
        spent_s: BTreeMap::new(),
    }
}

/// A splitmix64 generator.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From -1 to 1.
    fn signed(&mut self) -> f64 {
        2.0 * self.next() - 1.0
    }
}
