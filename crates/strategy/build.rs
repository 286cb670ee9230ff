//! Says what is missing where the linker would only name a symbol: the feature `asan` needs a build
//! with AddressSanitizer.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let asked = env::var_os("CARGO_FEATURE_ASAN").is_some();
    let sanitizers = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    if asked && !sanitizers.split(',').any(|sanitizer| sanitizer == "address") {
        println!(
            "cargo::error=the feature `asan` needs AddressSanitizer: build with \
             RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address and an explicit --target"
        );
    }
}
