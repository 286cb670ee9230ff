//! An owned, growable slice that starts at a multiple of its alignment.

mod growth;
mod memory;
mod vectors;

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Global};

use crate::{BufferError, ZeroIsValid};
use memory::Memory;

/// An owned slice of `T` that grows like a `Vec` and starts at a multiple of `ALIGN` bytes, or of the
/// alignment of `T` if that is more.
///
/// `ALIGN` is 64 unless said otherwise, [the widest vector](crate::VECTOR_ALIGN); 32 suffices
/// for AVX2, 4096 is a page, and `2 << 20` a huge page. It dereferences to `[T]`, and it is freed
/// with the layout that it was allocated with. A buffer of no bytes takes no memory.
///
/// ```
/// use strategy_simd::AlignedBuffer;
///
/// let mut samples = AlignedBuffer::<f32>::zeroed(1000);
/// assert!(samples.as_ptr().addr().is_multiple_of(64));
/// samples[999] = 0.5;
/// samples.push(0.25);
/// assert_eq!(samples.iter().sum::<f32>(), 0.75);
///
/// let page = AlignedBuffer::<u8, 4096>::zeroed(4096);
/// assert!(page.as_ptr().addr().is_multiple_of(4096));
/// ```
///
/// What is no power of two is no alignment:
///
/// ```compile_fail,E0080
/// strategy_simd::AlignedBuffer::<u8, 48>::new();
/// ```
///
/// It is sent and shared like a `Vec`: if its elements and its allocator are.
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_simd::AlignedBuffer<std::rc::Rc<u8>>>();
/// ```
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_simd::AlignedBuffer<std::cell::Cell<u8>>>();
/// ```
pub struct AlignedBuffer<T, const ALIGN: usize = 64, A: Allocator = Global> {
    memory: Memory<T, ALIGN, A>,
    /// The first `len` elements of `memory` are initialized, and owned; `len` is at most its
    /// capacity.
    len: usize,
    _elements: PhantomData<T>,
}

impl<T, const ALIGN: usize> AlignedBuffer<T, ALIGN> {
    /// An empty buffer. It takes no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }

    /// An empty buffer with room for `capacity` elements.
    ///
    /// # Panics
    ///
    /// If the size in bytes overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::try_with_capacity_in(capacity, Global).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `len` zeros.
    ///
    /// # Panics
    ///
    /// If the size in bytes overflows. Without memory it ends like `vec![0; len]`.
    #[must_use]
    pub fn zeroed(len: usize) -> Self
    where
        T: ZeroIsValid,
    {
        Self::try_zeroed_in(len, Global).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `len` clones of `value`.
    ///
    /// # Panics
    ///
    /// If the size in bytes overflows. Without memory it ends like `vec![value; len]`.
    #[must_use]
    pub fn filled(value: T, len: usize) -> Self
    where
        T: Clone,
    {
        Self::try_filled_in(value, len, Global).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `element(0)`, `element(1)` and so on to `element(len - 1)`.
    ///
    /// # Panics
    ///
    /// If the size in bytes overflows. Without memory it ends like a `Vec` would.
    #[must_use]
    pub fn from_fn(len: usize, element: impl FnMut(usize) -> T) -> Self {
        Self::try_from_fn_in(len, element, Global).unwrap_or_else(|error| error.give_up())
    }
}

impl<T, const ALIGN: usize, A: Allocator> AlignedBuffer<T, ALIGN, A> {
    /// An empty buffer that will take its memory from `allocator`. It takes none yet.
    #[must_use]
    pub const fn new_in(allocator: A) -> Self {
        Self::of(Memory::new(allocator))
    }

    /// Without elements.
    const fn of(memory: Memory<T, ALIGN, A>) -> Self {
        Self { memory, len: 0, _elements: PhantomData }
    }

    /// An empty buffer with room for `capacity` elements, with memory of `allocator`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory.
    pub fn try_with_capacity_in(capacity: usize, allocator: A) -> Result<Self, BufferError> {
        Memory::with_capacity(capacity, allocator, A::allocate).map(Self::of)
    }

    /// A buffer of `len` zeros with memory of `allocator`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory.
    pub fn try_zeroed_in(len: usize, allocator: A) -> Result<Self, BufferError>
    where
        T: ZeroIsValid,
    {
        let memory = Memory::with_capacity(len, allocator, A::allocate_zeroed)?;
        // All `len` elements are initialized: zero bytes are a value of `T`, says `ZeroIsValid`.
        Ok(Self { memory, len, _elements: PhantomData })
    }

    /// A buffer of `len` clones of `value` with memory of `allocator`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory.
    pub fn try_filled_in(value: T, len: usize, allocator: A) -> Result<Self, BufferError>
    where
        T: Clone,
    {
        Self::try_from_fn_in(len, |_| value.clone(), allocator)
    }

    /// A buffer of `element(0)`, `element(1)` and so on to `element(len - 1)` with memory of
    /// `allocator`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory; `element` is not called then.
    pub fn try_from_fn_in(
        len: usize,
        element: impl FnMut(usize) -> T,
        allocator: A,
    ) -> Result<Self, BufferError> {
        // A panic of `element` drops the buffer with what is in it.
        let mut buffer = Self::try_with_capacity_in(len, allocator)?;
        buffer.push_each(len, element);
        Ok(buffer)
    }

    /// The number of elements that there is room for; `usize::MAX` if they have no size.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// The allocator.
    #[inline]
    #[must_use]
    pub const fn allocator(&self) -> &A {
        self.memory.allocator()
    }
}

impl<T, const ALIGN: usize> AlignedBuffer<MaybeUninit<T>, ALIGN> {
    /// A buffer of `len` elements that are not initialized.
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use strategy_simd::AlignedBuffer;
    ///
    /// let mut buffer = AlignedBuffer::<MaybeUninit<u32>>::uninit(100);
    /// for (index, slot) in buffer.iter_mut().enumerate() {
    ///     slot.write(index as u32);
    /// }
    /// // SAFETY: the loop has written all elements.
    /// let buffer = unsafe { buffer.assume_init() };
    /// assert_eq!(buffer[99], 99);
    /// ```
    ///
    /// # Panics
    ///
    /// If the size in bytes overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn uninit(len: usize) -> Self {
        Self::try_uninit_in(len, Global).unwrap_or_else(|error| error.give_up())
    }
}

impl<T, const ALIGN: usize, A: Allocator> AlignedBuffer<MaybeUninit<T>, ALIGN, A> {
    /// A buffer of `len` elements that are not initialized, with memory of `allocator`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory.
    pub fn try_uninit_in(len: usize, allocator: A) -> Result<Self, BufferError> {
        let memory = Memory::with_capacity(len, allocator, A::allocate)?;
        // `MaybeUninit` takes any memory for initialized.
        Ok(Self { memory, len, _elements: PhantomData })
    }

