//! The pools as contenders.

use allocator_api2::alloc::{Allocator, Layout};
use strategy::{
    BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Stats, Strategy, Threads, Unsupported,
};

use crate::{BlockPool, GuidePool, OutOfMemory, SizeClassPool};

impl<A: Allocator> BlockPool<A> {
    /// A pool that serves `plan` from `backing`: the plan's largest size and alignment make the
    /// block, and its live blocks are reserved.
    ///
    /// # Errors
    ///
    /// [`BuildError::Unsupported`] if the plan has several sizes, grows its blocks or has
    /// several threads, and [`BuildError::OutOfMemory`] if there is no memory.
    pub fn for_plan_in(plan: &Plan, backing: A) -> Result<Self, BuildError> {
        Ok(Self::try_with_capacity_in(block_of(ONE_BLOCK, plan)?, plan.live_blocks, backing)?)
    }
}

impl<A: Allocator> SizeClassPool<A> {
    /// A pool that serves `plan` from `backing`. It takes no memory yet, whatever the plan announces.
    ///
    /// # Errors
    ///
    /// [`BuildError::Unsupported`] if the plan has several threads.
    pub fn for_plan_in(plan: &Plan, backing: A) -> Result<Self, BuildError> {
        ALL_SIZES.serves(plan)?;
        Ok(Self::new_in(backing))
    }
}

impl<A: Allocator> GuidePool<A> {
    /// A pool that serves `plan` from `backing`: the plan's largest size and alignment make the
    /// block, and its live blocks are the initial ones.
    ///
    /// # Errors
    ///
    /// As for [`BlockPool::for_plan_in`].
    pub fn for_plan_in(plan: &Plan, backing: A) -> Result<Self, BuildError> {
        Ok(Self::new_in(block_of(ONE_BLOCK, plan)?, plan.live_blocks, backing)?)
    }
}

/// What the pools of one block size serve, on one thread.
pub(crate) const ONE_BLOCK: Profile = Profile {
    sizes: Sizes::OneBlock,
    max_align: Profile::ANY_ALIGN,
    frees: Frees::OneByOne,
    reset: Reset::KeepsAll,
    threads: Threads::Owner,
};

/// What the pool of mixed sizes serves.
const ALL_SIZES: Profile = Profile { sizes: Sizes::Any, ..ONE_BLOCK };

/// The block of a pool of one block size, for a plan that its profile covers.
pub(crate) fn block_of(profile: Profile, plan: &Plan) -> Result<Layout, Unsupported> {
    profile.serves(plan)?;
    Layout::from_size_align(plan.max_size, plan.max_align)
        .map_err(|_| Unsupported::new("has no block of a size that overflows its alignment"))
}

impl From<OutOfMemory> for BuildError {
    fn from(OutOfMemory { blocks, block }: OutOfMemory) -> Self {
        Self::OutOfMemory { bytes: block.size().saturating_mul(blocks) }
    }
}

impl<A: Allocator + Default> Strategy for BlockPool<A> {
    const NAME: &'static str = "pool";
    const ABOUT: &'static str =
        "blocks of one size, free ones kept on a stack apart from the blocks";
    const ROLE: Role = Role::Ours;
    const PROFILE: Profile = ONE_BLOCK;

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
        BlockPool::reset(self);
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        Some(Stats {
            reserved_bytes: self.reserved_bytes(),
            live_bytes: self.live() * self.block().size(),
        })
    }
}

impl<A: Allocator + Default> Strategy for SizeClassPool<A> {
    const NAME: &'static str = "size-class-pool";
    const ABOUT: &'static str =
        "blocks of all sizes, rounded up to a class, with a stack of free ones for each class";
    const ROLE: Role = Role::Ours;
    const PROFILE: Profile = ALL_SIZES;

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
        SizeClassPool::reset(self);
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        Some(Stats { reserved_bytes: self.reserved_bytes(), live_bytes: self.live_bytes() })
    }
}

impl<A: Allocator + Default> Strategy for GuidePool<A> {
    const NAME: &'static str = "guide-pool";
    const ABOUT: &'static str =
        "the pool that guides sketch, made sound: blocks of one size, allocated one by one";
    const ROLE: Role = Role::Ours;
    const PROFILE: Profile = Profile { reset: Reset::Unsupported, ..ONE_BLOCK };

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

    fn stats(&self) -> Option<Stats> {
        Some(Stats {
            reserved_bytes: self.reserved_bytes(),
            live_bytes: self.live() * self.layout().size(),
        })
    }
}
