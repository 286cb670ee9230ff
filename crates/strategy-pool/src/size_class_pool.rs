//! The pool of mixed sizes: a stack of free blocks for each size class, chunks for all of them.
//!
//! What was tried, on an AMD EPYC (Zen 4), ns for a block freed and another allocated (`churn`: 10,000
//! blocks of 16 to 1024 bytes, replaced at random; `batch`: 1000 blocks of 64 bytes allocated in a
//! row and freed in random order):
//!
//! | design | churn | batch |
//! | --- | --- | --- |
//! | this one | 6.8 | 2.0 |
//! | this one, the class computed | 8.4 | |
//! | this one, the next free block prefetched | 7.0 | 2.3 |
//! | prefilled stacks of pointers, no test | 7.1 | 2.0 |
//! | prefilled stacks of pointers, no test, the class computed | 6.6 | |
//! | prefilled lists through the free blocks, no test | 5.9 | 4.8 |
//! | jemalloc | 12.3 | 10.6 |
//!
//! Lists save the cache lines of the stacks; they pay for it where blocks are freed that have left the
//! cache, or allocated in a row.
//!
//! A pass that ends in a reset pays for the cutting: `request` (1000 blocks, then a reset) takes
//! 9.9 ns a block, since after a reset no class has a free one.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use strategy::memcheck::{self, Blocks};

use crate::allocator::empty;
use crate::chunks::Chunks;
use crate::class::{CLASSES, class_bytes, class_layout, class_of};
use crate::large::LargeBlocks;
use crate::region::Region;
use crate::stack::FreeStack;

/// What chunks are measured in, and aligned to: a cache line.
const LINE: Layout = match Layout::from_size_align(64, 64) {
    Ok(line) => line,
    Err(_) => panic!("64 is a power of two"),
};

/// The first chunk has this many bytes: one page, the least that touching fresh memory costs.
const FIRST_CHUNK_BYTES: usize = 4096;

/// A chunk has at most this many bytes: above the first 4 KiB, what a pool holds beyond its peak
/// is less than this and than its peak.
const LARGEST_CHUNK_BYTES: usize = 1 << 20;

/// The least room that a class makes for free blocks: a cache line of pointers.
const LEAST_ROOM: usize = LINE.size() / size_of::<NonNull<u8>>() - 1;

/// A pool of blocks of all sizes.
///
/// Memory is handed out through `&SizeClassPool`, which is an [`Allocator`] for every size and
/// alignment. A block's size is rounded up to a size class, four for each doubling. A freed block is
/// kept and handed out again, newest first, to the next request of its class, up to 32 KiB of
/// size and of alignment; beyond that, memory comes from the backing allocator `A` and goes straight
/// back. The classes share chunks, which double the pool from 4 KiB up to 1 MiB a chunk.
///
/// ```
/// use allocator_api2::{boxed::Box, vec::Vec};
/// use strategy_pool::SizeClassPool;
///
/// let pool = SizeClassPool::new();
/// let mut squares = Vec::new_in(&pool);
/// squares.extend((0..1000_u64).map(|number| number * number));
/// let boxed = Box::new_in([0_u8; 100], &pool);
/// assert_eq!((squares[999], boxed.len()), (998_001, 100));
/// assert_eq!(pool.live_bytes(), 8192 + 112); // 1024 numbers, and 100 bytes rounded up
/// ```
///
/// A map of `hashbrown`, with its feature `allocator-api2`:
///
/// ```
/// use hashbrown::{DefaultHashBuilder, HashMap};
/// use strategy_pool::SizeClassPool;
///
/// let pool = SizeClassPool::new();
/// let mut words = HashMap::with_hasher_in(DefaultHashBuilder::default(), &pool);
/// words.insert("pool", 4);
/// assert_eq!(words.get("pool"), Some(&4));
/// ```
///
/// # Threads
///
/// A pool may be sent to another thread, but not shared, so what is allocated in it stays on its
/// thread:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_pool::SizeClassPool>();
/// ```
///
/// ```compile_fail,E0277
/// # use allocator_api2::boxed::Box;
/// # use strategy_pool::SizeClassPool;
/// let pool = SizeClassPool::new();
/// let block = Box::new_in(1_u64, &pool);
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(block)); // would free without the pool's thread knowing
/// });
/// ```
pub struct SizeClassPool<A: Allocator = Global> {
    /// The class at `index` has blocks of `class_layout(index)`.
    classes: [Class; CLASSES],
    /// The newest chunk's bytes, or a revisited one's, that are in no block.
    region: Region,
    /// The blocks of all classes, in lines of 64 bytes. Only `reset` and `drop` take blocks back
    /// that are out.
    chunks: Chunks,
    /// The blocks of classes that are out, for memcheck. Those that no class serves are known to it
    /// by the backing allocator.
    out: Blocks,
    /// The blocks that no class serves.
    large: LargeBlocks,
    /// Where all memory came from.
    backing: A,
}

