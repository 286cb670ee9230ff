//! The pool that a guide sketches, made sound: what one writes first.

use core::cell::RefCell;
use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};
use strategy::memcheck::{self, Blocks};

use crate::OutOfMemory;
use crate::allocator::empty;

/// A pool as many guides sketch it: blocks of one layout, each allocated by itself, and a `Vec` of
/// pointers to those that are free. It is here to be compared with [`BlockPool`](crate::BlockPool).
///
/// ```
/// use allocator_api2::{alloc::Layout, boxed::Box};
/// use strategy_pool::GuidePool;
///
/// let pool = GuidePool::new(Layout::new::<[u64; 4]>(), 10)?;
/// let numbers = Box::new_in([1_u64; 4], &pool);
/// assert_eq!(numbers[3], 1);
/// # Ok::<(), strategy_pool::OutOfMemory>(())
/// ```
///
/// # The sketch
///
/// ```text
/// struct MemoryPool { blocks: Vec<*mut u8>, block_size: usize, layout: Layout }
///
/// fn new(block_size: usize, initial_blocks: usize) -> Self; // alloc(layout) for each block
/// fn allocate(&mut self) -> Option<*mut u8>;                // blocks.pop(), or alloc(layout)
/// fn deallocate(&mut self, ptr: *mut u8);                   // blocks.push(ptr)
/// // drop: dealloc(ptr, layout) for each of blocks
/// ```
///
/// What was wrong with it, and what was changed:
///
/// - `deallocate` is safe and takes any pointer, which the next `allocate` hands out and `drop` frees.
///   It is [`Allocator::deallocate`] now, which is unsafe and says what may be passed.
/// - Blocks that are still out when the pool is dropped are never freed. Every block is in a
///   second list, and `drop` frees those.
/// - `alloc` with a size of 0 is undefined behaviour. A request of size 0 takes no block.
/// - Blocks are aligned to 8, whatever is put into them. The alignment is part of the layout
///   now, and a request with a stricter one is refused.
/// - `allocate` says nothing of the size, so a larger value is written beyond the block's end.
///   Requests have a layout, and one that is too large is refused.
/// - `allocate` takes `&mut self`, so no two containers can use the pool. The lists are in
///   `RefCell`s, and the allocator is a reference to the pool, which keeps it alive.
/// - A push into the list can grow it, and end the program without memory, in the middle of a free.
///   There is room for every block's pointer before the block is handed out.
/// - `new` ignores blocks that it could not allocate, and panics if the size overflows. It
///   returns an error.
///
/// # Threads
///
/// The sketch's raw pointers make it neither `Send` nor `Sync`, and so is this one:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_pool::GuidePool>();
/// ```
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_pool::GuidePool>();
/// ```
pub struct GuidePool<A: Allocator = Global> {
    /// Blocks that are not out, each once. Its capacity is at least the length of `all`.
    free: RefCell<Vec<NonNull<u8>>>,
    /// Every block: allocated from `backing` with `layout`, and freed by `drop` only.
    all: RefCell<Vec<NonNull<u8>>>,
    layout: Layout,
    /// The blocks that are out, for memcheck.
    out: Blocks,
    /// Where the blocks come from. The lists are the global allocator's.
    backing: A,
}

impl GuidePool {
    /// A pool of blocks of `layout`, with `initial_blocks` of them up front.
    ///
    /// # Errors
    ///
    /// If there is no memory for them.
    pub fn new(layout: Layout, initial_blocks: usize) -> Result<Self, OutOfMemory> {
        Self::new_in(layout, initial_blocks, Global)
    }
}

impl<A: Allocator> GuidePool<A> {
    /// A pool of blocks of `layout` from `backing`, with `initial_blocks` of them up front.
    ///
    /// # Errors
    ///
    /// If there is no memory for them.
    pub fn new_in(layout: Layout, initial_blocks: usize, backing: A) -> Result<Self, OutOfMemory> {
        let (free, all) = (RefCell::default(), RefCell::default());
        let pool = Self { free, all, layout, out: Blocks::new(), backing };
        let blocks = if layout.size() == 0 { 0 } else { initial_blocks };
        let out_of_memory = OutOfMemory { blocks, block: layout };
        // The lists first: a number that does not exist ends here, before any block is allocated.
        pool.make_room(blocks).map_err(|AllocError| out_of_memory)?;
        for _ in 0..blocks {
            let block = pool.allocate_block().map_err(|AllocError| out_of_memory)?;
            pool.free.borrow_mut().push(block);
        }
        Ok(pool)
    }

