//! The arena as a strategy.

use allocator_api2::alloc::Allocator;
use strategy::{
    BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Stats, Strategy, Threads, Unsupported,
};

use crate::Bump;

impl<A: Allocator + Default> Strategy for Bump<A> {
    const NAME: &'static str = "bump";
    const ABOUT: &'static str =
        "a bump arena: a cursor in the arena itself moves down a chunk, all is freed at once";
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: Profile::ANY_ALIGN,
        frees: Frees::Together,
        reset: Reset::KeepsLargestChunk,
        threads: Threads::Owner,
    };
    const ROLE: Role = Role::Ours;
    type Handle<'a>
        = &'a Self
    where
        Self: 'a;

    /// The arena starts without a chunk, however much the plan announces; see the crate's
    /// documentation.
    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        Ok(Self::default())
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    #[inline]
    fn reset(&mut self) -> Result<(), Unsupported> {
        Bump::reset(self);
        Ok(())
    }

    /// The live bytes are those that the cursor has passed, padding included.
    fn stats(&self) -> Option<Stats> {
        Some(Stats { reserved_bytes: self.reserved_bytes(), live_bytes: self.used_bytes() })
    }
}
