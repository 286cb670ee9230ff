//! The memory that is built in: of an array, of a box, of a vector.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use allocator_api2::alloc::{Allocator, Global};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;

use super::{Place, Unbuilt};
use crate::OutOfMemory;

/// An array to be. What is built is `[T; N]`.
pub type UnbuiltArray<T, const N: usize> = Unbuilt<PhantomData<[T; N]>>;

/// An array in a box to be. What is built is `Box<[T; N], A>`.
pub type UnbuiltBoxedArray<T, const N: usize, A = Global> = Unbuilt<Box<MaybeUninit<[T; N]>, A>>;

/// A boxed slice to be. What is built is `Box<[T], A>`.
pub type UnbuiltSlice<T, A = Global> = Unbuilt<Box<[MaybeUninit<T>], A>>;

/// A vector to be. What is built is `Vec<T, A>`.
pub type UnbuiltVec<T, A = Global> = Unbuilt<Reserved<T, A>>;

/// An array, on the stack or wherever it is returned to. What is built is `[T; N]`.
///
/// ```
/// let words: [String; 3] = buffers::building::array().from_fn(|index| "ab".repeat(index));
/// assert_eq!(words, ["", "ab", "abab"]);
/// ```
#[inline]
pub const fn array<T, const N: usize>() -> UnbuiltArray<T, N> {
    Unbuilt(PhantomData)
}

/// An array on the heap, which never was on the stack. What is built is `Box<[T; N]>`.
///
/// ```
/// // 64 MiB, more than most stacks have.
/// let table = buffers::building::boxed_array::<u64, { 8 << 20 }>()?.from_fn(|index| index as u64);
/// assert_eq!(table[8_000_000], 8_000_000);
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// # Errors
///
/// [`OutOfMemory`] if there is no such block.
#[inline]
pub fn boxed_array<T, const N: usize>() -> Result<UnbuiltBoxedArray<T, N>, OutOfMemory> {
    boxed_array_in(Global)
}

/// An array in the memory of `allocator`. What is built is `Box<[T; N], A>`.
///
/// # Errors
///
/// [`OutOfMemory`] if there is no such block.
#[inline]
pub fn boxed_array_in<T, A: Allocator, const N: usize>(
    allocator: A,
) -> Result<UnbuiltBoxedArray<T, N, A>, OutOfMemory> {
    let block = allocate(Layout::new::<[T; N]>(), &allocator)?;
    // SAFETY: the block is `allocator`'s for the layout of `[T; N]`, and nobody else owns it.
    Ok(Unbuilt(unsafe { Box::from_raw_in(block.cast().as_ptr(), allocator) }))
}

/// `len` values on the heap. What is built is `Box<[T]>`.
///
/// # Errors
///
/// [`OutOfMemory`] if there is no such block.
#[inline]
pub fn boxed_slice<T>(len: usize) -> Result<UnbuiltSlice<T>, OutOfMemory> {
    boxed_slice_in(len, Global)
}

/// `len` values in the memory of `allocator`. What is built is `Box<[T], A>`.
///
/// # Errors
///
/// [`OutOfMemory`] if there is no such block.
#[inline]
pub fn boxed_slice_in<T, A: Allocator>(
    len: usize,
    allocator: A,
) -> Result<UnbuiltSlice<T, A>, OutOfMemory> {
    // `Box::try_new_uninit_slice_in` makes up a block of size 0 and frees it to the allocator, which
    // never had it.
    let layout = Layout::array::<T>(len).map_err(|_| OutOfMemory::of_array::<T>(len))?;
    let block = allocate(layout, &allocator)?;
    let slots = ptr::slice_from_raw_parts_mut(block.cast().as_ptr(), len);
    // SAFETY: the block is `allocator`'s for the layout of so many values, and nobody else owns it.
    Ok(Unbuilt(unsafe { Box::from_raw_in(slots, allocator) }))
}

/// A vector with `len` values and room for no more. What is built is `Vec<T>` of `allocator-api2`.
///
/// # Errors
///
/// [`OutOfMemory`] if there is no such block.
#[inline]
pub fn vec<T>(len: usize) -> Result<UnbuiltVec<T>, OutOfMemory> {
    vec_in(len, Global)
}

