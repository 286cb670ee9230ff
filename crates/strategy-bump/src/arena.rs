//! The arena: what it consists of, how it is made, reset and dropped.

use core::cell::Cell;
use core::fmt;
use core::num::NonZero;
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Global, handle_alloc_error};
use strategy::BuildError;
use strategy::memcheck::{self, Blocks};

use crate::Builder;
use crate::arithmetic::{self, CHUNK_ALIGN, ChunkShape, Growth};
use crate::chunk::{FOOTER, Footer};
use crate::source::{NO_LIMIT, Source};

/// A bump arena: blocks are carved from the top of a chunk downward, and all are freed at once.
///
/// Memory comes from `A` in chunks: 1 KiB at first, then each twice as large as the one before, up
/// to 64 MiB; a block that is larger gets a chunk of its own size.
/// [`builder`](Self::builder) sets other sizes, and a limit. [`reset`](Self::reset) keeps the
/// largest chunk and gives the others back; dropping the arena gives all back. A new arena has no
/// chunk.
///
/// The arena is an allocator by reference: `&Bump` implements [`Allocator`]. The contract of
/// that trait is that a block stays valid until the allocator and its clones are dropped,
/// so the allocator has to be a borrow that [`reset`](Self::reset) cannot run beside.
///
/// | to make | call |
/// | --- | --- |
/// | a value | [`alloc`](Self::alloc), in its place: [`alloc_with`](Self::alloc_with) |
/// | a value with a destructor | `Box::new_in(value, &arena)`, [`Destructors::alloc`](crate::Destructors::alloc), [`alloc_leaked`](Self::alloc_leaked) |
/// | a slice | [`alloc_slice_copy`](Self::alloc_slice_copy), [`alloc_slice_clone`](Self::alloc_slice_clone), [`alloc_slice_fill_with`](Self::alloc_slice_fill_with), [`alloc_slice_fill_copy`](Self::alloc_slice_fill_copy), [`alloc_slice_fill_default`](Self::alloc_slice_fill_default), [`alloc_from_iter`](Self::alloc_from_iter) |
/// | text | [`alloc_str`](Self::alloc_str), [`alloc_fmt`](Self::alloc_fmt) |
/// | memory | [`alloc_layout`](Self::alloc_layout), [`alloc_uninit_slice`](Self::alloc_uninit_slice) |
/// | a collection | `Vec::new_in(&arena)` of `allocator-api2`, `HashMap::new_in(&arena)` of `hashbrown` |
/// | a mark, and all since given back | [`scoped`](Self::scoped) |
///
/// All that can run out of memory have a twin with `try_`, which returns an error where the other
/// calls [`handle_alloc_error`].
///
/// ```
/// use strategy_bump::Bump;
///
/// let mut arena = Bump::new();
/// let numbers = arena.alloc_slice_copy(&[1, 2, 3]);
/// let greeting = arena.alloc_str("hello");
/// numbers[0] = 7;
/// assert_eq!((numbers, &*greeting), (&mut [7, 2, 3][..], "hello"));
/// arena.reset();
/// ```
///
/// A block does not outlive the arena, and not a reset:
///
/// ```compile_fail,E0505
/// let arena = strategy_bump::Bump::new();
/// let number = arena.alloc(1);
/// drop(arena);
/// assert_eq!(*number, 1);
/// ```
///
/// ```compile_fail,E0502
/// let mut arena = strategy_bump::Bump::new();
/// let number = arena.alloc(1);
/// arena.reset();
/// assert_eq!(*number, 1);
/// ```
///
/// Neither does what holds the arena as its allocator:
///
/// ```compile_fail,E0597
/// let numbers = {
///     let arena = strategy_bump::Bump::new();
///     allocator_api2::vec::Vec::<u64, _>::new_in(&arena)
/// };
/// drop(numbers);
/// ```
///
/// ```compile_fail,E0502
/// let mut arena = strategy_bump::Bump::new();
/// let mut numbers = allocator_api2::vec::Vec::new_in(&arena);
/// numbers.push(1);
/// arena.reset();
/// drop(numbers);
/// ```
///
/// Nor does an iterator over what such a collection had:
///
/// ```compile_fail,E0505
/// let arena = strategy_bump::Bump::new();
/// let mut numbers = allocator_api2::vec::Vec::new_in(&arena);
/// numbers.push(1);
/// let numbers = numbers.into_iter();
/// drop(arena);
/// assert_eq!(numbers.count(), 1);
/// ```
///
/// The arena itself is no allocator, since whoever got hold of it through a collection could reset
/// it:
///
/// ```compile_fail,E0277
/// let numbers = allocator_api2::vec::Vec::<u64, _>::new_in(strategy_bump::Bump::new());
/// ```
///
/// ```compile_fail,E0277
/// let mut arena = strategy_bump::Bump::new();
/// let numbers = allocator_api2::vec::Vec::<u64, _>::new_in(&mut arena);
/// ```
///
/// One thread has it at a time:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_bump::Bump>();
/// ```
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<&strategy_bump::Bump>();
/// ```
///
/// An arena whose backing allocator may not be sent may not be sent either:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_bump::Bump<&strategy_bump::Bump>>();
/// ```
pub struct Bump<A: Allocator = Global> {
    // `cursor` (the module), `chain` and `scope` keep these as they are said to be.
    /// The upper end of the free bytes, which are `chunk_start..cursor`: at least `chunk_start`, at
    /// most `top`. It has the provenance of the whole chunk that they are in. No live block has a
    /// byte among them, and no other arena carves from them.
    pub(crate) cursor: Cell<NonNull<u8>>,
    /// The lower end of the free bytes, a multiple of `CHUNK_ALIGN`: the start of the newest
    /// chunk, or above it while the bytes below are lent to a scope; while there is no chunk, the
    /// address of `cursor`.
    pub(crate) chunk_start: Cell<usize>,
    /// Where `cursor` was when nothing was carved from this chunk: the address of the newest
    /// footer; in the arena of a scope that has no chunk of its own, the end of what it was lent.
    pub(crate) top: Cell<usize>,
    /// The newest chunk; the chain of `older` leads to all the others. All of them came
    /// from the source, belong to this arena alone, and are not given back.
    pub(crate) newest: Cell<Option<NonNull<Footer>>>,
    /// The bytes used in all chunks but the newest, as [`Bump::used_bytes`] counts them.
    pub(crate) used_in_older: Cell<usize>,
    /// The blocks that were carved and not freed, for memcheck.
    pub(crate) blocks: Blocks,
    pub(crate) supply: Supply<A>,
}

