//! The untyped pool: blocks of one layout, from chunks that grow.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use strategy::memcheck::{self, Blocks};

use crate::OutOfMemory;
use crate::chunks::Chunks;
use crate::stack::FreeStack;

/// The blocks of a pool's first chunk take this many bytes: one page, the least that touching
/// fresh memory costs.
const FIRST_CHUNK_BYTES: usize = 4096;

/// The blocks of a chunk take at most this many bytes, unless one block is larger or the
/// capacity was asked for: above the first 4 KiB, what a pool holds beyond its peak is less than
/// this and than its peak,
/// and one call of the backing allocator is shared by 16,384 blocks of 64 bytes.
const LARGEST_CHUNK_BYTES: usize = 1 << 20;

/// Every block is aligned to this at least, and so takes as many bytes: the size of the pointer that
/// the stack keeps for it. Layouts of no stricter alignment, which are most, are served without a
/// look at the pool's; where the alignment is known at compile time, without any test.
pub(crate) const LEAST_ALIGN: usize = align_of::<NonNull<u8>>();

/// A pool of blocks of one layout.
///
/// Memory is handed out through `&BlockPool`, which is an [`Allocator`]: a request that fits
/// the pool's block gets a whole block, one that does not is refused. A request of size 0
/// costs nothing. Freed blocks are handed out again, newest first, and go back to the backing
/// allocator `A` when the pool is dropped.
///
/// Chunks double the pool, from 4 KiB of blocks up to 1 MiB of blocks a chunk.
///
/// ```
/// use allocator_api2::{alloc::Layout, boxed::Box};
/// use strategy_pool::BlockPool;
///
/// let pool = BlockPool::new(Layout::new::<[u64; 4]>());
/// let first = Box::new_in([1_u64; 4], &pool);
/// let second = Box::new_in(2_u8, &pool); // smaller values fit too
/// assert_eq!((first[3], *second, pool.live()), (1, 2, 2));
/// assert!(Box::try_new_in([0_u64; 5], &pool).is_err());
/// ```
///
/// # Threads
///
/// A pool may be sent to another thread, but not shared:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_pool::BlockPool>();
/// ```
///
/// so what is allocated in it stays on its thread:
///
/// ```compile_fail,E0277
/// # use allocator_api2::{alloc::Layout, boxed::Box};
/// # use strategy_pool::BlockPool;
/// let pool = BlockPool::new(Layout::new::<u64>());
/// let block = Box::new_in(1_u64, &pool);
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(block)); // would free without the pool's thread knowing
/// });
/// ```
pub struct BlockPool<A: Allocator = Global> {
    /// Has room for every block of `chunks` at once: `capacity >= chunks.blocks()`; and a block is
    /// on it at most once, and not while it is out.
    free: FreeStack,
    /// The layout of a block; its size is a multiple of its alignment, which is `LEAST_ALIGN` at
    /// least.
    block: Layout,
    /// The blocks, none if `block.size()` is 0. Only `reset` and `drop` take blocks back that
    /// are out.
    chunks: Chunks,
    /// At least `chunks.blocks()`: these and those that calls of `grow` under way are about to add,
    /// for a backing allocator that uses this very pool makes a second call inside the first. If
    /// one panicked, what it was to add stays promised. The capacity of `free` is this at least
    /// where `grow` has just made room, and may be less before that.
    promised: Cell<usize>,
    /// The blocks that are out, for memcheck: told of by who takes a block out and knows what for.
    out: Blocks,
    /// Where all memory came from.
    backing: A,
}

impl BlockPool {
    /// A pool of blocks of `block`, aligned to 8 at least and the size rounded up to the alignment.
    /// It takes no memory yet.
    #[must_use]
    pub const fn new(block: Layout) -> Self {
        Self::new_in(block, Global)
    }

    /// A pool with `blocks` blocks up front, in one chunk.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn with_capacity(block: Layout, blocks: usize) -> Self {
        Self::with_capacity_in(block, blocks, Global)
    }

    /// A pool with `blocks` blocks up front, in one chunk.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory.
    pub fn try_with_capacity(block: Layout, blocks: usize) -> Result<Self, OutOfMemory> {
        Self::try_with_capacity_in(block, blocks, Global)
    }
}

