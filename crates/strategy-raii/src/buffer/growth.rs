//! How a buffer becomes longer or shorter, and its block larger or smaller. `UniqueBuffer` of buffers grows in the same
//! way over another kind of block; neither crate depends on the other.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use super::{ManagedBuffer, serves};
use crate::OutOfMemory;

/// The least that a buffer grows to when it grows by itself: a cache line.
const LEAST_GROWTH: usize = 64;

impl<A: Allocator> ManagedBuffer<A> {
    /// Appends `bytes`. If there is no room for them, the block is grown to twice what it
    /// is, to 64 bytes, or to what is needed, whichever is most.
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
    /// [`extend_from_slice`](Self::extend_from_slice) does, and keeps its block if it shrinks.
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
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts), and if it would be
    /// more than `isize::MAX` bytes.
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
        if additional <= self.capacity() - self.len { Ok(()) } else { self.grow_by(additional) }
    }

    #[cold]
    fn grow_by(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        let needed = self.layout_of(self.len.saturating_add(additional))?;
        let bytes = needed.size().max(self.capacity().saturating_mul(2)).max(LEAST_GROWTH);
        // If twice the size does not exist, what is needed may.
        self.try_reallocate(self.layout_of(bytes).unwrap_or(needed))
    }

    /// Gives back the room behind the bytes that are written.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    pub fn shrink_to_fit(&mut self) {
        self.try_shrink_to_fit().unwrap_or_else(|error| error.give_up());
    }

    /// Gives back the room behind the bytes that are written.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the allocator has no block of that size; the buffer is as it was then.
    pub fn try_shrink_to_fit(&mut self) -> Result<(), OutOfMemory> {
        self.try_reallocate(self.layout_of(self.len)?)
    }

    /// Changes size and alignment of the block to those of `new`. The first bytes are kept, as many
    /// as fit; the room that is added is not written.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    pub fn reallocate(&mut self, new: Layout) {
        self.try_reallocate(new).unwrap_or_else(|error| error.give_up());
    }

    /// Changes size and alignment of the block, as [`reallocate`](Self::reallocate) does.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block; the buffer is as it was then.
    pub fn try_reallocate(&mut self, new: Layout) -> Result<(), OutOfMemory> {
        if new.size() > self.layout.size() {
            // SAFETY: `new` is the larger one, by the line above.
            unsafe { self.grow(new) }
        } else {
            // SAFETY: `new` is not the larger one.
            unsafe { self.shrink(new) }
        }
    }

    /// A layout of `bytes` with the buffer's alignment.
    pub(super) fn layout_of(&self, bytes: usize) -> Result<Layout, OutOfMemory> {
        let align = self.layout.align();
        Layout::from_size_align(bytes, align).map_err(|_| OutOfMemory { bytes, align })
    }

    /// # Safety
    ///
    /// `new` has at least as many bytes as the block.
    #[inline]
    pub(crate) unsafe fn grow(&mut self, new: Layout) -> Result<(), OutOfMemory> {
        debug_assert!(new.size() >= self.layout.size());
        // SAFETY: `backing` served `start` for `layout` (the invariant of `start`), and `new` has
        // as many bytes (the caller's duty).
        let block = unsafe { self.backing.grow(self.start, self.layout, new) };
        self.moved(block, new)
    }

    /// As [`Allocator::grow_zeroed`]. The bytes are not taken for written.
    ///
    /// # Safety
    ///
    /// `new` has at least as many bytes as the block.
    #[inline]
    pub(crate) unsafe fn grow_zeroed(&mut self, new: Layout) -> Result<(), OutOfMemory> {
        debug_assert!(new.size() >= self.layout.size());
        // SAFETY: `backing` served `start` for `layout` (the invariant of `start`), and `new` has
        // as many bytes (the caller's duty).
        let block = unsafe { self.backing.grow_zeroed(self.start, self.layout, new) };
        self.moved(block, new)
    }

    /// # Safety
    ///
    /// `new` has at most as many bytes as the block.
    #[inline]
    pub(crate) unsafe fn shrink(&mut self, new: Layout) -> Result<(), OutOfMemory> {
        debug_assert!(new.size() <= self.layout.size());
        // SAFETY: `backing` served `start` for `layout` (the invariant of `start`), and `new` has
        // no more bytes (the caller's duty).
        let block = unsafe { self.backing.shrink(self.start, self.layout, new) };
        self.moved(block, new)
    }

    /// Notes what the allocator made of the block when it was to become one of `new`. If it
    /// refused, the old block is still the buffer's.
    #[inline]
    fn moved(
        &mut self,
        block: Result<NonNull<[u8]>, AllocError>,
        new: Layout,
    ) -> Result<(), OutOfMemory> {
        let Ok(block) = block else { return Err(OutOfMemory::of(new)) };
        debug_assert!(serves(block, new));
        self.start = block.cast();
        self.layout = new;
        // What was cut off is not there any more; what is left was kept.
        self.len = self.len.min(new.size());
        Ok(())
    }
}