/// The blocks of one class.
struct Class {
    /// Has room for every block of the class at once: `capacity >= blocks`; and a block is on it
    /// at most once, and not while it is out.
    free: FreeStack,
    /// The blocks that were cut for the class, free or out.
    blocks: Cell<usize>,
}

impl SizeClassPool {
    /// An empty pool. It takes no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }
}

impl<A: Allocator> SizeClassPool<A> {
    /// An empty pool that takes its memory from `backing`. It takes none yet.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self {
            classes: [const { Class { free: FreeStack::new(), blocks: Cell::new(0) } }; CLASSES],
            region: Region::new(),
            chunks: Chunks::new(),
            out: Blocks::new(),
            large: LargeBlocks::new(),
            backing,
        }
    }

    /// Makes the memory of all classes free to be cut anew, that of blocks that are out included,
    /// and keeps it. Blocks that no class serves go back to the backing allocator, as they would
    /// if they were freed.
    ///
    /// Nothing allocated in the pool is in use any more:
    ///
    /// ```compile_fail,E0502
    /// # use allocator_api2::boxed::Box;
    /// # use strategy_pool::SizeClassPool;
    /// let mut pool = SizeClassPool::new();
    /// let one = Box::new_in(1_u64, &pool);
    /// pool.reset(); // `one` still borrows the pool
    /// drop(one);
    /// ```
    pub fn reset(&mut self) {
        for class in &mut self.classes {
            class.free.clear();
            class.blocks.set(0);
        }
        self.out.all_freed();
        for (first, lines) in self.chunks.iter() {
            memcheck::unused(first, lines * LINE.size());
        }
        self.region = Region::new();
        self.chunks.rewind();
        // SAFETY: every large block came from `backing`; whoever could still use a block would
        // borrow the pool.
        unsafe { self.large.remove_all(&self.backing) };
    }

    /// The bytes taken from the backing allocator: the chunks, whose records have 40 bytes, the
    /// large blocks, whose records have 24, and the stacks of free blocks, which have 8 to 16
    /// bytes for each block that was ever cut, and 64 at least for a class that was ever used.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        let stacks: usize = self.classes.iter().map(|class| class.free.bytes()).sum();
        self.chunks.bytes() + self.large.bytes() + self.large.array_bytes() + stacks
    }

    /// The bytes of the blocks that are out: in the sizes that they were rounded to, and beyond the
    /// classes with their records of 24 bytes.
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        let live = |class: &Class| class.blocks.get() - class.free.len();
        let classes = self.classes.iter().enumerate();
        let blocks: usize = classes.map(|(index, class)| live(class) * class_bytes(index)).sum();
        blocks + self.large.bytes()
    }

    /// The backing allocator.
    #[inline]
    #[must_use]
    pub const fn backing(&self) -> &A {
        &self.backing
    }

    /// A block for `layout`: of its class's size, or of the very size if no class serves it, or
    /// an empty slice if its size is 0.
    #[inline]
    pub(crate) fn block_for(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if let Some(index) = class_of(layout)
            && let Some(block) = self.class(index).free.pop()
        {
            debug_assert!(self.cut_for(block, index), "the free block is not one of its class");
            return Ok(self.served(block, index, layout));
        }
        self.block_not_at_hand(layout)
    }

    /// What the caller gets of a block of a class that was taken for `layout`.
    #[inline]
    fn served(&self, block: NonNull<u8>, index: usize, layout: Layout) -> NonNull<[u8]> {
        self.out.allocated(block, layout.size());
        let bytes = memcheck::served(class_bytes(index), layout.size());
        NonNull::slice_from_raw_parts(block, bytes)
    }

    /// The class at an index of `class_of`.
    #[inline]
    fn class(&self, index: usize) -> &Class {
        debug_assert!(index < CLASSES);
        // SAFETY: `class_of` returns numbers below `CLASSES`: the table has no others, which is
        // tested where it is made, and `aligned_class_of` counts the aligned ones.
        unsafe { self.classes.get_unchecked(index) }
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` came from this pool with a layout that `layout` fits, has not been given back since and
    /// is not used any more.
    #[inline]
    pub(crate) unsafe fn give_back(&self, block: NonNull<u8>, layout: Layout) {
        let Some(index) = class_of(layout) else {
            // SAFETY: no class serves `layout`; the rest is the caller's duty.
            return unsafe { self.give_back_without_class(block, layout) };
        };
        self.out.freed(block, layout.size());
        debug_assert!(
            self.cut_for(block, index),
            "the block is not one of this pool's, or of another class"
        );
        // SAFETY: `layout` fits the block, so it has the class that the block was cut for
        // (`class_of`). The block is out (the caller's duty), so fewer than all blocks of the class
        // are on the stack, which has room for all (the invariant of `free`).
        unsafe { self.class(index).free.push(block) };
    }

    /// A block under a new layout: the same one if it is of the same class, and otherwise
    /// another with the first bytes of the old, as many as both have. If no class serves either
    /// layout, `resize` does the work.
    ///
    /// # Errors
    ///
    /// If there is no memory; the block is as it was then.
    ///
    /// # Safety
    ///
    /// `block` came from this pool with a layout that `old` fits, and is owned by the caller.
    /// `resize` is `A::grow`, and the new size is not smaller, or `A::shrink`, and it is not
    /// larger.
    #[inline]
    pub(crate) unsafe fn change(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
        resize: impl FnOnce(&A, NonNull<u8>, Layout, Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let (old_class, new_class) = (class_of(old), class_of(new));
        if let Some(class) = new_class
            && old_class == Some(class)
        {
            self.out.resized(block, old.size(), block, new.size());
            let bytes = memcheck::served(class_bytes(class), new.size());
            return Ok(NonNull::slice_from_raw_parts(block, bytes));
        }
        if old_class.or(new_class).is_none() && old.size() > 0 && new.size() > 0 {
            let resize = |start, old, new| resize(&self.backing, start, old, new);
            // SAFETY: no class serves `old`, so the block is a large one; its slice had the very
            // size asked for, so no other layout fits. It came from `backing`.
            return unsafe { self.large.resize(block, old, new, resize) };
        }
        let changed = self.block_for(new)?;
        let kept = old.size().min(new.size());
        // SAFETY: both blocks have at least `kept` bytes, and one that was just taken overlaps no
        // live one.
        unsafe { changed.cast::<u8>().copy_from_nonoverlapping(block, kept) };
        // SAFETY: the caller owns the old block, got with a layout that `old` fits.
        unsafe { self.give_back(block, old) };
        Ok(changed)
    }

    /// A block for which no free one is at hand. It is one function for all such cases, since it is
    /// called wherever something is allocated.
    #[cold]
    #[inline(never)]
    fn block_not_at_hand(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        match class_of(layout) {
            Some(class) => Ok(self.served(self.cut(class)?, class, layout)),
            None => self.block_without_class(layout, A::allocate),
        }
    }

    /// Cuts a block for a class that has no free one, and makes room for it on the class's stack.
    fn cut(&self, index: usize) -> Result<NonNull<u8>, AllocError> {
        let class = &self.classes[index];
        loop {
            // The backing allocator may use this very pool, so after each call all is read anew.
            let blocks = class.blocks.get();
            if class.free.capacity() == blocks {
                class.free.ensure((blocks + 1).max(LEAST_ROOM), &self.backing)?;
            } else if let Some(block) = self.region.cut(class_layout(index)) {
                class.blocks.set(blocks + 1);
                return Ok(block);
            } else {
                self.next_region(class_layout(index))?;
            }
        }
    }

    /// Makes another chunk the region, a kept one if there is one since the last reset. A new one has
    /// room for `block`. The rest of the last region is lost until the next reset.
    fn next_region(&self, block: Layout) -> Result<(), AllocError> {
        let kept = self.chunks.revisit();
        let (start, lines) = match kept {
            Some(chunk) => chunk,
            None => {
                // Up to `block.align() - LINE.align()` bytes may be skipped before the block.
                let least = (block.size() + block.align()).max(FIRST_CHUNK_BYTES);
                let bytes = self.chunks.bytes().clamp(least, LARGEST_CHUNK_BYTES);
                let lines = bytes.div_ceil(LINE.size());
                (self.chunks.add(LINE, lines, &self.backing)?, lines)
            }
        };
        // SAFETY: the chunk has that many lines, is freed by `drop` only, and is new or, since the
        // last reset, visited for the first time, so no block was cut from it.
        unsafe { self.region.replace(start, lines * LINE.size()) };
        Ok(())
    }

    /// A block that no class serves, by `allocate`, or an empty slice if the size is 0.
    #[cold]
    #[inline(never)]
    pub(crate) fn block_without_class(
        &self,
        layout: Layout,
        allocate: impl FnOnce(&A, Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        match layout.size() {
            0 => Ok(empty(layout)),
            _ => self.large.add(layout, allocate, &self.backing),
        }
    }

    /// # Safety
    ///
    /// As for [`give_back`](Self::give_back), and no class serves `layout`.
    #[cold]
    #[inline(never)]
    unsafe fn give_back_without_class(&self, block: NonNull<u8>, layout: Layout) {
        // The `Box` of allocator-api2 frees values without size that it has not allocated.
        if layout.size() > 0 {
            // SAFETY: the caller got the block from this pool and gives it up. No class serves
            // `layout`, so the block is a large one, and its slice had the very size asked for, so no
            // other layout fits.
            unsafe { self.large.remove(block, layout, &self.backing) };
        }
    }

    /// Whether `block` lies in a chunk and is aligned as the blocks of this class are.
    fn cut_for(&self, block: NonNull<u8>, index: usize) -> bool {
        let address = block.addr().get();
        address.is_multiple_of(class_layout(index).align())
            && self.chunks.iter().any(|(first, lines)| {
                address.wrapping_sub(first.addr().get()) < lines * LINE.size()
            })
    }
}

impl<A: Allocator> Drop for SizeClassPool<A> {
    fn drop(&mut self) {
        self.out.never_freed();
        self.out.ended();
        // SAFETY: every chunk came from `backing`; whoever could still use a block would borrow
        // the pool.
        unsafe { self.chunks.release(&self.backing) };
        // SAFETY: as above, for the large blocks.
        unsafe { self.large.release(&self.backing) };
        for class in &mut self.classes {
            // SAFETY: `cut` is the only caller of `ensure` and passes `backing`.
            unsafe { class.free.release(&self.backing) };
        }
    }
}

// SAFETY: the pool's pointers lead to memory that it alone owns, and its cells are reached through
// `&SizeClassPool` only, which is not `Send` (the pool is not `Sync`): while another thread has the
// pool, no handle to it and nothing allocated in it is left on this one. The backing allocator
// goes along, hence the bound.
unsafe impl<A: Allocator + Send> Send for SizeClassPool<A> {}

impl<A: Allocator + Default> Default for SizeClassPool<A> {
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

impl<A: Allocator> fmt::Debug for SizeClassPool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SizeClassPool")
            .field("reserved_bytes", &self.reserved_bytes())
            .field("live_bytes", &self.live_bytes())
            .finish_non_exhaustive()
    }
}
