//! What a buffer is to the standard library: a slice of bytes, and something to write to.

use core::borrow::{Borrow, BorrowMut};
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};
use std::io::{self, IoSlice, Write};

use allocator_api2::alloc::Allocator;

use crate::{ManagedBuffer, SystemMemory};

impl<A: Allocator> Deref for ManagedBuffer<A> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: these bytes of the block are initialized (`ManagedBuffer`'s invariants), and `&self`
        // keeps them from being written or freed.
        unsafe { self.written().as_ref() }
    }
}

impl<A: Allocator> DerefMut for ManagedBuffer<A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { self.written().as_mut() }
    }
}

impl<A: Allocator> AsRef<[u8]> for ManagedBuffer<A> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<A: Allocator> AsMut<[u8]> for ManagedBuffer<A> {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// Comparing and hashing is that of the bytes, so a map with buffers for keys is asked with a slice.
impl<A: Allocator> Borrow<[u8]> for ManagedBuffer<A> {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl<A: Allocator> BorrowMut<[u8]> for ManagedBuffer<A> {
    fn borrow_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// Compares the bytes, with those of any buffer, slice or array.
impl<A: Allocator, T: AsRef<[u8]> + ?Sized> PartialEq<T> for ManagedBuffer<A> {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl<A: Allocator> Eq for ManagedBuffer<A> {}

impl<A: Allocator> PartialOrd for ManagedBuffer<A> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<A: Allocator> Ord for ManagedBuffer<A> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<A: Allocator> Hash for ManagedBuffer<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// Says the length and the layout. The bytes may be many, or nobody's business.
impl<A: Allocator> fmt::Debug for ManagedBuffer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedBuffer")
            .field("len", &self.len())
            .field("layout", &self.layout())
            .finish_non_exhaustive()
    }
}

/// As [`try_clone`](ManagedBuffer::try_clone); if memory is out, as `handle_alloc_error` does it.
impl<A: Allocator + Clone> Clone for ManagedBuffer<A> {
    fn clone(&self) -> Self {
        self.try_clone().unwrap_or_else(|error| error.give_up())
    }
}

/// As [`new`](ManagedBuffer::new).
impl Default for ManagedBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// A copy from the C library; see [`copied_in`](ManagedBuffer::copied_in).
impl From<&[u8]> for ManagedBuffer {
    fn from(bytes: &[u8]) -> Self {
        Self::copied_in(bytes, SystemMemory::new())
    }
}

/// A copy from the C library; see [`copied_in`](ManagedBuffer::copied_in).
impl<const LEN: usize> From<&[u8; LEN]> for ManagedBuffer {
    fn from(bytes: &[u8; LEN]) -> Self {
        Self::from(&bytes[..])
    }
}

/// Appends, and grows as [`extend_from_slice`](ManagedBuffer::extend_from_slice) does. If there is no
/// memory, nothing is written and the error is of the kind `OutOfMemory`.
impl<A: Allocator> Write for ManagedBuffer<A> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.try_extend_from_slice(bytes)?;
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = slices.iter().fold(0_usize, |sum, slice| sum.saturating_add(slice.len()));
        self.try_reserve(bytes)?;
        slices.iter().try_for_each(|slice| self.try_extend_from_slice(slice))?;
        Ok(bytes)
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Ok(self.try_extend_from_slice(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
