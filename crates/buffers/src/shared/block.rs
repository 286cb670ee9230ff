//! How a block is laid out: a header, and behind it the contents. Arithmetic only.
#![forbid(unsafe_code)]

use core::alloc::Layout;
use core::marker::PhantomData;

use super::{AtomicCount, LocalCount};
use crate::OutOfMemory;

/// The least contents that a block grows to, in bytes: a cache line.
const LEAST_GROWTH: usize = 64;

/// What a shared block begins with. While its owner is unique, nothing is written there.
///
/// The count comes first, where an owner's pointer points to.
#[repr(C)]
pub(super) struct Header<C, A> {
    /// The owners of the block, and one at the least.
    pub count: C,
    /// How the block is laid out.
    pub block: Block<A>,
    /// What the block came from.
    pub allocator: A,
}

/// The layout of a block whose allocator, an `A`, is kept in its header.
///
/// The alignment of the block is that of the contents and at least that of the header, and the
/// contents begin at the first multiple of it behind the header. Every one was made by
/// [`new`](Self::new), so it is the layout of something.
pub(super) struct Block<A> {
    layout: Layout,
    allocator: PhantomData<fn() -> A>,
}

impl<A> Block<A> {
    /// Room for the header with either count, so that a unique buffer can become any.
    const HEADER: Layout = {
        let atomic = Layout::new::<Header<AtomicCount, A>>();
        let local = Layout::new::<Header<LocalCount, A>>();
        assert!(atomic.align() == local.align(), "a size is a multiple of the greater alignment");
        if atomic.size() > local.size() { atomic } else { local }
    };

    /// A block for contents of `contents`.
    ///
    /// # Errors
    ///
    /// If it would have more than `isize::MAX` bytes.
    #[inline]
    pub(super) fn new(contents: Layout) -> Result<Self, OutOfMemory> {
        let refused = |_| OutOfMemory::of(contents);
        let (layout, offset) = Self::HEADER.extend(contents).map_err(refused)?;
        let block = Self { layout, allocator: PhantomData };
        debug_assert!(block.offset() == offset && block.capacity() == contents.size());
        Ok(block)
    }

    /// A block for `bytes` at the alignment of this one.
    ///
    /// # Errors
    ///
    /// If it would have more than `isize::MAX` bytes.
    pub(super) fn of_size(self, bytes: usize) -> Result<Self, OutOfMemory> {
        let align = self.align();
        let contents = Layout::from_size_align(bytes, align);
        Self::new(contents.map_err(|_| OutOfMemory { bytes, align })?)
    }

    /// What one of this layout grows to when there have to be `needed` bytes: twice its contents,
    /// 64 bytes or what is needed, whichever is most.
    ///
    /// # Errors
    ///
    /// If `needed` bytes would be more than a block can have. If only twice the contents would, it
    /// is what is needed.
    pub(super) fn grown(self, needed: usize) -> Result<Self, OutOfMemory> {
        let least = self.of_size(needed)?;
        let wanted = self.capacity().saturating_mul(2).max(LEAST_GROWTH).max(needed);
        Ok(self.of_size(wanted).unwrap_or(least))
    }

    /// Size and alignment of the whole.
    #[inline]
    pub(super) fn layout(self) -> Layout {
        self.layout
    }

    /// The alignment of the whole and of the contents.
    #[inline]
    pub(super) fn align(self) -> usize {
        self.layout.align()
    }

    /// Where the contents begin, in bytes from the begin of the block.
    #[inline]
    pub(super) fn offset(self) -> usize {
        let below = self.align() - 1;
        // No more than the size of the block, which exists, so the sum does not overflow.
        (Self::HEADER.size() + below) & !below
    }

    /// The bytes of the contents.
    #[inline]
    pub(super) fn capacity(self) -> usize {
        self.layout.size() - self.offset()
    }

    /// Whether it has no contents. Then it is not allocated.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.capacity() == 0
    }
}

impl<A> Clone for Block<A> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Block<A> {}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    fn block(bytes: usize, align: usize) -> Result<Block<Global>, OutOfMemory> {
        Block::new(Layout::from_size_align(bytes, align).unwrap())
    }

    #[test]
    fn the_contents_begin_behind_the_header_at_their_alignment() {
        for shift in 0..30 {
            for bytes in [0, 1, 7, 8, 100, 4096] {
                let block = block(bytes, 1 << shift).unwrap();
                assert!(block.offset() >= size_of::<Header<AtomicCount, Global>>());
                assert!(block.offset() >= size_of::<Header<LocalCount, Global>>());
                assert!(block.offset().is_multiple_of(1 << shift));
                assert_eq!(block.capacity(), bytes);
                assert_eq!(block.layout().size(), block.offset() + bytes);
                assert_eq!(block.layout().align(), (1 << shift).max(8));
            }
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn the_header_is_three_words_and_the_allocator() {
        assert_eq!(block(100, 1).unwrap().offset(), size_of::<[usize; 3]>());
        let contents = Layout::new::<[u8; 100]>();
        let block = Block::<[usize; 5]>::new(contents).unwrap();
        assert_eq!(block.offset(), size_of::<[usize; 8]>());
    }

    #[test]
    fn an_allocator_is_kept_at_its_alignment() {
        #[repr(align(64))]
        struct Aligned;
        let block = Block::<Aligned>::new(Layout::new::<[u8; 100]>()).unwrap();
        assert_eq!((block.align(), block.offset()), (64, 64));
    }

    #[test]
    fn it_grows_to_twice_its_size_or_to_what_is_needed() {
        let grown = |bytes, needed| block(bytes, 1).unwrap().grown(needed).map(Block::capacity);
        for (bytes, needed, expected) in
            [(0, 1, 64), (5, 6, 64), (40, 41, 80), (40, 100, 100), (4096, 4097, 8192)]
        {
            assert_eq!(grown(bytes, needed), Ok(expected));
        }
        // Half of all that there can be does not become twice as much, but more than it was.
        let half = isize::MAX as usize / 2;
        assert_eq!(grown(half, half + 1), Ok(half + 1));
        assert_eq!(grown(half, usize::MAX), Err(OutOfMemory { bytes: usize::MAX, align: 8 }));
    }

    #[test]
    fn a_header_that_does_not_fit_in_front_is_an_error_and_does_not_wrap() {
        let most = isize::MAX as usize;
        let header = block(0, 8).unwrap().offset();
        let largest = (most - 7) - header;
        assert!(block(largest, 1).is_ok());
        for bytes in [largest + 1, most - 8, most - 1, most] {
            if let Ok(contents) = Layout::from_size_align(bytes, 1) {
                let error = Block::<Global>::new(contents).err();
                assert_eq!(error, Some(OutOfMemory { bytes, align: 1 }));
            }
        }
        // The header takes the first of the three pieces of a quarter that there are.
        let quarter = 1 << (usize::BITS - 3);
        assert!(block(2 * quarter, quarter).is_ok());
        assert!(block(2 * quarter + 1, quarter).is_err());
        let small = block(1, 1).unwrap();
        for bytes in [largest + 1, most, most + 1, usize::MAX] {
            assert_eq!(small.of_size(bytes).err(), Some(OutOfMemory { bytes, align: 8 }));
        }
    }
}
