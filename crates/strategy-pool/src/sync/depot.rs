//! The depot: the magazines and the memory that the threads of a pool share, under one lock.

use core::ptr::NonNull;

use super::cache::{Cache, Load};
use super::extent::Extent;
use super::lease::Grant;
use super::magazine::Magazine;

/// What is shared: all memory of a pool, and the magazines that no thread has.
///
/// Free blocks find room here whatever happens: a pool has two magazines for each cache, and
/// as many more as hold all of its blocks.
pub(super) struct Depot {
    /// The blocks that a magazine holds, at least 1.
    rounds: usize,
    /// The magazines without blocks. These and the ones in the two lists below lie in `extents`, have
    /// their `len` in their heads, and are used by nobody else. Together they are two for each
    /// closed cache, and for each extent as many as hold its blocks.
    empty: Option<NonNull<Magazine>>,
    /// The magazines with blocks and room.
    partial: Option<NonNull<Magazine>>,
    /// The magazines with `rounds` blocks.
    full: Option<NonNull<Magazine>>,
    /// The blocks in these magazines.
    free: usize,
    /// All caches, open or closed. They lie in `extents` and are initialized.
    caches: Option<NonNull<Cache>>,
    /// All memory. It goes back when the pool is dropped.
    extents: Option<NonNull<Extent>>,
    /// The sum over `extents`.
    blocks: usize,
    /// The sum over `extents`.
    bytes: usize,
}

// SAFETY: the pointers lead to memory of the pool. What the depot does with it is done by
// whoever has the depot to itself, on whatever thread: the magazines in its lists are its own, a cache
// is its own while it is closed or its tenant has left, and of an open one it reads the
// atomic counts and the grant, which the tenant does not use.
unsafe impl Send for Depot {}

impl Depot {
    /// A depot without memory, for magazines of `rounds` blocks.
    pub(super) const fn new(rounds: usize) -> Self {
        Self {
            rounds,
            empty: None,
            partial: None,
            full: None,
            free: 0,
            caches: None,
            extents: None,
            blocks: 0,
            bytes: 0,
        }
    }

    /// The blocks, free or out.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// The blocks in the depot.
    pub(super) const fn free(&self) -> usize {
        self.free
    }

    /// The bytes of all extents.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The free blocks in caches.
    pub(super) fn cached(&self) -> usize {
        self.caches().map(Cache::blocks).sum()
    }

    /// Takes a magazine with blocks, a partial one first, so that there are few of them.
    pub(super) fn take_stocked(&mut self) -> Option<Load> {
        self.take(
            |depot| if depot.partial.is_some() { &mut depot.partial } else { &mut depot.full },
        )
    }

    /// Takes a magazine with room, a partial one first. There is one while any block is not in the
    /// depot, since all magazines of the depot hold all blocks; and two while a cache is closed, since
    /// its two are on top of these.
    pub(super) fn take_roomy(&mut self) -> Load {
        self.take(
            |depot| if depot.partial.is_some() { &mut depot.partial } else { &mut depot.empty },
        )
        .expect("the depot has room for every block")
    }

    fn take(
        &mut self,
        list: impl FnOnce(&mut Self) -> &mut Option<NonNull<Magazine>>,
    ) -> Option<Load> {
        let list = list(self);
        let magazine = (*list)?;
        // SAFETY: in a list, so its head is initialized and used by nobody else.
        let head = unsafe { magazine.as_ref() };
        *list = head.next.get();
        let len = head.len.get();
        self.free -= len;
        Some((magazine, len))
    }

    /// Puts a magazine with its number of blocks into the list where it belongs.
    ///
    /// # Safety
    ///
    /// It is a magazine of this pool with so many blocks, and the caller gives it up.
    pub(super) unsafe fn put(&mut self, (magazine, len): Load) {
        debug_assert!(len <= self.rounds);
        // SAFETY: the head of a magazine is initialized, and the caller gives it up.
        let head = unsafe { magazine.as_ref() };
        let list = match len {
            0 => &mut self.empty,
            len if len == self.rounds => &mut self.full,
            _ => &mut self.partial,
        };
        head.len.set(len);
        head.next.set(list.replace(magazine));
        self.free += len;
    }