/// How an arena gets at its source.
pub(crate) enum Supply<A: Allocator> {
    /// It is the arena's own.
    Own(Source<A>),
    /// The arena is that of a scope of this one, which the scope borrows, so that it neither moves nor
    /// changes hands as long as the arena of the scope exists.
    Lent(NonNull<Bump<A>>),
}

// SAFETY: the chunks belong to the arena alone (the invariant of `newest`). All that points into
// one borrows the arena (`alloc`, the handle), and what is borrowed cannot be sent; what was
// written into a block is never read or dropped by the arena. The chunks are given back through the
// backing allocator, which may be sent. A source that is lent is that of the arena of a scope, which
// is handed out by shared reference only, and such a reference cannot be sent: a `Cell` is not `Sync`.
unsafe impl<A: Allocator + Send> Send for Bump<A> {}

impl Bump {
    /// An arena without a chunk that takes its memory from the program's allocator.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }

    /// An arena that is not to have the usual chunks, or not more than so many bytes.
    pub const fn builder() -> Builder {
        Builder::new()
    }

    /// An arena with a first chunk for at least `bytes`.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self::try_with_capacity(bytes).unwrap_or_else(|_| {
            let (Ok(layout) | Err(layout)) = arithmetic::array_layout::<u8>(bytes);
            handle_alloc_error(layout)
        })
    }

    /// An arena with a first chunk for at least `bytes`.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutOfMemory`] if the chunk is not to be had.
    pub fn try_with_capacity(bytes: usize) -> Result<Self, BuildError> {
        Self::try_with_capacity_in(bytes, Global)
    }
}

