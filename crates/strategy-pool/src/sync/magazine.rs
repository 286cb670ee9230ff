//! A magazine: a stack of pointers to free blocks that changes hands as a whole.

use core::ptr::NonNull;

use allocator_api2::alloc::Layout;

use super::primitives::Cell;

/// Memory that two threads write is at least so many bytes apart: two lines of 64 bytes, since
/// processors fetch lines in pairs.
pub(super) const APART: usize = 128;

/// The blocks of one magazine take at most this many bytes, unless one block is larger. A thread
/// has two magazines, so it keeps at most twice this from the others.
const MAGAZINE_BYTES: usize = 32 << 10;

/// The most blocks that a magazine holds: with its head a magazine is then 4 KiB.
const MOST_ROUNDS: usize = 510;

/// The number of blocks of `size` bytes that a magazine holds, at least 1.
pub(super) const fn rounds(size: usize) -> usize {
    match MAGAZINE_BYTES.checked_div(size) {
        None | Some(MOST_ROUNDS..) => MOST_ROUNDS,
        Some(0) => 1,
        Some(rounds) => rounds,
    }
}

/// The layout of a magazine for `rounds` blocks, at most `MOST_ROUNDS`.
pub(super) fn layout(rounds: usize) -> Layout {
    let slots = rounds * size_of::<NonNull<u8>>();
    Layout::from_size_align(size_of::<Magazine>() + slots, APART)
        .expect("a magazine has some 4 KiB")
        .pad_to_align()
}

/// The head of a magazine. Behind it follow its slots, one for each block.
pub(super) struct Magazine {
    /// The next one in a list of the depot. Written under the depot's lock.
    pub(super) next: Cell<Option<NonNull<Magazine>>>,
    /// The number of blocks in it while it is in the depot: that many slots from the first
    /// on are initialized. While a cache has it, the cache knows. Written under the depot's lock.
    pub(super) len: Cell<usize>,
}

impl Magazine {
    /// A head for a magazine without blocks.
    pub(super) fn new() -> Self {
        Self { next: Cell::new(None), len: Cell::new(0) }
    }

    /// A slot of a magazine, which may be one behind the last.
    ///
    /// # Safety
    ///
    /// `magazine` points to memory of `layout(rounds)`, and `index <= rounds`.
    #[inline]
    pub(super) unsafe fn slot(magazine: NonNull<Self>, index: usize) -> NonNull<NonNull<u8>> {
        // SAFETY: the slots begin behind the head, in the same allocation.
        let slots = unsafe { magazine.add(1) }.cast::<NonNull<u8>>();
        // SAFETY: there are `rounds` slots, and `index <= rounds` (the caller's duty).
        unsafe { slots.add(index) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_magazine_holds_32_kib_of_blocks_and_takes_4_kib() {
        let sizes = [0, 1, 8, 64, 65, 1024, 32 << 10, (32 << 10) + 1, 1 << 30];
        assert_eq!(sizes.map(rounds), [510, 510, 510, 510, 504, 32, 1, 1, 1]);
        assert_eq!(layout(510), Layout::from_size_align(4096, 128).unwrap());
        assert_eq!(layout(1).size(), 128);
    }
}