    /// Takes one block, for a caller without a cache.
    pub(super) fn take_block(&mut self) -> Option<NonNull<u8>> {
        let (magazine, len) = self.take_stocked()?;
        // SAFETY: `len` is above 0, so the slot is one of the magazine's.
        let slot = unsafe { Magazine::slot(magazine, len - 1) };
        // SAFETY: it is below `len`, so it is initialized.
        let block = unsafe { slot.read() };
        // SAFETY: it came from `take_stocked`, with one block more.
        unsafe { self.put((magazine, len - 1)) };
        Some(block)
    }

    /// Puts one block back, for a caller without a cache.
    ///
    /// # Safety
    ///
    /// It is a block of this pool that is out, and the caller gives it up.
    pub(super) unsafe fn put_block(&mut self, block: NonNull<u8>) {
        let (magazine, len) = self.take_roomy();
        // SAFETY: `len < rounds`, so the slot is one of the magazine's.
        let slot = unsafe { Magazine::slot(magazine, len) };
        // SAFETY: as above; nobody else has the magazine.
        unsafe { slot.write(block) };
        // SAFETY: it came from `take_roomy`, and has one block more now.
        unsafe { self.put((magazine, len + 1)) };
    }

    /// Adds an extent, and its blocks in its magazines if it has any.
    ///
    /// # Safety
    ///
    /// The extent is new and of this pool. If it has blocks, its magazines are as many as hold
    /// them, and filled in their order.
    pub(super) unsafe fn add(&mut self, mut record: NonNull<Extent>) {
        // SAFETY: the record is new, so nobody else has it.
        let extent = unsafe { record.as_mut() };
        extent.older = self.extents.replace(record);
        self.blocks += extent.parts.blocks;
        self.bytes += extent.bytes();
        if extent.parts.blocks == 0 {
            return;
        }
        // The last one first, so that the first is on top.
        for index in (0..extent.parts.magazines).rev() {
            let len = self.rounds.min(extent.parts.blocks - index * self.rounds);
            // SAFETY: a magazine of this pool with `len` blocks (the caller's duty).
            unsafe { self.put((extent.magazine(index), len)) };
        }
    }

    /// Opens a closed cache, or returns the grant.
    pub(super) fn open(&mut self, grant: Grant) -> Result<NonNull<Cache>, Grant> {
        let closed = |cache: &&Cache| {
            let grant = cache.grant.take();
            let closed = grant.is_none();
            cache.grant.set(grant);
            closed
        };
        let Some(place) = self.caches().find(closed).map(NonNull::from) else { return Err(grant) };
        // SAFETY: as in `caches`.
        let cache = unsafe { place.as_ref() };
        for _ in 0..2 {
            cache.reload(self.take_roomy());
            cache.swap();
        }
        cache.grant.set(Some(grant));
        Ok(place)
    }

    /// Adds an extent with a new cache of the pool with this identity and two magazines, open.
    ///
    /// # Safety
    ///
    /// The extent is new and of this pool, and has no blocks.
    pub(super) unsafe fn add_open(
        &mut self,
        record: NonNull<Extent>,
        pool: u64,
        grant: Grant,
    ) -> NonNull<Cache> {
        // SAFETY: the record is initialized.
        let extent = unsafe { record.as_ref() };
        debug_assert_eq!((extent.parts.blocks, extent.parts.magazines), (0, 2));
        let cache = Cache::new(pool, self.caches);
        for index in 0..2 {
            cache.reload((extent.magazine(index), 0));
            cache.swap();
        }
        cache.grant.set(Some(grant));
        let place = extent.cache();
        // SAFETY: the place of a cache in the extent, aligned, and new.
        unsafe { place.write(cache) };
        self.caches = Some(place);
        // SAFETY: the caller's duty.
        unsafe { self.add(record) };
        place
    }

