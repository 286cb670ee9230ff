//! The lines of the architecture that are never crossed, read off `cargo metadata` and the sources.

mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

/// Crates that may contain `unsafe`, beside `strategy-*`.
const UNSAFE: [&str; 4] = ["strategy", "buffers", "tracking", "sketches"];

/// The only folder of the root package that may contain `unsafe`.
const PITFALLS: &str = "examples/pitfalls";

/// A package of the workspace.
struct Package {
    folder: PathBuf,
    /// The names of its dependencies, with their kind: "" for a normal one.
    dependencies: Vec<(String, String)>,
    /// The names of its optional dependencies.
    optional: Vec<String>,
}

impl Package {
    /// The dependencies of a kind that are packages of the workspace.
    fn ours<'p>(&'p self, all: &'p Packages) -> impl Iterator<Item = &'p str> {
        let names = self.dependencies.iter().map(|(name, _)| name.as_str());
        names.filter(|name| all.contains_key(*name))
    }

    fn depends_on(&self, name: &str) -> bool {
        self.dependencies.iter().any(|(its, kind)| its == name && kind.is_empty())
    }
}

type Packages = BTreeMap<String, Package>;

fn packages() -> Packages {
    let mut cargo = machine::cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let output = machine::succeeds(cargo.current_dir(env!("CARGO_MANIFEST_DIR")));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let package = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let optional = dependencies.clone().filter(|it| it["optional"] == true);
        let optional = optional.map(|it| text(&it["name"])).collect();
        let dependencies = dependencies.map(|it| (text(&it["name"]), text(&it["kind"]))).collect();
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().unwrap().to_owned();
        (text(&package["name"]), Package { folder, dependencies, optional })
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn is_strategy(name: &str) -> bool {
    name.starts_with("strategy-")
}

#[test]
fn strategy_depends_on_no_crate_of_ours() {
    let all = packages();
    assert_eq!(all["strategy"].ours(&all).collect::<Vec<_>>(), [""; 0]);
    let foreign = &all["strategy"].dependencies;
    let normal: Vec<_> = foreign.iter().filter(|(_, kind)| kind.is_empty()).collect();
    let names: Vec<_> = normal.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["allocator-api2", "crabgrind"]);
    // For the feature `valgrind`; a plain build does without.
    assert_eq!(all["strategy"].optional, ["crabgrind"]);
}

#[test]
fn buffers_and_tracking_depend_on_no_crate_of_ours() {
    let all = packages();
    for name in ["buffers", "tracking"] {
        let ours = all[name].ours(&all).filter(|ours| all[name].depends_on(ours));
        assert_eq!(ours.collect::<Vec<_>>(), [""; 0], "{name}");
    }
}

#[test]
fn a_strategy_depends_on_no_other_strategy_nor_the_registry_nor_criterion() {
    let all = packages();
    let strategies: Vec<_> = all.iter().filter(|(name, _)| is_strategy(name)).collect();
    assert!(strategies.len() >= 9, "{} strategies are not all", strategies.len());
    for (name, package) in strategies {
        for (dependency, _) in &package.dependencies {
            let crossed =
                is_strategy(dependency) || dependency == "registry" || dependency == "criterion";
            assert!(!crossed, "{name} depends on {dependency}");
        }
        assert_eq!(package.ours(&all).collect::<Vec<_>>(), ["strategy"], "{name}");
    }
}

#[test]
fn workloads_see_the_trait_and_no_implementor() {
    let all = packages();
    assert_eq!(all["workloads"].ours(&all).collect::<Vec<_>>(), ["strategy"]);
}

