//! The shared pool itself: how it is made, and what it can be asked.

mod exchange;

use core::fmt;
use core::sync::atomic::AtomicU64;
use std::sync::PoisonError;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout, handle_alloc_error};
use strategy::memcheck::Blocks;

use super::depot::Depot;
use super::extent::Extent;
use super::primitives::{Mutex, MutexGuard, constant};
use super::{SyncHandle, magazine};
use crate::OutOfMemory;

/// The `id` of a pool that has none yet.
const UNNAMED: u64 = 0;

/// A pool of blocks of one layout that threads share.
///
/// Memory is handed out through `&SyncPool`, which is an [`Allocator`] for every thread. A block may
/// be freed on another thread than the one that got it. A request that fits the pool's block
/// gets a whole block, one that does not is refused, and one of size 0 costs nothing. All
/// memory goes back to the backing allocator `A` when the pool is dropped.
///
/// Each thread has two magazines, stacks of free blocks, and goes to the depot that all share, for
/// one lock, only to change a whole magazine (Bonwick and Adams, "Magazines and Vmem",
/// USENIX 2001). When a thread ends, its magazines are the depot's.
///
/// ```
/// use allocator_api2::{alloc::Layout, boxed::Box};
/// use strategy_pool::SyncPool;
///
/// static POOL: SyncPool = SyncPool::new(Layout::new::<[u64; 4]>());
///
/// let numbers = Box::new_in([1_u64, 2, 3, 4], &POOL);
/// let sum = std::thread::spawn(move || numbers.iter().sum::<u64>()); // freed on that thread
/// assert_eq!(sum.join().unwrap(), 10);
/// ```
///
/// # What is out keeps the pool
///
/// A pool is not dropped while a block borrows it:
///
/// ```compile_fail,E0505
/// # use allocator_api2::{alloc::Layout, boxed::Box};
/// # use strategy_pool::SyncPool;
/// let pool = SyncPool::new(Layout::new::<u64>());
/// let block = Box::new_in(1_u64, &pool);
/// drop(pool);
/// assert_eq!(*block, 1);
/// ```
///
/// nor on a thread that may outlive it:
///
/// ```compile_fail,E0597
/// # use allocator_api2::{alloc::Layout, boxed::Box};
/// # use strategy_pool::SyncPool;
/// let pool = SyncPool::new(Layout::new::<u64>());
/// let block = Box::new_in(1_u64, &pool);
/// std::thread::spawn(move || drop(block));
/// ```
///
/// # Threads
///
/// A pool may be shared if its backing allocator may, for any thread may need more memory:
///
/// ```compile_fail,E0277
/// use strategy_pool::{BlockPool, SyncPool};
///
/// fn shared<T: Sync>() {}
/// shared::<SyncPool<&BlockPool>>(); // several threads would use the `BlockPool`
/// ```
///
/// or be sent if that may:
///
/// ```compile_fail,E0277
/// use strategy_pool::{BlockPool, SyncPool};
///
/// fn sent<T: Send>() {}
/// sent::<SyncPool<&BlockPool>>();
/// ```
pub struct SyncPool<A: Allocator = Global> {
    /// The identity, which no other pool of this process has or had; `UNNAMED` before the first
    /// use. Nothing is published with it: a thread only asks whether it is the one that it knows.
    id: AtomicU64,
    /// The blocks that a magazine holds: that of `block.size()`.
    rounds: usize,
    /// The layout of a block; its size is a multiple of its alignment.
    block: Layout,
    /// The blocks that are out, for memcheck.
    out: Blocks,
    /// Where all memory came from. It is never called while the depot is locked.
    backing: A,
    /// The rest is written by all threads; it has cache lines of its own, so that the fields above
    /// stay in every processor's cache.
    depot: Apart<Mutex<Depot>>,
}

/// A value on cache lines of its own.
#[repr(align(128))]
struct Apart<T>(T);

const _: () = assert!(align_of::<Apart<u8>>() == magazine::APART);

// SAFETY: the pool's pointers lead to memory that it alone owns. Threads that have caches of it use
// them only in calls on `&SyncPool`, of which none is left when the pool is sent; what they keep is a
// lease, and both its halves may be dropped on any thread. The backing allocator goes along, hence
// the bound.
unsafe impl<A: Allocator + Send> Send for SyncPool<A> {}

// SAFETY: the depot is used under its lock. A cache belongs to one thread (or handle) while it is
// lent to it, and each thread finds its own only; it comes back with the lease, which orders
// what one tenant did before what the next one does. Blocks change threads in magazines
// through the depot, whose lock orders them likewise. The backing allocator is called by all threads,
// hence the bound.
unsafe impl<A: Allocator + Sync> Sync for SyncPool<A> {}

impl SyncPool {
    constant! {
        /// A pool of blocks of `block`, its size rounded up to its alignment. It takes no memory
        /// yet.
        #[must_use]
        pub fn new(block: Layout) -> Self {
            Self::new_in(block, Global)
        }
    }

    /// A pool with `blocks` blocks up front, in one extent.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn with_capacity(block: Layout, blocks: usize) -> Self {
        Self::with_capacity_in(block, blocks, Global)
    }

    /// A pool with `blocks` blocks up front, in one extent.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory.
    pub fn try_with_capacity(block: Layout, blocks: usize) -> Result<Self, OutOfMemory> {
        Self::try_with_capacity_in(block, blocks, Global)
    }
}

