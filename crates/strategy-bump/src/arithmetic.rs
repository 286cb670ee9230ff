//! The arithmetic of the arena on plain integers: where a block goes, how large a chunk is.
//!
//! No memory is touched here, so that all that can overflow can be tested at the corners of
//! the integers.

#![forbid(unsafe_code)]

use core::alloc::Layout;

/// The alignment of every chunk, and of its footer: what `malloc` gives for free on 64-bit systems.
pub(crate) const CHUNK_ALIGN: usize = 16;

/// Bytes that an allocator behind the arena may need beside a chunk. A chunk is this much
/// below a power of two: `malloc` puts its own header of 8 or 16 bytes there, and
/// an allocator of power-of-two classes serves it from the class of that power.
const BACKING_OVERHEAD: usize = 16;

/// The highest address that a chunk may end at: where a signed integer ends. Only a system with
/// 32-bit addresses has memory above it.
pub(crate) const HIGHEST_END: usize = isize::MAX.cast_unsigned();

/// The size of the first chunk, with `BACKING_OVERHEAD`: 1 KiB, which is the largest power of two
/// that glibc's per-thread cache serves.
///
/// Measured on a 2-core AMD EPYC virtual machine with glibc 2.36, an arena that is made, filled
/// with blocks of 16 bytes and dropped:
///
/// | first chunk | 1 block | 10 | 100 | 1,000 |
/// | ----------- | ------- | -- | --- | ----- |
/// | 512 bytes | 15.0 ns | 19.9 | 119 | 910 |
/// | 1 KiB | 14.9 | 21.2 | 107 | 898 |
/// | 2 KiB | 23.3 | 41.7 | 117 | 912 |
/// | 4 KiB | 23.6 | 27.9 | 98 | 873 |
/// | 16 KiB | 23.6 | 27.9 | 97 | 921 |
pub(crate) const FIRST_CHUNK: usize = 1024;

/// The size at which chunks no longer double, with `BACKING_OVERHEAD`: 64 MiB.
///
/// Doubling makes the number of chunks logarithmic, and leaves an arena that is
/// reset in a loop with one chunk for all its blocks. Up to half of the newest chunk may
/// never be used, which costs address space. At 64 MiB the first touch of a chunk's 16,384
/// pages takes tens of milliseconds, against which one more call for a chunk is nothing.
pub(crate) const LARGEST_GROWN_CHUNK: usize = 64 << 20;

/// The address of a block of `layout` at the upper end of the free bytes `start..cursor`:
/// `start <= address` and `address + size <= cursor`, and a multiple of the alignment.
///
/// `None` if the block does not fit, and for size 0, which needs no memory.
///
/// `start <= cursor <= HIGHEST_END`, and `start` is a multiple of [`CHUNK_ALIGN`].
#[inline(always)]
pub(crate) const fn carve(start: usize, cursor: usize, layout: Layout) -> Option<usize> {
    debug_assert!(start <= cursor && cursor <= HIGHEST_END);
    debug_assert!(start.is_multiple_of(CHUNK_ALIGN));
    let (size, align) = (layout.size().cast_signed(), layout.align());
    if size == 0 {
        return None;
    }
    // Both are at least 0 (`HIGHEST_END`; a layout has at most `isize::MAX` bytes), so the
    // difference does not overflow. It is negative if `size > cursor`, and rounding down
    // keeps it so: one signed comparison finds a block too large for the address space
    // along with one too large for the chunk. With unsigned integers it takes two: 1.12 ns
    // a block against 1.00 for layouts that are known at run time only.
    let address = (cursor.cast_signed() - size) & align.wrapping_neg().cast_signed();
    if address < start.cast_signed() {
        return None;
    }
    Some(address.cast_unsigned())
}

/// By how many bytes the newest block of `old` bytes at `cursor` moves up when it keeps its end and
/// shrinks to `size` bytes aligned to `align`: `raise + size <= old`.
///
/// `None` if its place in front of that end would not be above `cursor`.
#[inline]
pub(crate) const fn raise_of_shrunk(
    cursor: usize,
    old: usize,
    size: usize,
    align: usize,
) -> Option<usize> {
    debug_assert!(size <= old);
    debug_assert!(align.is_power_of_two());
    let address = (cursor + (old - size)) & !(align - 1);
    match address.checked_sub(cursor) {
        None | Some(0) => None,
        raise => raise,
    }
}

