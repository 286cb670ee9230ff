//! Counting allocators of others.

use std::alloc::System;

use strategy::{BuildError, FromGlobal, Plan, Profile, Role, StaticGlobal, Strategy};

use crate::counting::wrapped;

/// stats_alloc, as its documentation installs it.
#[derive(Debug)]
pub(crate) struct StatsAlloc;

impl StaticGlobal for StatsAlloc {
    type Global = stats_alloc::StatsAlloc<System>;
    const GLOBAL: &'static Self::Global = &stats_alloc::INSTRUMENTED_SYSTEM;
}

wrapped!(
    StatsAlloc,
    "stats-alloc",
    Role::Contender,
    "System under stats_alloc: an atomic count of calls and one of bytes"
);

/// cap, as its documentation installs it, without a limit.
#[derive(Debug)]
pub(crate) struct Cap;

impl StaticGlobal for Cap {
    type Global = cap::Cap<System>;
    const GLOBAL: &'static Self::Global = {
        static CAP: cap::Cap<System> = cap::Cap::new(System, usize::MAX);
        &CAP
    };
}

wrapped!(
    Cap,
    "cap",
    Role::Contender,
    "System under cap: an atomic count of the bytes that are left"
);
