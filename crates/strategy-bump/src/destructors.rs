//! Values with destructors that die together.

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::needs_drop;
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Global, handle_alloc_error};
use strategy::Refused;

use crate::Bump;

/// A list of the values in an arena that have to be dropped: it drops them when it is dropped
/// itself, the newest first.
///
/// The values are in the arena; the list adds two words to each. It ends before the arena is reset,
/// and before the scope in which it was made, so where the list is declared is when destructors
/// run. What has no destructor itself may borrow the values and go into the arena directly:
///
/// ```
/// use std::fs::File;
/// use strategy_bump::{Bump, Destructors};
///
/// struct Source<'t> {
///     file: &'t File,
///     included_from: Option<&'t Source<'t>>,
/// }
///
/// let arena = Bump::new();
/// let files = Destructors::new(&arena);
/// let open = || File::open("Cargo.toml").unwrap();
/// let main = arena.alloc(Source { file: files.alloc(open()), included_from: None });
/// let part = arena.alloc(Source { file: files.alloc(open()), included_from: Some(main) });
/// assert!(part.included_from.unwrap().file.metadata().is_ok());
/// // Both files are closed here, the second one first.
/// ```
///
/// # What does not compile
///
/// A destructor may read what the value borrows, so a value may borrow what lives longer than the
/// list (such as other values of the arena), and nothing that is in the list itself: whichever of
/// two were dropped first, the other could read it then.
///
/// ```compile_fail,E0597
/// use std::cell::Cell;
/// use strategy_bump::{Bump, Destructors};
///
/// struct Loud<'a>(String, Cell<Option<&'a Loud<'a>>>);
/// impl Drop for Loud<'_> {
///     fn drop(&mut self) {
///         println!("{}", self.1.get().unwrap().0);
///     }
/// }
///
/// let arena = Bump::new();
/// let list = Destructors::new(&arena);
/// let first = &*list.alloc(Loud(String::from("first"), Cell::new(None)));
/// let second = &*list.alloc(Loud(String::from("second"), Cell::new(Some(first))));
/// first.1.set(Some(second));
/// ```
///
/// ```compile_fail,E0597
/// use strategy_bump::{Bump, Destructors};
///
/// let arena = Bump::new();
/// let list = Destructors::new(&arena);
/// let name = String::from("dropped before the list");
/// list.alloc(vec![name.as_str()]);
/// ```
///
/// ```compile_fail,E0505
/// use strategy_bump::{Bump, Destructors};
///
/// let arena = Bump::new();
/// let list = Destructors::new(&arena);
/// let name = list.alloc(String::from("gone with the list"));
/// drop(list);
/// name.push('!');
/// ```
///
/// ```compile_fail,E0502
/// use strategy_bump::{Bump, Destructors};
///
/// let mut arena = Bump::new();
/// let list = Destructors::new(&arena);
/// list.alloc(String::from("would be overwritten"));
/// arena.reset();
/// drop(list);
/// ```
///
/// A list does not leave its thread, since its values may not:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_bump::Destructors<'static>>();
/// ```
pub struct Destructors<'a, A: Allocator = Global> {
    arena: &'a Bump<A>,
    /// The entry that was made last, and by `older` all others: each is that of a value which is
    /// initialized, and which nobody but the list drops.
    newest: Cell<Option<NonNull<Entry>>>,
    /// `'a` may not be shortened. It is how long the values that `alloc` takes have to be good for;
    /// shortened to the borrow of the list by `alloc`, that would be too short.
    exactly: PhantomData<Cell<&'a ()>>,
}

/// What the list knows of a value.
struct Entry {
    older: Option<NonNull<Entry>>,
    /// Drops the value whose entry it is given, which has to be of the type that the entry was
    /// made for, initialized, and not used any more.
    drop: unsafe fn(NonNull<Entry>),
}

/// A value and its entry.
#[repr(C)]
struct Listed<T> {
    /// Stays first: a pointer to the entry is one to all of this.
    entry: Entry,
    value: T,
}

impl<'a, A: Allocator> Destructors<'a, A> {
    /// An empty list for values in `arena`.
    #[must_use]
    pub const fn new(arena: &'a Bump<A>) -> Self {
        Self { arena, newest: Cell::new(None), exactly: PhantomData }
    }

    /// Moves `value` into the arena, to be dropped with the list.
    ///
    /// A type without a destructor takes no place in the list.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`Bump::alloc`] does.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn alloc<T: 'a>(&self, value: T) -> &mut T {
        self.try_alloc(value).unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// Moves `value` into the arena, to be dropped with the list.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; `value` is dropped then.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn try_alloc<T: 'a>(&self, value: T) -> Result<&mut T, Refused> {
        if !needs_drop::<T>() {
            return self.arena.try_alloc_leaked(value);
        }
        let entry = Entry { older: None, drop: drop_value::<T> };
        let listed = NonNull::from(self.arena.try_alloc_leaked(Listed { entry, value })?);
        let older = self.newest.replace(Some(listed.cast()));
        // SAFETY: `listed` is initialized, and nobody else knows of it but the list, which reads
        // entries only when it is dropped.
        let listed = unsafe { &mut *listed.as_ptr() };
        listed.entry.older = older;
        Ok(&mut listed.value)
    }
}

/// Drops the value of an entry.
///
/// # Safety
///
/// `entry` is that of a [`Listed<T>`], has the provenance of all of it, and its value is initialized
/// and not used from now on.
unsafe fn drop_value<T>(entry: NonNull<Entry>) {
    let listed = entry.cast::<Listed<T>>().as_ptr();
    // SAFETY: the pointer is to a `Listed<T>` (the caller's duty), so it has that field.
    let value = unsafe { &raw mut (*listed).value };
    // SAFETY: the value is initialized and not used any more (the caller's duty).
    unsafe { value.drop_in_place() };
}

impl<A: Allocator> Drop for Destructors<'_, A> {
    fn drop(&mut self) {
        /// Drops what is left of a list also when a destructor panics.
        struct Rest<'l>(&'l Cell<Option<NonNull<Entry>>>);

        impl Rest<'_> {
            fn drop_all(&self) {
                while let Some(newest) = self.0.get() {
                    // SAFETY: an entry of the list is initialized (the invariant of `newest`).
                    let Entry { older, drop } = unsafe { newest.read() };
                    // Taken out of the list first: a value whose destructor panics is not
                    // dropped twice.
                    self.0.set(older);
                    // SAFETY: `drop` was made for the type of this value, which is initialized and
                    // from now on in no list. `newest` came from a reference to all of the
                    // `Listed`. Whoever had a reference to the value borrowed the list.
                    unsafe { drop(newest) };
                }
            }
        }

        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                self.drop_all();
            }
        }

        let rest = Rest(&self.newest);
        rest.drop_all();
    }
}

impl<A: Allocator> core::fmt::Debug for Destructors<'_, A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Destructors").field("arena", self.arena).finish_non_exhaustive()
    }
}
