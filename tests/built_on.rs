//! The record of a run says what every strategy of this build is built on, and nothing that is not built in.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};

use harness::Build;
use registry::Visitor;
use strategy::Strategy;

fn versions() -> BTreeMap<String, Vec<String>> {
    Build { features: &[], tree: include_str!(concat!(env!("OUT_DIR"), "/tree.txt")) }.versions()
}

/// The crates that the registered strategies are of.
#[derive(Default)]
struct Crates(BTreeSet<String>);

impl Visitor for Crates {
    fn visit<S: Strategy + 'static>(&mut self) {
        let (of, _) = type_name::<S>().split_once("::").unwrap();
        self.0.insert(of.replace('_', "-"));
    }

    fn visit_shared<S: Strategy + Sync + 'static>(&mut self) {
        self.visit::<S>();
    }
}

#[test]
fn every_registered_strategy_is_there_and_no_other() {
    let mut crates = Crates::default();
    registry::visit(&mut crates);
    let mut expected = crates.0;
    assert!(expected.len() > 5, "{expected:?}");
    // What all are made of.
    expected.insert("strategy".to_owned());
    let versions = versions();
    let found: BTreeSet<_> = versions.keys().cloned().collect();
    if cfg!(feature = "peers") {
        assert!(found.is_superset(&expected), "{found:?} is not all of {expected:?}");
    } else {
        assert_eq!(found, expected);
    }
}

#[test]
fn what_is_for_tests_is_not_there_and_what_is_built_from_c_is() {
    let versions = versions();
    let names = |of: &str| -> Vec<_> {
        versions[of].iter().map(|on| on.split(' ').next().unwrap().to_owned()).collect()
    };
    // Its tests are built with hashbrown, rand and rand_pcg.
    assert_eq!(names("strategy-pool"), ["allocator-api2"]);
    assert_eq!(names("strategy-bumpalo"), ["allocator-api2", "bumpalo"]);
    assert_eq!(versions.contains_key("strategy-mimalloc"), cfg!(feature = "mimalloc"));
    if cfg!(feature = "jemalloc") {
        assert_eq!(names("strategy-jemalloc"), ["libc", "tikv-jemalloc-sys", "tikv-jemallocator"]);
    }
}

/// The peers are there with all that their crate names, `buffers` and `tracking` among them.
#[cfg(feature = "peers")]
#[test]
fn all_that_the_peers_need_is_there() {
    let manifest: toml::Table = include_str!("../crates/peers/Cargo.toml").parse().unwrap();
    let versions = versions();
    let peers = &versions["peers"];
    for name in manifest["dependencies"].as_table().unwrap().keys() {
        let is_there = versions.contains_key(name)
            || peers.iter().any(|on| on.split(' ').next() == Some(name));
        assert!(is_there, "{name} is not in {versions:#?}");
    }
}