impl<A: Allocator> Bump<A> {
    /// An arena without a chunk that takes its memory from `backing`.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self::from_parts(backing, Growth::DEFAULT, NO_LIMIT)
    }

    /// An arena with a first chunk from `backing` for at least `bytes`.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutOfMemory`] if the chunk is not to be had.
    pub fn try_with_capacity_in(bytes: usize, backing: A) -> Result<Self, BuildError> {
        let arena = Self::new_in(backing);
        if bytes > 0 {
            let shape = ChunkShape::least(bytes, 1, FOOTER);
            let footer = shape.and_then(|shape| arena.source().take(shape, &arena.newest).ok());
            arena.make_newest(footer.ok_or(BuildError::OutOfMemory { bytes })?);
        }
        Ok(arena)
    }

    pub(crate) const fn from_parts(backing: A, growth: Growth, limit: usize) -> Self {
        // Not zero, and a multiple of `CHUNK_ALIGN`, as `chunk_start` has to be.
        let nowhere = NonZero::new(CHUNK_ALIGN).expect("an alignment is not 0");
        Self {
            cursor: Cell::new(NonNull::without_provenance(nowhere)),
            chunk_start: Cell::new(nowhere.get()),
            top: Cell::new(nowhere.get()),
            newest: Cell::new(None),
            used_in_older: Cell::new(0),
            blocks: Blocks::new(),
            supply: Supply::Own(Source::new(backing, growth, limit)),
        }
    }

    /// Makes all memory reusable, without running destructors: keeps the largest chunk (of
    /// equally large ones the newest) and gives the others back.
    #[inline]
    pub fn reset(&mut self) {
        let Some(newest) = self.newest.get() else { return };
        self.blocks.all_freed();
        // SAFETY: a footer of the chain is initialized, and only `&mut self` changes the chain.
        let footer = unsafe { newest.as_ref() };
        if footer.older.get().is_some() {
            return self.keep_the_largest();
        }
        // The upper end of the chunk; `chunk_start` and `top` are right already, since no scope is
        // open that would borrow the arena.
        debug_assert_eq!(self.chunk_start.get(), footer.start.addr().get());
        debug_assert_eq!(self.top.get(), newest.addr().get());
        self.cursor.set(newest.cast());
        memcheck::unused(footer.start, newest.addr().get() - footer.start.addr().get());
    }

    /// The bytes taken from the backing allocator and not given back, footers included, by the
    /// arena and the scopes that are open in it.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.source().reserved()
    }

    /// The bytes that the cursor has passed since the last reset, or in a scope since it was
    /// opened: the padding for alignment counts, and what was freed as the newest block does not.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_in_older.get() + (self.top.get() - self.cursor.get().addr().get())
    }

    /// The most bytes that [`reserved_bytes`](Self::reserved_bytes) may become, if there is a limit.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        let limit = self.source().limit();
        (limit != NO_LIMIT).then_some(limit)
    }

    /// Sets the most bytes that [`reserved_bytes`](Self::reserved_bytes) may become; `None` is no
    /// limit. Scopes count.
    ///
    /// A chunk that would pass the limit is taken smaller if a smaller one does, and refused
    /// otherwise. What is taken already stays, also if it is more.
    ///
    /// ```
    /// let mut arena = strategy_bump::Bump::new();
    /// arena.set_limit(Some(1 << 20));
    /// assert!(arena.try_alloc_slice_fill_copy(2 << 20, 0_u8).is_err());
    /// assert!(arena.try_alloc_slice_fill_copy(1 << 19, 0_u8).is_ok());
    /// ```
    pub fn set_limit(&mut self, bytes: Option<usize>) {
        match &mut self.supply {
            Supply::Own(source) => source.set_limit(bytes.unwrap_or(NO_LIMIT)),
            Supply::Lent(_) => unreachable!("the arena of a scope is behind a shared reference"),
        }
    }

    pub(crate) fn source(&self) -> &Source<A> {
        match &self.supply {
            Supply::Own(source) => source,
            // SAFETY: the outer arena stays where it is for as long as this one exists (the
            // invariant of `Lent`), and is not borrowed mutably, since the scope borrows it.
            Supply::Lent(outer) => unsafe { outer.as_ref() }.source(),
        }
    }

    /// The size of the newest chunk, from which growth goes on; 0 if there is none. An arena of a
    /// scope goes on from that of the outer one.
    pub(crate) fn newest_bytes(&self) -> usize {
        match (self.newest.get(), &self.supply) {
            // SAFETY: a footer of the chain is initialized and not given back.
            (Some(footer), _) => unsafe { footer.as_ref() }.layout.size(),
            // SAFETY: as in `source`.
            (None, Supply::Lent(outer)) => unsafe { outer.as_ref() }.newest_bytes(),
            (None, Supply::Own(_)) => 0,
        }
    }
}

impl<A: Allocator> Drop for Bump<A> {
    fn drop(&mut self) {
        self.blocks.ended();
        let chain = self.newest.take();
        // SAFETY: `chain` is all of the chunks. No block is in use: each borrows the arena.
        unsafe { self.give_back(chain) };
    }
}

impl<A: Allocator + Default> Default for Bump<A> {
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

impl<A: Allocator> fmt::Debug for Bump<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bump")
            .field("reserved_bytes", &self.reserved_bytes())
            .field("used_bytes", &self.used_bytes())
            .finish_non_exhaustive()
    }
}
