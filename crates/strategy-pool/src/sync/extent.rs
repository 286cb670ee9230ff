//! The memory of a pool: a list of allocations of its backing allocator.
//!
//! An extent is, in this order, blocks, a cache, magazines, and an [`Extent`], the record that links
//! it to the one before. Each part may be missing but the record.

use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};
use strategy::memcheck;

use super::cache::Cache;
use super::magazine::Magazine;

/// What an extent is made of.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// The layout of a block; its size is a multiple of its alignment.
    pub(super) block: Layout,
    pub(super) blocks: usize,
    /// Whether there is a cache.
    pub(super) cache: bool,
    /// The layout of a magazine; its size is a multiple of its alignment.
    pub(super) magazine: Layout,
    pub(super) magazines: usize,
}

/// The record at the end of an extent.
pub(super) struct Extent {
    /// The start of the extent, with the provenance of all of it, which `parts.layout()` describes.
    start: NonNull<u8>,
    pub(super) parts: Parts,
    /// The extent that was added before.
    pub(super) older: Option<NonNull<Extent>>,
}

/// Where the parts of an extent are, in bytes from its start, and its layout.
struct Offsets {
    cache: usize,
    magazines: usize,
    record: usize,
    all: Layout,
}

impl Parts {
    /// `None` on overflow.
    fn offsets(&self) -> Option<Offsets> {
        let array = |item: Layout, count: usize| {
            Layout::from_size_align(item.size().checked_mul(count)?, item.align()).ok()
        };
        let blocks = array(self.block, self.blocks)?;
        let (all, cache) = blocks.extend(array(Layout::new::<Cache>(), self.cache.into())?).ok()?;
        let (all, magazines) = all.extend(array(self.magazine, self.magazines)?).ok()?;
        let (all, record) = all.extend(Layout::new::<Extent>()).ok()?;
        Some(Offsets { cache, magazines, record, all })
    }
}

impl Extent {
    /// Takes an extent from `backing`, with empty magazines. The blocks and the cache are not
    /// initialized.
    ///
    /// # Errors
    ///
    /// If the size overflows or the backing allocator has no memory.
    pub(super) fn allocate(
        parts: Parts,
        backing: &impl Allocator,
    ) -> Result<NonNull<Self>, AllocError> {
        debug_assert_eq!(parts.block, parts.block.pad_to_align());
        let Offsets { cache, record, all, .. } = parts.offsets().ok_or(AllocError)?;
        let start = backing.allocate(all)?.cast::<u8>();
        memcheck::taken(start, all.size());
        // SAFETY: all but the blocks lies behind them in the extent, whose layout is `all`.
        memcheck::record_made(unsafe { start.add(cache) }, all.size() - cache);
        // SAFETY: the record lies in the extent, whose layout is `all`.
        let record = unsafe { start.add(record) }.cast::<Self>();
        // SAFETY: as above, and aligned, since `offsets` aligns both the start and the offset.
        unsafe { record.write(Self { start, parts, older: None }) };
        // SAFETY: just written, and nobody else has it yet.
        let extent = unsafe { record.as_ref() };
        for index in 0..parts.magazines {
            // SAFETY: the magazine lies in the extent, aligned, and is not in use yet.
            unsafe { extent.magazine(index).write(Magazine::new()) };
        }
        Ok(record)
    }

    /// Fills a magazine with the blocks from `first` on, so that they are popped in the order of
    /// their addresses, and returns their number: `rounds`, or what there is.
    ///
    /// # Safety
    ///
    /// The magazine has `rounds` slots and is the caller's alone, and `first <= blocks`.
    pub(super) unsafe fn fill(
        &self,
        magazine: NonNull<Magazine>,
        first: usize,
        rounds: usize,
    ) -> usize {
        let Parts { block, blocks, .. } = self.parts;
        debug_assert!(first <= blocks);
        let count = rounds.min(blocks - first);
        for index in 0..count {
            // SAFETY: `first + index < blocks`, so the block lies in the extent.
            let block = unsafe { self.start.add((first + index) * block.size()) };
            // SAFETY: `count <= rounds`, so this is one of the slots.
            let slot = unsafe { Magazine::slot(magazine, count - 1 - index) };
            // SAFETY: as above, and nobody else uses the magazine.
            unsafe { slot.write(block) };
        }
        count
    }

    /// Tells memcheck that all blocks are free.
    pub(super) fn unused(&self) {
        memcheck::unused(self.start, self.parts.blocks * self.parts.block.size());
    }

    /// Gives the extent of a record back.
    ///
    /// # Safety
    ///
    /// It came from `backing`, and nothing in it is used any more.
    pub(super) unsafe fn release(record: NonNull<Self>, backing: &impl Allocator) {
        // SAFETY: initialized by `allocate`, and there until the line below.
        let extent = unsafe { record.read() };
        let Offsets { cache, all, .. } = extent.offsets();
        // SAFETY: as in `allocate`.
        memcheck::record_gone(unsafe { extent.start.add(cache) }, all.size() - cache);
        memcheck::returned(extent.start, all.size());
        // SAFETY: the extent came from `backing` with this layout (the invariant of `start`).
        unsafe { backing.deallocate(extent.start, all) };
    }

    /// The bytes that the extent takes.
    pub(super) fn bytes(&self) -> usize {
        self.offsets().all.size()
    }

    /// The place of its cache.
    pub(super) fn cache(&self) -> NonNull<Cache> {
        debug_assert!(self.parts.cache);
        // SAFETY: the cache lies in the extent, by the layout that it was allocated with.
        unsafe { self.start.add(self.offsets().cache) }.cast()
    }

    /// The place of one of its magazines.
    pub(super) fn magazine(&self, index: usize) -> NonNull<Magazine> {
        assert!(index < self.parts.magazines, "the extent has no such magazine");
        let offset = self.offsets().magazines + index * self.parts.magazine.size();
        // SAFETY: the magazine lies in the extent, by the layout that it was allocated with.
        unsafe { self.start.add(offset) }.cast()
    }

    /// Whether `block` is the start of one of its blocks.
    pub(super) fn carved(&self, block: NonNull<u8>) -> bool {
        let Parts { block: layout, blocks, .. } = self.parts;
        let offset = block.addr().get().wrapping_sub(self.start.addr().get());
        offset < blocks * layout.size() && offset.is_multiple_of(layout.size())
    }

    fn offsets(&self) -> Offsets {
        self.parts.offsets().expect("the extent was allocated with this layout")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::magazine;

    #[test]
    fn an_extent_is_its_parts_without_gaps_and_a_record() {
        let block = Layout::from_size_align(4096, 4096).unwrap();
        let magazine = magazine::layout(8);
        let parts = Parts { block, blocks: 10, cache: true, magazine, magazines: 2 };
        let offsets = parts.offsets().unwrap();
        assert_eq!((offsets.cache, offsets.all.align()), (10 * 4096, 4096));
        assert_eq!(offsets.magazines, offsets.cache + size_of::<Cache>());
        assert_eq!(offsets.record, offsets.magazines + 2 * magazine.size());
        assert_eq!(offsets.all.size(), offsets.record + size_of::<Extent>());
    }

    #[test]
    fn an_extent_larger_than_a_layout_can_be_is_refused() {
        let (block, magazine) = (Layout::new::<u64>(), magazine::layout(510));
        for blocks in [isize::MAX as usize / 8, isize::MAX as usize / 8 + 1, usize::MAX] {
            let magazines = blocks.div_ceil(510);
            let parts = Parts { block, blocks, cache: false, magazine, magazines };
            assert!(parts.offsets().is_none());
        }
    }
}
