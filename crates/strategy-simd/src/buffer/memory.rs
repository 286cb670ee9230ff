//! The memory of a buffer: room for elements, of which it drops none.

use core::num::NonZero;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

use crate::BufferError;

/// Room for `capacity` elements, aligned to `ALIGN`; it frees itself on drop, and drops no element.
pub(super) struct Memory<T, const ALIGN: usize, A: Allocator> {
    /// Came from `allocator` with `layout(capacity)` and is not freed; if that has no bytes, it
    /// is only aligned.
    first: NonNull<T>,
    /// `layout(capacity)` is `Ok`.
    capacity: usize,
    allocator: A,
}

impl<T, const ALIGN: usize, A: Allocator> Memory<T, ALIGN, A> {
    /// The alignment of the first element.
    const FIRST_ALIGN: NonZero<usize> = {
        assert!(ALIGN.is_power_of_two(), "the alignment of a buffer is a power of two");
        let align = if ALIGN > align_of::<T>() { ALIGN } else { align_of::<T>() };
        NonZero::new(align).unwrap()
    };

    /// No memory.
    pub(super) const fn new(allocator: A) -> Self {
        let capacity = if size_of::<T>() == 0 { usize::MAX } else { 0 };
        Self { first: NonNull::without_provenance(Self::FIRST_ALIGN), capacity, allocator }
    }

    /// Memory for `capacity` elements by `allocate`: `Allocator::allocate` or
    /// `Allocator::allocate_zeroed`.
    pub(super) fn with_capacity(
        capacity: usize,
        allocator: A,
        allocate: impl FnOnce(&A, Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<Self, BufferError> {
        let mut memory = Self::new(allocator);
        let layout = Self::layout(capacity)?;
        if layout.size() > 0 {
            let block = allocate(&memory.allocator, layout)
                .map_err(|AllocError| BufferError::OutOfMemory { layout })?;
            memory.first = block.cast();
            memory.capacity = capacity;
        }
        Ok(memory)
    }

    /// The layout of memory for `capacity` elements.
    #[inline]
    fn layout(capacity: usize) -> Result<Layout, BufferError> {
        Layout::array::<T>(capacity)
            .and_then(|layout| layout.align_to(Self::FIRST_ALIGN.get()))
            .map_err(|_| BufferError::Overflow { len: capacity, element_bytes: size_of::<T>() })
    }

    /// The layout that the memory was allocated with.
    #[inline]
    fn own_layout(&self) -> Layout {
        // That of elements without size and `usize::MAX` of them has no bytes.
        Self::layout(self.capacity).expect("the memory was allocated with this layout")
    }

    #[inline]
    pub(super) const fn first(&self) -> NonNull<T> {
        self.first
    }

    #[inline]
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    pub(super) const fn allocator(&self) -> &A {
        &self.allocator
    }

    /// More room, `capacity` elements in all. The bytes that were there stay; the elements move.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory; nothing has changed then.
    pub(super) fn grow(&mut self, capacity: usize) -> Result<(), BufferError> {
        debug_assert!(capacity > self.capacity && size_of::<T>() > 0);
        let (old, new) = (self.own_layout(), Self::layout(capacity)?);
        let block = if old.size() == 0 {
            self.allocator.allocate(new)
        } else {
            // SAFETY: `first` came from `allocator` with `old` (the invariant of `first`), and `new`
            // is larger, since `capacity` is, with the same alignment.
            unsafe { self.allocator.grow(self.first.cast(), old, new) }
        };
        self.first = block.map_err(|AllocError| BufferError::OutOfMemory { layout: new })?.cast();
        self.capacity = capacity;
        Ok(())
    }

    /// The same memory for elements of another type of the same size and alignment.
    pub(super) fn cast<U>(self) -> Memory<U, ALIGN, A> {
        const { assert!(size_of::<T>() == size_of::<U>() && align_of::<T>() == align_of::<U>()) };
        let memory = core::mem::ManuallyDrop::new(self);
        // SAFETY: `memory` is neither used nor dropped after this, so the allocator is moved.
        let allocator = unsafe { core::ptr::read(&raw const memory.allocator) };
        Memory { first: memory.first.cast(), capacity: memory.capacity, allocator }
    }
}

impl<T, const ALIGN: usize, A: Allocator> Drop for Memory<T, ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        let layout = self.own_layout();
        if layout.size() > 0 {
            // SAFETY: `first` came from `allocator` with this layout (its invariant), and this runs
            // at most once.
            unsafe { self.allocator.deallocate(self.first.cast(), layout) };
        }
    }
}
