//! The blocks, carved and touched beforehand, and the stack of those that are free.
//!
//! What was tried, for `strategy::Block` with `Fixed<64, 8>`, on an AMD EPYC (Zen 4, 3.7 GHz),
//! ns for allocating, writing, reading and freeing in a loop (and for 1000 blocks in a row,
//! then freed in random order), when `Block` still sent its pointer through memory:
//!
//! | design | pair | batch |
//! | --- | --- | --- |
//! | always the same block: no allocation at all | 0.54 | 1.27 |
//! | the first block by a flag, the others on a stack (this one) | 1.08 | 2.63 |
//! | a stack of pointers over a `None`, the newest in a cell of its own | 1.08 | 2.64 |
//! | the same, with the end of the stack in a cell instead of a `None` | 1.08 | 2.70 |
//! | a stack of pointers | 1.35 | 2.55 |
//! | a stack that writes a slot only if it changes | 1.28 | 2.63 |
//! | a stack with an index for its top | 1.35 | 2.85 |
//! | a ring: freed blocks go to the other end | 1.88 | 3.30 |
//!
//! The pair is bound by stores, one a cycle (0.27 ns): the stamp is one, that a block is taken
//! and that it is free again are at least one each. `Block` keeps its pointer in a register
//! since, and the slow ways are marked cold, which takes two jumps out of the loop: the pair then
//! takes 0.55 with the control in a local variable, and 0.9 behind a pointer, where a value that
//! was just stored comes back through memory. Testing size and alignment costs nothing that can be
//! measured, so it is done.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

/// What every byte is set to beforehand. It is not 0, or a compiler may make zeroed memory of
/// it, which is not touched.
const TOUCH: u8 = 0xA5;

/// A place on the stack: a free block, or `None` at the bottom.
type Slot = Option<NonNull<u8>>;

/// A fixed number of blocks. It has no `Drop`: its owner calls [`release`](Self::release) with
/// the allocator that the region came from.
pub(crate) struct Blocks {
    /// Whether the first block is free. It is never on the stack.
    first_is_free: Cell<bool>,
    /// The top slot of the stack: `slots <= top < slots + count`. The slot at `slots` holds
    /// `None`, and those above it up to `top` hold distinct free blocks.
    top: Cell<NonNull<Slot>>,
    /// The first of `count` slots, in the region behind the blocks.
    slots: NonNull<Slot>,
    /// The first of `count` blocks of `stride` bytes, and the start of the region.
    first: NonNull<u8>,
    /// At least 1.
    count: usize,
    stride: usize,
    /// What the region was allocated with. Not moved or freed before `release`.
    region: Layout,
}

impl Blocks {
    /// `count` blocks of `stride` bytes aligned to `align`, which divides `stride`, touched.
    ///
    /// # Errors
    ///
    /// If the size overflows or `backing` has no memory.
    pub(crate) fn new(
        stride: usize,
        align: usize,
        count: usize,
        backing: &impl Allocator,
    ) -> Result<Self, AllocError> {
        debug_assert!(stride.is_multiple_of(align) && count > 0);
        let (region, slots_offset) = region_layout(stride, align, count).ok_or(AllocError)?;
        let first = backing.allocate(region)?.cast::<u8>();
        // SAFETY: the region has this size.
        unsafe { first.write_bytes(TOUCH, region.size()) };
        // SAFETY: `slots_offset <= region.size()`, by `region_layout`.
        let slots = unsafe { first.add(slots_offset) }.cast::<Slot>();
        let mut blocks = Self {
            first_is_free: Cell::new(true),
            top: Cell::new(slots),
            slots,
            first,
            count,
            stride,
            region,
        };
        blocks.reset();
        Ok(blocks)
    }

    /// The bytes of a block.
    #[inline]
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The bytes of blocks and slots.
    pub(crate) fn bytes(&self) -> usize {
        self.region.size()
    }

    /// The number of blocks that are out.
    pub(crate) fn live(&self) -> usize {
        let slots = self.top.get().addr().get() - self.slots.addr().get();
        self.count - slots / size_of::<Slot>() - usize::from(self.first_is_free.get())
    }

    /// Takes a block out.
    #[inline]
    pub(crate) fn take(&self) -> Option<NonNull<u8>> {
        if self.first_is_free.get() {
            self.first_is_free.set(false);
            return Some(self.first);
        }
        core::hint::cold_path();
        let top = self.top.get();
        // SAFETY: `top` is a slot and initialized (its invariant).
        let block = unsafe { top.read() }?;
        // SAFETY: the slot is not `None`, so it is not the one at the bottom.
        self.top.set(unsafe { top.sub(1) });
        Some(block)
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` came from [`take`](Self::take), has not been given back since and is not used
    /// any more.
    #[inline]
    pub(crate) unsafe fn give_back(&self, block: NonNull<u8>) {
        debug_assert!(self.contains(block), "the block is not one of this strategy's");
        debug_assert!(self.live() > 0);
        if block == self.first {
            self.first_is_free.set(true);
            return;
        }
        core::hint::cold_path();
        // SAFETY: neither `block` nor the first one is on the stack, so at most `count - 2` are, and
        // of the `count` slots one above `top` is left.
        let slot = unsafe { self.top.get().add(1) };
        // SAFETY: as above.
        unsafe { slot.write(Some(block)) };
        self.top.set(slot);
    }

    /// Makes every block free, to be taken in the order of their addresses.
    pub(crate) fn reset(&mut self) {
        self.first_is_free.set(true);
        // SAFETY: the region has `count` slots from `slots` on, and `count` is at least 1.
        unsafe { self.slots.write(None) };
        for index in 1..self.count {
            // SAFETY: `index < count`, and the region starts with `count` blocks of this size.
            let block = unsafe { self.first.add(index * self.stride) };
            // SAFETY: `1 <= count - index < count`, so it is one of the slots.
            let slot = unsafe { self.slots.add(self.count - index) };
            // SAFETY: `slot` is in the region and aligned, by `region_layout`.
            unsafe { slot.write(Some(block)) };
        }
        // SAFETY: the last of the slots, all of which were just written.
        self.top.set(unsafe { self.slots.add(self.count - 1) });
    }

    /// Gives the region back.
    ///
    /// # Safety
    ///
    /// `backing` is the allocator that [`new`](Self::new) was given; neither a block nor `self`
    /// is used any more.
    pub(crate) unsafe fn release(&mut self, backing: &impl Allocator) {
        // SAFETY: `first` came from `backing` with `region` (`new` and the caller's duty).
        unsafe { backing.deallocate(self.first, self.region) };
    }

    /// Whether `block` is the start of one of the blocks.
    fn contains(&self, block: NonNull<u8>) -> bool {
        let offset = block.addr().get().wrapping_sub(self.first.addr().get());
        offset < self.count * self.stride && offset.is_multiple_of(self.stride)
    }
}

/// The layout of `count` blocks and as many slots behind them, and the offset of these;
/// `None` on overflow.
fn region_layout(stride: usize, align: usize, count: usize) -> Option<(Layout, usize)> {
    let blocks = Layout::from_size_align(stride.checked_mul(count)?, align).ok()?;
    blocks.extend(Layout::array::<Slot>(count).ok()?).ok()
}
