//! Allocators of others that no crate of the workspace wraps.

use bump_scope::Bump;
use strategy::{
    BuildError, Frees, Plan, Profile, Reset, Role, Sizes, StaticGlobal, Strategy, Threads,
    Unsupported,
};
use workloads::Case;

use crate::list::by_global;

/// snmalloc, with the settings that `snmalloc-rs` builds it with.
#[derive(Debug)]
pub(crate) struct Snmalloc;

impl StaticGlobal for Snmalloc {
    type Global = snmalloc_rs::SnMalloc;
    const GLOBAL: &'static snmalloc_rs::SnMalloc = &snmalloc_rs::SnMalloc;
}

by_global!(
    Snmalloc,
    "snmalloc",
    Role::Contender,
    "size classes in slabs, frees by other threads sent back as messages"
);

/// The address space that snmalloc reserves when it is first used, in bytes: 256 GiB, as
/// `/proc/self/status` shows it for version 0.7.6 on Linux. The bound on a process's memory is no bound for it, then.
const SNMALLOC_RESERVES: u64 = 257 << 30;

/// A case of snmalloc's, with room for what it reserves.
pub(crate) fn reserving(mut case: Case) -> Case {
    case.reserves_bytes = SNMALLOC_RESERVES;
    case
}

/// The bump-scope arena as `Bump::new()` makes it: with a first small chunk.
#[derive(Debug)]
pub(crate) struct BumpScope {
    arena: Bump,
}

impl Strategy for BumpScope {
    const NAME: &'static str = "bump-scope";
    const ABOUT: &'static str = "a bump arena with scopes: a cursor moves up a chunk";
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: Profile::ANY_ALIGN,
        frees: Frees::Together,
        reset: Reset::KeepsLargestChunk,
        threads: Threads::Owner,
    };
    type Handle<'a> = &'a Bump;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        Ok(Self { arena: Bump::new() })
    }

    #[inline]
    fn handle(&self) -> &Bump {
        &self.arena
    }

    #[inline]
    fn reset(&mut self) -> Result<(), Unsupported> {
        self.arena.reset();
        Ok(())
    }
}
