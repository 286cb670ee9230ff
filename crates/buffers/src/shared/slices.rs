//! What buffers are to the standard library: slices of bytes, and something to write to.

use core::borrow::{Borrow, BorrowMut};
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};
use std::io::{self, IoSlice, Write};

use allocator_api2::alloc::{Allocator, Global};

use super::{Count, CountedBuffer, UniqueBuffer};

impl<C: Count, A: Allocator> Deref for CountedBuffer<C, A> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: these bytes are initialized, and nobody writes or frees them while `&self`
        // borrows their owner (`CountedBuffer`'s invariants).
        unsafe { self.shown().as_ref() }
    }
}

impl<A: Allocator> Deref for UniqueBuffer<A> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: these bytes of the block are initialized (`UniqueBuffer`'s invariants), and
        // `&self` keeps them from being written or freed.
        unsafe { self.written().as_ref() }
    }
}

impl<A: Allocator> DerefMut for UniqueBuffer<A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { self.written().as_mut() }
    }
}

impl<A: Allocator> AsMut<[u8]> for UniqueBuffer<A> {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl<A: Allocator> BorrowMut<[u8]> for UniqueBuffer<A> {
    fn borrow_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// What follows from being a slice, which is the same for both.
macro_rules! bytes {
    ([$($parameters:tt)*] $buffer:ty) => {
        impl<$($parameters)*> AsRef<[u8]> for $buffer {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self
            }
        }

        /// Comparing and hashing is that of the bytes, so a map with buffers for keys is asked with
        /// a slice.
        impl<$($parameters)*> Borrow<[u8]> for $buffer {
            #[inline]
            fn borrow(&self) -> &[u8] {
                self
            }
        }

        /// Compares the bytes, with those of any buffer, slice or array.
        impl<$($parameters)*, T: AsRef<[u8]> + ?Sized> PartialEq<T> for $buffer {
            #[inline]
            fn eq(&self, other: &T) -> bool {
                **self == *other.as_ref()
            }
        }

        impl<$($parameters)*> Eq for $buffer {}

        impl<$($parameters)*> PartialOrd for $buffer {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl<$($parameters)*> Ord for $buffer {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                (**self).cmp(&**other)
            }
        }

        impl<$($parameters)*> Hash for $buffer {
            #[inline]
            fn hash<H: Hasher>(&self, state: &mut H) {
                (**self).hash(state);
            }
        }
    };
}

bytes!([C: Count, A: Allocator] CountedBuffer<C, A>);
bytes!([A: Allocator] UniqueBuffer<A>);

/// Says the length and the room. The bytes may be many, or nobody's business.
impl<A: Allocator> fmt::Debug for UniqueBuffer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueBuffer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("align", &self.align())
            .finish_non_exhaustive()
    }
}

/// An empty buffer, of whatever allocator, which is not needed for it.
impl<C: Count, A: Allocator> Default for CountedBuffer<C, A> {
    #[inline]
    fn default() -> Self {
        Self::uncounted(&[])
    }
}

/// As [`new_in`](UniqueBuffer::new_in).
impl<A: Allocator + Default> Default for UniqueBuffer<A> {
    #[inline]
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

/// A copy; see [`copied_in`](CountedBuffer::copied_in).
impl<C: Count> From<&[u8]> for CountedBuffer<C> {
    fn from(bytes: &[u8]) -> Self {
        Self::copied_in(bytes, Global)
    }
}

/// A copy; see [`copied_in`](CountedBuffer::copied_in).
impl<C: Count, const LEN: usize> From<&[u8; LEN]> for CountedBuffer<C> {
    fn from(bytes: &[u8; LEN]) -> Self {
        Self::copied_in(bytes, Global)
    }
}

/// A copy, as for `Arc<[u8]>`: a vector's block has no room for the count in front.
impl<C: Count> From<Vec<u8>> for CountedBuffer<C> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::copied_in(&bytes, Global)
    }
}

/// A copy, as for `Arc<[u8]>`: a box has no room for the count in front.
impl<C: Count> From<Box<[u8]>> for CountedBuffer<C> {
    fn from(bytes: Box<[u8]>) -> Self {
        Self::copied_in(&bytes, Global)
    }
}

/// A copy; see [`copied_in`](UniqueBuffer::copied_in).
impl From<&[u8]> for UniqueBuffer {
    fn from(bytes: &[u8]) -> Self {
        Self::copied_in(bytes, Global)
    }
}

/// A copy; see [`copied_in`](UniqueBuffer::copied_in).
impl<const LEN: usize> From<&[u8; LEN]> for UniqueBuffer {
    fn from(bytes: &[u8; LEN]) -> Self {
        Self::copied_in(bytes, Global)
    }
}

impl<C: Count> FromIterator<u8> for CountedBuffer<C> {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        UniqueBuffer::from_iter(bytes).into()
    }
}

impl FromIterator<u8> for UniqueBuffer {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        let mut buffer = Self::new();
        buffer.extend(bytes);
        buffer
    }
}

/// Appends, and grows as [`extend_from_slice`](UniqueBuffer::extend_from_slice) does.
impl<A: Allocator> Extend<u8> for UniqueBuffer<A> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        let bytes = bytes.into_iter();
        self.reserve(bytes.size_hint().0);
        bytes.for_each(|byte| self.extend_from_slice(&[byte]));
    }
}

/// Appends, and grows as [`extend_from_slice`](UniqueBuffer::extend_from_slice) does. If there is
/// no memory, nothing is written and the error is of the kind `OutOfMemory`.
impl<A: Allocator> Write for UniqueBuffer<A> {
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
