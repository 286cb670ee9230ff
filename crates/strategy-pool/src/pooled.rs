//! The owner of one value in a typed pool.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Global};

use crate::BlockPool;

/// A slot that is taken; it gives itself back on drop.
pub(crate) struct Slot<'p, T, A: Allocator> {
    /// Taken from `blocks` and not given back; its layout is that of `T`. Dangling if `T` has
    /// no size.
    pointer: NonNull<T>,
    blocks: &'p BlockPool<A>,
}

impl<'p, T, A: Allocator> Slot<'p, T, A> {
    /// # Safety
    ///
    /// `pointer` was taken from `blocks`, is owned by the caller and has the layout of `T`; or
    /// `T` has no size and it is dangling.
    #[inline]
    pub(crate) unsafe fn new(pointer: NonNull<T>, blocks: &'p BlockPool<A>) -> Self {
        Self { pointer, blocks }
    }

    #[inline]
    pub(crate) fn fill(self, value: T) -> Pooled<'p, T, A> {
        // SAFETY: the slot is `self`'s alone and has the layout of `T` (the invariant of
        // `pointer`).
        unsafe { self.pointer.write(value) };
        Pooled { slot: self, _value: PhantomData }
    }
}

impl<T, A: Allocator> Drop for Slot<'_, T, A> {
    #[inline]
    fn drop(&mut self) {
        if size_of::<T>() > 0 {
            self.blocks.out().freed(self.pointer.cast(), size_of::<T>());
            // SAFETY: taken from `blocks` and not given back (the invariant of `pointer`), and a
            // slot is dropped at most once.
            unsafe { self.blocks.give_back(self.pointer.cast()) };
        }
    }
}

/// A value that lives in a [`Pool`](crate::Pool). It drops the value and gives the slot back when
/// it is dropped itself, also if the value's destructor panics.
///
/// It borrows the pool and cannot outlive it:
///
/// ```compile_fail,E0597
/// # use strategy_pool::Pool;
/// let outlives;
/// {
///     let pool = Pool::new();
///     outlives = pool.alloc(1);
/// }
/// assert_eq!(*outlives, 1);
/// ```
///
/// It stays on the pool's thread, since its drop changes the pool. Other threads may
/// borrow the value:
///
/// ```
/// # use strategy_pool::Pool;
/// let pool = Pool::new();
/// let number = pool.alloc(1_u64);
/// let borrowed = &*number;
/// std::thread::scope(|scope| {
///     scope.spawn(move || assert_eq!(*borrowed, 1));
/// });
/// ```
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_pool::Pooled<'static, u64>>();
/// ```
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_pool::Pooled<'static, u64>>();
/// ```
///
/// The functions are associated ones, `Pooled::leak(handle)`, so as not to hide the value's
/// methods.
pub struct Pooled<'p, T, A: Allocator = Global> {
    /// Holds an initialized value, which nobody else has.
    slot: Slot<'p, T, A>,
    _value: PhantomData<T>,
}

impl<'p, T, A: Allocator> Pooled<'p, T, A> {
    /// Moves the value out and gives the slot back.
    #[inline]
    #[must_use = "dropping the handle is enough to drop the value"]
    pub fn into_inner(this: Self) -> T {
        let this = ManuallyDrop::new(this);
        // SAFETY: `this` is not used or dropped after this, so the slot has one owner.
        let slot = unsafe { core::ptr::read(&raw const this.slot) };
        // SAFETY: the slot holds an initialized value (the invariant of `slot`), and is given
        // back without dropping it.
        unsafe { slot.pointer.read() }
    }

    /// Gives the handle up for a reference: the value is not dropped, and its slot stays taken
    /// until the pool is reset or dropped.
    #[inline]
    #[must_use = "the value is never dropped"]
    pub fn leak(this: Self) -> &'p mut T {
        let mut pointer = ManuallyDrop::new(this).slot.pointer;
        // SAFETY: the value is initialized and nobody else's (the invariant of `slot`), and `this`
        // is not dropped. Its slot is not reused while the pool is borrowed for `'p`.
        unsafe { pointer.as_mut() }
    }
}

impl<T, A: Allocator> Deref for Pooled<'_, T, A> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value is initialized (the invariant of `slot`); `&self` keeps it from being
        // changed or dropped.
        unsafe { self.slot.pointer.as_ref() }
    }
}

impl<T, A: Allocator> DerefMut for Pooled<'_, T, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { self.slot.pointer.as_mut() }
    }
}

impl<T, A: Allocator> Drop for Pooled<'_, T, A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the value is initialized and nobody else's (the invariant of `slot`), and this
        // runs at most once. `slot` is dropped after this, also when this unwinds.
        unsafe { self.slot.pointer.drop_in_place() };
    }
}

impl<T, A: Allocator> AsRef<T> for Pooled<'_, T, A> {
    #[inline]
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T, A: Allocator> AsMut<T> for Pooled<'_, T, A> {
    #[inline]
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: fmt::Debug, A: Allocator> fmt::Debug for Pooled<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display, A: Allocator> fmt::Display for Pooled<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq, A: Allocator> PartialEq for Pooled<'_, T, A> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq, A: Allocator> Eq for Pooled<'_, T, A> {}