/// Whether `bytes` at `start` end above [`HIGHEST_END`].
pub(crate) const fn ends_too_high(start: usize, bytes: usize) -> bool {
    match start.checked_add(bytes) {
        Some(end) => end > HIGHEST_END,
        None => true,
    }
}

/// A chunk: memory for blocks, then the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkShape {
    /// All of it, footer included. Its alignment is at least [`CHUNK_ALIGN`].
    pub(crate) layout: Layout,
    /// The distance of the footer from the start: a multiple of [`CHUNK_ALIGN`], and the
    /// footer's bytes fit behind it.
    pub(crate) footer_offset: usize,
}

impl ChunkShape {
    /// The least chunk that has `size` bytes aligned to `align` before a footer of
    /// `footer` bytes. `None` if such a chunk would have more than `isize::MAX` bytes.
    ///
    /// `align` is a power of two.
    pub(crate) const fn least(size: usize, align: usize, footer: usize) -> Option<Self> {
        let Some(footer_offset) = size.checked_next_multiple_of(CHUNK_ALIGN) else { return None };
        let Some(bytes) = footer_offset.checked_add(footer) else { return None };
        let align = if align > CHUNK_ALIGN { align } else { CHUNK_ALIGN };
        match Layout::from_size_align(bytes, align) {
            Ok(layout) => Some(Self { layout, footer_offset }),
            Err(_) => None,
        }
    }

    /// The chunk that growth asks for after one of `newest` bytes (0: there is none), if it is
    /// larger than the least one; the least one otherwise.
    pub(crate) const fn grown(
        newest: usize,
        size: usize,
        align: usize,
        footer: usize,
    ) -> Option<Self> {
        let doubled = newest.saturating_add(BACKING_OVERHEAD).saturating_mul(2);
        let goal = if doubled < FIRST_CHUNK {
            FIRST_CHUNK
        } else if doubled > LARGEST_GROWN_CHUNK {
            LARGEST_GROWN_CHUNK
        } else {
            doubled
        };
        let room = goal - BACKING_OVERHEAD - footer;
        Self::least(if size > room { size } else { room }, align, footer)
    }
}

#[cfg(test)]
mod tests {
    use core::alloc::Layout;

    use super::{
        CHUNK_ALIGN, ChunkShape, FIRST_CHUNK, HIGHEST_END, LARGEST_GROWN_CHUNK, carve,
        ends_too_high, raise_of_shrunk,
    };

    /// As in `chunk`.
    const FOOTER: usize = 32;

    /// The neighbourhoods of the integers where something wraps, ends or changes sign.
    fn corners() -> Vec<usize> {
        let mut corners = Vec::new();
        for middle in [0, 32, 64, 4096, 1 << 31, 1 << 32, 1 << 46, 1 << 62, HIGHEST_END, usize::MAX]
        {
            for distance in [0_usize, 1, 8, 16, 33] {
                corners.extend([middle.wrapping_add(distance), middle.wrapping_sub(distance)]);
            }
        }
        corners.sort_unstable();
        corners.dedup();
        corners
    }

    fn aligns() -> impl Iterator<Item = usize> {
        (0..usize::BITS).map(|shift| 1 << shift)
    }

    /// The largest multiple of `align` with `size` bytes from it up to `end`, in integers that do
    /// not wrap.
    fn place(end: usize, size: usize, align: usize) -> i128 {
        (end as i128 - size as i128).div_euclid(align as i128) * align as i128
    }

    #[test]
    fn carve_agrees_with_integers_that_do_not_wrap() {
        let corners = corners();
        let mut carved = 0;
        for &start in corners.iter().filter(|start| start.is_multiple_of(CHUNK_ALIGN)) {
            for &cursor in
                corners.iter().filter(|&&cursor| start <= cursor && cursor <= HIGHEST_END)
            {
                for &size in &corners {
                    for align in aligns() {
                        let Ok(layout) = Layout::from_size_align(size, align) else { continue };
                        let address = place(cursor, size, align);
                        let fits = size > 0 && address >= start as i128;
                        let expected = fits.then_some(address as usize);
                        assert_eq!(
                            carve(start, cursor, layout),
                            expected,
                            "{size} bytes at {align} in {start}..{cursor}"
                        );
                        carved += usize::from(fits);
                    }
                }
            }
        }
        assert!(carved > 10_000, "{carved}");
    }

