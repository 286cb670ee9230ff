//! Blocks beyond the classes: each is an allocation of its own, which goes straight back.
//!
//! Behind its bytes a block has a [`Record`] of what it was allocated with, so that it can be given
//! back if it is still out when the pool is dropped. Pointers to the records are kept in an
//! array, apart from the blocks. A block that is freed is looked for there by its address, from the
//! newest on: the caller's pointer may be good for no more than the bytes that were asked for, so
//! it does not lead to the record. That reads 8 bytes for each large block that was allocated
//! later and is still out, beside a call of the backing allocator.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::class::QUANTUM;
use crate::stack::FreeStack;

/// The record behind a block.
#[derive(Clone, Copy)]
struct Record {
    /// The start of the allocation, with the provenance of all of it.
    start: NonNull<u8>,
    /// What the allocation was made with.
    whole: Layout,
}

/// The large blocks that are out. It has no `Drop`: its owner calls [`release`](Self::release)
/// with the allocator that the blocks came from.
pub(crate) struct LargeBlocks {
    /// A pointer to the record of each block that is out. The record is initialized and
    /// lies in a live allocation of its own `whole`, at the offset that `with_record` says.
    records: FreeStack,
    /// At least the number of `records`: these, and those of blocks that calls of the backing
    /// allocator under way are about to add or to put back, for it may use this very pool. The
    /// capacity of `records` is this at least where `add` has just made room, and may be less
    /// before that.
    promised: Cell<usize>,
    /// The sum of `whole.size()` over the blocks.
    bytes: Cell<usize>,
}

impl LargeBlocks {
    /// No block.
    pub(crate) const fn new() -> Self {
        Self { records: FreeStack::new(), promised: Cell::new(0), bytes: Cell::new(0) }
    }

    /// The bytes of all blocks and their records.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// The bytes of the array.
    pub(crate) fn array_bytes(&self) -> usize {
        self.records.bytes()
    }

    /// Allocates a block of exactly `layout.size()` bytes, aligned to 16 at least, by `allocate`:
    /// `A::allocate` or `A::allocate_zeroed`.
    ///
    /// # Errors
    ///
    /// If the size overflows or there is no memory; nothing has changed then.
    pub(crate) fn add<A: Allocator>(
        &self,
        layout: Layout,
        allocate: impl FnOnce(&A, Layout) -> Result<NonNull<[u8]>, AllocError>,
        backing: &A,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let (whole, offset) = with_record(layout).ok_or(AllocError)?;
        self.promised.set(self.promised.get() + 1);
        let start = self
            .records
            .ensure(self.promised.get(), backing)
            .and_then(|()| allocate(backing, whole))
            .inspect_err(|AllocError| self.promised.set(self.promised.get() - 1))?
            .cast::<u8>();
        // SAFETY: `start` is an allocation of `whole`, it is new, and it was promised a place.
        unsafe { self.enter(start, whole, offset) };
        Ok(NonNull::slice_from_raw_parts(start, layout.size()))
    }

    /// Gives a block back.
    ///
    /// # Safety
    ///
    /// `block` came from this list with the same `layout`, has not been removed since, and is not
    /// used any more; `backing` is the allocator that it came from.
    pub(crate) unsafe fn remove(
        &self,
        block: NonNull<u8>,
        layout: Layout,
        backing: &impl Allocator,
    ) {
        let entered = with_record(layout).and_then(|(_, offset)| self.take_out(block, offset));
        let Some(Record { start, whole }) = entered else {
            debug_assert!(false, "not a large block of this pool");
            return;
        };
        debug_assert_eq!(with_record(layout).map(|(whole, _)| whole), Some(whole));
        self.promised.set(self.promised.get() - 1);
        // SAFETY: the allocation came from `backing` with `whole` (the invariant of `records`).
        unsafe { backing.deallocate(start, whole) };
    }