/// A vector with `len` values in the memory of `allocator`, and room for no more. What is built is
/// `Vec<T, A>`.
///
/// # Errors
///
/// [`OutOfMemory`] if there is no such block.
#[inline]
pub fn vec_in<T, A: Allocator>(len: usize, allocator: A) -> Result<UnbuiltVec<T, A>, OutOfMemory> {
    let mut vec = Vec::new_in(allocator);
    vec.try_reserve_exact(len).map_err(|_| OutOfMemory::of_array::<T>(len))?;
    Ok(Unbuilt(Reserved { vec, len }))
}

fn allocate<A: Allocator>(layout: Layout, allocator: &A) -> Result<NonNull<u8>, OutOfMemory> {
    let block = allocator.allocate(layout).map_err(|_| OutOfMemory::of(layout))?;
    Ok(block.cast())
}

impl<T, const N: usize> Place for PhantomData<[T; N]> {
    type Item = T;
    type Built = [T; N];

    #[inline]
    unsafe fn build<E>(
        self,
        write: impl FnOnce(&mut [MaybeUninit<T>]) -> Result<(), E>,
    ) -> Result<[T; N], E> {
        let mut slots = [const { MaybeUninit::uninit() }; N];
        write(&mut slots)?;
        let array = MaybeUninit::from(slots);
        // SAFETY: `write` has initialized every slot (the caller's duty).
        Ok(unsafe { array.assume_init() })
    }
}

impl<T, A: Allocator, const N: usize> Place for Box<MaybeUninit<[T; N]>, A> {
    type Item = T;
    type Built = Box<[T; N], A>;

    #[inline]
    unsafe fn build<E>(
        mut self,
        write: impl FnOnce(&mut [MaybeUninit<T>]) -> Result<(), E>,
    ) -> Result<Self::Built, E> {
        let slots: &mut [MaybeUninit<T>; N] = (*self).as_mut();
        write(slots)?;
        // SAFETY: `write` has initialized every slot (the caller's duty).
        Ok(unsafe { self.assume_init() })
    }
}

impl<T, A: Allocator> Place for Box<[MaybeUninit<T>], A> {
    type Item = T;
    type Built = Box<[T], A>;

    #[inline]
    unsafe fn build<E>(
        mut self,
        write: impl FnOnce(&mut [MaybeUninit<T>]) -> Result<(), E>,
    ) -> Result<Self::Built, E> {
        write(&mut self)?;
        // SAFETY: `write` has initialized every slot (the caller's duty).
        Ok(unsafe { self.assume_init() })
    }
}

/// A vector without values that has reserved memory for some.
#[derive(Debug)]
pub struct Reserved<T, A: Allocator = Global> {
    /// Empty.
    vec: Vec<T, A>,
    /// At most the capacity of `vec`.
    len: usize,
}

impl<T, A: Allocator> Place for Reserved<T, A> {
    type Item = T;
    type Built = Vec<T, A>;

    #[inline]
    unsafe fn build<E>(
        mut self,
        write: impl FnOnce(&mut [MaybeUninit<T>]) -> Result<(), E>,
    ) -> Result<Vec<T, A>, E> {
        write(&mut self.vec.spare_capacity_mut()[..self.len])?;
        // SAFETY: `len` is at most the capacity, and `write` has initialized so many slots behind
        // the last value, of which there was none (the invariants, and the caller's duty).
        unsafe { self.vec.set_len(self.len) };
        Ok(self.vec)
    }
}

impl<T, A: Allocator> UnbuiltVec<T, A> {
    /// The first values of `items`, as many as there is memory for or as there are.
    ///
    /// If `items` panics, what was built is dropped and the memory is given back.
    ///
    /// ```
    /// let words = buffers::building::vec(5)?.at_most("not so many".split(' '));
    /// assert_eq!(words, ["not", "so", "many"]);
    /// # Ok::<(), buffers::OutOfMemory>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn at_most(self, items: impl IntoIterator<Item = T>) -> Vec<T, A> {
        let Reserved { mut vec, len } = self.0;
        // It grows only for a value that it has no room for.
        vec.extend(items.into_iter().take(len));
        vec
    }
}
