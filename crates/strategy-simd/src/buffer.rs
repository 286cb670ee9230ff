//! An owned slice that is aligned for the widest vector unit.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};

use crate::{BufferError, VECTOR_ALIGN, ZeroIsValid};

/// An owned slice of `T`, aligned to [`VECTOR_ALIGN`] or to `T`, whichever is more.
///
/// Its length is fixed. It dereferences to `[T]`; it is freed with the layout that it was allocated
/// with. A buffer of no bytes takes no memory.
///
/// ```
/// use strategy_simd::{AlignedBuffer, VECTOR_ALIGN};
///
/// let mut samples = AlignedBuffer::<f32>::zeroed(1000);
/// assert!(samples.as_ptr().addr().is_multiple_of(VECTOR_ALIGN));
/// samples[999] = 0.5;
/// assert_eq!(samples.iter().sum::<f32>(), 0.5);
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
pub struct AlignedBuffer<T, A: Allocator = Global> {
    /// All `memory.len` elements are initialized.
    memory: Memory<T, A>,
    _elements: PhantomData<T>,
}

impl<T> AlignedBuffer<T> {
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
        Self::try_zeroed(len).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `len` zeros.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory.
    pub fn try_zeroed(len: usize) -> Result<Self, BufferError>
    where
        T: ZeroIsValid,
    {
        Self::try_zeroed_in(len, Global)
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
        Self::try_filled(value, len).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `len` clones of `value`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory.
    pub fn try_filled(value: T, len: usize) -> Result<Self, BufferError>
    where
        T: Clone,
    {
        Self::try_filled_in(value, len, Global)
    }

    /// A buffer of `element(0)`, `element(1)` and so on to `element(len - 1)`.
    ///
    /// # Panics
    ///
    /// If the size in bytes overflows. Without memory it ends like a `Vec` would.
    #[must_use]
    pub fn from_fn(len: usize, element: impl FnMut(usize) -> T) -> Self {
        Self::try_from_fn(len, element).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `element(0)`, `element(1)` and so on to `element(len - 1)`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory; `element` is not called then.
    pub fn try_from_fn(len: usize, element: impl FnMut(usize) -> T) -> Result<Self, BufferError> {
        Self::try_from_fn_in(len, element, Global)
    }
}

impl<T, A: Allocator> AlignedBuffer<T, A> {
    /// A buffer of `len` zeros with memory of `allocator`.
    ///
    /// # Errors
    ///
    /// If the size in bytes overflows, or there is no memory.
    pub fn try_zeroed_in(len: usize, allocator: A) -> Result<Self, BufferError>
    where
        T: ZeroIsValid,
    {
        let memory = Memory::new(len, allocator, A::allocate_zeroed)?;
        // All elements are initialized: zero bytes are a value of `T`, says `ZeroIsValid`.
        Ok(Self { memory, _elements: PhantomData })
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
        mut element: impl FnMut(usize) -> T,
        allocator: A,
    ) -> Result<Self, BufferError> {
        // A panic of `element` drops first `filling` with what is initialized, then `memory`.
        let memory = Memory::new(len, allocator, A::allocate)?;
        let mut filling = Filling { first: memory.first, initialized: 0 };
        while filling.initialized < len {
            let value = element(filling.initialized);
            // SAFETY: `initialized < len`, and the memory has room for `len` elements.
            let slot = unsafe { memory.first.add(filling.initialized) };
            // SAFETY: `slot` is in the memory and aligned, by the layout of `Memory`.
            unsafe { slot.write(value) };
            filling.initialized += 1;
        }
        core::mem::forget(filling);
        Ok(Self { memory, _elements: PhantomData })
    }

    /// The allocator.
    #[inline]
    #[must_use]
    pub const fn allocator(&self) -> &A {
        &self.memory.allocator
    }
}

/// Memory for `len` elements; it frees itself on drop, and drops no element.
struct Memory<T, A: Allocator> {
    /// Came from `allocator` with `layout::<T>(len)` and is not freed.
    first: NonNull<T>,
    /// `layout::<T>(len)` is `Ok`.
    len: usize,
    allocator: A,
}

impl<T, A: Allocator> Memory<T, A> {
    fn new(
        len: usize,
        allocator: A,
        allocate: impl FnOnce(&A, Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<Self, BufferError> {
        let layout = layout::<T>(len)?;
        let block = allocate(&allocator, layout)
            .map_err(|AllocError| BufferError::OutOfMemory { layout })?;
        Ok(Self { first: block.cast(), len, allocator })
    }
}

impl<T, A: Allocator> Drop for Memory<T, A> {
    #[inline]
    fn drop(&mut self) {
        let layout = layout::<T>(self.len).expect("the memory was allocated with this layout");
        // SAFETY: `first` came from `allocator` with this layout (its invariant), and this runs at
        // most once.
        unsafe { self.allocator.deallocate(self.first.cast(), layout) };
    }
}

/// The elements that are initialized so far; it drops them on drop.
struct Filling<T> {
    /// The first `initialized` elements from here on are initialized and nobody else's.
    first: NonNull<T>,
    initialized: usize,
}

impl<T> Drop for Filling<T> {
    fn drop(&mut self) {
        let elements = NonNull::slice_from_raw_parts(self.first, self.initialized);
        // SAFETY: these are initialized (the invariant of `first`), and dropped at most once.
        unsafe { elements.drop_in_place() };
    }
}

/// The layout of a buffer.
#[inline]
fn layout<T>(len: usize) -> Result<Layout, BufferError> {
    Layout::array::<T>(len)
        .and_then(|layout| layout.align_to(VECTOR_ALIGN))
        .map_err(|_| BufferError::Overflow { len, element_bytes: size_of::<T>() })
}

impl<T, A: Allocator> Deref for AlignedBuffer<T, A> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let elements = NonNull::slice_from_raw_parts(self.memory.first, self.memory.len);
        // SAFETY: the elements are initialized (the invariant of `memory`), their size in bytes is
        // that of a layout, and `&self` keeps them from being changed or freed.
        unsafe { elements.as_ref() }
    }
}

impl<T, A: Allocator> DerefMut for AlignedBuffer<T, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let mut elements = NonNull::slice_from_raw_parts(self.memory.first, self.memory.len);
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { elements.as_mut() }
    }
}

