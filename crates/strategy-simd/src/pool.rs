//! The pool: the classes, the large blocks, and the allocator that they take memory from.

use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};

use crate::chunks::Chunks;
use crate::class::{CLASSES, Class, class_bytes, class_of};
use crate::large::LargeBlocks;

/// A pool of blocks aligned for the widest vector unit.
///
/// Memory is handed out through `&SimdPool`, which is an [`Allocator`] for every size and
/// alignment. A block's size is rounded up to a power of two, at least
/// [`VECTOR_ALIGN`](crate::VECTOR_ALIGN) and at least the alignment asked for. A freed block is
/// kept and handed out again, newest first, up to 32 MiB a block and an alignment of 2 MiB; beyond
/// that, memory comes from the backing allocator and goes straight back.
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
    /// The blocks of all classes.
    chunks: Chunks,
    /// The blocks that no class serves.
    large: LargeBlocks,
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
            chunks: Chunks::new(),
            large: LargeBlocks::new(),
            backing,
        }
    }

    /// The bytes taken from the backing allocator: blocks free or out, their records, and the
    /// stacks of free blocks.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        let stacks: usize = self.classes.iter().map(Class::stack_bytes).sum();
        self.chunks.bytes() + self.large.bytes() + stacks
    }

    /// The bytes of the blocks that are out: in the sizes that they were rounded to, and beyond the
    /// classes with their records of 40 bytes.
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        let classes = self.classes.iter().enumerate();
        let blocks: usize = classes.map(|(index, class)| class.live() * class_bytes(index)).sum();
        blocks + self.large.bytes()
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
            return self.large_block(layout, A::allocate);
        };
        let block = match class.take() {
            Some(block) => block,
            None => self.take_from_new_chunk(index)?,
        };
        Ok(NonNull::slice_from_raw_parts(block, class_bytes(index)))
    }

    #[cold]
    #[inline(never)]
    fn take_from_new_chunk(&self, index: usize) -> Result<NonNull<u8>, AllocError> {
        let class = &self.classes[index];
        class.grow(class_bytes(index), &self.chunks, &self.backing)?;
        class.take().ok_or(AllocError)
    }

    #[cold]
    #[inline(never)]
    fn large_block(
        &self,
        layout: Layout,
        allocate: impl FnOnce(&A, Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.large.add(layout, |whole| allocate(&self.backing, whole))
    }

    /// # Safety
    ///
    /// `pointer` came from [`large_block`](Self::large_block) with `layout`, has not been freed
    /// since and is not used any more.
    #[cold]
    #[inline(never)]
    unsafe fn free_large(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty; `large_block` allocates from `backing`.
        unsafe { self.large.remove(pointer, layout, &self.backing) };
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
            return Ok(NonNull::slice_from_raw_parts(pointer, class_bytes(class)));
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
            // Fresh pages of the system are zero already.
            return self.large_block(layout, A::allocate_zeroed);
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
        match self.classes.get(class_of(layout)) {
            Some(class) => {
                debug_assert!(self.chunks.contain(pointer.addr().get()), "not this pool's block");
                // SAFETY: the caller got `pointer` from this pool with a size above 0 and gives it
                // up. `layout` fits the block, so it has the class that the block was taken from.
                unsafe { class.give_back(pointer) };
            }
            // SAFETY: the caller got `pointer` from this pool and gives it up. No class serves
            // `layout`, so the block is a large one, and its slice had the very size asked for, so
            // no other layout fits.
            None => unsafe { self.free_large(pointer, layout) },
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
        // SAFETY: every chunk came from `backing`; whoever could still use a block would borrow
        // the pool.
        unsafe { self.chunks.release(&self.backing) };
        // SAFETY: as above, for the large blocks.
        unsafe { self.large.release(&self.backing) };
        for class in &mut self.classes {
            // SAFETY: `take_from_new_chunk` is the only caller of `grow` and passes `backing`.
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
            .finish_non_exhaustive()
    }
}

/// What a request of size 0 gets: no block, aligned.
#[inline]
fn empty(layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0)
}
