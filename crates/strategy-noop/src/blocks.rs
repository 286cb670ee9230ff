//! The blocks, carved and touched beforehand, and the stack of those that are free.
//!
//! What was tried, for `strategy::Block` with `Fixed<64, 8>`, on an AMD EPYC (Zen 4, 3.7 GHz),
//! ns for allocating, writing, reading and freeing in a loop (and for 1000 blocks in a row,
//! then freed in random order):
//!
//! | design | pair | batch |
//! | --- | --- | --- |
//! | always the same block: no allocation at all | 0.54 | 1.27 |
//! | a stack of pointers over a `None`, the newest in a cell of its own (this one) | 1.08 | 2.64 |
//! | the same, with the end of the stack in a cell instead of a `None` | 1.08 | 2.70 |
//! | the first block by a flag, the others on a stack | 1.08 | 2.63 |
//! | a stack of pointers | 1.35 | 2.55 |
//! | a stack that writes a slot only if it changes | 1.28 | 2.63 |
//! | a stack with an index for its top | 1.35 | 2.85 |
//! | a ring: freed blocks go to the other end | 1.88 | 3.30 |
//!
//! The pair is bound by stores, one a cycle (0.27 ns). Two are the workload's: the stamp, and
//! the pointer that `black_box` sends through memory. That a block is taken and that it
//! is free again are at least one each, which makes 1.08 the least for any allocator
//! whose state is in memory. Testing size and alignment costs nothing that can be measured here,
//! so it is done.

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
    /// A block that is free and not on the stack: the newest, most of the time.
    newest: Cell<Option<NonNull<u8>>>,
    /// The top slot of the stack: `slots <= top <= slots + count`. The slot at `slots` holds
    /// `None`, and those above it up to `top` hold distinct free blocks.
    top: Cell<NonNull<Slot>>,
    /// The first of `count + 1` slots, in the region behind the blocks.
    slots: NonNull<Slot>,
    /// The first of `count` blocks of `stride` bytes, and the start of the region.
    first: NonNull<u8>,
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
        debug_assert!(stride.is_multiple_of(align));
        let (region, slots_offset) = region_layout(stride, align, count).ok_or(AllocError)?;
        let first = backing.allocate(region)?.cast::<u8>();
        // SAFETY: the region has this size.
        unsafe { first.write_bytes(TOUCH, region.size()) };
        // SAFETY: `slots_offset <= region.size()`, by `region_layout`.
        let slots = unsafe { first.add(slots_offset) }.cast::<Slot>();
        let mut blocks = Self {
            newest: Cell::new(None),
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
        self.count - slots / size_of::<Slot>() - usize::from(self.newest.get().is_some())
    }

    /// Takes a block out.
    #[inline]
    pub(crate) fn take(&self) -> Option<NonNull<u8>> {
        if let Some(newest) = self.newest.get() {
            self.newest.set(None);
            return Some(newest);
        }
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
        if self.newest.get().is_none() {
            self.newest.set(Some(block));
            return;
        }
        // SAFETY: `block` and `newest` are not on the stack, so fewer than `count` are, and there
        // is a slot above `top`.
        let slot = unsafe { self.top.get().add(1) };
        // SAFETY: as above.
        unsafe { slot.write(Some(block)) };
        self.top.set(slot);
    }

    /// Makes every block free, to be taken in the order of their addresses.
    pub(crate) fn reset(&mut self) {
        self.newest.set(None);
        // SAFETY: the region has `count + 1` slots from `slots` on.
        unsafe { self.slots.write(None) };
        for index in 0..self.count {
            // SAFETY: `index < count`, and the region starts with `count` blocks of this size.
            let block = unsafe { self.first.add(index * self.stride) };
            // SAFETY: `count - index <= count`, so it is one of the slots.
            let slot = unsafe { self.slots.add(self.count - index) };
            // SAFETY: `slot` is in the region and aligned, by `region_layout`.
            unsafe { slot.write(Some(block)) };
        }
        // SAFETY: the last of the slots, all of which were just written.
        self.top.set(unsafe { self.slots.add(self.count) });
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

/// The layout of `count` blocks and `count + 1` slots behind them, and the offset of these;
/// `None` on overflow.
fn region_layout(stride: usize, align: usize, count: usize) -> Option<(Layout, usize)> {
    let blocks = Layout::from_size_align(stride.checked_mul(count)?, align).ok()?;
    blocks.extend(Layout::array::<Slot>(count.checked_add(1)?).ok()?).ok()
}