    /// The same buffer, whose elements are initialized.
    ///
    /// # Safety
    ///
    /// They are.
    #[must_use]
    pub unsafe fn assume_init(self) -> AlignedBuffer<T, ALIGN, A> {
        let len = self.len;
        // `self` has no elements to drop, only memory.
        let buffer = core::mem::ManuallyDrop::new(self);
        // SAFETY: `buffer` is neither used nor dropped after this, so the memory is moved.
        let memory = unsafe { core::ptr::read(&raw const buffer.memory) };
        // The elements are initialized (the caller's duty).
        AlignedBuffer { memory: memory.cast(), len, _elements: PhantomData }
    }
}

impl<T, const ALIGN: usize, A: Allocator> Deref for AlignedBuffer<T, ALIGN, A> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let elements = NonNull::slice_from_raw_parts(self.memory.first(), self.len);
        // SAFETY: the elements are initialized (the invariant of `len`), their size in bytes is
        // at most that of a layout, and `&self` keeps them from being changed or freed.
        unsafe { elements.as_ref() }
    }
}

impl<T, const ALIGN: usize, A: Allocator> DerefMut for AlignedBuffer<T, ALIGN, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let mut elements = NonNull::slice_from_raw_parts(self.memory.first(), self.len);
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { elements.as_mut() }
    }
}

impl<T, const ALIGN: usize, A: Allocator> Drop for AlignedBuffer<T, ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        // `memory` is dropped after this, also when an element's `drop` panics.
        self.clear();
    }
}

// SAFETY: a buffer owns its elements and its allocator, and hands out nothing else; it may be sent
// if both may.
unsafe impl<T: Send, const ALIGN: usize, A: Allocator + Send> Send for AlignedBuffer<T, ALIGN, A> {}

// SAFETY: `&AlignedBuffer` gives `&[T]` and `&A`, and changes nothing itself; it may be shared if
// both may.
unsafe impl<T: Sync, const ALIGN: usize, A: Allocator + Sync> Sync for AlignedBuffer<T, ALIGN, A> {}

impl<T: Clone, const ALIGN: usize, A: Allocator + Clone> Clone for AlignedBuffer<T, ALIGN, A> {
    /// The capacity is the length.
    fn clone(&self) -> Self {
        let allocator = self.allocator().clone();
        Self::try_from_fn_in(self.len(), |index| self[index].clone(), allocator)
            .unwrap_or_else(|error| error.give_up())
    }
}

impl<T, const ALIGN: usize, A: Allocator + Default> Default for AlignedBuffer<T, ALIGN, A> {
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

impl<T, const ALIGN: usize, A: Allocator> AsRef<[T]> for AlignedBuffer<T, ALIGN, A> {
    #[inline]
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T, const ALIGN: usize, A: Allocator> AsMut<[T]> for AlignedBuffer<T, ALIGN, A> {
    #[inline]
    fn as_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T: fmt::Debug, const ALIGN: usize, A: Allocator> fmt::Debug for AlignedBuffer<T, ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq, const ALIGN: usize, A: Allocator> PartialEq for AlignedBuffer<T, ALIGN, A> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq, const ALIGN: usize, A: Allocator> Eq for AlignedBuffer<T, ALIGN, A> {}