impl<A: Allocator> SyncPool<A> {
    constant! {
        /// A pool of blocks of `block`, its size rounded up to its alignment, that takes its memory
        /// from `backing`. It takes none yet.
        #[must_use]
        pub fn new_in(block: Layout, backing: A) -> Self {
            let block = block.pad_to_align();
            let rounds = magazine::rounds(block.size());
            let depot = Apart(Mutex::new(Depot::new(rounds)));
            Self { id: AtomicU64::new(UNNAMED), rounds, block, out: Blocks::new(), backing, depot }
        }
    }

    /// A pool with `blocks` blocks from `backing` up front, in one extent.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn with_capacity_in(block: Layout, blocks: usize, backing: A) -> Self {
        Self::try_with_capacity_in(block, blocks, backing).unwrap_or_else(|error| error.give_up())
    }

    /// A pool with `blocks` blocks from `backing` up front, in one extent.
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

    /// Makes at least `blocks` blocks free in the depot, if need be by one more extent. They go to
    /// the threads that come first, a magazine at a time.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::reserve`.
    pub fn reserve(&self, blocks: usize) {
        self.try_reserve(blocks).unwrap_or_else(|error| error.give_up());
    }

    /// Makes at least `blocks` blocks free in the depot, if need be by one more extent. They go to
    /// the threads that come first, a magazine at a time.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory; the pool is as usable as before.
    pub fn try_reserve(&self, blocks: usize) -> Result<(), OutOfMemory> {
        if self.block.size() == 0 {
            return Ok(());
        }
        let missing = {
            let mut depot = self.depot();
            depot.collect();
            blocks.saturating_sub(depot.free())
        };
        if missing == 0 {
            return Ok(());
        }
        let block = self.block;
        self.grow(missing).map_err(|AllocError| OutOfMemory { blocks: missing, block })
    }

    /// A handle with magazines of its own, for a thread that makes many calls.
    ///
    /// # Panics
    ///
    /// Without memory for the magazines it ends like `Box::new`.
    #[must_use]
    pub fn thread_handle(&self) -> SyncHandle<'_, A> {
        self.try_thread_handle()
            .unwrap_or_else(|AllocError| handle_alloc_error(magazine::layout(self.rounds)))
    }

    /// A handle with magazines of its own, for a thread that makes many calls.
    ///
    /// # Errors
    ///
    /// If there is no memory for the magazines.
    pub fn try_thread_handle(&self) -> Result<SyncHandle<'_, A>, AllocError> {
        let (cache, tenancy) = self.lend(self.identity())?;
        // SAFETY: the cache was just lent to this handle, and is there as long as the pool.
        Ok(SyncHandle::new(self, unsafe { cache.as_ref() }, tenancy))
    }

    /// Makes every block free, those that are out included, and keeps all memory. It costs one
    /// write of 8 bytes a block.
    ///
    /// Nothing allocated in the pool is in use any more, on any thread:
    ///
    /// ```compile_fail,E0502
    /// # use allocator_api2::{alloc::Layout, boxed::Box};
    /// # use strategy_pool::SyncPool;
    /// let mut pool = SyncPool::new(Layout::new::<u64>());
    /// let block = Box::new_in(1_u64, &pool);
    /// pool.reset(); // `block` still borrows the pool
    /// drop(block);
    /// ```
    pub fn reset(&mut self) {
        self.out.all_freed();
        let mut depot = self.depot();
        depot.collect();
        // SAFETY: `self` is borrowed mutably, so no call is under way, and whoever could still use
        // a block or a handle would borrow the pool.
        unsafe { depot.reset() };
    }

    /// The layout of a block: what was asked for, its size rounded up to its alignment.
    #[inline]
    #[must_use]
    pub const fn block(&self) -> Layout {
        self.block
    }

    /// The number of blocks that a magazine holds: as many as fit 32 KiB, at least 1 and at most
    /// 510. A thread keeps at most twice so many free blocks from the others.
    #[inline]
    #[must_use]
    pub const fn magazine_blocks(&self) -> usize {
        self.rounds
    }

    /// The number of blocks, free or out.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.depot().blocks()
    }

    /// The number of blocks that are out. While other threads allocate or free, it is off by what
    /// they do meanwhile, and by a magazine for each.
    #[must_use]
    pub fn live(&self) -> usize {
        let depot = self.depot();
        depot.blocks().saturating_sub(depot.free() + depot.cached())
    }

    /// The bytes taken from the backing allocator: the blocks, 4 KiB for each magazine's worth of
    /// blocks (8 bytes a block and up to 127 more if a magazine holds less than 510), twice that and
    /// 128 bytes for each thread that used the pool at the same time, and a record for each call.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.depot().bytes()
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

    fn depot(&self) -> MutexGuard<'_, Depot> {
        // Nothing that is called under the lock panics but for a broken invariant.
        self.depot.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Allocator> Drop for SyncPool<A> {
    fn drop(&mut self) {
        self.out.never_freed();
        self.out.ended();
        let mut next = self.depot().dissolve();
        while let Some(record) = next {
            // SAFETY: the record was in the depot's list and its extent is released only below.
            next = unsafe { record.as_ref() }.older;
            // SAFETY: all extents came from `backing`; whoever could still use a block or a handle would
            // borrow the pool, and threads that had caches have only their leases now.
            unsafe { Extent::release(record, &self.backing) };
        }
    }
}

impl<A: Allocator> fmt::Debug for SyncPool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncPool")
            .field("block", &self.block)
            .field("capacity", &self.capacity())
            .field("live", &self.live())
            .field("reserved_bytes", &self.reserved_bytes())
            .finish_non_exhaustive()
    }
}
