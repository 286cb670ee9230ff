//! What GUIDE.md names is there: files, tests, headings, commands, cells of a run. Its examples run as tests of
//! `registry`.

mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

/// Programs of others that the guide calls.
const OTHERS: [&str; 4] = ["apt-get", "heaptrack", "heaptrack_print", "valgrind"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn guide() -> String {
    fs::read_to_string(root().join("GUIDE.md")).unwrap()
}

/// The links of a text to what is in the tree, each as its words and its target.
fn links(text: &str) -> Vec<(String, String)> {
    let link = Regex::new(r"\[([^\]\n]+)\]\(([^)\s]+)\)").unwrap();
    let all = link.captures_iter(text).map(|link| (link[1].to_owned(), link[2].to_owned()));
    all.filter(|(_, target)| !target.starts_with("http")).collect()
}

/// What stands in backticks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The name that a heading of Markdown can be linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let headings = text.lines().filter(|line| {
        in_code ^= line.starts_with("```");
        !in_code && line.starts_with('#')
    });
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// What is wrong with a link, if anything is.
fn fault(words: &str, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(p, a)| (p, Some(a)));
    let file = if path.is_empty() { root().join("GUIDE.md") } else { root().join(path) };
    if !file.exists() {
        return Some(format!("{path} does not exist"));
    }
    if let Some(anchor) = anchor {
        let known = anchors(&fs::read_to_string(&file).unwrap());
        return (!known.contains(anchor)).then(|| format!("{target}: no such heading"));
    }
    if file.extension().is_some_and(|extension| extension == "rs") {
        let source = fs::read_to_string(&file).unwrap();
        let missing = codes(words).find(|code| !code.ends_with(".rs") && !defines(&source, code));
        return missing.map(|code| format!("{path} has no `{code}`"));
    }
    None
}

/// Whether a source has an item, or a module, of this name.
fn defines(source: &str, name: &str) -> bool {
    let item = format!(r"\b(fn|struct|enum|trait|type|mod|const|static) {}\b", regex::escape(name));
    Regex::new(&item).unwrap().is_match(source)
        || source.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains(name))
}

#[test]
fn every_path_and_every_name_in_the_guide_exists() {
    let links = links(&guide());
    assert!(links.len() > 30, "only {} links", links.len());
    let faults: Vec<_> = links.iter().filter_map(|(words, target)| fault(words, target)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_link_to_what_is_not_there_is_found() {
    assert!(fault("`x`", "crates/none.rs").is_some());
    assert!(fault("`no_such_test`", "tests/guide.rs").is_some());
    assert!(fault("`guide`, `no_such_test`", "tests/guide.rs").is_some());
    assert!(fault("here", "#no-such-heading").is_some());
    assert_eq!(fault("`guide`", "tests/guide.rs"), None);
    assert_eq!(fault("here", "README.md#read-the-page"), None);
}

/// A package of the workspace: its targets, each as its kind and its name, and its features.
#[derive(Default)]
struct Package {
    targets: BTreeSet<(String, String)>,
    features: BTreeSet<String>,
}

fn packages() -> BTreeMap<String, Package> {
    let mut cargo = machine::cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let output = machine::succeeds(cargo.current_dir(root()));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let targets = package["targets"].as_array().unwrap().iter();
        let targets = targets.map(|it| (text(&it["kind"][0]), text(&it["name"]))).collect();
        let features = package["features"].as_object().unwrap().keys().cloned().collect();
        (text(&package["name"]), Package { targets, features })
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// The commands of a text: the lines of its blocks of shell, after a prompt where there is one, and
/// what stands in backticks and begins with a program that the guide calls.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut block = None;
    for line in text.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            (Some("sh"), None) => commands.push(line.to_owned()),
            (Some("console"), None) => {
                commands.extend(line.strip_prefix("$ ").map(str::to_owned));
            }
            (None, None) => {
                let inline = codes(line)
                    .filter(|code| code.starts_with("cargo ") || code.starts_with("scripts/"));
                commands.extend(inline.map(str::to_owned));
            }
            (Some(_), None) => {}
        }
    }
    commands
}

