//! Hands on which compiler built the harness, for which target and with which flags.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=HEAPMARK_RUSTC={}", version.unwrap_or_else(|_| "unknown".into()));
    println!("cargo::rustc-env=HEAPMARK_TARGET={}", env::var("TARGET").unwrap_or_default());
    let text = |name| env::var(name).unwrap_or_default();
    println!(
        "cargo::rustc-env=HEAPMARK_PROFILE={}, opt-level {}",
        text("PROFILE"),
        text("OPT_LEVEL")
    );
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().replace('\u{1f}', " ");
    println!("cargo::rustc-env=HEAPMARK_RUSTFLAGS={flags}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
}
