//! Where a run is measured: the machine, the system, the build.

use std::collections::{BTreeMap, BTreeSet};
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

/// The crate that brings in the strategies.
const REGISTRY: &str = "registry";

/// What only the benchmark's own crate knows about its build.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The Cargo features that are on.
    pub features: &'static [&'static str],
    /// What `cargo tree --prefix depth` prints of this build: see `build.rs` of the root package.
    pub tree: &'static str,
}

impl Build {
    /// The command that builds and runs it, as far as that is no flag of the benchmark's own.
    pub(crate) fn command(self) -> String {
        let peers = if self.features.contains(&PEERS) { " --features peers" } else { "" };
        format!("cargo bench{peers}")
    }

    /// What each crate of ours below the registry, and below the peers where they are built in, is built on: the names
    /// and versions of the crates of others, whether it or one of those others asks for them.
    #[must_use]
    pub fn versions(self) -> BTreeMap<String, Vec<String>> {
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        // Of the line and of all that it is below: which of our crates it is or belongs to, if that is measured.
        let mut owners: Vec<Option<&str>> = Vec::new();
        for line in self.tree.lines() {
            let number = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
            let (depth, package) = line.split_at(number);
            let depth = depth.parse().unwrap_or(0);
            let Some((name, version)) = package.split_once(" v") else { continue };
            let (version, folder) = version.split_once(' ').unwrap_or((version, ""));
            let is_measured = match depth {
                0 => false,
                1 => [REGISTRY, PEERS].contains(&name),
                _ => owners.get(depth - 1).is_some_and(Option::is_some),
            };
            let is_ours = folder.starts_with("(/");
            owners.resize(depth, None);
            let above = owners.last().copied().flatten();
            let owner = if is_ours { Some(name) } else { above };
            let owner = owner.filter(|_| is_measured);
            owners.push(owner);
            let Some(owner) = owner.filter(|owner| *owner != REGISTRY) else { continue };
            let built_on = versions.entry(owner.to_owned()).or_default();
            if !is_ours {
                built_on.insert(format!("{name} {version}"));
            }
        }
        versions.into_iter().map(|(name, on)| (name, on.into_iter().collect())).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As cargo prints it, shortened.
    const TREE: &str = "\
0heapmark v0.0.0 (/home/me/heap mark)
1peers v0.0.0 (/home/me/heap mark/crates/peers)
2slab v0.4.12
2strategy v0.0.0 (/home/me/heap mark/crates/strategy)
3allocator-api2 v0.2.21
2tracking v0.0.0 (/home/me/heap mark/crates/tracking)
3libc v0.2.191
1clap v4.6.0
2libc v0.2.1
1registry v0.0.0 (/home/me/heap mark/crates/registry)
2strategy-jemalloc v0.0.0 (/home/me/heap mark/crates/strategy-jemalloc)
3strategy v0.0.0 (/home/me/heap mark/crates/strategy)
4allocator-api2 v0.2.21
3tikv-jemallocator v0.7.0
4libc v0.2.191
4tikv-jemalloc-sys v0.7.1+5.3.1
5libc v0.2.191
2strategy-system v0.0.0 (/home/me/heap mark/crates/strategy-system)
3strategy v0.0.0 (/home/me/heap mark/crates/strategy)
4allocator-api2 v0.2.21
1tracking v0.0.0 (/home/me/heap mark/crates/tracking)
2backtrace v0.3.77
";

    fn built_on(tree: &'static str) -> Vec<(String, String)> {
        let versions = Build { features: &[], tree }.versions();
        versions.into_iter().map(|(name, on)| (name, on.join(", "))).collect()
    }

    #[test]
    fn a_crate_is_built_on_what_its_part_of_the_tree_has_but_for_ours() {
        let expected = [
            ("peers", "slab 0.4.12"),
            ("strategy", "allocator-api2 0.2.21"),
            (
                "strategy-jemalloc",
                "libc 0.2.191, tikv-jemalloc-sys 0.7.1+5.3.1, tikv-jemallocator 0.7.0",
            ),
            ("strategy-system", ""),
            ("tracking", "libc 0.2.191"),
        ];
        assert_eq!(built_on(TREE), expected.map(|(name, on)| (name.into(), on.into())));
        assert_eq!(built_on(""), []);
    }

    #[test]
    fn the_command_names_the_peers_where_they_are_measured() {
        assert_eq!(
            Build { features: &[PEERS], tree: "" }.command(),
            "cargo bench --features peers"
        );
        assert_eq!(Build { features: &[], tree: "" }.command(), "cargo bench");
    }
}
