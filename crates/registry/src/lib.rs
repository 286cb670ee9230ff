#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use strategy::Strategy;

/// Something to be done for every contender.
pub trait Visitor {
    /// Is called for a strategy that one thread owns.
    fn visit<S: Strategy + 'static>(&mut self);

    /// Is called for a strategy that threads may share. By default it is treated like the others.
    fn visit_shared<S: Strategy + Sync + 'static>(&mut self) {
        self.visit::<S>();
    }
}

/// Shows `visitor` every contender, in the order of the page, the controls last.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.visit_shared::<strategy_system::System>();
    #[cfg(feature = "jemalloc")]
    visitor.visit_shared::<strategy_jemalloc::Jemalloc>();
    #[cfg(feature = "mimalloc")]
    visitor.visit_shared::<strategy_mimalloc::Mimalloc>();
    visitor.visit::<strategy_bumpalo::Bumpalo>();
    visitor.visit::<strategy_pool::BlockPool>();
    visitor.visit::<strategy_pool::SizeClassPool>();
    visitor.visit_shared::<strategy_pool::SyncPool>();
    visitor.visit::<strategy_pool::GuidePool>();
    visitor.visit::<strategy_bump::Bump>();
    visitor.visit::<strategy_simd::SimdPool>();
    visitor.visit_shared::<strategy_raii::Raii>();
    // scripts/new-strategy adds its line above this one.
    visitor.visit::<strategy_noop::Noop>();
    visitor.visit_shared::<strategy_system::SystemAgain>();
    visitor.visit_shared::<strategy_system::SystemSingleThread>();
}

#[doc = include_str!("../docs/containers.md")]
pub mod containers {}

/// The examples of the workspace's README, which has no crate of its own.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../GUIDE.md")]
struct Guide;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strategy::{Role, Strategy};

    use super::Visitor;

    struct Entries(Vec<(&'static str, &'static str, Role)>);

    impl Visitor for Entries {
        fn visit<S: Strategy + 'static>(&mut self) {
            self.0.push((S::NAME, S::ABOUT, S::ROLE));
        }
    }

    fn entries() -> Vec<(&'static str, &'static str, Role)> {
        let mut entries = Entries(Vec::new());
        super::visit(&mut entries);
        entries.0
    }

    #[test]
    fn names_are_unique() {
        let entries = entries();
        let names: BTreeSet<_> = entries.iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), entries.len(), "{entries:?}");
    }

    #[test]
    fn names_are_kebab_case() {
        for (name, ..) in entries() {
            let words = name.split('-').all(|word| {
                !word.is_empty()
                    && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            });
            assert!(words && name.starts_with(|first: char| first.is_ascii_lowercase()), "{name}");
        }
    }

    #[test]
    fn every_strategy_says_what_it_is() {
        for (name, about, _) in entries() {
            assert!(!about.is_empty(), "{name}");
        }
    }

    #[test]
    fn each_control_is_there_once() {
        for role in [Role::Reference, Role::SameAgain, Role::Floor, Role::SingleThread] {
            let count = entries().iter().filter(|entry| entry.2 == role).count();
            assert_eq!(count, 1, "{role:?}");
        }
    }
}
