//! Where a run is measured: the machine, the system, the build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::Path;
use std::process::Command;

use crate::process::{self, PROGRAM};
use report::record::Environment;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The crate, and the feature, that brings in the crates of others.
const PEERS: &str = "peers";

/// What only the benchmark's own crate knows about its build.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The Cargo features that are on.
    pub features: &'static [&'static str],
    /// The text of `Cargo.lock`.
    pub lock: &'static str,
}

impl Build {
    /// The command that builds and runs it, as far as that is no flag of the benchmark's own.
    pub(crate) fn command(self) -> String {
        let peers = if self.features.contains(&PEERS) { " --features peers" } else { "" };
        format!("cargo bench{peers}")
    }
}

/// Looks at the machine.
pub(crate) fn environment(root: &Path, build: Build) -> io::Result<Environment> {
    let kinds = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(kinds).ok();
    let cpus = system.as_ref().map_or(&[][..], System::cpus);
    Ok(Environment {
        host: host(),
        cpu: cpus.first().map_or_else(unknown, |cpu| cpu.brand().trim().to_owned()),
        cores: cpus.len() as u32,
        memory_bytes: memory_bytes().unwrap_or_default(),
        os: System::long_os_version().unwrap_or_else(|_| unknown()),
        kernel: System::kernel_version().unwrap_or_else(|_| unknown()),
        libc: said("getconf", &["GNU_LIBC_VERSION"], root).unwrap_or_else(unknown),
        rustc: env!("HEAPMARK_RUSTC").into(),
        target: env!("HEAPMARK_TARGET").into(),
        profile: env!("HEAPMARK_PROFILE").into(),
        rustflags: env!("HEAPMARK_RUSTFLAGS").into(),
        features: build.features.iter().map(|&feature| feature.into()).collect(),
        transparent_huge_pages: fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
            .map_or_else(|_| unknown(), |setting| setting.trim().into()),
        commit: said(
            "git",
            &["describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],
            root,
        ),
        variables: variables(),
        program: program()?,
    })
}

/// The memory of the machine in bytes: the most that a cell's process may map.
pub(crate) fn memory_bytes() -> Option<u64> {
    let kinds = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    System::new_with_specifics(kinds).ok().map(|system| system.total_memory())
}

/// The memory in bytes that is free, or could be at once.
pub(crate) fn free_memory_bytes() -> Option<u64> {
    let kinds = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    System::new_with_specifics(kinds).ok().map(|system| system.available_memory())
}

/// The name of the host, of the characters that a folder's name may have anywhere.
pub(crate) fn host() -> String {
    let name = System::host_name().unwrap_or_else(|_| unknown());
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.chars().map(safe).collect()
}

/// The variables that cells have of this environment.
fn variables() -> BTreeMap<String, String> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    process::variables().map(|(name, value)| (text(name), text(value))).collect()
}

fn unknown() -> String {
    "unknown".into()
}

/// What a command prints, if it is there and succeeds.
fn said(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// A digest of this program: enough to notice another build, no more.
fn program() -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(PROGRAM)?);
    Ok(format!("{:016x}", hasher.finish()))
}

/// What each strategy crate is built on, from `Cargo.lock`, and the crates of the feature `peers` if it
/// is on.
pub(crate) fn versions(build: Build) -> BTreeMap<String, Vec<String>> {
    let lock: cargo_lock::Lockfile = build.lock.parse().expect("cargo built with this lock file");
    let is_measured = |name: &str| {
        name.starts_with("strategy-") || name == PEERS && build.features.contains(&PEERS)
    };
    let measured = lock.packages.iter().filter(|package| is_measured(package.name.as_str()));
    measured
        .map(|package| {
            let foreign = package.dependencies.iter().filter(|it| it.source.is_some());
            let named = foreign.map(|it| format!("{} {}", it.name, it.version)).collect();
            (package.name.to_string(), named)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_are_told_where_they_are_measured() {
        let lock = include_str!("../../../Cargo.lock");
        let with = versions(Build { features: &[PEERS], lock });
        let slab = |named: &String| named.starts_with("slab 0.4.");
        assert!(with[PEERS].iter().any(slab), "{:?}", with[PEERS]);
        assert_eq!(Build { features: &[PEERS], lock }.command(), "cargo bench --features peers");
        assert_eq!(Build { features: &[], lock }.command(), "cargo bench");
        let without = versions(Build { features: &[], lock });
        assert!(!without.contains_key(PEERS));
        assert!(without.contains_key("strategy-bumpalo"));
    }
}