#[test]
fn the_report_sees_files_and_no_crate_of_ours() {
    let all = packages();
    assert_eq!(all["report"].ours(&all).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_harness_knows_no_implementor() {
    let all = packages();
    for name in all.keys().filter(|name| is_strategy(name)).chain([&"registry".to_owned()]) {
        assert!(!all["harness"].depends_on(name), "harness depends on {name}");
    }
}

/// A plain build has none of the crates that ours are measured beside.
#[test]
fn the_crates_of_others_are_optional() {
    let all = packages();
    assert_eq!(all["heapmark"].optional, ["peers"]);
    let peers = &all["peers"];
    for name in [
        "alloc-from-pool",
        "bump-scope",
        "bumpalo",
        "cap",
        "opool",
        "slab",
        "snmalloc-rs",
        "stats_alloc",
        "triomphe",
    ] {
        assert!(peers.optional.iter().any(|optional| optional == name), "{name}");
        for (other, package) in all.iter().filter(|(other, _)| *other != "peers") {
            let own = other == "strategy-bumpalo" && name == "bumpalo";
            assert!(own || !package.depends_on(name), "{other} depends on {name}");
        }
    }
}

/// The libraries and programs of a manifest that `cargo bench` would run: cargo knows more of them than the manifest
/// names, so a folder without `[lib]`, or a program without `[[bin]]`, is one of them.
fn benched(folder: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let is_off =
        |target: &toml::Value| target.get("bench").and_then(toml::Value::as_bool) == Some(false);
    let mut benched = Vec::new();
    if folder.join("src/lib.rs").exists() && !manifest.get("lib").is_some_and(is_off) {
        benched.push("lib".to_owned());
    }
    let package = manifest["package"]["name"].as_str().unwrap().to_owned();
    let main = folder.join("src/main.rs").exists().then_some(package);
    let others = sources(&folder.join("src/bin")).into_iter();
    let others = others.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let named = manifest.get("bin").and_then(toml::Value::as_array);
    let is_off = |program: &String| {
        let its = |bin: &&toml::Value| bin["name"].as_str() == Some(program);
        named.is_some_and(|named| named.iter().find(its).is_some_and(is_off))
    };
    benched.extend(main.into_iter().chain(others).filter(|program| !is_off(program)));
    benched
}

/// `cargo bench --workspace` runs all that may have benches, with criterion's flags, which only criterion knows.
#[test]
fn cargo_bench_runs_no_member() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = crates.chain([root.join("scripts/new-strategy.template")]).collect();
    assert!(folders.len() > 20, "only {folders:?}");
    for folder in folders {
        assert_eq!(benched(&folder), [""; 0], "{} lacks `bench = false`", folder.display());
    }
}

#[test]
fn what_cargo_bench_runs_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir_all(folder.path().join("src/bin")).unwrap();
    for source in ["src/lib.rs", "src/main.rs", "src/bin/other.rs"] {
        write(source, "");
    }
    let package = "[package]\nname = \"x\"\n";
    write("Cargo.toml", package);
    assert_eq!(benched(folder.path()), ["lib", "x", "other"]);
    let bins = "[[bin]]\nname = \"x\"\nbench = false\n[[bin]]\nname = \"other\"\n";
    write("Cargo.toml", &format!("{package}[lib]\nbench = true\n{bins}"));
    assert_eq!(benched(folder.path()), ["lib", "other"]);
    write("Cargo.toml", &format!("{package}[lib]\nbench = false\n{bins}bench = false\n"));
    assert_eq!(benched(folder.path()), [""; 0]);
}

#[test]
fn unsafe_code_lives_where_it_may() {
    let mut searched = 0;
    for (name, package) in packages() {
        if UNSAFE.contains(&name.as_str()) || is_strategy(&name) {
            continue;
        }
        let roots: &[&str] = match name.as_str() {
            "heapmark" => &["benches", "tests", "examples", "build.rs"],
            _ => &["src", "benches", "tests", "examples", "build.rs"],
        };
        for root in roots {
            for file in sources(&package.folder.join(root)) {
                // Where unsafe code is wrong on purpose.
                if name == "heapmark" && file.starts_with(package.folder.join(PITFALLS)) {
                    continue;
                }
                searched += 1;
                let text = fs::read_to_string(&file).unwrap();
                assert!(!has_unsafe(&text), "{} has unsafe code", file.display());
            }
        }
        let lib = package.folder.join("src/lib.rs");
        if lib.exists() {
            let text = fs::read_to_string(&lib).unwrap();
            assert!(
                text.contains("#![forbid(unsafe_code)]"),
                "{} does not forbid it",
                lib.display()
            );
        }
    }
    assert!(searched > 20, "only {searched} files were searched");
}

/// Rust files at or below `path`.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        return entries.flat_map(|entry| sources(&entry)).collect();
    }
    let is_rust = path.is_file() && path.extension().is_some_and(|extension| extension == "rs");
    if is_rust { vec![path.to_owned()] } else { Vec::new() }
}

/// Whether a source has unsafe code, comments and strings aside.
fn has_unsafe(text: &str) -> bool {
    let aside = Regex::new("//[^\n]*|\"(?:[^\"\\\\]|\\\\.)*\"").unwrap();
    let code = aside.replace_all(text, "");
    let opening = Regex::new(r"\bunsafe\s*(\{|fn|impl|trait|extern|\()").unwrap();
    opening.is_match(&code)
}

#[test]
fn unsafe_code_is_found() {
    assert!(has_unsafe("fn f() { unsafe { g() } }"));
    assert!(has_unsafe("unsafe impl Send for X {}"));
    assert!(has_unsafe("\"unsafe\"; unsafe\n{ g() }"));
    assert!(!has_unsafe("// unsafe { g() }\n#![forbid(unsafe_code)]\nlet s = \"unsafe { }\";"));
}