impl<A: Allocator> BlockPool<A> {
    /// A pool of blocks of `block`, aligned to 8 at least and the size rounded up to the alignment,
    /// that takes its memory from `backing`. It takes none yet.
    #[must_use]
    pub const fn new_in(block: Layout, backing: A) -> Self {
        Self {
            free: FreeStack::new(),
            block: block_of(block),
            chunks: Chunks::new(),
            promised: Cell::new(0),
            out: Blocks::new(),
            backing,
        }
    }

    /// A pool with `blocks` blocks from `backing` up front, in one chunk.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn with_capacity_in(block: Layout, blocks: usize, backing: A) -> Self {
        Self::try_with_capacity_in(block, blocks, backing).unwrap_or_else(|error| error.give_up())
    }

    /// A pool with `blocks` blocks from `backing` up front, in one chunk.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory.
    pub fn try_with_capacity_in(
        block: Layout,
        blocks: usize,
        backing: A,
    ) -> Result<Self, OutOfMemory> {
        let pool = Self::new_in(block, backing);
        pool.try_reserve(blocks)?;
        Ok(pool)
    }

    /// Makes at least `blocks` blocks free, if need be by one more chunk.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::reserve`.
    pub fn reserve(&self, blocks: usize) {
        self.try_reserve(blocks).unwrap_or_else(|error| error.give_up());
    }

    /// Makes at least `blocks` blocks free, if need be by one more chunk.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory; the pool is as usable as before.
    pub fn try_reserve(&self, blocks: usize) -> Result<(), OutOfMemory> {
        let missing = blocks.saturating_sub(self.free.len());
        if missing == 0 || self.block.size() == 0 {
            return Ok(());
        }
        self.grow(missing).map_err(|AllocError| self.out_of_memory(missing))
    }

    /// Makes every block free, those that are out included, and keeps all memory. Afterwards
    /// the blocks of a chunk are handed out in the order of their addresses. It costs one
    /// write of 8 bytes a block.
    ///
    /// Nothing allocated in the pool is in use any more:
    ///
    /// ```compile_fail,E0502
    /// # use allocator_api2::{alloc::Layout, boxed::Box};
    /// # use strategy_pool::BlockPool;
    /// let mut pool = BlockPool::new(Layout::new::<u64>());
    /// let block = Box::new_in(1_u64, &pool);
    /// pool.reset(); // `block` still borrows the pool
    /// drop(block);
    /// ```
    pub fn reset(&mut self) {
        self.free.clear();
        self.out.all_freed();
        for (first, blocks) in self.chunks.iter() {
            memcheck::unused(first, blocks * self.block.size());
            // SAFETY: the stack was cleared, and has room for every block (the invariant of
            // `free`); the chunk has `blocks` blocks of this size from `first` on. All are free:
            // whoever could still use one would borrow the pool.
            unsafe { self.free.push_run(first, self.block.size(), blocks) };
        }
    }

    /// The layout of a block: what was asked for, aligned to 8 at least and the size rounded up to
    /// the alignment.
    #[inline]
    #[must_use]
    pub const fn block(&self) -> Layout {
        self.block
    }

    /// The number of blocks, free or out.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.chunks.blocks()
    }

    /// The number of blocks that are out.
    #[inline]
    #[must_use]
    pub fn live(&self) -> usize {
        self.chunks.blocks() - self.free.len()
    }

    /// The bytes taken from the backing allocator: the blocks, a record of 40 bytes a chunk, and
    /// the stack, which is 8 bytes and 8 more a block when reserved, up to twice that when grown.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.chunks.bytes() + self.free.bytes()
    }

    /// The backing allocator.
    #[inline]
    #[must_use]
    pub const fn backing(&self) -> &A {
        &self.backing
    }

    /// The blocks that are out, for memcheck.
    #[inline]
    pub(crate) const fn out(&self) -> &Blocks {
        &self.out
    }

    /// Takes a block out. The caller has made sure that `block.size()` is above 0.
    #[inline]
    pub(crate) fn take(&self) -> Result<NonNull<u8>, AllocError> {
        match self.free.pop() {
            Some(block) => {
                debug_assert!(self.carved(block), "the free block is not one of this pool's");
                Ok(block)
            }
            None => self.take_from_new_chunk(),
        }
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` came from [`take`](Self::take) of this pool, has not been given back since and
    /// is not used any more.
    #[inline]
    pub(crate) unsafe fn give_back(&self, block: NonNull<u8>) {
        debug_assert!(self.carved(block), "the block is not one of this pool's");
        // SAFETY: the block is one of `chunks` and is out (the caller's duty), so fewer than
        // all blocks are on the stack, which has room for all (the invariant of `free`).
        unsafe { self.free.push(block) };
    }

    /// That there was no memory for `blocks` more.
    pub(crate) const fn out_of_memory(&self, blocks: usize) -> OutOfMemory {
        OutOfMemory { blocks, block: self.block }
    }

    #[cold]
    #[inline(never)]
    fn take_from_new_chunk(&self) -> Result<NonNull<u8>, AllocError> {
        debug_assert!(self.block.size() > 0);
        let least = (FIRST_CHUNK_BYTES / self.block.size()).max(1);
        let most = (LARGEST_CHUNK_BYTES / self.block.size()).max(least);
        self.grow(self.chunks.blocks().clamp(least, most))?;
        self.free.pop().ok_or(AllocError)
    }

    /// Adds a chunk of `blocks` free blocks, and room for them on the stack.
    fn grow(&self, blocks: usize) -> Result<(), AllocError> {
        let before = self.promised.get();
        self.promised.set(before.checked_add(blocks).ok_or(AllocError)?);
        let added = self
            .free
            .ensure(self.promised.get(), &self.backing)
            .and_then(|()| self.chunks.add(self.block, blocks, &self.backing));
        match added {
            // SAFETY: `ensure` made room for all that is promised, these blocks included; what
            // was promised during the calls above got room of its own in the same way. The
            // chunk has `blocks` blocks of this size, which are new.
            Ok(first) => unsafe { self.free.push_run(first, self.block.size(), blocks) },
            Err(AllocError) => self.promised.set(self.promised.get() - blocks),
        }
        added.map(|_| ())
    }

    /// Whether `block` is the start of a block of this pool.
    fn carved(&self, block: NonNull<u8>) -> bool {
        let address = block.addr().get();
        self.chunks.iter().any(|(first, blocks)| {
            let offset = address.wrapping_sub(first.addr().get());
            offset < blocks * self.block.size() && offset.is_multiple_of(self.block.size())
        })
    }
}

impl<A: Allocator> Drop for BlockPool<A> {
    fn drop(&mut self) {
        self.out.never_freed();
        self.out.ended();
        // SAFETY: `grow` is the only caller of `add` and passes `self.backing`; whoever could still
        // use a block would borrow the pool.
        unsafe { self.chunks.release(&self.backing) };
        // SAFETY: `grow` is the only caller of `ensure` and passes `self.backing`.
        unsafe { self.free.release(&self.backing) };
    }
}

/// The layout of the blocks of a pool for `asked`. An `asked` too large to be rounded up is
/// larger than the result, and so refused like everything that is larger than a block.
const fn block_of(asked: Layout) -> Layout {
    let Ok(aligned) = asked.align_to(LEAST_ALIGN) else {
        return Layout::new::<NonNull<u8>>();
    };
    aligned.pad_to_align()
}

// SAFETY: the pool's pointers lead to memory that it alone owns, and its cells are reached through
// `&BlockPool` only, which is not `Send` (the pool is not `Sync`): while another thread has the
// pool, no handle to it and nothing allocated in it is left on this one. The backing allocator
// goes along, hence the bound.
unsafe impl<A: Allocator + Send> Send for BlockPool<A> {}

impl<A: Allocator> fmt::Debug for BlockPool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockPool")
            .field("block", &self.block)
            .field("capacity", &self.capacity())
            .field("live", &self.live())
            .field("reserved_bytes", &self.reserved_bytes())
            .finish_non_exhaustive()
    }
}
