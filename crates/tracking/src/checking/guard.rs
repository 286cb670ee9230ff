//! Guard bytes and patterns: what a block is surrounded with and filled with, and whether it still is.
//!
//! The values are those of Microsoft's debug heap, which debuggers and people know.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::slice;

/// What new memory is filled with.
pub(super) const FRESH: u8 = 0xCD;

/// What freed memory is filled with.
pub(super) const FREED: u8 = 0xDD;

/// What surrounds a block.
const GUARD: u8 = 0xFD;

/// The guard bytes behind a block, and the least before it. Before it there are as many as its
/// alignment, if that is more.
pub(super) const GUARD_BYTES: usize = 16;

/// A block of `layout` with its guards: what the inner allocator is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded {
    /// Of the block itself.
    pub(super) layout: Layout,
    /// Of all.
    pub(super) outer: Layout,
    /// From the start of all to the start of the block: at least `GUARD_BYTES`, and
    /// `front + layout.size() + GUARD_BYTES == outer.size()`.
    front: usize,
}

/// Which guard was written to, or whether the block itself was after it was freed; and the first
/// such byte, counted from the start of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    Before(isize),
    Past(isize),
    AfterFree(isize),
}

impl Guarded {
    /// Nothing if it would be too large.
    pub(super) fn new(layout: Layout) -> Option<Self> {
        let front = layout.align().max(GUARD_BYTES);
        let bytes = layout.size().checked_add(front + GUARD_BYTES)?;
        let outer = Layout::from_size_align(bytes, front).ok()?;
        Some(Self { layout, outer, front })
    }

    /// Writes the guards: where the block starts.
    ///
    /// # Safety
    ///
    /// `outer` is a block of `self.outer` that the caller owns.
    pub(super) unsafe fn surround(&self, outer: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: the block has `front` bytes.
        unsafe { outer.write_bytes(GUARD, self.front) };
        // SAFETY: `front` is at most its size.
        let start = unsafe { outer.add(self.front) };
        // SAFETY: and so is `front + size`.
        let end = unsafe { start.add(self.layout.size()) };
        // SAFETY: `GUARD_BYTES` are left from there.
        unsafe { end.write_bytes(GUARD, GUARD_BYTES) };
        start
    }

    /// The block of the inner allocator that `start` is in.
    ///
    /// # Safety
    ///
    /// `start` came from [`surround`](Self::surround).
    pub(super) unsafe fn outer(&self, start: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: `surround` has added as much.
        unsafe { start.sub(self.front) }
    }

    /// Fills the block itself.
    ///
    /// # Safety
    ///
    /// `start` came from [`surround`](Self::surround), and the caller owns the block.
    pub(super) unsafe fn fill(&self, start: NonNull<u8>, pattern: u8) {
        // SAFETY: the block has that many bytes.
        unsafe { start.write_bytes(pattern, self.layout.size()) };
    }

    /// The first damage to the guards, and, if the block was `freed`, to its contents. What was damaged is
    /// repaired, so that it is found once.
    ///
    /// # Safety
    ///
    /// `start` came from [`surround`](Self::surround), the memory is not given back meanwhile, and
    /// nobody but this thread is to write to what is looked at. `freed` blocks were filled with `FREED`.
    pub(super) unsafe fn damage(&self, start: NonNull<u8>, freed: bool) -> Option<Damage> {
        let size = self.layout.size();
        // SAFETY: the caller's duty.
        let front = unsafe { self.outer(start) };
        // SAFETY: that is inside of the block or at its end.
        let end = unsafe { start.add(size) };
        // SAFETY: `front` bytes of the block, which `surround` has written.
        let before = unsafe { mend(front, self.front, GUARD) };
        // SAFETY: as many bytes are behind the block, which `surround` has written.
        let past = unsafe { mend(end, GUARD_BYTES, GUARD) };
        let inside = match freed {
            // SAFETY: `size` bytes, which were filled.
            true => unsafe { mend(start, size, FREED) },
            false => None,
        };
        let before = before.map(|at| Damage::Before(at.cast_signed() - self.front.cast_signed()));
        let past = past.map(|at| Damage::Past((size + at).cast_signed()));
        let inside = inside.map(|at| Damage::AfterFree(at.cast_signed()));
        // After the free, a write to any of them was one after the free, if one was to the inside.
        inside.or(before).or(past)
    }
}

/// The first byte that is not `pattern`; then all are.
///
/// # Safety
///
/// From `start` on there are `len` bytes, all written before, and nobody else writes to them.
unsafe fn mend(start: NonNull<u8>, len: usize, pattern: u8) -> Option<usize> {
    // SAFETY: the caller's duties.
    let bytes = unsafe { slice::from_raw_parts_mut(start.as_ptr(), len) };
    let first = bytes.first()?;
    // All are the same if each is as its neighbour: one `memcmp`, whatever the optimization.
    if *first == pattern && bytes[1..] == bytes[..len - 1] {
        return None;
    }
    let changed = bytes.iter().position(|byte| *byte != pattern);
    bytes.fill(pattern);
    changed
}

#[cfg(test)]
mod tests {
    use std::alloc::{alloc, dealloc};

    use super::*;

    fn with(layout: Layout, test: impl FnOnce(&Guarded, NonNull<u8>)) {
        let guarded = Guarded::new(layout).unwrap();
        // SAFETY: the size is that of the guards at the least.
        let outer = NonNull::new(unsafe { alloc(guarded.outer) }).unwrap();
        // SAFETY: of that layout, and nobody else's.
        test(&guarded, unsafe { guarded.surround(outer) });
        // SAFETY: allocated above with this layout.
        unsafe { dealloc(outer.as_ptr(), guarded.outer) };
    }

    #[test]
    fn every_byte_of_the_guards_is_watched() {
        for (size, align) in [(0, 1), (1, 1), (24, 8), (7, 64), (100, 4096)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            with(layout, |guarded, start| {
                assert!(start.addr().get().is_multiple_of(align));
                let guards = [-(guarded.front as isize), -1, size as isize, size as isize + 15];
                for at in guards {
                    // SAFETY: inside of the block with its guards.
                    let byte = unsafe { start.offset(at) };
                    // SAFETY: as above.
                    unsafe { byte.write(0) };
                    let found = if at < 0 { Damage::Before(at) } else { Damage::Past(at) };
                    // SAFETY: the memory is there, and nobody else's.
                    assert_eq!(unsafe { guarded.damage(start, false) }, Some(found));
                    // SAFETY: as above.
                    assert_eq!(unsafe { guarded.damage(start, false) }, None);
                }
                // SAFETY: the block is ours.
                unsafe { guarded.fill(start, FREED) };
                // SAFETY: the memory is there, and nobody else's.
                assert_eq!(unsafe { guarded.damage(start, true) }, None);
            });
        }
    }

    #[test]
    fn every_byte_of_a_freed_block_is_watched() {
        with(Layout::new::<[u8; 40]>(), |guarded, start| {
            for at in 0..40 {
                // SAFETY: the block is ours.
                unsafe { guarded.fill(start, FREED) };
                // SAFETY: inside of the block.
                let byte = unsafe { start.add(at) };
                // SAFETY: as above.
                unsafe { byte.write(1) };
                // SAFETY: the memory is there, and nobody else's.
                let damage = unsafe { guarded.damage(start, true) };
                assert_eq!(damage, Some(Damage::AfterFree(at as isize)));
            }
        });
    }

    #[test]
    fn too_large_is_refused() {
        let largest = Layout::from_size_align(isize::MAX as usize - 31, 1).unwrap();
        assert!(Guarded::new(largest).is_none());
    }
}
