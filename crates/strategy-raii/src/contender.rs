//! The strategy: each allocation is one owned buffer.

use core::alloc::Layout;
use core::ptr::NonNull;

use strategy::{AllocError, Allocator, BuildError, Plan, Profile, Role, Strategy};

use crate::{ManagedBuffer, OutOfMemory, SystemMemory};

/// Each allocation is one [`ManagedBuffer`] from the C library.
#[derive(Debug)]
pub struct Raii;

impl Strategy for Raii {
    const NAME: &'static str = "raii";
    const ABOUT: &'static str = "one owned buffer of the C library's malloc for each allocation";
    const PROFILE: Profile = Profile::GENERAL;
    const ROLE: Role = Role::Ours;
    type Handle<'a> = OwnedBlocks;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    #[inline]
    fn handle(&self) -> OwnedBlocks {
        OwnedBlocks
    }
}

/// The allocator of [`Raii`]: a block is a [`ManagedBuffer`] taken apart, and freeing it is putting
/// the buffer together again and dropping it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnedBlocks;

/// Takes a buffer apart.
#[inline]
fn block_of(buffer: ManagedBuffer) -> NonNull<[u8]> {
    let (start, _written, layout, _system) = buffer.into_raw_parts();
    NonNull::slice_from_raw_parts(start, layout.size())
}

/// Puts the buffer of a block together again.
///
/// # Safety
///
/// The caller owns the block at `pointer` and gives it up. It came from [`OwnedBlocks`] with
/// `layout`.
#[inline]
unsafe fn buffer_of(pointer: NonNull<u8>, layout: Layout) -> ManagedBuffer {
    // SAFETY: the block is that of a buffer of `SystemMemory` with this layout that was taken apart
    // by `block_of`, and the caller gives it up. None of its bytes are said to be written.
    unsafe { ManagedBuffer::from_raw_parts(pointer, 0, layout, SystemMemory::new()) }
}

/// What the caller of `grow` or `shrink` gets: the block, unless it was refused. In either case the
/// caller owns it from now on.
#[inline]
fn resized(
    buffer: ManagedBuffer,
    outcome: Result<(), OutOfMemory>,
) -> Result<NonNull<[u8]>, AllocError> {
    let block = block_of(buffer);
    match outcome {
        Ok(()) => Ok(block),
        Err(_) => Err(AllocError),
    }
}

// SAFETY: every block is that of a buffer of its own until it is freed with its layout. All values
// of this type are the same, and hold nothing that could move or end.
unsafe impl Allocator for OwnedBlocks {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        match ManagedBuffer::try_with_capacity(layout) {
            Ok(buffer) => Ok(block_of(buffer)),
            Err(_) => Err(AllocError),
        }
    }

    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        match ManagedBuffer::try_zeroed(layout) {
            Ok(buffer) => Ok(block_of(buffer)),
            Err(_) => Err(AllocError),
        }
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller owns the block, got with `layout`, and gives it up.
        drop(unsafe { buffer_of(pointer, layout) });
    }

    #[inline]
    unsafe fn grow(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller owns the block, got with `old`; `resized` returns it.
        let mut buffer = unsafe { buffer_of(pointer, old) };
        // SAFETY: `new` has as many bytes as `old` (the caller's duty).
        let outcome = unsafe { buffer.grow(new) };
        resized(buffer, outcome)
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller owns the block, got with `old`; `resized` returns it.
        let mut buffer = unsafe { buffer_of(pointer, old) };
        // SAFETY: `new` has as many bytes as `old` (the caller's duty).
        let outcome = unsafe { buffer.grow_zeroed(new) };
        resized(buffer, outcome)
    }

    #[inline]
    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller owns the block, got with `old`; `resized` returns it.
        let mut buffer = unsafe { buffer_of(pointer, old) };
        // SAFETY: `new` has no more bytes than `old` (the caller's duty).
        let outcome = unsafe { buffer.shrink(new) };
        resized(buffer, outcome)
    }
}
