//! What hands out whole blocks of one layout as an `Allocator`: the pools, and the handle to a shared one.

use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};
use strategy::memcheck;

use crate::block_pool::LEAST_ALIGN;
use crate::{BlockPool, SyncHandle, SyncPool};

/// What hands out whole blocks of one pool.
///
/// # Safety
///
/// What `take` returns has the layout of `block()`, is aligned to `LEAST_ALIGN`, is valid as long as the
/// pool, and is nobody else's until `give_back`.
unsafe trait Blocks {
    /// What every block of every pool of this type is aligned to: a layout that needs no more is served
    /// without a look at the pool.
    const LEAST_ALIGN: usize;

    /// The layout of a block.
    fn block(&self) -> Layout;

    /// The blocks that are out, for memcheck.
    fn out(&self) -> &memcheck::Blocks;

    /// Takes a block out. `block().size()` is above 0.
    fn take(&self) -> Result<NonNull<u8>, AllocError>;

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` came from `take` of the same pool, and the caller gives it up.
    unsafe fn give_back(&self, block: NonNull<u8>);

    /// Whether a block is aligned to `layout.align()`. That is asked for size 0 as well: an
    /// alignment above the pool's is refused even where no block would be taken.
    #[inline]
    fn aligns(&self, layout: Layout) -> bool {
        layout.align() <= Self::LEAST_ALIGN || layout.align() <= self.block().align()
    }

    /// A whole block for `layout`, or an empty slice if its size is 0.
    #[inline]
    fn block_for(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // One comparison for two questions: a size of 0 wraps around to the largest number.
        if layout.size().wrapping_sub(1) < self.block().size() && self.aligns(layout) {
            let block = self.take()?;
            debug_assert!(block.addr().get().is_multiple_of(layout.align()));
            self.out().allocated(block, layout.size());
            return Ok(self.served(block, layout));
        }
        core::hint::cold_path();
        if layout.size() == 0 && self.aligns(layout) { Ok(empty(layout)) } else { Err(AllocError) }
    }

    /// What the caller gets of a whole block.
    #[inline]
    fn served(&self, block: NonNull<u8>, layout: Layout) -> NonNull<[u8]> {
        let bytes = memcheck::served(self.block().size(), layout.size());
        NonNull::slice_from_raw_parts(block, bytes)
    }

    /// A served block under a new layout: the same one, or a dangling pointer in its place.
    ///
    /// # Safety
    ///
    /// `pointer` was handed out by this pool for `old` and is owned by the caller.
    #[inline]
    unsafe fn change(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.block_for(new);
        }
        if new.size() > self.block().size() || !self.aligns(new) {
            return Err(AllocError);
        }
        self.out().resized(pointer, old.size(), pointer, new.size());
        if new.size() == 0 {
            // SAFETY: `old.size()` is above 0, so `pointer` came from `take`; the caller owns it.
            unsafe { self.give_back(pointer) };
            return Ok(empty(new));
        }
        Ok(self.served(pointer, new))
    }
}

/// What a request of size 0 gets: no block, aligned.
#[inline]
pub(crate) fn empty(layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0)
}

/// Makes references to what hands out blocks `Allocator`s.
macro_rules! blocks {
    ([$($generics:tt)*] $source:ty, aligned to $least_align:expr) => {
        // SAFETY: `take` of each says so: a block has the pool's layout, lies in memory that goes with
        // the pool only, and is out until it is given back. `$least_align` is argued below.
        unsafe impl<$($generics)*> Blocks for $source {
            const LEAST_ALIGN: usize = $least_align;

            #[inline]
            fn block(&self) -> Layout {
                <$source>::block(self)
            }

            #[inline]
            fn out(&self) -> &memcheck::Blocks {
                <$source>::out(self)
            }

            #[inline]
            fn take(&self) -> Result<NonNull<u8>, AllocError> {
                <$source>::take(self)
            }

            #[inline]
            unsafe fn give_back(&self, block: NonNull<u8>) {
                // SAFETY: the caller's duty.
                unsafe { <$source>::give_back(self, block) };
            }
        }

        // SAFETY: a block has the pool's size and alignment, at least those of the layout
        // (`block_for` and `change` test it), and is nobody else's (the duty of `Blocks`). Dropping and resetting need the
        // pool unborrowed, so blocks are valid while this reference or a copy of it is in use.
        // Copies are the same pool, and moving a reference moves nothing.
        unsafe impl<$($generics)*> Allocator for &$source {
            #[inline]
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                self.block_for(layout)
            }

            /// The slice has the size asked for and no more, so that no more has to be zeroed.
            #[inline]
            fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                let block = self.block_for(layout)?.cast::<u8>();
                // SAFETY: the block has at least `layout.size()` bytes.
                unsafe { block.write_bytes(0, layout.size()) };
                Ok(NonNull::slice_from_raw_parts(block, layout.size()))
            }

            #[inline]
            unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
                // A block got with a size above 0 is freed with one, since the layout fits.
                if layout.size() > 0 {
                    self.out().freed(pointer, layout.size());
                    // SAFETY: the caller got `pointer` from this pool with a size above 0, so it
                    // came from `take`, and gives it up.
                    unsafe { Blocks::give_back(*self, pointer) };
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
                // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
                unsafe { self.change(pointer, old, new) }
            }

            #[inline]
            unsafe fn grow_zeroed(
                &self,
                pointer: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                debug_assert!(old.size() <= new.size());
                // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
                let block = unsafe { self.change(pointer, old, new) }?.cast::<u8>();
                // SAFETY: `old.size() <= new.size()`, and the block has at least that many bytes.
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
                // SAFETY: the caller owns the block, which was got with a layout that `old` fits.
                unsafe { self.change(pointer, old, new) }
            }
        }
    };
}

// `block_of` aligns the blocks.
blocks!([A: Allocator] BlockPool<A>, aligned to LEAST_ALIGN);
// Every address is a multiple of 1.
blocks!([A: Allocator] SyncPool<A>, aligned to 1);
blocks!(['p, A: Allocator] SyncHandle<'p, A>, aligned to 1);
