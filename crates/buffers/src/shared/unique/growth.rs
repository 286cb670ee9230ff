//! How a buffer becomes longer or shorter, and its block larger or smaller. `ManagedBuffer` of strategy-raii grows in the same
//! way over another kind of block; neither crate depends on the other.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use super::{Block, UniqueBuffer, obtain, serves};
use crate::OutOfMemory;

impl<A: Allocator> UniqueBuffer<A> {
    /// Appends `bytes`. If there is no room for them, the room is grown to twice what it is, to 64
    /// bytes, or to what is needed, whichever is most.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.try_extend_from_slice(bytes).unwrap_or_else(|error| error.give_up());
    }

    /// Appends `bytes`, growing as [`extend_from_slice`](Self::extend_from_slice) does.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block; the buffer is as it was then.
    #[inline]
    pub fn try_extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.try_reserve(bytes.len())?;
        self.spare_capacity_mut()[..bytes.len()].write_copy_of_slice(bytes);
        // SAFETY: that many bytes behind the old length were written in the line above, which
        // has panicked if there is no room for them.
        unsafe { self.set_len(self.len + bytes.len()) };
        Ok(())
    }

    /// Makes the buffer `len` bytes long: longer by bytes of value `byte`, or shorter. It grows as
    /// [`extend_from_slice`](Self::extend_from_slice) does, and keeps its room if it shrinks.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    pub fn resize(&mut self, len: usize, byte: u8) {
        self.try_resize(len, byte).unwrap_or_else(|error| error.give_up());
    }

    /// Makes the buffer `len` bytes long, as [`resize`](Self::resize) does.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block; the buffer is as it was then.
    pub fn try_resize(&mut self, len: usize, byte: u8) -> Result<(), OutOfMemory> {
        let Some(added) = len.checked_sub(self.len) else {
            self.truncate(len);
            return Ok(());
        };
        self.try_reserve(added)?;
        self.spare_capacity_mut()[..added].fill(MaybeUninit::new(byte));
        // SAFETY: the bytes up to `len` were written in the line above, which has panicked if there
        // is no room for them.
        unsafe { self.set_len(len) };
        Ok(())
    }

    /// Makes room for `additional` bytes behind those that are written. It grows as
    /// [`extend_from_slice`](Self::extend_from_slice) does.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts), and if it would
    /// be more than `isize::MAX` bytes. Contents that are that many, or hardly fewer, leave no room for
    /// the header, and count as memory that is out.
    pub fn reserve(&mut self, additional: usize) {
        self.try_reserve(additional).unwrap_or_else(|error| error.give_up());
    }

    /// Makes room for `additional` bytes, as [`reserve`](Self::reserve) does.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block; the buffer is as it was then.
    #[inline]
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        if additional <= self.spare() { Ok(()) } else { self.grow_by(additional) }
    }

    #[cold]
    fn grow_by(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        let needed = self.len.saturating_add(additional);
        self.reallocate(self.block.grown(needed)?)
    }

    /// Gives back the room behind the bytes that are written, and the block if there are none.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    pub fn shrink_to_fit(&mut self) {
        self.try_shrink_to_fit().unwrap_or_else(|error| error.give_up());
    }

    /// Gives back the room behind the bytes that are written, and the block if there are none.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the allocator has no block of that size; the buffer is as it was then.
    pub fn try_shrink_to_fit(&mut self) -> Result<(), OutOfMemory> {
        self.reallocate(self.block.of_size(self.len)?)
    }

    /// Makes the block one of `new`, which has room for what is written and the same alignment.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block; the buffer is as it was then.
    fn reallocate(&mut self, new: Block<A>) -> Result<(), OutOfMemory> {
        debug_assert!(new.capacity() >= self.len && new.align() == self.align());
        let start = if self.block.is_empty() {
            obtain(new, &self.allocator, A::allocate)
        } else if new.is_empty() {
            // SAFETY: the block has contents, by the first condition.
            let whole = unsafe { self.whole() };
            let old = self.block;
            // The block is forgotten first: if the allocator unwinds, nobody frees it again.
            self.start = new.layout().dangling_ptr();
            self.block = new;
            // SAFETY: `allocator` served the block for that layout, and it was not freed (the
            // invariant of `start`, which does not point into it any more).
            unsafe { self.allocator.deallocate(whole, old.layout()) };
            return Ok(());
        } else {
            // SAFETY: both have contents, by the conditions above.
            unsafe { self.moved_to(new) }
        };
        let refused = |_| OutOfMemory { bytes: new.capacity(), align: new.align() };
        self.start = start.map_err(refused)?;
        self.block = new;
        Ok(())
    }

    /// Has the allocator make the block one of `new`: where its contents are then.
    ///
    /// # Errors
    ///
    /// If the allocator refuses; the old block is the buffer's then. Otherwise the new one is.
    ///
    /// # Safety
    ///
    /// Both blocks have contents.
    unsafe fn moved_to(&mut self, new: Block<A>) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: the block has contents (the caller's duty).
        let whole = unsafe { self.whole() };
        let (from, to) = (self.block.layout(), new.layout());
        let whole = if to.size() > from.size() {
            // SAFETY: `allocator` served the block for `from`, and it is not freed (the invariant
            // of `start`). `to` is the larger one, by the line above.
            unsafe { self.allocator.grow(whole, from, to) }?
        } else {
            // SAFETY: as above, but `to` is not the larger one.
            unsafe { self.allocator.shrink(whole, from, to) }?
        };
        debug_assert!(serves(whole, to));
        // SAFETY: the offset is less than the size of the layout, which the block was served for.
        Ok(unsafe { whole.cast::<u8>().add(new.offset()) })
    }

    /// Gives the block back.
    ///
    /// # Safety
    ///
    /// The block has contents, and nothing uses `start` or frees the block after this.
    #[inline]
    pub(super) unsafe fn release(&mut self) {
        // SAFETY: the block has contents (the caller's duty).
        let whole = unsafe { self.whole() };
        // SAFETY: `allocator` served the block for that layout, and it is not freed (the invariant
        // of `start`), nor is it after this (the caller's duty).
        unsafe { self.allocator.deallocate(whole, self.block.layout()) };
    }

    /// Where the block begins.
    ///
    /// # Safety
    ///
    /// The block has contents.
    #[inline]
    unsafe fn whole(&self) -> NonNull<u8> {
        debug_assert!(!self.block.is_empty());
        // SAFETY: `start` is that many bytes behind the begin of its block (the invariant of
        // `start`).
        unsafe { self.start.sub(self.block.offset()) }
    }
}
