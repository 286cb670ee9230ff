//! Blocks that are given up together: one chunk, a cursor, one comparison.

use core::alloc::Layout;
use core::cell::Cell;
use core::mem::needs_drop;
use core::ptr::NonNull;

use strategy::{
    AllocError, Allocator, BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Strategy, Threads,
    Unsupported,
};

use crate::stack::{Memory, array};

/// The alignment of the chunk, and the largest of a block.
const ALIGN: usize = 16;

/// One chunk with a cursor that moves down: the least code for an arena.
pub struct Cursor {
    /// The upper end of the free bytes, inside of `chunk`.
    cursor: Cell<NonNull<u8>>,
    /// The address at which the chunk begins.
    start: usize,
    chunk: Memory,
}

impl Cursor {
    /// An arena of `bytes`.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutOfMemory`] if they are not to be had.
    #[inline]
    pub fn with_capacity(bytes: usize) -> Result<Self, BuildError> {
        let chunk = Memory::new(array(bytes, 1, ALIGN)?)?;
        let cursor = Cell::new(end(&chunk));
        Ok(Self { cursor, start: chunk.start.addr().get(), chunk })
    }

    /// Moves `value` into the arena; `None` if there is no room.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "every call returns a block of its own")]
    pub fn alloc<T>(&self, value: T) -> Option<&mut T> {
        const { assert!(!needs_drop::<T>() && align_of::<T>() <= ALIGN && size_of::<T>() > 0) };
        let mut block = self.carve(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the block has the layout of a `T`.
        unsafe { block.write(value) };
        // SAFETY: it is initialized, and nobody else's until the reset or the drop, which the borrow
        // of `self` rules out as long as the reference lives.
        Some(unsafe { block.as_mut() })
    }

    /// Gives up all blocks.
    #[inline]
    pub fn clear(&mut self) {
        self.cursor.set(end(&self.chunk));
    }

    #[inline(always)]
    fn carve(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let at = cursor.addr().get();
        const { assert!(usize::BITS == 64, "with 32 bits, memory may lie above `isize::MAX`") };
        // Neither is above `isize::MAX`: a program's memory lies in the lower half of 64 bits, and so does the
        // size of a layout. So the difference fits, and so does what rounding down makes of it.
        let address = (at.cast_signed() - layout.size().cast_signed())
            & layout.align().cast_signed().wrapping_neg();
        if address < self.start.cast_signed() {
            return None;
        }
        // SAFETY: `start <= address <= at`, so this is inside the chunk.
        let block = unsafe { cursor.sub(at - address.cast_unsigned()) };
        self.cursor.set(block);
        Some(block)
    }
}

/// The end of a chunk.
#[inline]
fn end(chunk: &Memory) -> NonNull<u8> {
    // SAFETY: one past the last byte.
    unsafe { chunk.start.add(chunk.layout.size()) }
}

impl Strategy for Cursor {
    const NAME: &'static str = crate::NAME;
    const ABOUT: &'static str = crate::ABOUT;
    const ROLE: Role = Role::Limit;
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: ALIGN,
        frees: Frees::Together,
        reset: Reset::KeepsAll,
        threads: Threads::Owner,
    };
    type Handle<'a> = &'a Self;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        let block = plan.max_size.saturating_add(ALIGN);
        Self::with_capacity(plan.live_blocks.saturating_mul(block))
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    #[inline]
    fn reset(&mut self) -> Result<(), Unsupported> {
        self.clear();
        Ok(())
    }
}

// SAFETY: a block is carved from bytes below the cursor, which moves past them, so it overlaps no other
// until the reset or the drop, which a handle in use rules out.
unsafe impl Allocator for &Cursor {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.carve(layout).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    #[inline]
    unsafe fn deallocate(&self, _pointer: NonNull<u8>, _layout: Layout) {}
}