    #[test]
    fn carve_in_an_arena_without_a_chunk_finds_nothing() {
        for size in corners() {
            for align in aligns() {
                let Ok(layout) = Layout::from_size_align(size, align) else { continue };
                assert_eq!(carve(CHUNK_ALIGN, CHUNK_ALIGN, layout), None);
            }
        }
    }

    #[test]
    fn a_shrunk_block_keeps_its_end_or_stays() {
        let corners = corners();
        for &cursor in &corners {
            for &old in &corners {
                if cursor.checked_add(old).is_none_or(|end| end > HIGHEST_END) {
                    continue;
                }
                for &size in corners.iter().filter(|&&size| size <= old) {
                    for align in aligns() {
                        let raise = place(cursor + old, size, align) - cursor as i128;
                        let expected = (raise > 0).then_some(raise as usize);
                        assert_eq!(raise_of_shrunk(cursor, old, size, align), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn the_least_chunk_has_room_for_the_block_and_the_footer() {
        for size in corners() {
            for align in aligns() {
                let offset = (size as u128).next_multiple_of(CHUNK_ALIGN as u128);
                let bytes = offset + FOOTER as u128;
                let align = align.max(CHUNK_ALIGN);
                let exists = bytes.next_multiple_of(align as u128) <= HIGHEST_END as u128;
                let shape = ChunkShape::least(size, align, FOOTER);
                assert_eq!(shape.is_some(), exists, "{size} bytes at {align}");
                let Some(shape) = shape else { continue };
                assert_eq!(shape.footer_offset as u128, offset);
                assert_eq!(shape.layout.size() as u128, bytes);
                assert_eq!(shape.layout.align(), align);

                // At every place that it may get, the block can be carved from it.
                let Ok(block) = Layout::from_size_align(size, align) else { continue };
                let highest = (HIGHEST_END - shape.layout.size()) & !(align - 1);
                for start in [align, highest].into_iter().filter(|&start| start <= highest) {
                    let carved = carve(start, start + shape.footer_offset, block);
                    assert_eq!(carved.is_some(), size > 0, "{size} bytes at {align} in {start}..");
                }
            }
        }
    }

    #[test]
    fn chunks_double_and_are_never_less_than_the_least() {
        // A chunk is a multiple of its alignment.
        for newest in corners().into_iter().filter(|bytes| bytes.is_multiple_of(CHUNK_ALIGN)) {
            for size in corners() {
                for align in aligns() {
                    let least = ChunkShape::least(size, align, FOOTER);
                    let grown = ChunkShape::grown(newest, size, align, FOOTER);
                    let doubled = (2 * (newest as u128 + 16))
                        .clamp(FIRST_CHUNK as u128, LARGEST_GROWN_CHUNK as u128);
                    let doubled = ChunkShape {
                        layout: Layout::from_size_align(
                            doubled as usize - 16,
                            align.max(CHUNK_ALIGN),
                        )
                        .unwrap_or(Layout::new::<()>()),
                        footer_offset: doubled as usize - 16 - FOOTER,
                    };
                    // An alignment that is as large as the integers leaves no size.
                    let doubled = (doubled.layout.size() > 0).then_some(doubled);
                    let larger = size <= doubled.map_or(0, |doubled| doubled.footer_offset);
                    assert_eq!(
                        grown,
                        if larger { doubled } else { least },
                        "{newest} {size} {align}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_chunk_ends_too_high_above_the_signed_integers() {
        assert!(!ends_too_high(HIGHEST_END, 0));
        assert!(!ends_too_high(HIGHEST_END - 1008, 1008));
        assert!(ends_too_high(HIGHEST_END, 1));
        assert!(ends_too_high(HIGHEST_END - 1008, 1009));
        assert!(ends_too_high(usize::MAX, 1));
        assert!(ends_too_high(1, usize::MAX));
    }
}
