//! A crate of ours is a library by itself: a program outside of the workspace that has nothing but
//! one of them builds, and does what the first example of its README promises.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        // The versions that the workspace has, which are there without a network.
        fs::copy(workspace.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        Self { name, folder }
    }

    /// Runs cargo on the program, without a network: what it prints.
    fn cargo(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .arg("--offline")
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", target())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let [printed, said] = [&output.stdout, &output.stderr].map(|bytes| text(bytes));
        let source = fs::read_to_string(self.folder.path().join("src/main.rs")).unwrap();
        assert!(output.status.success(), "{}: {printed}\n{said}\nof\n{source}", self.name);
        printed
    }

    /// The packages that it is built from which come from a folder: itself, and crates of ours.
    fn made_from_folders(&self) -> BTreeSet<String> {
        let metadata = self.cargo(&["metadata", "--format-version", "1"]);
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let packages = metadata["packages"].as_array().unwrap().iter();
        let packages = packages.filter(|package| package["source"].is_null());
        packages.map(|package| package["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Where programs are built: what they depend on is built once.
fn target() -> PathBuf {
    let test = env::current_exe().unwrap();
    let target = test.ancestors().find(|path| path.join("CACHEDIR.TAG").exists()).unwrap();
    target.join("readmes")
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
    let ours = [&[&program.name, name], with].concat();
    let ours = ours.into_iter().map(str::to_owned).collect();
    assert_eq!(
        program.made_from_folders(),
        ours,
        "{name} needs {with:?} and no other crate of ours"
    );
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
