//! Where the workspace is whose benchmark this is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The workspace of the current folder: `cargo bench` runs a benchmark in the folder of its package. It is not
/// compiled in, since two checkouts that share a `CARGO_TARGET_DIR` may share the program.
///
/// Without a workspace around it, the current folder.
pub(crate) fn root() -> PathBuf {
    let here = env::current_dir().unwrap_or_else(|_| ".".into());
    around(&here).map(Path::to_owned).unwrap_or(here)
}

/// The nearest folder from `here` upwards that is a workspace.
fn around(here: &Path) -> Option<&Path> {
    here.ancestors().find(|folder| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml"));
        manifest
            .is_ok_and(|text| text.lines().any(|line| line.trim_start().starts_with("[workspace")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_belongs_to_the_workspace_around_it() {
        let outside = tempfile::tempdir().unwrap();
        let outside = outside.path();
        let package = outside.join("clone/crates/package");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("Cargo.toml"), "[package]\n").unwrap();
        assert_eq!(around(&package), None);
        let clone = outside.join("clone");
        fs::write(clone.join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
        assert_eq!(around(&package), Some(clone.as_path()));
        assert_eq!(around(&clone), Some(clone.as_path()));
    }
}
