//! A crate of ours is a library by itself: a program outside of the workspace that has nothing but
//! one of them builds, and does what the first example of its README promises.

mod machine;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

/// A program made of the first example of a crate's README, in a folder of its own.
struct Program {
    name: String,
    folder: TempDir,
}

impl Program {
    fn new(of: &str) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let parts = workspace.join("crates").join(of);
        let readme = fs::read_to_string(parts.join("README.md")).unwrap();
        let example = first_example(&readme).expect("a README begins with an example");

        let name = format!("readme-of-{of}");
        let mut manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\n{of} = {{ path = {parts:?} }}\n"
        );
        if example.contains("allocator_api2::") {
            manifest += "allocator-api2 = \"0.2\"\n";
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/main.rs"), program(&example)).unwrap();
        fs::copy(workspace.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        Self { name, folder }
    }

    /// Runs cargo on the program: what it prints. Without a network, since it needs nothing that the workspace was not
    /// built from.
    fn cargo(&self, arguments: &[&str]) -> String {
        let mut cargo = machine::cargo();
        cargo.args(arguments).arg("--offline").current_dir(self.folder.path());
        // What the programs depend on is built once.
        cargo.env("CARGO_TARGET_DIR", machine::kept("readmes"));
        String::from_utf8(machine::succeeds(&mut cargo).stdout).unwrap()
    }

    /// The packages that it is built from.
    fn packages(&self) -> Vec<Package> {
        // Of this platform: without a filter cargo asks for the packages of all others as well, which the build of the
        // workspace has not fetched.
        let only = ["--filter-platform", machine::host()];
        let metadata = self.cargo(&[&["metadata", "--format-version", "1"], &only[..]].concat());
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let package = |package: &Value| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            is_in_a_folder: package["source"].is_null(),
        };
        metadata["packages"].as_array().unwrap().iter().map(package).collect()
    }
}

/// A package that a program is built from.
struct Package {
    name: String,
    version: String,
    /// The program itself, and crates of ours.
    is_in_a_folder: bool,
}

/// The first block of Rust of a README, with the lines that its reader does not see.
fn first_example(readme: &str) -> Option<String> {
    let (_, example) = readme.split_once("\n```rust\n")?;
    let (example, _) = example.split_once("\n```")?;
    let shown = |line: &str| match line {
        "#" => String::new(),
        _ => line.strip_prefix("# ").unwrap_or(line).to_owned(),
    };
    Some(example.lines().map(shown).collect::<Vec<_>>().join("\n"))
}

/// The example as a program, as rustdoc would make one of it.
fn program(example: &str) -> String {
    if example.contains("fn main()") {
        return example.to_owned();
    }
    if example.trim_end().ends_with("(())") {
        return format!(
            "fn main() {{\n    example().unwrap();\n}}\n\n\
             fn example() -> Result<(), impl std::fmt::Debug> {{\n{example}\n}}\n"
        );
    }
    format!("fn main() {{\n{example}\n}}\n")
}

#[track_caller]
fn stands_alone(name: &str, with: &[&str]) {
    let program = Program::new(name);
    let packages = program.packages();
    let in_folders = packages.iter().filter(|package| package.is_in_a_folder);
    let in_folders: BTreeSet<_> = in_folders.map(|package| package.name.as_str()).collect();
    let ours = [&[&program.name, name], with].concat().into_iter().collect();
    assert_eq!(in_folders, ours, "{name} needs {with:?} and no other crate of ours");
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    for Package { name, version, .. } in packages.iter().filter(|package| !package.is_in_a_folder) {
        let locked = lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n"));
        assert!(locked, "the workspace has no {name} {version}");
    }
    program.cargo(&["run", "--quiet"]);
    // The next one is in another folder, so it has no use for what was built of this one.
    program.cargo(&["clean", "--quiet", "--package", &program.name]);
}

#[test]
fn strategy_pool_stands_alone() {
    stands_alone("strategy-pool", &["strategy"]);
}

#[test]
fn strategy_bump_stands_alone() {
    stands_alone("strategy-bump", &["strategy"]);
}

#[test]
fn strategy_simd_stands_alone() {
    stands_alone("strategy-simd", &["strategy"]);
}

#[test]
fn strategy_raii_stands_alone() {
    stands_alone("strategy-raii", &["strategy"]);
}

#[test]
fn buffers_stands_alone() {
    stands_alone("buffers", &[]);
}

#[test]
fn tracking_stands_alone() {
    stands_alone("tracking", &[]);
}

#[test]
fn the_first_example_is_found_and_made_a_program() {
    let readme = "# x\n\n```text\nno\n```\n\n```rust\nlet a = 1;\n# assert_eq!(a, 1);\n#\n```\n\n\
                  ```rust\nno\n```\n";
    let example = first_example(readme).unwrap();
    assert_eq!(example, "let a = 1;\nassert_eq!(a, 1);\n");
    assert_eq!(program(&example), "fn main() {\nlet a = 1;\nassert_eq!(a, 1);\n\n}\n");
    assert_eq!(program("fn main() {}"), "fn main() {}");
    assert!(program("Ok::<(), ()>(())").contains("example().unwrap()"));
}
