//! Arrays, boxed slices and vectors that are built in place, value by value.
//!
//! First comes the memory, which may be refused: [`array()`], [`boxed_array`], [`boxed_slice`] or
//! [`vec()`], the boxes and vectors also from any allocator. What comes back is [`Unbuilt`], and its
//! methods say what the values are: what a closure makes of the index, clones, or what an iterator
//! yields.
//!
//! ```
//! use buffers::building;
//!
//! let squares = building::boxed_slice(5)?.from_fn(|index| index * index);
//! assert_eq!(*squares, [0, 1, 4, 9, 16]);
//!
//! let dashes = building::vec(3)?.repeat('-');
//! assert_eq!(dashes, ['-'; 3]);
//!
//! let [one, two] = building::array().from_iter("one two".split(' '))?;
//! assert_eq!((one, two), ("one", "two"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A closure may fail. Its first error comes back, and what was built until then is dropped, as it
//! is if the closure panics:
//!
//! ```
//! use buffers::building;
//!
//! let digits = ["1", "2", "three"];
//! let numbers = building::boxed_array::<u32, 3>()?.try_from_fn(|index| digits[index].parse());
//! assert_eq!(numbers.unwrap_err().to_string(), "invalid digit found in string");
//! # Ok::<(), buffers::OutOfMemory>(())
//! ```
//!
//! # Why not by hand
//!
//! A `Vec<MaybeUninit<T>>` that is filled and then transmuted into a `Vec<T>` is undefined
//! behaviour: nothing says that the two have their fields in the same order. And if a clone
//! panics half-way, the values until then are never dropped, since `MaybeUninit` drops nothing.

mod places;
mod short;
mod slots;

use core::convert::Infallible;
use core::mem::MaybeUninit;

pub use places::{
    Reserved, UnbuiltArray, UnbuiltBoxedArray, UnbuiltSlice, UnbuiltVec, array, boxed_array,
    boxed_array_in, boxed_slice, boxed_slice_in, vec, vec_in,
};
pub use short::Short;
use slots::Slots;

/// Memory for values that are not there yet. If it is dropped, the memory is given back.
///
/// What is built is `P::Built`: see [`UnbuiltArray`], [`UnbuiltBoxedArray`], [`UnbuiltSlice`] and
/// [`UnbuiltVec`].
#[derive(Debug)]
#[must_use = "it is memory without values"]
pub struct Unbuilt<P: Place>(P);

impl<P: Place> Unbuilt<P> {
    /// The values that `make` returns for the indices in ascending order.
    ///
    /// If `make` panics, what was built is dropped and the memory is given back.
    #[inline]
    pub fn from_fn(self, mut make: impl FnMut(usize) -> P::Item) -> P::Built {
        let Ok(built) = self.try_from_fn(|index| Ok::<_, Infallible>(make(index)));
        built
    }

    /// The values that `make` returns for the indices in ascending order.
    ///
    /// If `make` panics, what was built is dropped and the memory is given back.
    ///
    /// # Errors
    ///
    /// The first that `make` returns; it is not called again. What was built is dropped then and
    /// the memory given back.
    #[inline]
    pub fn try_from_fn<E>(
        self,
        make: impl FnMut(usize) -> Result<P::Item, E>,
    ) -> Result<P::Built, E> {
        // SAFETY: `fill` returns `Ok` only if it has written every slot.
        unsafe { self.0.build(|slots| Slots::new(slots).fill(make)) }
    }

    /// Clones of `value`, and at the end `value` itself.
    ///
    /// If a clone panics, what was built is dropped and the memory is given back.
    #[inline]
    pub fn repeat(self, value: P::Item) -> P::Built
    where
        P::Item: Clone,
    {
        // SAFETY: `repeat` has written every slot when it returns.
        let built: Result<_, Infallible> = unsafe {
            self.0.build(|slots| {
                Slots::new(slots).repeat(value);
                Ok(())
            })
        };
        let Ok(built) = built;
        built
    }

    /// The first values of `items`, as many as there is memory for, and no more are asked for. What
    /// `items` says of its length is not relied on; the rest of a borrowed iterator can still be
    /// had.
    ///
    /// If `items` panics, what was built is dropped and the memory is given back.
    ///
    /// ```
    /// let mut numbers = 1..;
    /// let first: [u32; 3] = buffers::building::array().from_iter(&mut numbers)?;
    /// assert_eq!((first, numbers.next()), ([1, 2, 3], Some(4)));
    /// # Ok::<(), buffers::building::Short>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Short`] if `items` ends before that. What was built is dropped then and the memory given
    /// back. A vector can have what there is: [`at_most`](Self::at_most).
    #[inline]
    pub fn from_iter(self, items: impl IntoIterator<Item = P::Item>) -> Result<P::Built, Short> {
        // SAFETY: `fill_from` returns `Ok` only if it has written every slot.
        unsafe { self.0.build(|slots| Slots::new(slots).fill_from(items.into_iter())) }
    }
}

/// Memory that something can be built in. It is what the functions of this module return, wrapped.
pub trait Place {
    /// What stands in the memory side by side.
    type Item;

    /// What the memory is once every value is there.
    type Built;

    /// Has `write` initialize the memory: what is built there.
    ///
    /// # Safety
    ///
    /// If `write` returns `Ok`, it has initialized every slot.
    ///
    /// # Errors
    ///
    /// What `write` returns. The memory is given back then, and what `write` left in it is not
    /// dropped.
    unsafe fn build<E>(
        self,
        write: impl FnOnce(&mut [MaybeUninit<Self::Item>]) -> Result<(), E>,
    ) -> Result<Self::Built, E>;
}
