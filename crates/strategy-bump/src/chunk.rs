//! Chunks: memory from the backing allocator, each with a footer that says how to give it back.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};
use strategy::memcheck;

use crate::arithmetic::{self, CHUNK_ALIGN, ChunkShape};

/// The bytes of a footer.
pub(crate) const FOOTER: usize = size_of::<Footer>();

const _: () = assert!(align_of::<Footer>() <= CHUNK_ALIGN && FOOTER.is_multiple_of(CHUNK_ALIGN));

/// What stands at the end of a chunk. The blocks are before it, the first one next to it,
/// so that a chunk of which little is used touches one page.
pub(crate) struct Footer {
    /// The chunk that was filled before this one.
    pub(crate) older: Cell<Option<NonNull<Footer>>>,
    /// The start of the chunk, as the backing allocator returned it for `layout`.
    pub(crate) start: NonNull<u8>,
    /// What the backing allocator was asked for.
    pub(crate) layout: Layout,
}

/// Takes a chunk from `backing`, to be the one after `newest`; it ends at
/// [`HIGHEST_END`](arithmetic::HIGHEST_END) or below. The footer returned is initialized, is the
/// only way to the chunk, and has the provenance of all of it.
pub(crate) fn take(
    backing: &impl Allocator,
    shape: ChunkShape,
    newest: &Cell<Option<NonNull<Footer>>>,
) -> Result<NonNull<Footer>, AllocError> {
    let start = backing.allocate(shape.layout)?.cast::<u8>();
    if arithmetic::ends_too_high(start.addr().get(), shape.layout.size()) {
        // SAFETY: the line above got `start` from `backing` with `shape.layout`.
        unsafe { backing.deallocate(start, shape.layout) };
        return Err(AllocError);
    }
    // SAFETY: `shape.footer_offset` is inside the chunk, which has `shape.layout.size()` bytes (the
    // invariant of `ChunkShape`).
    let footer = unsafe { start.add(shape.footer_offset) }.cast::<Footer>();
    debug_assert!(footer.is_aligned());
    memcheck::taken(start, shape.layout.size());
    memcheck::record_made(footer.cast(), FOOTER);
    // Read only now: a backing allocator that itself uses the arena may have added a chunk.
    let older = Cell::new(newest.get());
    // SAFETY: the footer's bytes fit behind `footer_offset`, which is a multiple of `CHUNK_ALIGN`,
    // and so is `start` (both: invariants of `ChunkShape`); nothing else is in a new chunk.
    unsafe { footer.write(Footer { older, start, layout: shape.layout }) };
    Ok(footer)
}

/// Gives a chunk back.
///
/// # Safety
///
/// `footer` came from [`take`] with the same `backing`. Neither it nor any byte of the chunk is
/// used from now on.
pub(crate) unsafe fn give_back(backing: &impl Allocator, footer: NonNull<Footer>) {
    // SAFETY: `take` initialized the footer, and the chunk is still taken (the caller's duty).
    let Footer { start, layout, .. } = unsafe { footer.read() };
    memcheck::record_gone(footer.cast(), FOOTER);
    memcheck::returned(start, layout.size());
    // SAFETY: `take` got `start` from `backing` with `layout` (the invariants of the fields).
    unsafe { backing.deallocate(start, layout) };
}
