//! The shared pool itself: what a thread does when its magazines do not help.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::PoisonError;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout, handle_alloc_error};

use super::cache::Cache;
use super::depot::Depot;
use super::extent::{Extent, Parts};
use super::lease::{self, Tenancy};
use super::primitives::{Mutex, MutexGuard, constant};
use super::{SyncHandle, magazine, threads};
use crate::OutOfMemory;

/// The blocks of a pool's first extent take this many bytes, as in `BlockPool`.
const FIRST_EXTENT_BYTES: usize = 4096;

/// The blocks of an extent take at most this many bytes, unless one block is larger or the
/// capacity was asked for, as in `BlockPool`.
const LARGEST_EXTENT_BYTES: usize = 1 << 20;

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
            Self { id: AtomicU64::new(UNNAMED), rounds, block, backing, depot }
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

    /// Takes a block out. The caller has made sure that `block.size()` is above 0.
    #[inline]
    pub(crate) fn take(&self) -> Result<NonNull<u8>, AllocError> {
        if let Some(cache) = self.latest()
            // SAFETY: the cache is this thread's.
            && let Some(block) = unsafe { cache.pop() }
        {
            return Ok(block);
        }
        self.take_slowly()
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` came from a `take` of this pool, has not been given back since and is not used
    /// any more.
    #[inline]
    pub(crate) unsafe fn give_back(&self, block: NonNull<u8>) {
        debug_assert!(self.carved(block), "the block is not one of this pool's");
        if let Some(cache) = self.latest()
            // SAFETY: the cache is this thread's, and the caller gives the block up.
            && unsafe { cache.push(block, self.rounds) }
        {
            return;
        }
        // SAFETY: the caller's duty; the block was not taken back above.
        unsafe { self.give_back_slowly(block) };
    }

    /// Whether `block` is the start of a block of this pool.
    pub(super) fn carved(&self, block: NonNull<u8>) -> bool {
        self.depot().carved(block)
    }

    /// This thread's cache, if this is the pool that it used last.
    #[inline]
    fn latest(&self) -> Option<&Cache> {
        let id = self.id.load(Relaxed);
        // SAFETY: a cache of this pool, by its identity, which is there as long as the pool.
        let cache = unsafe { threads::latest(id)?.as_ref() };
        debug_assert_eq!(cache.pool(), id, "the cache is another pool's");
        Some(cache)
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&self) -> Result<NonNull<u8>, AllocError> {
        debug_assert!(self.block.size() > 0);
        match self.cache() {
            // SAFETY: the cache is this thread's.
            Some(cache) => unsafe { self.take_through(cache) },
            None => self.retry(Depot::take_block),
        }
    }

    /// Takes a block through a cache whose loaded magazine may be empty.
    ///
    /// # Safety
    ///
    /// The caller is the tenant of the cache, which is one of this pool's.
    pub(super) unsafe fn take_through(&self, cache: &Cache) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: the caller is the tenant.
        if let Some(block) = unsafe { cache.pop() } {
            return Ok(block);
        }
        if !cache.lower_floor() {
            cache.swap();
        }
        // SAFETY: the caller is the tenant.
        if let Some(block) = unsafe { cache.pop() } {
            return Ok(block);
        }
        self.retry(|depot| {
            // Not always empty: the backing allocator may itself have used the pool.
            let old = cache.reload(depot.take_stocked()?);
            // SAFETY: the cache has no longer got it.
            unsafe { depot.put(old) };
            cache.raise_floor();
            cache.lower_floor();
            // SAFETY: the caller is the tenant.
            unsafe { cache.pop() }
        })
    }

    /// Takes a block by `take`, if need be with the blocks of threads that have ended, or after
    /// adding some.
    fn retry(
        &self,
        mut take: impl FnMut(&mut Depot) -> Option<NonNull<u8>>,
    ) -> Result<NonNull<u8>, AllocError> {
        loop {
            let capacity = {
                let mut depot = self.depot();
                if let Some(block) = take(&mut depot) {
                    return Ok(block);
                }
                depot.collect();
                if let Some(block) = take(&mut depot) {
                    return Ok(block);
                }
                depot.blocks()
            };
            // Another thread may be quicker to take what is added. It needs as much, so this ends
            // when the threads have what they need, or the memory does.
            let least = (FIRST_EXTENT_BYTES / self.block.size()).max(1);
            let most = (LARGEST_EXTENT_BYTES / self.block.size()).max(least);
            self.grow(capacity.clamp(least, most))?;
        }
    }

    /// As [`give_back`](Self::give_back).
    ///
    /// # Safety
    ///
    /// That of `give_back`.
    #[cold]
    #[inline(never)]
    unsafe fn give_back_slowly(&self, block: NonNull<u8>) {
        match self.cache() {
            // SAFETY: the cache is this thread's; of the block, the caller's duty.
            Some(cache) => unsafe { self.give_back_through(cache, block) },
            // SAFETY: the caller's duty.
            None => unsafe { self.depot().put_block(block) },
        }
    }

    /// Takes a block back through a cache whose loaded magazine may be full.
    ///
    /// # Safety
    ///
    /// The caller is the tenant of the cache, which is one of this pool's; and that of `give_back`.
    pub(super) unsafe fn give_back_through(&self, cache: &Cache, block: NonNull<u8>) {
        // SAFETY: the caller is the tenant, and gives the block up.
        if unsafe { cache.push(block, self.rounds) } {
            return;
        }
        cache.swap();
        // SAFETY: as above.
        if unsafe { cache.push(block, self.rounds) } {
            return;
        }
        let mut depot = self.depot();
        let full = cache.reload(depot.take_roomy());
        // SAFETY: the cache has no longer got it.
        unsafe { depot.put(full) };
        drop(depot);
        // SAFETY: as above.
        let pushed = unsafe { cache.push(block, self.rounds) };
        debug_assert!(pushed, "a magazine with room is full");
    }

    /// This thread's cache, lent to it now if it had none; nothing if there is no memory for one,
    /// or the thread is ending.
    fn cache(&self) -> Option<&Cache> {
        let id = self.identity();
        let cache = match threads::latest(id).or_else(|| threads::find(id)) {
            Some(cache) => cache,
            None => {
                threads::make_room().ok()?;
                let (cache, tenancy) = self.lend(id).ok()?;
                // SAFETY: the cache is one of this pool and was just opened for this tenancy.
                unsafe { threads::keep(id, cache, tenancy) }.then_some(cache)?
            }
        };
        // SAFETY: a cache of this pool, which is there as long as the pool.
        Some(unsafe { cache.as_ref() })
    }

    /// Opens a cache.
    fn lend(&self, id: u64) -> Result<(NonNull<Cache>, Tenancy), AllocError> {
        let (tenancy, grant) = lease::sign()?;
        let grant = {
            let mut depot = self.depot();
            depot.collect();
            match depot.open(grant) {
                Ok(cache) => return Ok((cache, tenancy)),
                Err(grant) => grant,
            }
        };
        let extent = self.extent(0, true, 2)?;
        // SAFETY: the extent is new, with a cache and two magazines.
        let cache = unsafe { self.depot().add_open(extent, id, grant) };
        Ok((cache, tenancy))
    }

    /// Adds an extent of `blocks` free blocks.
    fn grow(&self, blocks: usize) -> Result<(), AllocError> {
        let magazines = blocks.div_ceil(self.rounds);
        let record = self.extent(blocks, false, magazines)?;
        // SAFETY: the record is new, and initialized.
        let extent = unsafe { record.as_ref() };
        for index in 0..magazines {
            let magazine = extent.magazine(index);
            // SAFETY: the magazine is new, and `index * rounds < blocks`.
            unsafe { extent.fill(magazine, index * self.rounds, self.rounds) };
        }
        // SAFETY: the extent is new, and its magazines were filled in their order.
        unsafe { self.depot().add(record) };
        Ok(())
    }

    fn extent(
        &self,
        blocks: usize,
        cache: bool,
        magazines: usize,
    ) -> Result<NonNull<Extent>, AllocError> {
        let magazine = magazine::layout(self.rounds);
        let parts = Parts { block: self.block, blocks, cache, magazine, magazines };
        Extent::allocate(parts, &self.backing)
    }

    /// The pool's identity.
    fn identity(&self) -> u64 {
        /// The next one. Counted up once for each pool that is used, it does not come round.
        static NEXT: AtomicU64 = AtomicU64::new(UNNAMED + 1);
        let id = self.id.load(Relaxed);
        if id != UNNAMED {
            return id;
        }
        let new = NEXT.fetch_add(1, Relaxed);
        self.id.compare_exchange(UNNAMED, new, Relaxed, Relaxed).map_or_else(|id| id, |_| new)
    }

    fn depot(&self) -> MutexGuard<'_, Depot> {
        // Nothing that is called under the lock panics but for a broken invariant.
        self.depot.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Allocator> Drop for SyncPool<A> {
    fn drop(&mut self) {
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