/// What is wrong with a command, if anything is.
fn mistake(command: &str, packages: &BTreeMap<String, Package>) -> Option<String> {
    let command = command.split(" #").next().unwrap_or_default();
    let words = shell_words::split(command).unwrap();
    let assigned = Regex::new("^[A-Z_]+=").unwrap();
    let mut words = words.iter().skip_while(|word| assigned.is_match(word) || *word == "sudo");
    let program = words.next()?;
    let words: Vec<&str> = words.map(String::as_str).collect();
    let wrong = |what: String| Some(format!("{command}: {what}"));
    if program == "cargo" {
        let words = words.split(|word| *word == "--").next().unwrap_or_default();
        let after = |flags: [&str; 2]| {
            let at = words.iter().position(|word| flags.contains(word))?;
            words.get(at + 1).copied()
        };
        let name = after(["-p", "--package"]).unwrap_or("heapmark");
        let Some(package) = packages.get(name) else {
            return wrong(format!("no package {name}"));
        };
        for kind in ["test", "example", "bin", "bench"] {
            if let Some(target) = after([&format!("--{kind}"); 2])
                && !package.targets.contains(&(kind.to_owned(), target.to_owned()))
            {
                return wrong(format!("{name} has no {kind} {target}"));
            }
        }
        let features = after(["-F", "--features"]).unwrap_or_default();
        let mut features = features.split(',').filter(|feature| !feature.is_empty());
        return features
            .find(|feature| !package.features.contains(*feature))
            .and_then(|feature| wrong(format!("{name} has no feature {feature}")));
    }
    if program.starts_with("scripts/") {
        return (!root().join(program).exists()).then(|| format!("no {program}"));
    }
    if !OTHERS.contains(&program.as_str()) {
        return wrong(format!("unknown program {program}"));
    }
    let built = words.iter().filter_map(|word| Path::new(word).strip_prefix("target").ok());
    let mut missing = built.filter(|path| {
        let example = (String::from("example"), path.file_name().unwrap().to_string_lossy().into());
        !packages.values().any(|package| package.targets.contains(&example))
    });
    missing.next().and_then(|path| wrong(format!("nothing builds {}", path.display())))
}

#[test]
fn every_command_in_the_guide_exists() {
    let (commands, packages) = (commands(&guide()), packages());
    assert!(commands.len() > 8, "only {commands:?}");
    let faults: Vec<_> = commands.iter().filter_map(|it| mistake(it, &packages)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let packages = packages();
    for wrong in [
        "cargo test -p no-such-package",
        "cargo run --example no-such-example",
        "cargo test --package sketches --test no-such-test",
        "X=1 cargo bench --features no-such-feature -- peers",
        "scripts/no-such-script",
        "no-such-program",
        "valgrind target/debug/examples/no-such-example",
    ] {
        assert!(mistake(wrong, &packages).is_some(), "{wrong}");
    }
    let right = "cargo test --package sketches --test pool -- --nocapture # all of it";
    assert_eq!(mistake(right, &packages), None);
    assert_eq!(
        commands("```console\n$ valgrind x\nout\n```\n`cargo doc`, `x`\n```sh\nls\n```"),
        ["valgrind x", "cargo doc", "ls"]
    );
}

/// The run that the guide's measurements are in has each workload and each strategy that its first table names.
#[test]
fn every_measurement_in_the_guide_is_in_its_run() {
    let guide = guide();
    let runs: BTreeSet<PathBuf> = links(&guide)
        .into_iter()
        .filter(|(_, target)| target.starts_with("results/2"))
        .map(|(_, target)| root().join(target))
        .collect();
    assert!(!runs.is_empty());
    let mut measured = BTreeSet::new();
    for run in runs {
        let folder = report::read(&run).unwrap();
        measured.extend(folder.cells.into_iter().flat_map(|cell| [cell.workload, cell.strategy]));
    }
    let rows = guide.lines().skip_while(|line| !line.starts_with("| technique"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let named: BTreeSet<_> =
        rows.filter_map(|row| row.rsplit('|').nth(1)).flat_map(codes).collect();
    assert!(named.len() > 15, "only {named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !measured.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
