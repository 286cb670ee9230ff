//! The programs of `examples/pitfalls`, built as each tool needs them.
//!
//! In a package of their own, below the build folder: as examples of the root package they would
//! have to wait until every dependency of the benches is built once more for each tool.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, OnceLock};

use serde_json::Value;

use crate::machine::{self, host, succeeds};

/// Where the sources are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pitfalls");

/// A mistake, as the programs list them.
pub struct Mistake {
    pub name: String,
    pub what: String,
    pub ruled_out_by: String,
}

#[derive(Clone, Copy)]
pub enum Way {
    Good,
    Bad,
}

impl Way {
    pub fn argument(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// How a program is built.
#[derive(Clone, Copy)]
pub enum Build {
    /// As one works on it: not optimised, with all assertions.
    Debug,
    /// As one ships it: optimised, without assertions. The mistakes have to outlive that.
    Release,
    /// As one ships it, with AddressSanitizer.
    Sanitized,
}

/// The package.
pub struct Programs {
    folder: PathBuf,
    sanitized: OnceLock<PathBuf>,
}

impl Programs {
    /// Those of this process.
    pub fn all() -> &'static Self {
        static ALL: LazyLock<Programs> = LazyLock::new(Programs::new);
        &ALL
    }

    /// Builds them without a sanitizer.
    fn new() -> Self {
        let folder = machine::kept("pitfalls");
        fs::create_dir_all(&folder).unwrap();
        write_if_new(&folder.join("Cargo.toml"), &manifest());
        // The versions that the workspace has, which are there without a network.
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

        let programs = Self { folder, sanitized: OnceLock::new() };
        let bins = ["build", "--bin", "pitfalls", "--bin", "pitfalls-checked"];
        succeeds(programs.cargo().args(bins));
        succeeds(programs.cargo().args(bins).arg("--release"));
        programs
    }

    /// A program that was built.
    pub fn path(&self, build: Build, name: &str) -> PathBuf {
        let target = self.folder.join("target").join(host());
        match build {
            Build::Debug => target.join("debug").join(name),
            Build::Release => target.join("release").join(name),
            Build::Sanitized => self.sanitized.get_or_init(|| self.sanitize()).join(name),
        }
    }

    /// Runs the program that loom looks at.
    pub fn under_loom(&self, way: Way) -> Output {
        let arguments = ["run", "--quiet", "--bin", "pitfalls-loom", "--features", "loom", "--"];
        self.cargo().args(arguments).arg(way.argument()).output().unwrap()
    }

    /// The mistakes, in their order.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let list = succeeds(Command::new(self.path(Build::Debug, "pitfalls")).arg("--list"));
        let list = String::from_utf8(list.stdout).unwrap();
        let mistake = |line: &str| {
            let [name, what, by]: [&str; 3] =
                line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            Mistake { name: name.into(), what: what.into(), ruled_out_by: by.into() }
        };
        list.lines().map(mistake).collect()
    }

    /// The errors of rustc for the mistakes that it rejects: `rejected/NAME.rs` makes the mistake
    /// with the type that rules it out.
    pub fn rejected(&self) -> BTreeMap<String, String> {
        let arguments = ["check", "--bins", "--keep-going", "--message-format", "json"];
        let output = self.cargo().args(arguments).output().unwrap();
        let messages = String::from_utf8(output.stdout).unwrap();
        let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let errors = messages.filter_map(|message| {
            let program = message["target"]["name"].as_str()?.strip_prefix("rejected-")?.to_owned();
            Some((program, message["message"]["code"]["code"].as_str()?.to_owned()))
        });
        let errors: BTreeMap<_, _> = errors.filter(|(_, code)| code.starts_with('E')).collect();
        let programs: Vec<_> = rejected_programs().collect();
        assert!(errors.keys().eq(&programs), "of {programs:?} only {errors:?} are rejected");
        errors
    }

    /// Builds them with AddressSanitizer: the folder in which they are then.
    fn sanitize(&self) -> PathBuf {
        // Beside the others, which have the same names.
        let bins = ["build", "--bin", "pitfalls", "--release", "--target-dir", "sanitized"];
        succeeds(
            self.cargo()
                .args(bins)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTFLAGS", "-Zsanitizer=address"),
        );
        self.folder.join("sanitized").join(host()).join("release")
    }

    /// Cargo for the package, without a network. The target is named, and so the folder below it: otherwise both
    /// depend on the user's configuration.
    fn cargo(&self) -> Command {
        let mut cargo = machine::cargo();
        cargo.current_dir(&self.folder).env("CARGO_NET_OFFLINE", "true");
        cargo.env("CARGO_TARGET_DIR", "target").env("CARGO_BUILD_TARGET", host());
        cargo
    }
}

/// The names of the programs that must not compile, in their order.
fn rejected_programs() -> impl Iterator<Item = String> {
    let entries = fs::read_dir(Path::new(SOURCES).join("rejected")).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap().path())).collect();
    names.sort();
    names.into_iter()
}

fn manifest() -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut manifest = format!(
        "[package]\nname = \"pitfalls\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nbuffers = {{ path = {:?} }}\ntracking = {{ path = {:?} }}\n\
         clap = {{ version = \"4.6\", features = [\"derive\", \"wrap_help\"] }}\n\
         loom = {{ version = \"0.7\", optional = true }}\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n\
         [profile.release]\ndebug = \"line-tables-only\"\n",
        crates.join("buffers"),
        crates.join("tracking"),
    );
    let programs =
        [("pitfalls".into(), "main.rs".into()), ("pitfalls-checked".into(), "checked.rs".into())];
    let rejected =
        rejected_programs().map(|name| (format!("rejected-{name}"), format!("rejected/{name}.rs")));
    for (name, path) in programs.into_iter().chain(rejected) {
        manifest +=
            &format!("\n[[bin]]\nname = \"{name}\"\npath = {:?}\n", Path::new(SOURCES).join(path));
    }
    manifest += &format!(
        "\n[[bin]]\nname = \"pitfalls-loom\"\npath = {:?}\nrequired-features = [\"loom\"]\n",
        Path::new(SOURCES).join("loom.rs")
    );
    manifest
}

/// Leaves the time of an unchanged file alone.
fn write_if_new(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|its| its == text) {
        return;
    }
    fs::write(path, text).unwrap();
}
