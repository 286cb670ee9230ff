//! One size class: its free blocks, and how it grows; and which class serves a layout.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::VECTOR_ALIGN;
use crate::chunks::Chunks;
use crate::huge::{self, HUGE_PAGE_BYTES};
use crate::stack::{FreeStack, mark};

/// The largest class: 32 MiB, the bound below which glibc, too, may keep freed memory instead of
/// giving it back to the system (`DEFAULT_MMAP_THRESHOLD_MAX`, mallopt(3)).
pub(crate) const LARGEST_CLASS_BYTES: usize = 32 << 20;

/// Blocks of a class are aligned to their size, up to this. Larger alignments are rare, and cost
/// address space.
pub(crate) const LARGEST_CLASS_ALIGN: usize = HUGE_PAGE_BYTES;

/// The blocks of a class's first chunk take this many bytes: one page, the least that touching
/// fresh memory costs.
const FIRST_CHUNK_BYTES: usize = 4096;

/// The blocks of a chunk take at most this many bytes, unless one block is larger: above the first
/// 4 KiB, what a class holds beyond its peak is less than this and than its peak.
const LARGEST_CHUNK_BYTES: usize = 1 << 20;

/// The classes: powers of two from `VECTOR_ALIGN` to `LARGEST_CLASS_BYTES`.
pub(crate) const CLASSES: usize = (LARGEST_CLASS_BYTES / VECTOR_ALIGN).ilog2() as usize + 1;

/// The class that serves `layout`, or one from `CLASSES` on if none does.
///
/// The size may be anything between what was asked for and the size of the class: a block is
/// freed with a layout that fits, not with the same one.
#[inline]
pub(crate) fn class_of(layout: Layout) -> usize {
    if layout.align() > LARGEST_CLASS_ALIGN {
        return CLASSES;
    }
    let last_byte = (layout.size().max(layout.align()) - 1) | (VECTOR_ALIGN - 1);
    (last_byte.ilog2() - (VECTOR_ALIGN - 1).ilog2()) as usize
}

/// The size of the blocks of a class below `CLASSES`.
#[inline]
pub(crate) const fn class_bytes(class: usize) -> usize {
    VECTOR_ALIGN << class
}

/// The blocks of one class.
pub(crate) struct Class {
    /// Has room for every block of the class at once: `capacity >= blocks`; and a block is on it
    /// at most once, and not while it is out.
    free: FreeStack,
    /// What the blocks are carved from.
    chunks: Chunks,
    /// The blocks in `chunks`, free or out.
    blocks: Cell<usize>,
    /// At least `blocks`: these and those that calls of `grow` under way are about to add, for a
    /// backing allocator that uses this very pool makes a second call inside the first. If one
    /// panicked, what it was to add stays promised. The capacity of `free` is this at least where
    /// `grow` has just made room, and may be less before that.
    promised: Cell<usize>,
}

impl Class {
    /// Without blocks.
    pub(crate) const fn new() -> Self {
        Self {
            free: FreeStack::new(),
            chunks: Chunks::new(),
            blocks: Cell::new(0),
            promised: Cell::new(0),
        }
    }

    /// The number of blocks that are out.
    pub(crate) fn live(&self) -> usize {
        self.blocks.get() - self.free.len()
    }

    /// The number of blocks that are free.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// The bytes of the chunks and of the stack.
    pub(crate) fn reserved_bytes(&self) -> usize {
        self.chunks.bytes() + self.free.bytes()
    }

    /// The number of blocks that may be free without the bound being looked at.
    pub(crate) fn limit(&self) -> usize {
        self.free.limit()
    }

    /// Sets the limit; what exceeds the number of blocks does not count.
    pub(crate) fn set_limit(&self, blocks: usize) {
        self.free.set_limit(blocks);
    }

    /// Takes a free block.
    #[inline]
    pub(crate) fn take(&self) -> Option<NonNull<u8>> {
        self.free.pop()
    }

    /// Takes a block of `block_bytes` bytes back, and says whether more blocks are free now than
    /// the limit.
    ///
    /// # Safety
    ///
    /// `block` came from [`take`](Self::take) of this class, has not been given back since and
    /// is not used any more.
    #[inline]
    pub(crate) unsafe fn give_back(&self, block: NonNull<u8>, block_bytes: usize) -> bool {
        debug_assert!(
            self.owns(block, block_bytes),
            "not this pool's block, or freed with another layout"
        );
        debug_assert!(self.live() > 0 && self.free.newest() != Some(block), "freed twice");
        // SAFETY: the block is one of this class's and is out (the caller's duty), so fewer than
        // all blocks are on the stack, which has room for all (the invariant of `free`).
        unsafe { self.free.push(block) };
        self.free.is_over_its_limit()
    }

    /// Whether a block of this class starts there.
    fn owns(&self, block: NonNull<u8>, block_bytes: usize) -> bool {
        let address = block.addr().get();
        let chunk = self.chunks.find(address);
        chunk.is_some_and(|chunk| (address - chunk.start()).is_multiple_of(block_bytes))
    }

