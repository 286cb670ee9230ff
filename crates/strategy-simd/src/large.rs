//! Blocks beyond the classes: each is an allocation of its own, on a list while it is out.
//!
//! They are never kept: what is taken is fresh from the backing allocator, and what is freed goes
//! straight back. Those of 2 MiB and more start at a huge page and ask for huge pages.
//!
//! Behind its bytes a block has a [`Record`] that links it to its neighbours, so that it can be
//! given back if it is still out when the pool is dropped. A block that is freed is looked for on
//! the list, from the newest on: the caller's pointer may be good for no more than the bytes that
//! were asked for, so it does not lead to the record. That is one step for each large block that
//! was allocated later and is still out, beside a call of the backing allocator for more than
//! 32 MiB, or for an alignment of more than 2 MiB.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::VECTOR_ALIGN;
use crate::huge::{self, HUGE_PAGE_BYTES};

/// The record behind a block.
#[derive(Clone, Copy)]
struct Record {
    /// The start of the block.
    block: NonNull<u8>,
    /// The start of the allocation, with the provenance of all of it.
    start: NonNull<u8>,
    /// What the allocation was made with.
    layout: Layout,
    newer: Option<NonNull<Record>>,
    older: Option<NonNull<Record>>,
}

/// The large blocks that are out. It has no `Drop`: its owner calls [`release`](Self::release)
/// with the allocator that the blocks came from.
pub(crate) struct LargeBlocks {
    /// The newest record. It and every record that `older` leads to is initialized, lies in a
    /// live allocation of its own `layout`, and is on the list once; `newer` leads back.
    newest: Cell<Option<NonNull<Record>>>,
    /// The sum of `layout.size()` over the list.
    bytes: Cell<usize>,
}

impl LargeBlocks {
    /// No block.
    pub(crate) const fn new() -> Self {
        Self { newest: Cell::new(None), bytes: Cell::new(0) }
    }

    /// The bytes of all allocations: blocks, records, and what aligns them.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Allocates a block of exactly `layout.size()` bytes, aligned to a vector at least.
    ///
    /// # Errors
    ///
    /// If the size overflows or there is no memory; nothing has changed then.
    pub(crate) fn add(
        &self,
        layout: Layout,
        backing: &impl Allocator,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let (whole, offset) = with_record(layout).ok_or(AllocError)?;
        let start = backing.allocate(whole)?.cast::<u8>();
        // SAFETY: `start` points at `whole.size()` bytes with the alignment of `whole`, just
        // allocated, and `with_record` put a block of `layout` and a record into them.
        unsafe { self.link(layout, start, start, whole, offset) };
        Ok(NonNull::slice_from_raw_parts(start, layout.size()))
    }

    /// As [`add`](Self::add), zeroed.
    ///
    /// The backing allocator is asked for no alignment, and the block is aligned inside of what it
    /// gives: allocators have fresh pages, which are zero already, only for small alignments, as
    /// `calloc` does, and would fill 32 MiB and more by hand for others.
    ///
    /// # Errors
    ///
    /// If the size overflows or there is no memory; nothing has changed then.
    pub(crate) fn add_zeroed(
        &self,
        layout: Layout,
        backing: &impl Allocator,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let (aligned, offset) = with_record(layout).ok_or(AllocError)?;
        let size = aligned.size().checked_add(aligned.align() - 1).ok_or(AllocError)?;
        let align = align_of::<Record>();
        let whole = Layout::from_size_align(size, align).map_err(|_| AllocError)?;
        let start = backing.allocate_zeroed(whole)?.cast::<u8>();
        let padding = start.addr().get().wrapping_neg() & (aligned.align() - 1);
        // SAFETY: `padding < aligned.align()`, so `aligned.size()` bytes are left behind it.
        let block = unsafe { start.add(padding) };
        // SAFETY: `block` is aligned for `aligned` by the padding, and that many bytes are left; they
        // were just allocated, and `with_record` put a block of `layout` and a record into them.
        unsafe { self.link(layout, block, start, whole, offset) };
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    /// Puts a new block on the list.
    ///
    /// # Safety
    ///
    /// `start` is a new allocation with the layout `whole`. `block` lies in it, and so does a
    /// `Record` at `offset` behind it, which is aligned; both are nobody else's.
    unsafe fn link(
        &self,
        layout: Layout,
        block: NonNull<u8>,
        start: NonNull<u8>,
        whole: Layout,
        offset: usize,
    ) {
        huge::advise(block, layout.size());
        // SAFETY: the record lies in the allocation (the caller's duty).
        let record = unsafe { block.add(offset) }.cast::<Record>();
        let older = self.newest.get();
        // SAFETY: as above, and it is aligned.
        unsafe { record.write(Record { block, start, layout: whole, newer: None, older }) };
        if let Some(mut older) = older {
            // SAFETY: `older` is on the list, so it is an initialized record (the invariant of
            // `newest`), and no reference to one outlives a statement of this file.
            unsafe { older.as_mut() }.newer = Some(record);
        }
        self.newest.set(Some(record));
        self.bytes.set(self.bytes.get() + whole.size());
    }

    /// Gives a block back.
    ///
    /// # Safety
    ///
    /// `block` came from this list, by a method of `backing`, has not been removed since, and is
    /// not used any more.
    pub(crate) unsafe fn remove(&self, block: NonNull<u8>, backing: &impl Allocator) {
        let Some(Record { start, layout, newer, older, .. }) = self.find(block) else {
            debug_assert!(false, "not a large block of this pool");
            return;
        };
        if let Some(mut older) = older {
            // SAFETY: a neighbour is on the list, so it is an initialized record, and no reference
            // to one outlives a statement of this file.
            unsafe { older.as_mut() }.newer = newer;
        }
        match newer {
            // SAFETY: as above.
            Some(mut newer) => unsafe { newer.as_mut() }.older = older,
            None => self.newest.set(older),
        }
        self.bytes.set(self.bytes.get() - layout.size());
        // SAFETY: the allocation came from `backing` with `layout`, by `link`.
        unsafe { backing.deallocate(start, layout) };
    }

    /// The record of the block that starts where `block` does.
    fn find(&self, block: NonNull<u8>) -> Option<Record> {
        let mut next = self.newest.get();
        while let Some(record) = next {
            // SAFETY: the record is on the list, so it is initialized (the invariant of `newest`).
            let found = unsafe { record.read() };
            if found.block == block {
                return Some(found);
            }
            next = found.older;
        }
        None
    }

    /// Gives all blocks back.
    ///
    /// # Safety
    ///
    /// Every block came from `backing`, and none is used any more.
    pub(crate) unsafe fn release(&mut self, backing: &impl Allocator) {
        let mut next = core::mem::replace(self, Self::new()).newest.get();
        while let Some(record) = next {
            // SAFETY: the record was on the list, and its allocation is freed only below, after
            // `next` has moved on.
            let Record { start, layout, older, .. } = unsafe { record.read() };
            next = older;
            // SAFETY: the allocation came from `backing` with `layout`, by `link`.
            unsafe { backing.deallocate(start, layout) };
        }
    }
}

/// The layout of a block and its record, and the record's offset; `None` on overflow.
fn with_record(layout: Layout) -> Option<(Layout, usize)> {
    let align = if layout.size() < HUGE_PAGE_BYTES { VECTOR_ALIGN } else { HUGE_PAGE_BYTES };
    layout.align_to(align).ok()?.extend(Layout::new::<Record>()).ok()
}