impl<T, A: Allocator> Drop for AlignedBuffer<T, A> {
    #[inline]
    fn drop(&mut self) {
        let elements = NonNull::slice_from_raw_parts(self.memory.first, self.memory.len);
        // SAFETY: the elements are initialized (the invariant of `memory`), and this runs at most
        // once. `memory` is dropped after this, also when this unwinds, and drops no element.
        unsafe { elements.drop_in_place() };
    }
}

// SAFETY: a buffer owns its elements and its allocator, and hands out nothing else; it may be sent
// if both may.
unsafe impl<T: Send, A: Allocator + Send> Send for AlignedBuffer<T, A> {}

// SAFETY: `&AlignedBuffer` gives `&[T]` and `&A`, and changes nothing itself; it may be shared if
// both may.
unsafe impl<T: Sync, A: Allocator + Sync> Sync for AlignedBuffer<T, A> {}

impl<T: Clone, A: Allocator + Clone> Clone for AlignedBuffer<T, A> {
    fn clone(&self) -> Self {
        let allocator = self.allocator().clone();
        Self::try_from_fn_in(self.len(), |index| self[index].clone(), allocator)
            .unwrap_or_else(|error| error.give_up())
    }
}

impl<T, A: Allocator> AsRef<[T]> for AlignedBuffer<T, A> {
    #[inline]
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T, A: Allocator> AsMut<[T]> for AlignedBuffer<T, A> {
    #[inline]
    fn as_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T: fmt::Debug, A: Allocator> fmt::Debug for AlignedBuffer<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq, A: Allocator> PartialEq for AlignedBuffer<T, A> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq, A: Allocator> Eq for AlignedBuffer<T, A> {}
