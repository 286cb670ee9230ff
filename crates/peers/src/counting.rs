//! What it costs to count: a pair on System, bare and tracked.

use strategy::{Role, StaticGlobal};
use strategy_system::{System, SystemAgain};
use tracking::{Checking, Tracking};
use workloads::{Case, Description, Pair, Workload};

use crate::Visitor;
use crate::list::{Named, Row, by_global};
use crate::threads;

const FAMILY: &str = "Peers: counting";

const TWO: Description = Description {
    name: "peers-tracking-threads",
    about: "Two threads at once: each allocates a block on System, bare or tracked, writes it, reads it and frees it.",
    stands_for: "What counting costs a program with threads.",
    operation: "one block allocated, written, read and freed, on either thread",
};

/// System under `Tracking`, as a program installs it.
#[derive(Debug)]
struct Tracked;

impl StaticGlobal for Tracked {
    type Global = Tracking;
    const GLOBAL: &'static Tracking = {
        static TRACKING: Tracking = Tracking::system();
        &TRACKING
    };
}

/// System under `Checking`, as a program installs it.
#[derive(Debug)]
struct Checked;

impl StaticGlobal for Checked {
    type Global = Checking;
    const GLOBAL: &'static Checking = {
        static CHECKING: Checking = Checking::system();
        &CHECKING
    };
}

by_global!(
    Tracked,
    "tracking",
    Role::Ours,
    "System under `tracking::Tracking`, which counts on a shard a thread"
);

by_global!(
    Checked,
    "checking",
    Role::Ours,
    "System under `tracking::Checking`, which records, guards and holds back blocks"
);

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    one(&mut Row { family: FAMILY, work: Named("peers-tracking", Pair::<64>), visitor });
    two(&mut |case| visitor(FAMILY, case));
}

fn one<W: Workload + Copy + 'static>(row: &mut Row<'_, '_, W>) {
    row.strategy::<System>();
    #[cfg(feature = "others")]
    {
        row.strategy::<crate::contenders::StatsAlloc>();
        row.strategy::<crate::contenders::Cap>();
    }
    row.strategy::<Tracked>();
    row.strategy::<Checked>();
    row.again();
}

fn two(add: &mut dyn FnMut(Case)) {
    add(threads::own::<System>(TWO));
    #[cfg(feature = "others")]
    {
        add(threads::own::<crate::contenders::StatsAlloc>(TWO));
        add(threads::own::<crate::contenders::Cap>(TWO));
    }
    add(threads::own::<Tracked>(TWO));
    add(threads::own::<SystemAgain>(TWO));
}
