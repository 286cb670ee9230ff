//! The part of a chunk that no block was cut from yet.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::Layout;

/// Memory that blocks are cut from, from its start on.
pub(crate) struct Region {
    /// At least `left` bytes of one allocation follow it, and nobody has them.
    start: Cell<NonNull<u8>>,
    /// The bytes that are left.
    left: Cell<usize>,
}

impl Region {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Self { start: Cell::new(NonNull::dangling()), left: Cell::new(0) }
    }

    /// Takes the place of what is left.
    ///
    /// # Safety
    ///
    /// From `start` on there are `bytes` bytes of one allocation that nobody else uses, for as long
    /// as blocks are cut from the region or used.
    pub(crate) unsafe fn replace(&self, start: NonNull<u8>, bytes: usize) {
        self.start.set(start);
        self.left.set(bytes);
    }

    /// Cuts off a block, or nothing if what is left is too short.
    pub(crate) fn cut(&self, block: Layout) -> Option<NonNull<u8>> {
        let (start, left) = (self.start.get(), self.left.get());
        let skipped = start.addr().get().wrapping_neg() & (block.align() - 1);
        let after = left.checked_sub(skipped)?.checked_sub(block.size())?;
        // SAFETY: `skipped + block.size() <= left`, so it stays inside the allocation.
        let first = unsafe { start.add(skipped) };
        // SAFETY: as above.
        self.start.set(unsafe { first.add(block.size()) });
        self.left.set(after);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_cut_one_after_the_other_aligned_and_within_the_end() {
        let mut memory = [0_u128; 16]; // 256 bytes
        let start = NonNull::from(&mut memory).cast::<u8>();
        let region = Region::new();
        assert_eq!(region.cut(layout(16, 16)), None);
        // SAFETY: the array has that many bytes, and is used by nobody else.
        unsafe { region.replace(start, 256) };
        let mut end = start.addr().get();
        let mut cuts = 0;
        for block in [layout(48, 16), layout(64, 64), layout(16, 16)].into_iter().cycle().take(9) {
            let Some(cut) = region.cut(block) else { continue };
            assert!(cut >= NonNull::without_provenance(end.try_into().unwrap()));
            assert!(cut.addr().get().is_multiple_of(block.align()));
            end = cut.addr().get() + block.size();
            assert!(end <= start.addr().get() + 256);
            cuts += 1;
        }
        assert!(cuts >= 4);
        assert_eq!(region.cut(layout(256, 16)), None);
    }
}
