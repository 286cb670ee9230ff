//! The pool: the classes, the large blocks, and the allocator that they take memory from.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use strategy::memcheck::{self, Blocks};

use crate::class::{CLASSES, Class, class_bytes, class_of};
use crate::large::LargeBlocks;

/// What a pool keeps free at most, unless it is told otherwise: 64 MiB, two blocks of the
/// largest class. Up to this glibc, too, may keep free memory at the end of its heap before it gives
/// it back (twice `DEFAULT_MMAP_THRESHOLD_MAX`, mallopt(3)).
pub const DEFAULT_BOUND_BYTES: usize = 64 << 20;

/// A pool of blocks aligned for the widest vector unit.
///
/// Memory is handed out through `&SimdPool`, which is an [`Allocator`] for every size and
/// alignment. A block's size is rounded up to a power of two, at least
/// [`VECTOR_ALIGN`](crate::VECTOR_ALIGN) and at least the alignment asked for. A freed block is
/// kept and handed out again, newest first, up to 32 MiB a block and an alignment of 2 MiB; beyond
/// that, memory comes from the backing allocator and goes straight back. Blocks of 2 MiB and more are
/// on huge pages where the system [has them](crate::huge_pages).
///
/// ```
/// use strategy_simd::{AlignedBuffer, SimdPool};
///
/// let pool = SimdPool::new();
/// let zeros = AlignedBuffer::<f32, 64, _>::try_zeroed_in(1000, &pool)?;
/// assert_eq!(zeros.as_ptr().addr() % 64, 0);
/// let place = zeros.as_ptr();
/// drop(zeros);
/// let ones = AlignedBuffer::<f32, 64, _>::try_filled_in(1.0, 1024, &pool)?;
/// assert_eq!(ones.as_ptr(), place); // the same 4 KiB
/// # Ok::<(), strategy_simd::BufferError>(())
/// ```
///
/// # The bound on what is kept
///
/// The free blocks of a pool have at most [`bound_bytes`](Self::bound_bytes) together; when a free
/// exceeds that, memory goes back to the backing allocator until they have half of it.
///
/// Blocks below 1 MiB share chunks of up to 1 MiB, and a chunk goes back when all of its blocks are
/// free. So free blocks beside a block that is out may exceed the bound. Then the pool looks for
/// chunks that have become free each time that half of what was out in a class has been freed;
/// when nothing is out any more, what is free is within the bound.
///
/// # Threads
///
/// A pool may be sent to another thread, but not shared, so what is allocated in it stays on its
/// thread:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_simd::SimdPool>();
/// ```
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_simd::AlignedBuffer<f32, 64, &strategy_simd::SimdPool>>();
/// ```
pub struct SimdPool<A: Allocator = Global> {
    /// The class at `index` has blocks of `class_bytes(index)`.
    classes: [Class; CLASSES],
    /// The blocks of classes that are out, for memcheck. Those that no class serves are known to it
    /// by the backing allocator.
    out: Blocks,
    /// The blocks that no class serves.
    large: LargeBlocks,
    /// What `free_bytes` is to be at most. While it is, each class may have as many free blocks as
    /// its limit says without that changing: the bytes of all limits are within the bound.
    bound_bytes: Cell<usize>,
    /// Whether `free_bytes` exceeded the bound when it was last looked at, since blocks that are out
    /// hold their chunks.
    over_bound: Cell<bool>,
    /// Where all memory came from.
    backing: A,
}

impl SimdPool {
    /// An empty pool. It takes no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }
}

