//! Scopes: all that is allocated in one is given back when it ends.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use strategy::memcheck::Blocks;

use crate::arena::{Bump, Supply};
use crate::arithmetic;
use crate::chunk::Footer;

impl<A: Allocator> Bump<A> {
    /// Runs `work` with an arena whose blocks are all given back when it returns, or when it
    /// panics.
    ///
    /// The scope is an arena in itself, which carves from what this one has free. Blocks that were
    /// made before stay usable, and this arena stays so too: what is allocated in it outlives the
    /// scope. Scopes may be opened inside one another.
    ///
    /// ```
    /// use strategy_bump::Bump;
    ///
    /// let arena = Bump::new();
    /// let words = arena.alloc_str("one two three");
    /// let longest = arena.scoped(|scope| {
    ///     let mut parts = allocator_api2::vec::Vec::new_in(scope);
    ///     parts.extend(words.split(' '));
    ///     parts.sort_by_key(|part| part.len());
    ///     arena.alloc_str(parts[2])
    /// });
    /// assert_eq!(longest, "three");
    /// assert_eq!(arena.used_bytes(), 13 + 5, "the text and the word");
    /// ```
    ///
    /// Nothing that was allocated in the scope leaves it, neither by the way of the result nor by
    /// a variable outside:
    ///
    /// ```compile_fail
    /// let arena = strategy_bump::Bump::new();
    /// let number = arena.scoped(|scope| scope.alloc(1));
    /// ```
    ///
    /// ```compile_fail,E0521
    /// let arena = strategy_bump::Bump::new();
    /// let mut number = &mut 0;
    /// arena.scoped(|scope| number = scope.alloc(1));
    /// ```
    ///
    /// ```compile_fail,E0521
    /// let arena = strategy_bump::Bump::new();
    /// let mut numbers = Vec::new();
    /// arena.scoped(|scope| numbers.push(scope.alloc(1)));
    /// ```
    ///
    /// Neither does a block of an inner scope get into an outer one:
    ///
    /// ```compile_fail,E0521
    /// let arena = strategy_bump::Bump::new();
    /// arena.scoped(|outer| {
    ///     let mut numbers = allocator_api2::vec::Vec::new_in(outer);
    ///     outer.scoped(|inner| numbers.push(inner.alloc(1)));
    /// });
    /// ```
    ///
    /// The arena of a scope is not reset and not replaced by another: it is behind a shared
    /// reference.
    ///
    /// ```compile_fail,E0596
    /// let arena = strategy_bump::Bump::new();
    /// arena.scoped(|scope| scope.reset());
    /// ```
    ///
    /// ```compile_fail,E0308
    /// let arena = strategy_bump::Bump::new();
    /// let mut kept = strategy_bump::Bump::new();
    /// arena.scoped(|scope| core::mem::swap(&mut kept, scope));
    /// ```
    ///
    /// # Cost
    ///
    /// A few stores, and no call of the backing allocator, as long as the scope fits into what is
    /// free. It gets seven eighths of that; the last eighth stays with this arena for as long as
    /// the scope is open. A scope that needs more takes chunks of its own. When it ends, the
    /// largest of them is kept as the newest chunk of this arena if it is larger than that one, and
    /// the others are given back: a loop of equal scopes takes chunks in its first turns only.
    #[inline]
    pub fn scoped<R>(&self, work: impl FnOnce(&Self) -> R) -> R {
        let scope = Scope::open(self);
        work(&scope.inner)
    }
}

/// An open scope. Dropping it gives everything back.
struct Scope<'o, A: Allocator> {
    outer: &'o Bump<A>,
    /// What `outer` had as its newest chunk when the scope opened, and as the start of its free
    /// bytes, the lower part of which belongs to `inner` from then on.
    newest: Option<NonNull<Footer>>,
    chunk_start: usize,
    /// Nobody but the scope has it by value or mutably.
    inner: Bump<A>,
}

impl<'o, A: Allocator> Scope<'o, A> {
    #[inline]
    fn open(outer: &'o Bump<A>) -> Self {
        let cursor = outer.cursor.get();
        let cursor_address = cursor.addr().get();
        let chunk_start = outer.chunk_start.get();
        let split = arithmetic::split(chunk_start, cursor_address);
        // SAFETY: `chunk_start <= split <= cursor_address` (`split`), so the pointer stays inside
        // the chunk that `cursor` has the provenance of (its invariant).
        let top = unsafe { cursor.sub(cursor_address - split) };
        let inner = Bump {
            cursor: Cell::new(top),
            chunk_start: Cell::new(chunk_start),
            top: Cell::new(split),
            newest: Cell::new(None),
            used_in_older: Cell::new(0),
            blocks: Blocks::new(),
            supply: Supply::Lent(NonNull::from(outer)),
        };
        outer.chunk_start.set(split);
        Self { outer, newest: outer.newest.get(), chunk_start, inner }
    }
}

impl<A: Allocator> Drop for Scope<'_, A> {
    #[inline]
    fn drop(&mut self) {
        self.inner.blocks.ended();
        // If the arena has taken a chunk in the meantime, its cursor is in that one, and the rest
        // of the older chunk stays unused until the reset.
        if self.outer.newest.get() == self.newest {
            debug_assert!(self.chunk_start <= self.outer.chunk_start.get());
            debug_assert!(self.outer.chunk_start.get() <= self.outer.cursor.get().addr().get());
            // From here on `inner` must not allocate from what it was lent; nobody but `self` has
            // it any more.
            let lent = self.outer.chunk_start.replace(self.chunk_start) - self.chunk_start;
            self.outer.unused(self.chunk_start, lent);
        }
        if self.inner.newest.get().is_some() {
            self.inner.leave_the_largest_to(self.outer);
        }
    }
}
