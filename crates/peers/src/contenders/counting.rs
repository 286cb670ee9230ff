//! Counting allocators of others.

use std::alloc::System;

use strategy::{Role, StaticGlobal};

use crate::list::by_global;

/// stats_alloc, as its documentation installs it.
#[derive(Debug)]
pub(crate) struct StatsAlloc;

impl StaticGlobal for StatsAlloc {
    type Global = stats_alloc::StatsAlloc<System>;
    const GLOBAL: &'static Self::Global = &stats_alloc::INSTRUMENTED_SYSTEM;
}

by_global!(
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

by_global!(
    Cap,
    "cap",
    Role::Contender,
    "System under cap: an atomic count of the bytes that are left"
);