impl<A: Allocator> SimdPool<A> {
    /// An empty pool that takes its memory from `backing`. It takes none yet.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self {
            classes: [const { Class::new() }; CLASSES],
            out: Blocks::new(),
            large: LargeBlocks::new(),
            bound_bytes: Cell::new(DEFAULT_BOUND_BYTES),
            over_bound: Cell::new(false),
            backing,
        }
    }

    /// The bytes taken from the backing allocator: blocks free or out, their records, and the
    /// stacks of free blocks.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.classes.iter().map(Class::reserved_bytes).sum::<usize>() + self.large.bytes()
    }

    /// The bytes of the free blocks, which are kept for reuse.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.sum(Class::free)
    }

    /// What the free blocks have together at most, in bytes; at first
    /// [`DEFAULT_BOUND_BYTES`]. [`SimdPool`] says when it may be exceeded.
    #[must_use]
    pub fn bound_bytes(&self) -> usize {
        self.bound_bytes.get()
    }

    /// Sets the bound. If more is free now, memory goes back at once until half of the bound is free.
    /// With 0 a chunk goes back as soon as its last block is freed.
    ///
    /// ```
    /// use strategy_simd::{AlignedBuffer, SimdPool};
    ///
    /// let pool = SimdPool::new();
    /// drop(AlignedBuffer::<u8, 64, _>::try_zeroed_in(10 << 20, &pool)?);
    /// assert_eq!(pool.free_bytes(), 16 << 20); // a power of two
    /// pool.set_bound_bytes(1 << 20);
    /// assert_eq!(pool.free_bytes(), 0);
    /// # Ok::<(), strategy_simd::BufferError>(())
    /// ```
    pub fn set_bound_bytes(&self, bytes: usize) {
        self.bound_bytes.set(bytes);
        self.keep_the_bound(0);
    }

    /// The bytes of the blocks that are out: in the sizes that they were rounded to, and beyond the
    /// classes what was taken for them, which is 48 bytes more than the block, or if it
    /// is zeroed another 2 MiB more.
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        self.sum(Class::live) + self.large.bytes()
    }

    /// The bytes of a number of blocks of each class.
    fn sum(&self, blocks: impl Fn(&Class) -> usize) -> usize {
        let classes = self.classes.iter().enumerate();
        classes.map(|(index, class)| blocks(class) * class_bytes(index)).sum()
    }

    /// The backing allocator.
    #[inline]
    #[must_use]
    pub const fn backing(&self) -> &A {
        &self.backing
    }

    /// A block for `layout`: of its class's size, or of the very size if no class serves it, or
    /// an empty slice if its size is 0.
    #[inline]
    fn block_for(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        let index = class_of(layout);
        let Some(class) = self.classes.get(index) else {
            return self.large_block(layout);
        };
        let block = match class.take() {
            Some(block) => block,
            None => self.take_from_new_chunk(index)?,
        };
        self.out.allocated(block, layout.size());
        Ok(served(block, index, layout))
    }

    #[cold]
    #[inline(never)]
    fn take_from_new_chunk(&self, index: usize) -> Result<NonNull<u8>, AllocError> {
        let class = &self.classes[index];
        class.grow(class_bytes(index), &self.backing)?;
        class.take().ok_or(AllocError)
    }

    #[cold]
    #[inline(never)]
    fn large_block(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.large.add(layout, &self.backing)
    }

    #[cold]
    #[inline(never)]
    fn large_zeroed_block(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.large.add_zeroed(layout, &self.backing)
    }

    /// # Safety
    ///
    /// `pointer` came from [`large_block`](Self::large_block) or its zeroed twin, has not been
    /// freed since and is not used any more.
    #[cold]
    #[inline(never)]
    unsafe fn free_large(&self, pointer: NonNull<u8>) {
        // SAFETY: the caller's duty; large blocks come from `backing`.
        unsafe { self.large.remove(pointer, &self.backing) };
    }

    /// Gives memory back if more than the bound is free, and sets all limits. Called when the class
    /// at `active` has more free blocks than its limit; the others are given back first.
    #[cold]
    #[inline(never)]
    fn keep_the_bound(&self, active: usize) {
        let bound = self.bound_bytes.get();
        if self.free_bytes() > bound {
            let others = (0..CLASSES).rev().filter(|index| *index != active);
            for index in others.chain([active]) {
                let excess = self.free_bytes().saturating_sub(bound / 2);
                if excess == 0 {
                    break;
                }
                // SAFETY: `take_from_new_chunk` is the only caller of `grow` and passes `backing`.
                unsafe { self.classes[index].trim(excess, class_bytes(index), &self.backing) };
            }
        }
        // `backing` may itself have used the pool, so this looks again.
        let spare = bound.checked_sub(self.free_bytes());
        let was_over_bound = self.over_bound.replace(spare.is_none());
        for (index, class) in self.classes.iter().enumerate() {
            let (free, live) = (class.free(), class.live());
            class.set_limit(match spare {
                // Each class has an even share of what may still be kept.
                Some(spare) => free + spare / CLASSES / class_bytes(index),
                // Every other time round, half of what is out has been freed. Blocks that come and
                // go in between must not bring the limit down with them, or they would have the free
                // blocks sorted all the time. It stays below what the class has, so that the last
                // block to be freed is over it.
                None => {
                    let half = free + live / 2;
                    let least = if was_over_bound { class.limit().max(half) } else { half };
                    least.min((free + live).saturating_sub(1))
                }
            });
        }
    }

    /// A block under a new layout: the same one if it is of the same class, and otherwise
    /// another with the first `kept` bytes.
    ///
    /// # Safety
    ///
    /// `pointer` was handed out by this pool for `old`, is owned by the caller, and `kept` is at
    /// most the size of either layout.
    #[inline]
    unsafe fn change(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
        kept: usize,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let class = class_of(new);
        if old.size() > 0 && new.size() > 0 && class < CLASSES && class == class_of(old) {
            self.out.resized(pointer, old.size(), pointer, new.size());
            return Ok(served(pointer, class, new));
        }
        let block = self.block_for(new)?;
        // SAFETY: both blocks have at least `kept` bytes (the caller's duty), and a block that
        // was just taken overlaps no live one.
        unsafe { block.cast::<u8>().copy_from_nonoverlapping(pointer, kept) };
        // SAFETY: the caller owns the old block, got with `old`.
        unsafe { self.deallocate(pointer, old) };
        Ok(block)
    }
}

