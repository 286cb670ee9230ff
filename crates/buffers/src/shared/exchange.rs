//! What buffers are to the crate `bytes`: a source and a sink of its traits, and the owner of a
//! [`Bytes`].

use allocator_api2::alloc::{Allocator, Global};
use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut, Bytes};

use super::{AtomicCount, Count, CountedBuffer, UniqueBuffer};

/// The room that is made when there is none and nobody says how much is needed: a cache line.
const SOME: usize = 64;

/// Reads from the front: what was read is not shown any more, and stays in the block.
///
/// ```
/// use buffers::SharedBuffer;
/// use bytes::Buf;
///
/// let mut message = SharedBuffer::from(&[0, 2, b'o', b'k']);
/// assert_eq!(message.get_u16(), 2);
/// assert_eq!(message, b"ok");
/// ```
impl<C: Count, A: Allocator> Buf for CountedBuffer<C, A> {
    #[inline]
    fn remaining(&self) -> usize {
        self.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self
    }

    #[inline]
    fn advance(&mut self, bytes: usize) {
        self.skip(bytes);
    }
}

/// Appends, and grows as [`extend_from_slice`](UniqueBuffer::extend_from_slice) does.
///
/// ```
/// use buffers::UniqueBuffer;
/// use bytes::BufMut;
///
/// let mut message = UniqueBuffer::new();
/// message.put_u16(2);
/// message.put_slice(b"ok");
/// assert_eq!(message.freeze(), [0, 2, b'o', b'k']);
/// ```
// SAFETY: `chunk_mut` is the room behind the bytes that are written, and `advance_mut` adds what
// the caller has written of it to them.
unsafe impl<A: Allocator> BufMut for UniqueBuffer<A> {
    /// As many bytes as a block can have, whether there is memory for them or not.
    #[inline]
    fn remaining_mut(&self) -> usize {
        isize::MAX as usize - self.len()
    }

    #[inline]
    unsafe fn advance_mut(&mut self, bytes: usize) {
        assert!(bytes <= self.spare(), "{bytes} bytes more than there is room for were written");
        // SAFETY: the sum is at most the capacity, by the line above. The caller has written them.
        unsafe { self.set_len(self.len() + bytes) };
    }

    #[inline]
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        if self.spare() == 0 {
            self.reserve(SOME);
        }
        UninitSlice::uninit(self.spare_capacity_mut())
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_bytes(&mut self, byte: u8, bytes: usize) {
        self.resize(self.len().saturating_add(bytes), byte);
    }
}

/// The same bytes, not copied: the buffer becomes their owner, for which [`Bytes::from_owner`]
/// takes a small block of its own.
///
/// ```
/// use buffers::SharedBuffer;
/// use bytes::Bytes;
///
/// let buffer = SharedBuffer::from(b"contents");
/// let bytes = Bytes::from(buffer.slice(3..));
/// assert_eq!(bytes.as_ptr(), buffer[3..].as_ptr());
/// ```
impl<A: Allocator + Send + 'static> From<CountedBuffer<AtomicCount, A>> for Bytes {
    fn from(buffer: CountedBuffer<AtomicCount, A>) -> Self {
        Self::from_owner(buffer)
    }
}

/// A copy. The bytes of a [`Bytes`] lie in a block that has no room for the count in front, and
/// that only its own code can free; nor does it give back a buffer that it was made of.
impl<C: Count> From<Bytes> for CountedBuffer<C> {
    fn from(bytes: Bytes) -> Self {
        Self::copied_in(&bytes, Global)
    }
}