    /// Adds a chunk of free blocks of `block_bytes` bytes, and room for them on the stack. The
    /// class doubles, from 4 KiB of blocks up to 1 MiB of blocks a chunk.
    ///
    /// # Errors
    ///
    /// If the backing allocator has no memory; the class is as usable as before.
    pub(crate) fn grow(
        &self,
        block_bytes: usize,
        backing: &impl Allocator,
    ) -> Result<(), AllocError> {
        let least = (FIRST_CHUNK_BYTES / block_bytes).max(1);
        let most = (LARGEST_CHUNK_BYTES / block_bytes).max(least);
        let blocks = self.blocks.get().clamp(least, most);
        let align = block_bytes.min(LARGEST_CLASS_ALIGN);
        let layout =
            Layout::from_size_align(blocks * block_bytes, align).map_err(|_| AllocError)?;
        self.promised.set(self.promised.get() + blocks);
        let added = self
            .free
            .ensure(self.promised.get(), backing)
            .and_then(|()| self.chunks.add(layout, backing));
        match added {
            Ok(first) => {
                if block_bytes >= HUGE_PAGE_BYTES {
                    huge::advise(first, layout.size());
                }
                self.blocks.set(self.blocks.get() + blocks);
                // SAFETY: `ensure` made room for all that is promised, these blocks included;
                // what was promised during the calls above got room of its own in the same way.
                // The chunk has `blocks` blocks of this size, which are new.
                unsafe { self.free.push_run(first, block_bytes, blocks) };
            }
            Err(AllocError) => self.promised.set(self.promised.get() - blocks),
        }
        added.map(|_| ())
    }

    /// Gives chunks back whose blocks are all free, until their blocks have at least `enough_bytes`
    /// together or there are no more. It sorts what is free, `n` blocks in `O(n log n)`.
    ///
    /// # Safety
    ///
    /// `backing` is the allocator that every call of [`grow`](Self::grow) was given.
    pub(crate) unsafe fn trim(
        &self,
        enough_bytes: usize,
        block_bytes: usize,
        backing: &impl Allocator,
    ) {
        if self.free.len() == 0 {
            return;
        }
        let mut trimmed = Chunks::new();
        let mut trimmed_blocks = 0;
        self.free.sift(|free| {
            trimmed = self.chunks.split_off(|chunk| {
                let blocks = chunk.block_bytes() / block_bytes;
                let from = free.partition_point(|block| block.addr().get() < chunk.start());
                let chunk_and_more = &mut free[from..];
                let end = chunk.start() + chunk.block_bytes();
                let free_blocks = chunk_and_more.partition_point(|block| block.addr().get() < end);
                if free_blocks < blocks || trimmed_blocks * block_bytes >= enough_bytes {
                    return false;
                }
                for block in &mut chunk_and_more[..blocks] {
                    *block = mark(*block);
                }
                trimmed_blocks += blocks;
                true
            });
        });
        self.blocks.set(self.blocks.get() - trimmed_blocks);
        self.promised.set(self.promised.get() - trimmed_blocks);
        // From here on the class is whole: `backing` may itself use the pool.
        // SAFETY: `grow` is the only caller of `ensure`, and passes the allocator on. No more blocks
        // are free than there are, and no more are there than promised.
        unsafe { self.free.shrink(|| self.promised.get(), backing) };
        // SAFETY: `grow` is the only caller of `add`, and passes the allocator on. The blocks were all
        // free, and are no longer on the stack.
        unsafe { trimmed.release(backing) };
    }

    /// Gives the chunks and the stack back and leaves a class without blocks.
    ///
    /// # Safety
    ///
    /// `backing` is the allocator that every call of [`grow`](Self::grow) was given, and no block
    /// is used any more.
    pub(crate) unsafe fn release(&mut self, backing: &impl Allocator) {
        let mut class = core::mem::replace(self, Self::new());
        // SAFETY: `grow` is the only caller of `add`, and passes the allocator on; that no block
        // is in use is the caller's duty.
        unsafe { class.chunks.release(backing) };
        // SAFETY: as above, for `ensure`.
        unsafe { class.free.release(backing) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(size: usize, align: usize) -> usize {
        class_of(Layout::from_size_align(size, align).unwrap())
    }

    #[test]
    fn a_class_serves_its_size_and_the_one_above_serves_one_byte_more() {
        for index in 0..CLASSES {
            let bytes = class_bytes(index);
            assert_eq!(class(bytes, 1), index);
            assert_eq!(class(bytes + 1, 1), index + 1);
        }
        assert_eq!(class_bytes(CLASSES - 1), LARGEST_CLASS_BYTES);
    }

    #[test]
    fn the_alignment_counts_like_a_size() {
        assert_eq!((class(0, 1), class(1, 1), class(1, 64)), (0, 0, 0));
        assert_eq!((class(1, 128), class(129, 128), class(65, 64)), (1, 2, 1));
        assert_eq!(class_bytes(class(1, LARGEST_CLASS_ALIGN)), LARGEST_CLASS_ALIGN);
        assert_eq!(class(1, 2 * LARGEST_CLASS_ALIGN), CLASSES);
        assert!(class(isize::MAX as usize, 1) >= CLASSES);
    }
}