// SAFETY: a block of a class has `class_bytes` bytes, at least the layout's size (`class_of`), and
// is aligned to the smaller of that and `LARGEST_CLASS_ALIGN`, at least the layout's alignment
// (`class_of` again); a large block has the layout's own. Either lies in an allocation that is
// freed when the block is given back (large) or by `drop`, and is out, so it is handed to nobody
// else. `drop` needs the pool unborrowed, so blocks are valid while this reference or a copy of
// it is in use. Copies are the same pool, and moving a reference moves nothing.
unsafe impl<A: Allocator> Allocator for &SimdPool<A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.block_for(layout)
    }

    /// The slice has the size asked for and no more, so that no more has to be zeroed.
    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if class_of(layout) >= CLASSES && layout.size() > 0 {
            return self.large_zeroed_block(layout);
        }
        let block = self.block_for(layout)?.cast::<u8>();
        // SAFETY: the block has at least `layout.size()` bytes.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // The `Box` of allocator-api2 frees values without size that it has not allocated.
        if layout.size() == 0 {
            return;
        }
        let index = class_of(layout);
        let Some(class) = self.classes.get(index) else {
            // SAFETY: the caller got `pointer` from this pool and gives it up. No class serves
            // `layout`, so the block is a large one, and its slice had the very size asked for, so
            // no other layout fits.
            return unsafe { self.free_large(pointer) };
        };
        self.out.freed(pointer, layout.size());
        // SAFETY: the caller got `pointer` from this pool with a size above 0 and gives it
        // up. `layout` fits the block, so it has the class that the block was taken from.
        let is_over_its_limit = unsafe { class.give_back(pointer, class_bytes(index)) };
        if is_over_its_limit {
            self.keep_the_bound(index);
        }
    }

    #[inline]
    unsafe fn grow(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller owns the block, got with `old`, which is the smaller one.
        unsafe { self.change(pointer, old, new, old.size()) }
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller owns the block, got with `old`, which is the smaller one.
        let block = unsafe { self.change(pointer, old, new, old.size()) }?.cast::<u8>();
        // SAFETY: `old.size() <= new.size()`, and the block has at least `new.size()` bytes.
        let tail = unsafe { block.add(old.size()) };
        // SAFETY: from there on the block has at least that many bytes.
        unsafe { tail.write_bytes(0, new.size() - old.size()) };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }

    #[inline]
    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() <= old.size());
        // SAFETY: the caller owns the block, got with `old`; `new` is the smaller one.
        unsafe { self.change(pointer, old, new, new.size()) }
    }
}

impl<A: Allocator> Drop for SimdPool<A> {
    fn drop(&mut self) {
        self.out.never_freed();
        self.out.ended();
        // SAFETY: every large block came from `backing`; whoever could still use one would borrow
        // the pool.
        unsafe { self.large.release(&self.backing) };
        for class in &mut self.classes {
            // SAFETY: as above; `take_from_new_chunk` is the only caller of `grow` and passes
            // `backing`.
            unsafe { class.release(&self.backing) };
        }
    }
}

// SAFETY: the pool's pointers lead to memory that it alone owns, and its cells are reached through
// `&SimdPool` only, which is not `Send` (the pool is not `Sync`): while another thread has the
// pool, no handle to it and nothing allocated in it is left on this one. The backing allocator
// goes along, hence the bound.
unsafe impl<A: Allocator + Send> Send for SimdPool<A> {}

impl<A: Allocator + Default> Default for SimdPool<A> {
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

impl<A: Allocator> fmt::Debug for SimdPool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimdPool")
            .field("reserved_bytes", &self.reserved_bytes())
            .field("live_bytes", &self.live_bytes())
            .field("free_bytes", &self.free_bytes())
            .finish_non_exhaustive()
    }
}

/// What the caller gets of a block of a class that serves `layout`.
#[inline]
fn served(block: NonNull<u8>, class: usize, layout: Layout) -> NonNull<[u8]> {
    let bytes = memcheck::served(class_bytes(class), layout.size());
    NonNull::slice_from_raw_parts(block, bytes)
}

/// What a request of size 0 gets: no block, aligned.
#[inline]
fn empty(layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0)
}
