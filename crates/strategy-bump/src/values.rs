//! Values and blocks: one at a time.

use core::mem::needs_drop;
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Layout, handle_alloc_error};
use strategy::Refused;

use crate::Bump;

impl<A: Allocator> Bump<A> {
    /// Moves `value` into the arena.
    ///
    /// The arena does not run destructors, so a type that has one does not compile. Such a value
    /// belongs into a `Box<T, &Bump>` of `allocator-api2`, which drops it, or into
    /// [`Destructors`](crate::Destructors), which drop it later; or it is
    /// [leaked](Self::alloc_leaked) by that name.
    ///
    /// ```compile_fail,E0080
    /// let arena = strategy_bump::Bump::new();
    /// arena.alloc(String::from("would never be dropped"));
    /// ```
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts). So do all
    /// methods that have a twin with `try_`.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn alloc<T>(&self, value: T) -> &mut T {
        self.try_alloc(value).unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// Moves `value` into the arena, as [`alloc`](Self::alloc) does.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; `value` is lost then.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn try_alloc<T>(&self, value: T) -> Result<&mut T, Refused> {
        self.try_alloc_with(|| value)
    }

    /// Puts what `make` returns into the arena. The block is carved first, so that a large value
    /// can be made in its place, where [`alloc`](Self::alloc) may have to copy it there.
    ///
    /// `make` may itself allocate in the arena. If it panics, the block stays taken until the
    /// reset.
    ///
    /// ```
    /// let arena = strategy_bump::Bump::new();
    /// let table = arena.alloc_with(|| [0_u64; 4096]);
    /// table[17] = 4;
    /// ```
    ///
    /// A type with a destructor does not compile, as in [`alloc`](Self::alloc):
    ///
    /// ```compile_fail,E0080
    /// let arena = strategy_bump::Bump::new();
    /// arena.alloc_with(|| vec![1]);
    /// ```
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn alloc_with<T>(&self, make: impl FnOnce() -> T) -> &mut T {
        self.try_alloc_with(make).unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// Puts what `make` returns into the arena, as [`alloc_with`](Self::alloc_with) does.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; `make` is not called then.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn try_alloc_with<T>(&self, make: impl FnOnce() -> T) -> Result<&mut T, Refused> {
        const { assert!(!needs_drop::<T>(), "the arena would never run the destructor of T") };
        self.place(make)
    }

    /// Moves `value` into the arena. Its destructor is never run, and what it owns outside of the
    /// arena never given back, unless the caller sees to it.
    ///
    /// ```
    /// let arena = strategy_bump::Bump::new();
    /// let name = arena.alloc_leaked(String::from("on the heap for good"));
    /// name.push('!');
    /// # drop(std::mem::take(name));
    /// ```
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn alloc_leaked<T>(&self, value: T) -> &mut T {
        self.try_alloc_leaked(value).unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// Moves `value` into the arena, as [`alloc_leaked`](Self::alloc_leaked) does.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; `value` is dropped then.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn try_alloc_leaked<T>(&self, value: T) -> Result<&mut T, Refused> {
        self.place(|| value)
    }

    /// Carves a block of `layout`, whose bytes are not initialized. It stays until the arena is
    /// reset or dropped. A block of size 0 takes no memory but
    /// the padding up to its alignment.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`alloc`](Self::alloc) does.
    #[inline]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        self.try_alloc_layout(layout).unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// Carves a block of `layout`, as [`alloc_layout`](Self::alloc_layout) does.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, Refused> {
        self.carve(layout).ok_or(Refused { layout })
    }

    /// Carves a block for a `T` and writes what `make` returns into it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    fn place<T>(&self, make: impl FnOnce() -> T) -> Result<&mut T, Refused> {
        let mut block = self.try_alloc_layout(Layout::new::<T>())?.cast::<T>();
        debug_assert!(block.is_aligned());
        let value = make();
        // SAFETY: the block has the layout of a `T`.
        unsafe { block.write(value) };
        // SAFETY: it is aligned for a `T` and initialized by the line above. It overlaps no other
        // block and stays until the arena is reset or dropped, which the borrow of `self`
        // rules out as long as the reference lives.
        Ok(unsafe { block.as_mut() })
    }
}