    /// The layout of a block.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The number of blocks, free or out.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.all.borrow().len()
    }

    /// The number of blocks that are out.
    #[must_use]
    pub fn live(&self) -> usize {
        self.capacity() - self.free.borrow().len()
    }

    /// The bytes of all blocks and of the lists.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        let pointers = self.free.borrow().capacity() + self.all.borrow().capacity();
        self.capacity() * self.layout.size() + pointers * size_of::<NonNull<u8>>()
    }

    #[inline]
    fn serves(&self, layout: Layout) -> bool {
        layout.size() <= self.layout.size() && layout.align() <= self.layout.align()
    }

    /// A block, or an empty slice if the size is 0.
    #[inline]
    fn block_for(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if !self.serves(layout) {
            return Err(AllocError);
        }
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        let popped = self.free.borrow_mut().pop();
        let block = popped.map_or_else(|| self.allocate_block(), Ok)?;
        self.out.allocated(block, layout.size());
        Ok(self.served(block, layout))
    }

    /// What the caller gets of a whole block.
    #[inline]
    fn served(&self, block: NonNull<u8>, layout: Layout) -> NonNull<[u8]> {
        let bytes = memcheck::served(self.layout.size(), layout.size());
        NonNull::slice_from_raw_parts(block, bytes)
    }

    /// A new block, which is not on the list of free ones.
    fn allocate_block(&self) -> Result<NonNull<u8>, AllocError> {
        // No list is borrowed during the calls of `backing`, which may use this very pool.
        let block = self.backing.allocate(self.layout)?.cast::<u8>();
        if self.make_room(1).is_err() {
            // SAFETY: the block came from `backing` with `layout` just now.
            unsafe { self.backing.deallocate(block, self.layout) };
            return Err(AllocError);
        }
        self.all.borrow_mut().push(block);
        memcheck::taken(block, self.layout.size());
        Ok(block)
    }

    /// Makes room in both lists for `blocks` more blocks than there are.
    fn make_room(&self, blocks: usize) -> Result<(), AllocError> {
        let mut all = self.all.borrow_mut();
        let mut free = self.free.borrow_mut();
        all.try_reserve(blocks).map_err(|_| AllocError)?;
        let missing = all.len().saturating_add(blocks) - free.len();
        free.try_reserve(missing).map_err(|_| AllocError)
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` is one of this pool's that is out, and is not used any more.
    #[inline]
    unsafe fn give_back(&self, block: NonNull<u8>) {
        debug_assert!(self.all.borrow().contains(&block), "the block is not one of this pool's");
        // There is room, since fewer than all blocks are on the list.
        self.free.borrow_mut().push(block);
    }

    /// A served block under a new layout: the same one, or a dangling pointer in its place.
    ///
    /// # Safety
    ///
    /// `block` was handed out by this pool for `old` and is owned by the caller.
    unsafe fn change(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.block_for(new);
        }
        if !self.serves(new) {
            return Err(AllocError);
        }
        self.out.resized(block, old.size(), block, new.size());
        if new.size() == 0 {
            // SAFETY: `old.size()` is above 0, so it is a block; the caller owns it.
            unsafe { self.give_back(block) };
            return Ok(empty(new));
        }
        Ok(self.served(block, new))
    }
}

// SAFETY: a block has the pool's layout, at least the size and alignment asked for (`serves`), is
// freed by `drop` only, and is not on the list while it is out, so it is handed to nobody else.
// `drop` needs the pool unborrowed, so blocks are valid while this reference or a copy of it is in use.
// Copies are the same pool, and moving a reference moves nothing.
unsafe impl<A: Allocator> Allocator for &GuidePool<A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.block_for(layout)
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            self.out.freed(block, layout.size());
            // SAFETY: the caller got the block from this pool with a size above 0 and gives it up.
            unsafe { self.give_back(block) };
        }
    }

    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
        unsafe { self.change(block, old, new) }
    }

    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
        unsafe { self.change(block, old, new) }
    }
}

impl<A: Allocator> Drop for GuidePool<A> {
    fn drop(&mut self) {
        self.out.never_freed();
        self.out.ended();
        for block in self.all.get_mut().drain(..) {
            memcheck::returned(block, self.layout.size());
            // SAFETY: every block came from `backing` with `layout` (the invariant of `all`);
            // whoever could still use it would borrow the pool.
            unsafe { self.backing.deallocate(block, self.layout) };
        }
    }
}

impl<A: Allocator> fmt::Debug for GuidePool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuidePool")
            .field("layout", &self.layout)
            .field("capacity", &self.capacity())
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}
