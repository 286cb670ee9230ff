//! The arena: a cursor that moves down the newest chunk.

use core::cell::Cell;
use core::fmt;
use core::mem::needs_drop;
use core::num::NonZero;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout, handle_alloc_error};
use strategy::{BuildError, Refused};

use crate::arithmetic::{self, CHUNK_ALIGN, ChunkShape};
use crate::chunk::{self, FOOTER, Footer};

/// A bump arena: blocks are carved from the top of a chunk downward, and all are freed at once.
///
/// Memory comes from `A` in chunks: 1 KiB at first, then each twice as large as the one before, up
/// to 64 MiB; a block that is larger gets a chunk of its own size. [`reset`](Self::reset) keeps the
/// largest chunk and gives the others back; dropping the arena gives all back. A new arena has no
/// chunk.
///
/// The arena is an allocator by reference: `&Bump` implements [`Allocator`]. The contract of
/// that trait is that a block stays valid until the allocator and its clones are dropped,
/// so the allocator has to be a borrow that [`reset`](Self::reset) cannot run beside.
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
    /// The upper end of the free bytes of the newest chunk, which are `chunk_start..cursor`: at
    /// least `chunk_start`, at most the newest footer. It has the provenance of
    /// the whole chunk. No live block has a byte below it in that chunk.
    cursor: Cell<NonNull<u8>>,
    /// The address of the newest chunk, a multiple of `CHUNK_ALIGN`; while there is no chunk, that
    /// of `cursor`.
    chunk_start: Cell<usize>,
    /// The newest chunk; the chain of `older` leads to all the others. All of them came
    /// from `backing`, belong to this arena alone, and are not given back.
    newest: Cell<Option<NonNull<Footer>>>,
    /// The bytes used in all chunks but the newest, as [`Bump::used_bytes`] counts them.
    used_in_older: Cell<usize>,
    /// Where the memory comes from. It is not replaced as long as a chunk is taken.
    backing: A,
}

// SAFETY: the chunks belong to the arena alone (the invariant of `newest`). All that points into
// one borrows the arena (`alloc`, the handle), and what is borrowed cannot be sent; what was
// written into a block is never read or dropped by the arena. The chunks are given back through
// `backing`, which may be sent.
unsafe impl<A: Allocator + Send> Send for Bump<A> {}

