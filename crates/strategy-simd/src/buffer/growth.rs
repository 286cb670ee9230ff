//! What changes the length of a buffer.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;

use super::AlignedBuffer;
use crate::{BufferError, VECTOR_ALIGN};

impl<T, const ALIGN: usize, A: Allocator> AlignedBuffer<T, ALIGN, A> {
    /// Makes room for `additional` more elements. The capacity at least doubles, from 64 bytes on,
    /// so that `n` elements pushed one by one are moved at most `2 n` times.
    ///
    /// # Panics
    ///
    /// If the size in bytes overflows. Without memory it ends like `Vec::reserve`.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        self.try_reserve(additional).unwrap_or_else(|error| error.give_up());
    }

    /// Makes room for `additional` more elements, as [`reserve`](Self::reserve).
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory; nothing has changed then.
    #[inline]
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), BufferError> {
        if additional <= self.capacity() - self.len() {
            return Ok(());
        }
        self.reserve_more(additional)
    }

    #[cold]
    fn reserve_more(&mut self, additional: usize) -> Result<(), BufferError> {
        let element_bytes = size_of::<T>();
        let overflow = BufferError::Overflow { len: usize::MAX, element_bytes };
        let needed = self.len().checked_add(additional).ok_or(overflow)?;
        // A capacity has a layout, so it is at most `isize::MAX` here; without size it is
        // `usize::MAX`, and `needed` has overflowed.
        let doubled = (2 * self.capacity()).max(VECTOR_ALIGN / element_bytes);
        self.memory.grow(needed.max(doubled))
    }

    /// Puts an element behind the last.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    #[inline]
    pub fn push(&mut self, value: T) {
        self.reserve(1);
        // SAFETY: `len` is below the capacity: room was made.
        let slot = unsafe { self.memory.first().add(self.len) };
        // SAFETY: the slot is in the memory and aligned; no element is there.
        unsafe { slot.write(value) };
        self.len += 1;
    }

    /// Takes the last element.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: this element was among the first `len`, which are initialized.
        let last = unsafe { self.memory.first().add(self.len) };
        // SAFETY: as above, and it is among them no longer, so that it is moved.
        Some(unsafe { last.read() })
    }

    /// Puts clones of all elements of a slice behind the last. If a clone panics, those before it
    /// are in the buffer.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    pub fn extend_from_slice(&mut self, elements: &[T])
    where
        T: Clone,
    {
        self.reserve(elements.len());
        self.push_each(elements.len(), |index| elements[index].clone());
    }

    /// Changes the length to `len`: drops the elements behind it, or adds clones of `value`.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    pub fn resize(&mut self, len: usize, value: T)
    where
        T: Clone,
    {
        let Some(additional) = len.checked_sub(self.len()).filter(|more| *more > 0) else {
            return self.truncate(len);
        };
        self.reserve(additional);
        self.push_each(additional - 1, |_| value.clone());
        self.push(value);
    }

    /// Drops the elements behind the first `len`, if there are any. The capacity stays.
    pub fn truncate(&mut self, len: usize) {
        let Some(dropped) = self.len.checked_sub(len) else { return };
        // First of all, so that a panic of a `drop` does not drop them twice.
        self.len = len;
        // SAFETY: `len` is at most the number of initialized elements before.
        let rest = unsafe { self.memory.first().add(len) };
        let rest = NonNull::slice_from_raw_parts(rest, dropped);
        // SAFETY: these were the initialized elements behind `len`, and are the buffer's no longer.
        unsafe { rest.drop_in_place() };
    }

    /// Drops all elements. The capacity stays.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// The room behind the last element.
    ///
    /// ```
    /// use strategy_simd::AlignedBuffer;
    ///
    /// let mut buffer = AlignedBuffer::<u8>::with_capacity(3);
    /// for (slot, value) in buffer.spare_capacity_mut().iter_mut().zip([1, 2, 3]) {
    ///     slot.write(value);
    /// }
    /// // SAFETY: the loop has written three elements.
    /// unsafe { buffer.set_len(3) };
    /// assert_eq!(buffer[..], [1, 2, 3]);
    /// ```
    #[inline]
    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<T>] {
        // SAFETY: `len` is at most the capacity.
        let rest = unsafe { self.memory.first().add(self.len) }.cast::<MaybeUninit<T>>();
        let mut rest = NonNull::slice_from_raw_parts(rest, self.capacity() - self.len);
        // SAFETY: this is the memory behind the elements, up to the capacity; `MaybeUninit` wants
        // nothing of it, and `&mut self` makes the access exclusive.
        unsafe { rest.as_mut() }
    }

    /// Sets the length.
    ///
    /// # Safety
    ///
    /// `len` is at most the capacity, and the first `len` elements are initialized. Those behind it
    /// are no longer dropped.
    #[inline]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        self.len = len;
    }

    /// Puts `element(0)` to `element(count - 1)` behind the last; there is room for them. If one
    /// panics, those before it are in the buffer.
    #[inline]
    pub(super) fn push_each(&mut self, count: usize, mut element: impl FnMut(usize) -> T) {
        /// Adds what is written to the length, also when `element` panics.
        struct Written<'b> {
            count: usize,
            len: &'b mut usize,
        }
        impl Drop for Written<'_> {
            fn drop(&mut self) {
                *self.len += self.count;
            }
        }

        assert!(count <= self.capacity() - self.len, "room was made");
        let (first, len) = (self.memory.first(), self.len);
        let mut written = Written { count: 0, len: &mut self.len };
        while written.count < count {
            let value = element(written.count);
            // SAFETY: `len + written.count` is below the capacity (tested above).
            let slot = unsafe { first.add(len + written.count) };
            // SAFETY: the slot is in the memory and aligned; no element is there.
            unsafe { slot.write(value) };
            written.count += 1;
        }
    }
}

impl<T, const ALIGN: usize, A: Allocator> Extend<T> for AlignedBuffer<T, ALIGN, A> {
    /// If the iterator panics, what it gave before is in the buffer.
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        let elements = elements.into_iter();
        self.reserve(elements.size_hint().0);
        elements.for_each(|element| self.push(element));
    }
}