    /// Makes a block larger or smaller by `resize`, a method of its backing allocator, which may leave
    /// it where it is. Of the bytes behind the smaller of both sizes nothing is promised.
    ///
    /// # Errors
    ///
    /// If the size overflows or there is no memory; the block is as it was then.
    ///
    /// # Safety
    ///
    /// `block` came from this list with `old` and has not been removed since. `resize` is given the
    /// allocation's start, its layout and the new layout, and is `A::grow` or `A::shrink` of the
    /// allocator that the block came from; the new size is not smaller for the first and not
    /// larger for the second.
    pub(crate) unsafe fn resize(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
        resize: impl FnOnce(NonNull<u8>, Layout, Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let (_, old_offset) = with_record(old).ok_or(AllocError)?;
        let (new_whole, new_offset) = with_record(new).ok_or(AllocError)?;
        let Some(Record { start, whole }) = self.take_out(block, old_offset) else {
            debug_assert!(false, "not a large block of this pool");
            return Err(AllocError);
        };
        match resize(start, whole, new_whole) {
            Ok(moved) => {
                let moved = moved.cast::<u8>();
                // SAFETY: `moved` is an allocation of `new_whole`, it is not entered, and the place
                // of the block that it was is still promised.
                unsafe { self.enter(moved, new_whole, new_offset) };
                Ok(NonNull::slice_from_raw_parts(moved, new.size()))
            }
            Err(AllocError) => {
                // SAFETY: as before the call, `start` is an allocation of `whole`, and its place is
                // still promised.
                unsafe { self.enter(start, whole, old_offset) };
                Err(AllocError)
            }
        }
    }

    /// Gives all blocks back, and the array.
    ///
    /// # Safety
    ///
    /// Every block came from `backing`, and none is used any more.
    pub(crate) unsafe fn release(&mut self, backing: &impl Allocator) {
        // SAFETY: the caller's duties.
        unsafe { self.remove_all(backing) };
        // SAFETY: `add` is the only caller of `ensure`, and was given `backing`.
        unsafe { self.records.release(backing) };
    }

    /// Gives all blocks back.
    ///
    /// # Safety
    ///
    /// As for [`release`](Self::release).
    pub(crate) unsafe fn remove_all(&mut self, backing: &impl Allocator) {
        while let Some(record) = self.records.pop() {
            // SAFETY: the record of a block that is out is initialized (the invariant of `records`).
            let Record { start, whole } = unsafe { record.cast::<Record>().read() };
            self.bytes.set(self.bytes.get() - whole.size());
            self.promised.set(self.promised.get() - 1);
            // SAFETY: the allocation came from `backing` with `whole` (the same invariant).
            unsafe { backing.deallocate(start, whole) };
        }
    }

    /// Writes the record of a block, and enters it.
    ///
    /// # Safety
    ///
    /// `start` is a live allocation of `whole`, which is not entered, and `offset` is that of
    /// its record. The block is among the promised ones.
    unsafe fn enter(&self, start: NonNull<u8>, whole: Layout, offset: usize) {
        // SAFETY: `offset + size_of::<Record>() == whole.size()`, by `with_record`.
        let record = unsafe { start.add(offset) };
        // SAFETY: as above, and aligned, since `with_record` aligns both `whole` and `offset`.
        unsafe { record.cast::<Record>().write(Record { start, whole }) };
        // SAFETY: of the promised blocks at least this one is not entered. `add` made room for all that
        // were promised when this one was; those that were promised later got room of their own
        // in the same way.
        unsafe { self.records.push(record) };
        self.bytes.set(self.bytes.get() + whole.size());
    }

    /// The record of a block, which is not entered any more.
    fn take_out(&self, block: NonNull<u8>, offset: usize) -> Option<Record> {
        let record = self.records.take_out(block.addr().get() + offset)?;
        // SAFETY: the record of a block that is out is initialized (the invariant of `records`).
        let record = unsafe { record.cast::<Record>().read() };
        self.bytes.set(self.bytes.get() - record.whole.size());
        Some(record)
    }
}

/// The layout of a block and its record, and the record's offset; `None` on overflow.
fn with_record(layout: Layout) -> Option<(Layout, usize)> {
    layout.align_to(QUANTUM).ok()?.extend(Layout::new::<Record>()).ok()
}
