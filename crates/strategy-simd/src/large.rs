//! Blocks beyond the classes: each is an allocation of its own, on a list while it is out.
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

/// The record behind a block.
#[derive(Clone, Copy)]
struct Record {
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

    /// The bytes of all blocks and records.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Allocates a block of exactly `layout.size()` bytes, aligned to a vector at least, by
    /// `allocate`: `Allocator::allocate` or `Allocator::allocate_zeroed`.
    ///
    /// # Errors
    ///
    /// If the size overflows or there is no memory; nothing has changed then.
    pub(crate) fn add(
        &self,
        layout: Layout,
        allocate: impl FnOnce(Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let (whole, offset) = with_record(layout).ok_or(AllocError)?;
        let start = allocate(whole)?.cast::<u8>();
        // SAFETY: `offset + size_of::<Record>() == whole.size()`, by `with_record`.
        let record = unsafe { start.add(offset) }.cast::<Record>();
        let older = self.newest.get();
        // SAFETY: as above, and aligned, since `with_record` aligns both `whole` and `offset`.
        unsafe { record.write(Record { start, layout: whole, newer: None, older }) };
        if let Some(mut older) = older {
            // SAFETY: `older` is on the list, so it is an initialized record (the invariant of
            // `newest`), and no reference to one outlives a statement of this file.
            unsafe { older.as_mut() }.newer = Some(record);
        }
        self.newest.set(Some(record));
        self.bytes.set(self.bytes.get() + whole.size());
        Ok(NonNull::slice_from_raw_parts(start, layout.size()))
    }

    /// Gives a block back.
    ///
    /// # Safety
    ///
    /// `block` came from [`add`](Self::add) of this list with the same `layout`, by a method of
    /// `backing`, has not been removed since, and is not used any more.
    pub(crate) unsafe fn remove(
        &self,
        block: NonNull<u8>,
        layout: Layout,
        backing: &impl Allocator,
    ) {
        let Some(Record { start, layout: whole, newer, older }) = self.find(block) else {
            debug_assert!(false, "not a large block of this pool");
            return;
        };
        debug_assert_eq!(with_record(layout).map(|(whole, _)| whole), Some(whole));
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
        self.bytes.set(self.bytes.get() - whole.size());
        // SAFETY: the allocation came from `backing` with `whole`, by `add`.
        unsafe { backing.deallocate(start, whole) };
    }

    /// The record of the block that starts where `block` does.
    fn find(&self, block: NonNull<u8>) -> Option<Record> {
        let mut next = self.newest.get();
        while let Some(record) = next {
            // SAFETY: the record is on the list, so it is initialized (the invariant of `newest`).
            let found = unsafe { record.read() };
            if found.start == block {
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
            // SAFETY: the allocation came from `backing` with `layout`, by `add`.
            unsafe { backing.deallocate(start, layout) };
        }
    }
}

/// The layout of a block and its record, and the record's offset; `None` on overflow.
fn with_record(layout: Layout) -> Option<(Layout, usize)> {
    layout.align_to(VECTOR_ALIGN).ok()?.extend(Layout::new::<Record>()).ok()
}
