//! `&Pool` as an `Allocator`.

use core::alloc::Layout;
use core::ptr::NonNull;

use strategy::{AllocError, Allocator, memcheck};

use crate::lock::Lock;
use crate::pool::Pool;
use crate::shelves::{Address, Class, Made, whole};

impl<L: Lock, A: Allocator> Pool<L, A> {
    /// A block that is kept and serves `layout`, whose size is not 0.
    #[inline]
    fn reuse(&self, layout: Layout) -> Option<NonNull<[u8]>> {
        let class = Class::of(layout.size())?;
        let Address(block) = self.take(class, layout.align())?;
        debug_assert!(block.addr().get().is_multiple_of(layout.align()));
        debug_assert!(layout.size() <= class.bytes());
        Some(self.served(block, class.bytes(), layout))
    }

    /// What the caller gets of a block of `bytes` bytes that was taken for `layout`.
    #[inline]
    fn served(&self, block: NonNull<u8>, bytes: usize, layout: Layout) -> NonNull<[u8]> {
        self.out.allocated(block, layout.size());
        NonNull::slice_from_raw_parts(block, memcheck::served(bytes, layout.size()))
    }

    /// A block that is kept: the one at hand, or the last that was put on the shelf.
    #[inline]
    pub(crate) fn take(&self, class: Class, align: usize) -> Option<Address> {
        self.shelves.take(class, align).or_else(|| self.take_from_shelf(class, align))
    }

    #[cold]
    fn take_from_shelf(&self, class: Class, align: usize) -> Option<Address> {
        self.shelves.with(|shelves| shelves.take(class, align))
    }

    /// A new block that serves `layout`, whose size is not 0, by `allocate`: that of `backing`, or
    /// its zeroing twin.
    #[cold]
    fn make(
        &self,
        layout: Layout,
        allocate: impl FnOnce(&A, Layout) -> Result<NonNull<[u8]>, AllocError>,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let whole = whole(layout)?;
        let start = Address(allocate(&self.backing, whole)?.cast());
        if self.shelves.with(|shelves| shelves.note(Made { start, layout: whole })).is_err() {
            // SAFETY: `backing` has just given the block with that layout, and it is on no list.
            unsafe { self.backing.deallocate(start.0, whole) };
            return Err(AllocError);
        }
        memcheck::taken(start.0, whole.size());
        Ok(self.served(start.0, whole.size(), layout))
    }

    /// Puts a block on the shelf of its class; without a class or without room, gives it back.
    ///
    /// # Safety
    ///
    /// The block is out and of `class`, and the caller gives it up.
    #[cold]
    unsafe fn put_away(&self, class: Option<Class>, block: Address) {
        if !class.is_some_and(|class| self.shelves.with(|shelves| shelves.keep(class, block))) {
            // SAFETY: it is still out, and the caller gives it up.
            unsafe { self.give_back(block) };
        }
    }

    /// Gives a block back to `backing`.
    ///
    /// # Safety
    ///
    /// The block is out, and the caller gives it up.
    #[cold]
    pub(crate) unsafe fn give_back(&self, block: Address) {
        let Some(made) = self.shelves.with(|shelves| shelves.strike(block)) else { return };
        memcheck::returned(made.start.0, made.layout.size());
        // SAFETY: it was struck off the list, so `backing` gave it with that layout and has not got
        // it back (the invariant of `shelves`); the caller gives it up.
        unsafe { self.backing.deallocate(made.start.0, made.layout) };
    }

    /// Whether a block that serves `old` serves `new` as well, where it is. The next free of it
    /// finds its class by `new`, so the class has to be the same.
    #[inline]
    fn stays(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<[u8]>> {
        if old.size() == 0 || new.size() == 0 {
            return None;
        }
        let bytes = whole(old).ok()?.size();
        let same = bytes == whole(new).ok()?.size();
        let aligned = block.addr().get().is_multiple_of(new.align());
        (same && aligned).then(|| {
            self.out.resized(block, old.size(), block, new.size());
            NonNull::slice_from_raw_parts(block, memcheck::served(bytes, new.size()))
        })
    }

    /// A block of `new` with the first `kept` bytes of one of `old`, which is freed; the old one
    /// itself where that will do.
    ///
    /// # Safety
    ///
    /// The caller owns the block, which was got from this pool with a layout that `old` fits, and
    /// `kept` is at most the size of either.
    unsafe fn change(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
        kept: usize,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if let Some(same) = self.stays(block, old, new) {
            return Ok(same);
        }
        let moved = self.allocate(new)?;
        debug_assert!(kept <= old.size() && kept <= moved.len());
        // SAFETY: both have at least `kept` bytes, and a block that was just handed out overlaps no
        // other that is out.
        unsafe { moved.cast::<u8>().copy_from_nonoverlapping(block, kept) };
        // SAFETY: the caller owns the old block, got with a layout that `old` fits.
        unsafe { self.deallocate(block, old) };
        Ok(moved)
    }
}

// SAFETY: a block came from the backing allocator with at least the size of its class, and is
// aligned to what is asked for: made for it, or looked at (`take`). It is out from then on, so it is
// on no shelf and handed to nobody else, until it is freed. It goes back to the backing allocator
// only when it is freed or by `drop`, which needs the pool unborrowed. Copies are the same pool, and
// moving a reference moves nothing. A pool is `Sync` only if its lock is.
unsafe impl<L: Lock, A: Allocator> Allocator for &Pool<L, A> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0));
        }
        match self.reuse(layout) {
            Some(block) => Ok(block),
            None => self.make(layout, A::allocate),
        }
    }

    /// The slice has the size asked for and no more, so that no more has to be zeroed.
    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return self.allocate(layout);
        }
        let block = match self.reuse(layout) {
            Some(block) => {
                // SAFETY: the block has at least `layout.size()` bytes.
                unsafe { block.cast::<u8>().write_bytes(0, layout.size()) };
                block
            }
            None => {
                let block = self.make(layout, A::allocate_zeroed)?;
                memcheck::written(block.cast(), layout.size());
                block
            }
        };
        Ok(NonNull::slice_from_raw_parts(block.cast(), layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        self.out.freed(block, layout.size());
        let block = Address(block);
        let class = Class::of(layout.size());
        if cfg!(debug_assertions)
            && let Some(class) = class
        {
            self.shelves.with(|shelves| shelves.expect_out(class, block));
        }
        if !class.is_some_and(|class| self.shelves.keep(class, block)) {
            // SAFETY: the caller got it from this pool with a size above 0, so it is out, and gives
            // it up. It is of `class`, since the layout fits.
            unsafe { self.put_away(class, block) };
        }
    }

    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        // SAFETY: the caller's duties, of which one is that `old` has no more bytes.
        unsafe { self.change(block, old, new, old.size()) }
    }

    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(old.size() <= new.size());
        if old.size() == 0 {
            return self.allocate_zeroed(new);
        }
        // SAFETY: the caller's duties, of which one is that `old` has no more bytes.
        let block = unsafe { self.change(block, old, new, old.size()) }?.cast::<u8>();
        // SAFETY: `old.size() <= new.size()`, and the block has at least `new.size()` bytes.
        let tail = unsafe { block.add(old.size()) };
        // SAFETY: from there on the block has at least that many bytes.
        unsafe { tail.write_bytes(0, new.size() - old.size()) };
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }

    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() <= old.size());
        // SAFETY: the caller's duties, of which one is that `new` has no more bytes.
        unsafe { self.change(block, old, new, new.size()) }
    }
}
