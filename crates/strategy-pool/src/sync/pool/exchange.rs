//! What moves blocks between a thread, its magazines and the depot, and more of them in from the backing
//! allocator.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use allocator_api2::alloc::{AllocError, Allocator};

use super::{SyncPool, UNNAMED};
use crate::sync::cache::Cache;
use crate::sync::depot::Depot;
use crate::sync::extent::{Extent, Parts};
use crate::sync::lease::{self, Tenancy};
use crate::sync::{magazine, threads};

/// The blocks of a pool's first extent take this many bytes, as in `BlockPool`.
const FIRST_EXTENT_BYTES: usize = 4096;

/// The blocks of an extent take at most this many bytes, unless one block is larger or the
/// capacity was asked for, as in `BlockPool`.
const LARGEST_EXTENT_BYTES: usize = 1 << 20;

impl<A: Allocator> SyncPool<A> {
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
    pub(in crate::sync) fn carved(&self, block: NonNull<u8>) -> bool {
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
    pub(in crate::sync) unsafe fn take_through(
        &self,
        cache: &Cache,
    ) -> Result<NonNull<u8>, AllocError> {
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
    pub(in crate::sync) unsafe fn give_back_through(&self, cache: &Cache, block: NonNull<u8>) {
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
    pub(super) fn lend(&self, id: u64) -> Result<(NonNull<Cache>, Tenancy), AllocError> {
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
    pub(super) fn grow(&self, blocks: usize) -> Result<(), AllocError> {
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
    pub(super) fn identity(&self) -> u64 {
        /// The next one. Counted up once for each pool that is used, it does not come round.
        static NEXT: AtomicU64 = AtomicU64::new(UNNAMED + 1);
        let id = self.id.load(Relaxed);
        if id != UNNAMED {
            return id;
        }
        let new = NEXT.fetch_add(1, Relaxed);
        self.id.compare_exchange(UNNAMED, new, Relaxed, Relaxed).map_or_else(|id| id, |_| new)
    }
}
