//! Growable arrays in memory of the operating system, apart from everything that a program writes to.

use core::marker::PhantomData;
use core::mem::size_of;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

/// The bytes of the first mapping.
const FIRST_BYTES: usize = 16 << 10;

/// A vector of plain values in mapped memory. It doubles when it is full.
pub(super) struct Mapped<T: Copy> {
    /// The first `len` values of the mapping at `start` are initialized; it has room for `capacity`
    /// of them, and there is no mapping if that is 0.
    start: NonNull<T>,
    len: usize,
    capacity: usize,
    _owns: PhantomData<T>,
}

// SAFETY: it owns its values, as a `Vec` does.
unsafe impl<T: Copy + Send> Send for Mapped<T> {}

impl<T: Copy> Mapped<T> {
    pub(super) const fn new() -> Self {
        Self { start: NonNull::dangling(), len: 0, capacity: 0, _owns: PhantomData }
    }

    /// Adds a value: nothing if there is no memory.
    pub(super) fn push(&mut self, value: T) -> Option<()> {
        if self.len == self.capacity {
            self.grow()?;
        }
        // SAFETY: `len < capacity`, so that is inside of the mapping.
        let end = unsafe { self.start.add(self.len) };
        // SAFETY: there is room for a value, and the mapping is aligned to a page.
        unsafe { end.write(value) };
        self.len += 1;
        Some(())
    }

    /// Makes it `len` times `value`: nothing, and it is as it was, if there is no memory.
    pub(super) fn fill(&mut self, len: usize, value: T) -> Option<()> {
        let mut new = Self::new();
        while new.capacity < len {
            new.grow()?;
        }
        for _ in 0..len {
            new.push(value)?;
        }
        *self = new;
        Some(())
    }

    fn grow(&mut self) -> Option<()> {
        let capacity = (2 * self.capacity).max(FIRST_BYTES / size_of::<T>());
        let start = pages::map(capacity.checked_mul(size_of::<T>())?)?.cast();
        // SAFETY: the first `len` values are initialized, and the new mapping has room for more.
        unsafe { start.copy_from_nonoverlapping(self.start, self.len) };
        let grown = Self { start, len: self.len, capacity, _owns: PhantomData };
        *self = grown;
        Some(())
    }
}

impl<T: Copy> Deref for Mapped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialized values, borrowed as `self` is.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for Mapped<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else has it.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> Drop for Mapped<T> {
    fn drop(&mut self) {
        if self.capacity > 0 {
            // SAFETY: the mapping is ours, of this size, and nobody uses it any more.
            unsafe { pages::unmap(self.start.cast(), self.capacity * size_of::<T>()) };
        }
    }
}

/// Memory of the operating system.
#[cfg(unix)]
mod pages {
    use core::ptr::{self, NonNull};

    /// Fresh memory, aligned to a page.
    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: a new mapping at an address that the system chooses touches no other.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
        if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
    }

    /// Gives memory back.
    ///
    /// # Safety
    ///
    /// It came from [`map`] with this size, and nobody uses it any more.
    pub(super) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's duties.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }
}

/// Memory of the system's allocator, where there are no mappings.
#[cfg(not(unix))]
mod pages {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::NonNull;
    use std::alloc::System;

    const PAGE: usize = 4096;

    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(bytes, PAGE).ok()?;
        // SAFETY: the size is not 0: nobody asks for an empty mapping.
        NonNull::new(unsafe { System.alloc(layout) })
    }

    /// # Safety
    ///
    /// It came from [`map`] with this size, and nobody uses it any more.
    pub(super) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: `map` has made the same layout.
        let layout = unsafe { Layout::from_size_align_unchecked(bytes, PAGE) };
        // SAFETY: the caller's duties.
        unsafe { System.dealloc(start.as_ptr(), layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_while_it_grows() {
        let mut numbers = Mapped::<u32>::new();
        assert!(numbers.is_empty());
        for number in 0..10_000 {
            numbers.push(number).unwrap();
        }
        assert!(numbers.iter().copied().eq(0..10_000));
        numbers.fill(100_000, 7).unwrap();
        assert_eq!((numbers.len(), numbers.iter().all(|number| *number == 7)), (100_000, true));
    }
}
