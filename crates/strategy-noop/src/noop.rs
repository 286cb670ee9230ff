//! The control: a strategy over the blocks, and its handle as an `Allocator`.

use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use strategy::{
    BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Stats, Strategy, Threads, Unsupported,
};

use crate::blocks::Blocks;

/// Blocks are aligned to this at least, as those of `malloc` are on 64-bit machines.
const LEAST_ALIGN: usize = 16;

/// Blocks beyond the plan's live ones: one to move a block to before the old one is freed,
/// and one to be sure.
const SPARE_BLOCKS: usize = 2;

const PROFILE: Profile = Profile {
    sizes: Sizes::Any,
    max_align: Profile::ANY_ALIGN,
    frees: Frees::OneByOne,
    reset: Reset::KeepsAll,
    threads: Threads::Owner,
};

/// The control strategy: hands out blocks that were carved and touched beforehand.
///
/// A plan's largest size and alignment make the block, and there are two more blocks than it
/// has live ones. When they run out, or for a larger block, the answer is `AllocError`.
///
/// ```
/// use core::alloc::Layout;
/// use strategy::{Block, Fixed, Plan, Strategy};
/// use strategy_noop::Noop;
///
/// let noop = <Noop>::new(&Plan::of(Layout::new::<[u64; 8]>()).live(1)).unwrap();
/// let blocks = [1, 2, 3].map(|stamp| Block::new(&noop, Fixed::<64, 8>, stamp).unwrap());
/// assert_eq!(blocks.each_ref().map(Block::stamp), [1, 2, 3]); // distinct blocks
/// assert!(Block::new(&noop, Fixed::<64, 8>, 4).is_err()); // one live and two to spare
/// ```
///
/// It belongs to one thread:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_noop::Noop>();
/// ```
pub struct Noop<A: Allocator = Global> {
    /// Every block is aligned to `align`; the region came from `backing`.
    blocks: Blocks,
    align: usize,
    backing: A,
}

impl<A: Allocator> Noop<A> {
    /// The control for `plan`, with memory of `backing`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Unsupported`] if the plan has several threads or a block that cannot exist,
    /// and [`BuildError::OutOfMemory`] if there is no memory.
    pub fn new_in(plan: &Plan, backing: A) -> Result<Self, BuildError> {
        PROFILE.serves(plan)?;
        let align = plan.max_align.max(LEAST_ALIGN);
        let block = Layout::from_size_align(plan.max_size.max(1), align)
            .map_err(|_| Unsupported::new("has no block of a size that overflows its alignment"))?;
        let stride = block.pad_to_align().size();
        let count = plan.live_blocks.saturating_add(SPARE_BLOCKS);
        let blocks = Blocks::new(stride, align, count, &backing).map_err(|AllocError| {
            BuildError::OutOfMemory { bytes: stride.saturating_mul(count) }
        })?;
        Ok(Self { blocks, align, backing })
    }

    /// Whether a block serves `layout`.
    #[inline]
    fn serves(&self, layout: Layout) -> bool {
        layout.size() <= self.blocks.stride()
            && (layout.align() <= LEAST_ALIGN || layout.align() <= self.align)
    }

    /// A block for `layout`, or an empty slice if its size is 0.
    #[inline]
    fn block_for(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if !self.serves(layout) {
            return Err(AllocError);
        }
        if layout.size() == 0 {
            return Ok(NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0));
        }
        let block = self.blocks.take().ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    /// A block under a new layout: the same one, or a dangling pointer in its place.
    ///
    /// # Safety
    ///
    /// `pointer` was handed out by this strategy for `old` and is owned by the caller.
    #[inline]
    unsafe fn change(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.block_for(new);
        }
        if !self.serves(new) {
            return Err(AllocError);
        }
        if new.size() == 0 {
            // SAFETY: `old.size()` is above 0, so `pointer` came from `take`; the caller owns it.
            unsafe { self.blocks.give_back(pointer) };
            return Ok(NonNull::slice_from_raw_parts(new.dangling_ptr(), 0));
        }
        Ok(NonNull::slice_from_raw_parts(pointer, new.size()))
    }
}

// SAFETY: a block has at least the layout's size and alignment (`serves`), lies in a region that
// is freed by `drop` only, and is out, so it is handed to nobody else. `drop` and `reset` need the
// strategy unborrowed, so blocks are valid while this reference or a copy of it is in use. Copies
// are the same strategy, and moving a reference moves nothing.
unsafe impl<A: Allocator> Allocator for &Noop<A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.block_for(layout)
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // The `Box` of allocator-api2 frees values without size that it has not allocated.
        if layout.size() > 0 {
            // SAFETY: the caller got `pointer` from this strategy with a size above 0, so it came
            // from `take`, and gives it up.
            unsafe { self.blocks.give_back(pointer) };
        }
    }

    #[inline]
    unsafe fn grow(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller owns the block, which was got with `old`.
        unsafe { self.change(pointer, old, new) }
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller owns the block, which was got with `old`.
        let block = unsafe { self.change(pointer, old, new) }?;
        // SAFETY: `old.size() <= new.size()`, and the block has `new.size()` bytes.
        let tail = unsafe { block.cast::<u8>().add(old.size()) };
        // SAFETY: from there on the block has that many bytes.
        unsafe { tail.write_bytes(0, new.size() - old.size()) };
        Ok(block)
    }

    #[inline]
    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() <= old.size());
        // SAFETY: the caller owns the block, which was got with `old`.
        unsafe { self.change(pointer, old, new) }
    }
}

impl<A: Allocator + Default> Strategy for Noop<A> {
    const NAME: &'static str = "noop";
    const ABOUT: &'static str = "hands out blocks that were carved and touched beforehand";
    const ROLE: Role = Role::Floor;
    const PROFILE: Profile = PROFILE;

    type Handle<'a>
        = &'a Self
    where
        A: 'a;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::new_in(plan, A::default())
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    fn reset(&mut self) -> Result<(), Unsupported> {
        self.blocks.reset();
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        Some(Stats {
            reserved_bytes: self.blocks.bytes(),
            live_bytes: self.blocks.live() * self.blocks.stride(),
        })
    }
}

impl<A: Allocator> Drop for Noop<A> {
    fn drop(&mut self) {
        // SAFETY: the region came from `backing` (the invariant of `blocks`); whoever could still
        // use a block would borrow the strategy, and `blocks` is not used after this.
        unsafe { self.blocks.release(&self.backing) };
    }
}

// SAFETY: the region is this strategy's alone, and its cells are reached through `&Noop` only,
// which is not `Send`: while another thread has the strategy, no handle and no block is left on
// this one. The backing allocator goes along, hence the bound.
unsafe impl<A: Allocator + Send> Send for Noop<A> {}

impl<A: Allocator> fmt::Debug for Noop<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noop")
            .field("stride", &self.blocks.stride())
            .field("align", &self.align)
            .field("live", &self.blocks.live())
            .finish_non_exhaustive()
    }
}