impl Bump {
    /// An arena without a chunk that takes its memory from the program's allocator.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
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
        // Not zero, and a multiple of `CHUNK_ALIGN`, as `chunk_start` has to be.
        let nowhere = NonZero::new(CHUNK_ALIGN).expect("an alignment is not 0");
        Self {
            cursor: Cell::new(NonNull::without_provenance(nowhere)),
            chunk_start: Cell::new(nowhere.get()),
            newest: Cell::new(None),
            used_in_older: Cell::new(0),
            backing,
        }
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
            let added = shape.is_some_and(|shape| arena.add_chunk(shape).is_ok());
            if !added {
                return Err(BuildError::OutOfMemory { bytes });
            }
        }
        Ok(arena)
    }

    /// Moves `value` into the arena.
    ///
    /// The arena does not run destructors, so a type that has one does not compile. Such a
    /// value belongs into a `Box<T, &Bump>` of `allocator-api2`, which drops it.
    ///
    /// ```compile_fail,E0080
    /// let arena = strategy_bump::Bump::new();
    /// arena.alloc(String::from("would never be dropped"));
    /// ```
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
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
        const { assert!(!needs_drop::<T>(), "the arena would never run the destructor of T") };
        let mut block = self.try_alloc_layout(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the block has the layout of a `T`.
        unsafe { block.write(value) };
        // SAFETY: it is aligned for a `T` and initialized by the line above. It overlaps no other
        // block and stays until the arena is reset or dropped, which the borrow of `self`
        // rules out as long as the reference lives.
        Ok(unsafe { block.as_mut() })
    }

    /// Copies `source` into the arena.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &mut [T] {
        self.try_alloc_slice_copy(source)
            .unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// Copies `source` into the arena.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn try_alloc_slice_copy<T: Copy>(&self, source: &[T]) -> Result<&mut [T], Refused> {
        let block = self.try_alloc_layout(Layout::for_value(source))?.cast::<T>();
        // SAFETY: the block has the layout of `source`, and being carved from free bytes it does
        // not overlap `source`.
        unsafe { block.copy_from_nonoverlapping(NonNull::from(source).cast(), source.len()) };
        let mut slice = NonNull::slice_from_raw_parts(block, source.len());
        // SAFETY: `source.len()` elements are aligned, and initialized by the copy. The block is
        // this caller's alone for as long as the borrow of `self`, as in `try_alloc`.
        Ok(unsafe { slice.as_mut() })
    }

    /// Copies `source` into the arena.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn alloc_str(&self, source: &str) -> &mut str {
        self.try_alloc_str(source).unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// Copies `source` into the arena.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn try_alloc_str(&self, source: &str) -> Result<&mut str, Refused> {
        let bytes = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: the bytes are those of a `str`.
        Ok(unsafe { str::from_utf8_unchecked_mut(bytes) })
    }

    /// Carves a block of `layout`, whose bytes are not initialized. It stays until the arena is
    /// reset or dropped. A block of size 0 is a dangling pointer and takes no memory.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
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

    /// Makes all memory reusable, without running destructors: keeps the largest chunk (of
    /// equally large ones the newest) and gives the others back.
    #[inline]
    pub fn reset(&mut self) {
        let Some(newest) = self.newest.get() else { return };
        // SAFETY: a footer of the chain is initialized, and only `&mut self` changes the chain.
        let footer = unsafe { newest.as_ref() };
        if footer.older.get().is_some() {
            return self.keep_the_largest();
        }
        // The upper end of the chunk; `chunk_start` is right already.
        self.cursor.set(newest.cast());
    }

    /// The bytes taken from the backing allocator, footers included.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.chunks().map(|chunk| chunk.layout.size()).sum()
    }

    /// The bytes that the cursor has passed since the last reset: the padding for alignment
    /// counts, and what was freed as the newest block does not.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_in_older.get() + self.used_in_newest()
    }

    /// Carves a block from the newest chunk, or else from a new one.
    #[inline(always)]
    pub(crate) fn carve(&self, layout: Layout) -> Option<NonNull<u8>> {
        match self.carve_from_newest(layout) {
            Some(block) => Some(block),
            None => self.carve_otherwise(layout),
        }
    }

    #[inline(always)]
    fn carve_from_newest(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let cursor_address = cursor.addr().get();
        let start = self.chunk_start.get();
        let address = arithmetic::carve(start, cursor_address, layout)?;
        // SAFETY: `start <= address <= cursor_address` (`carve`), so the pointer stays inside the
        // chunk that `cursor` has the provenance of (its invariant).
        let block = unsafe { cursor.sub(cursor_address - address) };
        self.cursor.set(block);
        Some(block)
    }

    /// The upper end of the free bytes.
    #[inline(always)]
    pub(crate) fn cursor(&self) -> NonNull<u8> {
        self.cursor.get()
    }

    /// Carves a block of `new` that ends where the newest one of `old_size` bytes ends, whose place
    /// it overlaps. `None` as in [`arithmetic::carve`].
    ///
    /// # Safety
    ///
    /// The newest block has `old_size` bytes, and `new` has at least as many.
    #[inline]
    pub(crate) unsafe fn recarve(&self, old_size: usize, new: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let cursor_address = cursor.addr().get();
        let start = self.chunk_start.get();
        let end = cursor_address + old_size;
        let address = arithmetic::carve(start, end, new)?;
        debug_assert!(address <= cursor_address);
        // SAFETY: `start <= address` and `address + new.size() <= end` (`carve`), so with
        // `new.size() >= old_size` (the caller's duty) it is at most `cursor_address`: the pointer
        // stays inside the chunk that `cursor` has the provenance of (its invariant).
        let block = unsafe { cursor.sub(cursor_address - address) };
        self.cursor.set(block);
        Some(block)
    }

    /// As [`arithmetic::raise_of_shrunk`], of the newest block.
    #[inline]
    pub(crate) fn raise_of_shrunk(&self, old_size: usize, new: Layout) -> Option<usize> {
        let cursor_address = self.cursor.get().addr().get();
        arithmetic::raise_of_shrunk(cursor_address, old_size, new.size(), new.align())
    }

    /// Makes the `bytes` above the cursor free.
    ///
    /// # Safety
    ///
    /// They belong to the newest block, and nobody uses them from now on.
    #[inline]
    pub(crate) unsafe fn raise_cursor(&self, bytes: usize) {
        // SAFETY: the bytes are those of a block of the newest chunk (the caller's duty), so their
        // end is inside the chunk that `cursor` has the provenance of.
        self.cursor.set(unsafe { self.cursor.get().add(bytes) });
    }

    /// The blocks that the newest chunk has no room for, and those of size 0.
    #[cold]
    #[inline(never)]
    fn carve_otherwise(&self, layout: Layout) -> Option<NonNull<u8>> {
        let (size, align) = (layout.size(), layout.align());
        if size == 0 {
            return Some(layout.dangling_ptr());
        }
        let newest_bytes = self.chunks().next().map_or(0, |chunk| chunk.layout.size());
        let grown = ChunkShape::grown(newest_bytes, size, align, FOOTER)?;
        let least = ChunkShape::least(size, align, FOOTER)?;
        if self.add_chunk(grown).is_err() {
            // A system that is short of memory may still have a smaller chunk.
            self.add_chunk(least).ok()?;
        }
        let block = self.carve_from_newest(layout);
        debug_assert!(block.is_some(), "a chunk has room for the block that it was taken for");
        block
    }

    #[cold]
    fn add_chunk(&self, shape: ChunkShape) -> Result<(), AllocError> {
        let footer = chunk::take(&self.backing, shape, &self.newest)?;
        self.used_in_older.set(self.used_bytes());
        self.make_newest(footer);
        Ok(())
    }

    /// Puts the cursor to the upper end of a chunk of this arena, so that all of it is free.
    #[inline]
    fn make_newest(&self, footer: NonNull<Footer>) {
        // SAFETY: `footer` is one of the chain or was just taken: it is initialized and
        // not given back.
        let start = unsafe { footer.as_ref() }.start;
        self.newest.set(Some(footer));
        self.chunk_start.set(start.addr().get());
        self.cursor.set(footer.cast());
    }

    #[cold]
    fn keep_the_largest(&mut self) {
        let Some(newest) = self.newest.get() else { return };
        // The largest chunk, and the one that leads to it.
        let (mut largest, mut newer_than_largest) = (newest, None);
        let mut largest_bytes = 0;
        let (mut next, mut newer) = (Some(newest), None);
        while let Some(footer) = next {
            // SAFETY: a footer of the chain is initialized, and no chunk is given back in this
            // loop.
            let chunk = unsafe { footer.as_ref() };
            if chunk.layout.size() > largest_bytes {
                (largest, largest_bytes) = (footer, chunk.layout.size());
                newer_than_largest = newer;
            }
            (next, newer) = (chunk.older.get(), Some(footer));
        }
        // The arena lets go of the others before the first of them is given back: a backing
        // allocator that panics then leaves chunks that are lost, but none in the chain that is gone.
        // SAFETY: `largest` is a footer of the chain, so it is initialized and not given back.
        let older = unsafe { largest.as_ref() }.older.take();
        let others = match newer_than_largest {
            Some(newer) => {
                // SAFETY: as above.
                unsafe { newer.as_ref() }.older.set(older);
                Some(newest)
            }
            None => older,
        };
        self.used_in_older.set(0);
        self.make_newest(largest);
        // SAFETY: `others` is the chain without `largest`, and the arena has let go of it.
        unsafe { self.give_back(others) };
    }

    /// Gives back the chunks of `chain`.
    ///
    /// # Safety
    ///
    /// They are chunks of this arena, which nothing uses from now on, and are not in its chain any
    /// more.
    unsafe fn give_back(&mut self, chain: Option<NonNull<Footer>>) {
        let mut next = chain;
        while let Some(footer) = next {
            // SAFETY: a footer of the chain is initialized, and this one is not given back yet.
            next = unsafe { footer.as_ref() }.older.get();
            // SAFETY: every chunk came from `backing` (the invariant of `newest`), and is not
            // used from now on (the caller's duty; `next` is read already).
            unsafe { chunk::give_back(&self.backing, footer) };
        }
    }

    /// The footers, from the newest to the oldest.
    fn chunks(&self) -> impl Iterator<Item = &Footer> {
        let mut next = self.newest.get();
        core::iter::from_fn(move || {
            // SAFETY: a footer of the chain is initialized, and a chunk is given back with
            // `&mut self` only, which the borrow in the item rules out.
            let chunk = unsafe { next?.as_ref() };
            next = chunk.older.get();
            Some(chunk)
        })
    }

    fn used_in_newest(&self) -> usize {
        let Some(newest) = self.newest.get() else { return 0 };
        newest.addr().get() - self.cursor.get().addr().get()
    }
}

impl<A: Allocator> Drop for Bump<A> {
    fn drop(&mut self) {
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