    /// Closes the caches whose tenants have left, and takes their magazines.
    pub(super) fn collect(&mut self) {
        let mut next = self.caches;
        while let Some(place) = next {
            // SAFETY: as in `caches`.
            let cache = unsafe { place.as_ref() };
            next = cache.older();
            match cache.grant.take() {
                // Dropped, it orders what the tenant did before what follows.
                Some(grant) if grant.is_alone() => drop(grant),
                grant => {
                    cache.grant.set(grant);
                    continue;
                }
            }
            let newest = cache.take_newest();
            for _ in 0..2 {
                let load = cache.reload((NonNull::dangling(), 0));
                // SAFETY: the cache was open, so this is a magazine of the pool with so many
                // blocks; the tenant has left, and the cache has no longer got it.
                unsafe { self.put(load) };
                cache.swap();
            }
            if let Some(newest) = newest {
                // SAFETY: the cache had the block, and has no longer got it.
                unsafe { self.put_block(newest) };
            }
        }
    }

    /// Makes every block free, those that are out and those in caches included.
    ///
    /// # Safety
    ///
    /// Nobody else uses the pool meanwhile, and nobody any block from before.
    pub(super) unsafe fn reset(&mut self) {
        self.caches().for_each(Cache::clear);
        let mut all = None;
        while let Some((magazine, _)) = self.take_stocked() {
            // SAFETY: taken from a list, so its head is initialized and nobody else's.
            unsafe { magazine.as_ref() }.next.set(all.replace(magazine));
        }
        while let Some(magazine) = all {
            // SAFETY: as above.
            all = unsafe { magazine.as_ref() }.next.get();
            // SAFETY: as above; its blocks are forgotten.
            unsafe { self.put((magazine, 0)) };
        }
        let mut next = self.extents;
        while let Some(record) = next {
            // SAFETY: as in `extents`.
            let extent = unsafe { record.as_ref() };
            next = extent.older;
            extent.unused();
            let firsts = (0..extent.parts.blocks).step_by(self.rounds);
            for first in firsts.rev() {
                let (magazine, _) = self
                    .take(|depot| &mut depot.empty)
                    .expect("there are as many magazines as hold all blocks");
                // SAFETY: an empty magazine that is nobody else's, and `first < blocks`.
                let len = unsafe { extent.fill(magazine, first, self.rounds) };
                // SAFETY: just filled with so many blocks.
                unsafe { self.put((magazine, len)) };
            }
        }
    }

    /// Ends all leases and takes the extents out, for the pool to release one after the other.
    pub(super) fn dissolve(&mut self) -> Option<NonNull<Extent>> {
        for cache in self.caches() {
            drop(cache.grant.take());
        }
        core::mem::replace(self, Self::new(self.rounds)).extents
    }

    /// Whether `block` is the start of a block of this pool.
    pub(super) fn carved(&self, block: NonNull<u8>) -> bool {
        self.extents().any(|extent| extent.carved(block))
    }

    /// All caches, open or closed.
    fn caches(&self) -> impl Iterator<Item = &Cache> {
        let mut next = self.caches;
        core::iter::from_fn(move || {
            // SAFETY: a listed cache is initialized, in cells where it is changed, and goes with
            // the pool.
            let cache = unsafe { next?.as_ref() };
            next = cache.older();
            Some(cache)
        })
    }

    /// All extents.
    fn extents(&self) -> impl Iterator<Item = &Extent> {
        let mut next = self.extents;
        core::iter::from_fn(move || {
            // SAFETY: a listed record is initialized, is not changed, and goes with the pool.
            let extent = unsafe { next?.as_ref() };
            next = extent.older;
            Some(extent)
        })
    }
}
