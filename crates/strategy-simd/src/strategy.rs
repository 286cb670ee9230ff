//! The pool as a contender.

use allocator_api2::alloc::Allocator;
use strategy::{BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Stats, Strategy, Threads};

use crate::SimdPool;

impl<A: Allocator + Default> Strategy for SimdPool<A> {
    const NAME: &'static str = "simd";
    const ABOUT: &'static str =
        "blocks aligned for the widest vector unit, in power-of-two classes that are reused";
    const ROLE: Role = Role::Ours;
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: Profile::ANY_ALIGN,
        frees: Frees::OneByOne,
        reset: Reset::Unsupported,
        threads: Threads::Owner,
    };

    type Handle<'a>
        = &'a Self
    where
        A: 'a;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        Ok(Self::default())
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    fn stats(&self) -> Option<Stats> {
        Some(Stats { reserved_bytes: self.reserved_bytes(), live_bytes: self.live_bytes() })
    }
}
