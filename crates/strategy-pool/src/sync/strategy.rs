//! The shared pool as a contender.

use allocator_api2::alloc::Allocator;
use strategy::{BuildError, Plan, Profile, Role, Stats, Strategy, Threads, Unsupported};

use super::SyncPool;
use crate::strategy::{ONE_BLOCK, block_of};

impl<A: Allocator> SyncPool<A> {
    /// A pool that serves `plan` from `backing`: the plan's largest size and alignment make the
    /// block, and its live blocks are reserved.
    ///
    /// # Errors
    ///
    /// [`BuildError::Unsupported`] if the plan has several sizes or grows its blocks, and
    /// [`BuildError::OutOfMemory`] if there is no memory.
    pub fn for_plan_in(plan: &Plan, backing: A) -> Result<Self, BuildError> {
        Ok(Self::try_with_capacity_in(block_of(PROFILE, plan)?, plan.live_blocks, backing)?)
    }
}

const PROFILE: Profile = Profile { threads: Threads::Shared, ..ONE_BLOCK };

impl<A: Allocator + Default> Strategy for SyncPool<A> {
    const NAME: &'static str = "sync-pool";
    const ABOUT: &'static str = "blocks of one size for many threads, each with two magazines of free ones, over a shared depot";
    const ROLE: Role = Role::Ours;
    const PROFILE: Profile = PROFILE;

    type Handle<'a>
        = &'a Self
    where
        A: 'a;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::for_plan_in(plan, A::default())
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    fn reset(&mut self) -> Result<(), Unsupported> {
        SyncPool::reset(self);
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        Some(Stats {
            reserved_bytes: self.reserved_bytes(),
            live_bytes: self.live() * self.block().size(),
        })
    }
}
