//! Slots that are written one after another, and emptied again if not all of them are.

use core::mem::{self, MaybeUninit};

use super::Short;

/// Slots of which the first ones are written. If it is dropped, they are dropped.
///
/// Where making a value cannot panic, or values have no destructor, nobody reads `written` before
/// the end, so the compiler does not store it and it is in the way of no vector instruction: 1000
/// `u64` take the instructions that `Vec::from_iter` takes for them, within 1 %.
pub(super) struct Slots<'s, T> {
    /// The first `written` are initialized, and nobody else drops them.
    slots: &'s mut [MaybeUninit<T>],
    /// At most `slots.len()`.
    written: usize,
}

impl<'s, T> Slots<'s, T> {
    /// None is written, whatever they hold.
    #[inline]
    pub(super) fn new(slots: &'s mut [MaybeUninit<T>]) -> Self {
        Self { slots, written: 0 }
    }

    /// Writes what `make` returns into every slot.
    ///
    /// # Errors
    ///
    /// The first that `make` returns.
    #[inline]
    pub(super) fn fill<E>(mut self, mut make: impl FnMut(usize) -> Result<T, E>) -> Result<(), E> {
        while self.written < self.slots.len() {
            self.push(make(self.written)?);
        }
        self.keep();
        Ok(())
    }

    /// Writes a clone of `value` into every slot but the last, and `value` into that.
    #[inline]
    pub(super) fn repeat(mut self, value: T)
    where
        T: Clone,
    {
        let Some(last) = self.slots.len().checked_sub(1) else { return };
        while self.written < last {
            self.push(value.clone());
        }
        self.push(value);
        self.keep();
    }

    /// Writes what `items` yields into every slot.
    ///
    /// # Errors
    ///
    /// [`Short`] if it yields too few.
    #[inline]
    pub(super) fn fill_from(mut self, items: impl Iterator<Item = T>) -> Result<(), Short> {
        let wanted = self.slots.len();
        // From inside the iterator: asking it for one value at a time leaves a loop with two ends,
        // which is not vectorised.
        items.take(wanted).for_each(|item| self.push(item));
        if self.written < wanted {
            return Err(Short { wanted, got: self.written });
        }
        self.keep();
        Ok(())
    }

    /// Writes the next slot.
    #[inline]
    fn push(&mut self, value: T) {
        self.slots[self.written].write(value);
        self.written += 1;
    }

    /// Leaves the values to whoever has the slots.
    #[inline]
    fn keep(self) {
        debug_assert_eq!(self.written, self.slots.len());
        mem::forget(self);
    }
}

impl<T> Drop for Slots<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let written = &mut self.slots[..self.written];
        // SAFETY: the first `written` slots are initialized, and nobody else drops them (the
        // invariant of `slots`), nor reads them after this.
        unsafe { written.assume_init_drop() };
    }
}
