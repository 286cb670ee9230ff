//! Slices and text.

use core::fmt;
use core::mem::{MaybeUninit, needs_drop};
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, handle_alloc_error};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use strategy::Refused;

use crate::{Bump, arithmetic};

/// Methods for slices. A slice whose bytes would be more than `isize::MAX` is refused with the
/// largest layout that there is for its alignment.
#[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
impl<A: Allocator> Bump<A> {
    /// Copies `source` into the arena.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does.
    #[inline]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &mut [T] {
        unwrap(self.try_alloc_slice_copy(source))
    }

    /// Copies `source` into the arena.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(&self, source: &[T]) -> Result<&mut [T], Refused> {
        Ok(self.try_alloc_uninit_slice(source.len())?.write_copy_of_slice(source))
    }

    /// Clones `source` into the arena. A type with a destructor does not compile.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does, or if a clone does.
    #[inline]
    pub fn alloc_slice_clone<T: Clone>(&self, source: &[T]) -> &mut [T] {
        unwrap(self.try_alloc_slice_clone(source))
    }

    /// Clones `source` into the arena, as [`alloc_slice_clone`](Self::alloc_slice_clone) does.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_alloc_slice_clone<T: Clone>(&self, source: &[T]) -> Result<&mut [T], Refused> {
        self.try_alloc_slice_fill_with(source.len(), |index| source[index].clone())
    }

    /// A slice of `len` values that `make` returns for the indices in ascending order.
    ///
    /// `make` may itself allocate in the arena. If it panics, the slice stays taken until the
    /// reset.
    ///
    /// ```
    /// let arena = strategy_bump::Bump::new();
    /// let squares = arena.alloc_slice_fill_with(5, |index| index * index);
    /// assert_eq!(squares, [0, 1, 4, 9, 16]);
    /// ```
    ///
    /// A type with a destructor does not compile, as in [`alloc`](Self::alloc):
    ///
    /// ```compile_fail,E0080
    /// let arena = strategy_bump::Bump::new();
    /// arena.alloc_slice_fill_with(5, |index| index.to_string());
    /// ```
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does, or if `make` does.
    #[inline]
    pub fn alloc_slice_fill_with<T>(&self, len: usize, make: impl FnMut(usize) -> T) -> &mut [T] {
        unwrap(self.try_alloc_slice_fill_with(len, make))
    }

    /// A slice of `len` values, as [`alloc_slice_fill_with`](Self::alloc_slice_fill_with) makes it.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; `make` is not called then.
    #[inline]
    pub fn try_alloc_slice_fill_with<T>(
        &self,
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<&mut [T], Refused> {
        const { assert!(!needs_drop::<T>(), "the arena would never run the destructor of T") };
        let slots = self.try_alloc_uninit_slice(len)?;
        for (index, slot) in slots.iter_mut().enumerate() {
            slot.write(make(index));
        }
        // SAFETY: the loop has written every one.
        Ok(unsafe { slots.assume_init_mut() })
    }

    /// A slice of `len` copies of `value`.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does.
    #[inline]
    pub fn alloc_slice_fill_copy<T: Copy>(&self, len: usize, value: T) -> &mut [T] {
        unwrap(self.try_alloc_slice_fill_copy(len, value))
    }

    /// A slice of `len` copies of `value`.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_alloc_slice_fill_copy<T: Copy>(
        &self,
        len: usize,
        value: T,
    ) -> Result<&mut [T], Refused> {
        self.try_alloc_slice_fill_with(len, |_| value)
    }

    /// A slice of `len` default values. A type with a destructor does not compile.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does, or if a default does.
    #[inline]
    pub fn alloc_slice_fill_default<T: Default>(&self, len: usize) -> &mut [T] {
        unwrap(self.try_alloc_slice_fill_default(len))
    }

    /// A slice of `len` default values, as
    /// [`alloc_slice_fill_default`](Self::alloc_slice_fill_default) makes it.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_alloc_slice_fill_default<T: Default>(
        &self,
        len: usize,
    ) -> Result<&mut [T], Refused> {
        self.try_alloc_slice_fill_with(len, |_| T::default())
    }

    /// A slice of what `items` yields.
    ///
    /// An iterator that knows how many it will yield is written to its place at once. Any other
    /// makes the slice grow, which copies nothing but itself as long as the iterator does
    /// not allocate in the arena. It may do so, and what it says of its length is not relied on.
    /// If it panics, the memory is given back.
    ///
    /// ```
    /// let arena = strategy_bump::Bump::new();
    /// let words = arena.alloc_from_iter("an iterator of some length".split(' '));
    /// assert_eq!(words, ["an", "iterator", "of", "some", "length"]);
    /// ```
    ///
    /// A type with a destructor does not compile, as in [`alloc`](Self::alloc). A `Vec<T, &Bump>`
    /// of `allocator-api2` is the slice that drops its values.
    ///
    /// ```compile_fail,E0080
    /// let arena = strategy_bump::Bump::new();
    /// arena.alloc_from_iter([String::new()]);
    /// ```
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does, or if the iterator does.
    #[inline]
    pub fn alloc_from_iter<T>(&self, items: impl IntoIterator<Item = T>) -> &mut [T] {
        unwrap(self.try_alloc_from_iter(items))
    }

    /// A slice of what `items` yields, as [`alloc_from_iter`](Self::alloc_from_iter) makes it.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; what was yielded is lost then.
    pub fn try_alloc_from_iter<T>(
        &self,
        items: impl IntoIterator<Item = T>,
    ) -> Result<&mut [T], Refused> {
        const { assert!(!needs_drop::<T>(), "the arena would never run the destructor of T") };
        let mut items = items.into_iter();
        let mut slice = Vec::new_in(self);
        loop {
            reserve(&mut slice, items.size_hint().0)?;
            let spare = slice.spare_capacity_mut();
            let mut written = 0;
            // The slots come first, so that no item is taken that has none.
            for (slot, item) in spare.iter_mut().zip(items.by_ref()) {
                slot.write(item);
                written += 1;
            }
            let full = written == spare.len();
            // SAFETY: so many slots behind the last item are written, and they are of the capacity.
            unsafe { slice.set_len(slice.len() + written) };
            let next = if full { items.next() } else { None };
            let Some(item) = next else { break };
            reserve(&mut slice, 1)?;
            slice.push(item);
        }
        Ok(Box::leak(slice.into_boxed_slice()))
    }

    /// A slice of `len` values that are not initialized.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does.
    #[inline]
    pub fn alloc_uninit_slice<T>(&self, len: usize) -> &mut [MaybeUninit<T>] {
        unwrap(self.try_alloc_uninit_slice(len))
    }

    /// A slice of `len` values that are not initialized.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_alloc_uninit_slice<T>(&self, len: usize) -> Result<&mut [MaybeUninit<T>], Refused> {
        let layout = arithmetic::array_layout::<T>(len).map_err(|layout| Refused { layout })?;
        let block = self.try_alloc_layout(layout)?.cast::<MaybeUninit<T>>();
        debug_assert!(block.is_aligned());
        let mut slots = NonNull::slice_from_raw_parts(block, len);
        // SAFETY: the block has the layout of `len` values, which need not be initialized. It
        // overlaps no other and stays until the arena is reset or dropped, which the borrow of
        // `self` rules out as long as the reference lives.
        Ok(unsafe { slots.as_mut() })
    }

    /// Copies `source` into the arena.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does.
    #[inline]
    pub fn alloc_str(&self, source: &str) -> &mut str {
        unwrap(self.try_alloc_str(source))
    }

    /// Copies `source` into the arena.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&mut str, Refused> {
        let bytes = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: the bytes are those of a `str`.
        Ok(unsafe { str::from_utf8_unchecked_mut(bytes) })
    }

    /// Text as `format!` makes it.
    ///
    /// ```
    /// let arena = strategy_bump::Bump::new();
    /// let text = arena.alloc_fmt(format_args!("{} of {:04}", 7, 12));
    /// assert_eq!(text, "7 of 0012");
    /// ```
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does, or if a value that is formatted panics or
    /// fails.
    #[must_use]
    pub fn alloc_fmt(&self, arguments: fmt::Arguments<'_>) -> &mut str {
        unwrap(self.try_alloc_fmt(arguments))
    }

    /// Text as [`alloc_fmt`](Self::alloc_fmt) makes it.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    ///
    /// # Panics
    ///
    /// If a value that is formatted panics or fails.
    pub fn try_alloc_fmt(&self, arguments: fmt::Arguments<'_>) -> Result<&mut str, Refused> {
        let mut text = Text { bytes: Vec::new_in(self), refused: None };
        let written = fmt::write(&mut text, arguments);
        if let Some(refused) = text.refused {
            return Err(refused);
        }
        written.expect("a value that is formatted fails only if the text does");
        let bytes = Box::leak(text.bytes.into_boxed_slice());
        // SAFETY: the bytes are `str`s, one behind the other.
        Ok(unsafe { str::from_utf8_unchecked_mut(bytes) })
    }
}

/// Text that grows.
struct Text<'a, A: Allocator> {
    /// `str`s, one behind the other.
    bytes: Vec<u8, &'a Bump<A>>,
    /// Why the text did not grow.
    refused: Option<Refused>,
}

impl<A: Allocator> fmt::Write for Text<'_, A> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if let Err(refused) = reserve(&mut self.bytes, part.len()) {
            self.refused = Some(refused);
            return Err(fmt::Error);
        }
        self.bytes.extend_from_slice(part.as_bytes());
        Ok(())
    }
}

/// Makes room for so many more, at least doubling what is there.
fn reserve<T, A: Allocator>(slice: &mut Vec<T, A>, more: usize) -> Result<(), Refused> {
    let len = slice.len().saturating_add(more);
    slice.try_reserve(more).map_err(|_| {
        let (Ok(layout) | Err(layout)) = arithmetic::array_layout::<T>(len);
        Refused { layout }
    })
}

/// What is there, or the end of the program as it is when memory is out.
#[inline]
fn unwrap<T>(result: Result<T, Refused>) -> T {
    result.unwrap_or_else(|refused| handle_alloc_error(refused.layout))
}
