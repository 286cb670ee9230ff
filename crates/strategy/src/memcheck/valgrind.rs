//! Memcheck: a strategy's blocks are those of a memory pool of its own
//! ("Memory Pools: describing and working with custom allocators", Valgrind manual, section 4.8).
//!
//! A pool and not blocks that are like those of `malloc` (`VALGRIND_MALLOCLIKE_BLOCK`), since those are known by their
//! address alone: the first block of a chunk has that of the chunk. Memcheck knows where a block of a
//! pool was allocated and freed, that it was not out or another pool's when it is freed, and that pointers to it are in
//! other blocks.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crabgrind::memcheck::{MemState, check_mem_addressable, mark_memory};
use crabgrind::valgrind::{
    create_mempool, disable_reporting, mempool_alloc, mempool_change, mempool_destroy,
    mempool_free, mempool_trim, resizeinplace_block, running_mode,
};

/// Memcheck knows a pool by a number that no other has or had. 0 is none.
static NEXT_POOL: AtomicUsize = AtomicUsize::new(1);

/// Whether blocks that are never freed are reported.
static REPORTS_LEAKS: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// A lock, since threads may share a strategy. It is not held while anything of the strategy's is
    /// called; the map's memory is the global allocator's.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The number of the pool, or 0 before the first block and after the end.
    pool: usize,
    /// The size of each block that is out, by its address: memcheck does not say which are out.
    out: BTreeMap<usize, usize>,
}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self { known: Mutex::new(Known { pool: 0, out: BTreeMap::new() }) }
    }

    /// Nothing in here panics with a half of it changed. The global allocator is called while it is held:
    /// a strategy that tells is not for being that.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn allocated(&self, block: NonNull<u8>, bytes: usize) {
        if running_mode().is_native() {
            return;
        }
        let mut known = self.known();
        if known.pool == 0 {
            known.pool = new_pool();
        }
        mempool_alloc(anchor(known.pool), address(block), bytes);
        known.out.insert(block.addr().get(), bytes);
    }

    pub(super) fn freed(&self, block: NonNull<u8>, _bytes: usize) {
        if running_mode().is_native() {
            return;
        }
        let mut known = self.known();
        known.out.remove(&block.addr().get());
        mempool_free(anchor(known.pool), address(block));
    }

    pub(super) fn resized(
        &self,
        old: NonNull<u8>,
        old_bytes: usize,
        block: NonNull<u8>,
        bytes: usize,
    ) {
        if running_mode().is_native() {
            return;
        }
        let mut known = self.known();
        known.out.remove(&old.addr().get());
        known.out.insert(block.addr().get(), bytes);
        mempool_change(anchor(known.pool), address(old), address(block), bytes);
        let (old_start, start) = (old.addr().get(), block.addr().get());
        let (old_end, end) = (old_start + old_bytes, start + bytes);
        let kept = old_bytes.min(bytes);
        mark(address(block).wrapping_byte_add(kept), bytes - kept, MemState::Undefined);
        let before = old_end.min(start).saturating_sub(old_start);
        mark(address(old), before, MemState::NoAccess);
        let behind = old_end.saturating_sub(old_start.max(end));
        mark(address(old).wrapping_byte_add(old_bytes - behind), behind, MemState::NoAccess);
    }

    pub(super) fn all_freed(&self) {
        let mut known = self.known();
        known.out.clear();
        if known.pool != 0 {
            // Of all blocks, those are kept that lie in no bytes: none.
            mempool_trim(anchor(known.pool), ptr::null(), 0);
        }
    }

    pub(super) fn never_freed(&self) {
        if !REPORTS_LEAKS.load(Relaxed) {
            return;
        }
        let out = core::mem::take(&mut self.known().out);
        for (block, bytes) in out {
            let block = ptr::without_provenance::<c_void>(block);
            mempool_free(anchor(self.known().pool), block);
            crabgrind::vg_print(c"A block was never freed: its pool is dropped.\n");
            // It is not, so this is reported, with where the block was allocated. The last byte, since of
            // the first ones memcheck may say what it knows of the chunk: see `taken`.
            let _ = check_mem_addressable(block.wrapping_byte_add(bytes - 1), 1);
        }
    }

    pub(super) fn ended(&self) {
        self.all_freed();
        let pool = core::mem::take(&mut self.known().pool);
        if pool != 0 {
            mempool_destroy(anchor(pool));
        }
    }
}

/// Of an address in a freed block of a pool and in a block of `malloc`, memcheck says only what it knows
/// of the latter. So that it says where the former was allocated and freed, the latter is one byte
/// long meanwhile. With memcheck's red zone that is 17 bytes, of which it still names the chunk.
pub(super) fn taken(start: NonNull<u8>, bytes: usize) {
    resize_if_from_malloc(start, bytes, 1);
    unused(start, bytes);
}

pub(super) fn unused(start: NonNull<u8>, bytes: usize) {
    mark(address(start), bytes, MemState::NoAccess);
}

pub(super) fn opened(start: NonNull<u8>, bytes: usize) {
    mark(address(start), bytes, MemState::Undefined);
}

pub(super) fn written(start: NonNull<u8>, bytes: usize) {
    mark(address(start), bytes, MemState::Defined);
}

/// Memcheck does not look for pointers in a block of `malloc` that blocks of a pool lie in, but in
/// those. So a record is such a block, of a pool that all records share.
pub(super) fn record_made(record: NonNull<u8>, bytes: usize) {
    if running_mode().is_valgrind() {
        mempool_alloc(anchor(records()), address(record), bytes);
    }
}

pub(super) fn record_gone(record: NonNull<u8>, _bytes: usize) {
    if running_mode().is_valgrind() {
        mempool_free(anchor(records()), address(record));
    }
}

pub(super) fn returned(start: NonNull<u8>, bytes: usize) {
    resize_if_from_malloc(start, 1, bytes);
    opened(start, bytes);
}

pub(super) fn report_leaks() {
    REPORTS_LEAKS.store(true, Relaxed);
}

/// Changes what memcheck takes for the size of a block of `malloc`. A chunk that came from elsewhere is not
/// known, which is an error that is nobody's business.
fn resize_if_from_malloc(start: NonNull<u8>, from: usize, to: usize) {
    let _unreported = disable_reporting();
    resizeinplace_block(address(start), from, to, 0);
}

fn records() -> usize {
    static RECORDS: OnceLock<usize> = OnceLock::new();
    *RECORDS.get_or_init(new_pool)
}

fn new_pool() -> usize {
    let pool = NEXT_POOL.fetch_add(1, Relaxed);
    create_mempool(anchor(pool), 0, false, None);
    pool
}

/// A pool's number, in the place of the address that memcheck takes for its name.
fn anchor(pool: usize) -> *const c_void {
    ptr::without_provenance(pool)
}

fn address(block: NonNull<u8>) -> *const c_void {
    block.as_ptr().cast()
}

fn mark(start: *const c_void, bytes: usize, state: MemState) {
    if bytes > 0 {
        // Without valgrind there is nothing to mark.
        let _ = mark_memory(start, bytes, state);
    }
}
