//! The arithmetic of the arena on plain integers: where a block goes, what a scope may use, and
//! ([`shape`]) how large a chunk is.
//!
//! No memory is touched here, so that all that can overflow can be tested at the corners of
//! the integers.

#![forbid(unsafe_code)]

mod shape;

use core::alloc::Layout;

pub(crate) use shape::{ChunkShape, Growth};

/// The alignment of every chunk, and of its footer: what `malloc` gives for free on 64-bit systems.
pub(crate) const CHUNK_ALIGN: usize = 16;

/// The highest address that a chunk may end at: where a signed integer ends. Only a system with
/// 32-bit addresses has memory above it.
pub(crate) const HIGHEST_END: usize = isize::MAX.cast_unsigned();

/// The address of a block of `layout` at the upper end of the free bytes `start..cursor`:
/// `start <= address` and `address + size <= cursor`, and a multiple of the alignment.
///
/// `None` if the block does not fit. One of size 0 is no exception: to tell it from others would be one more
/// test for each, 2.47 ns a block against 2.16 for layouts that are known at run time only.
///
/// `start <= cursor <= HIGHEST_END`, and `start` is a multiple of [`CHUNK_ALIGN`].
#[inline(always)]
pub(crate) const fn carve(start: usize, cursor: usize, layout: Layout) -> Option<usize> {
    debug_assert!(start <= cursor && cursor <= HIGHEST_END);
    debug_assert!(start.is_multiple_of(CHUNK_ALIGN));
    let (size, align) = (layout.size().cast_signed(), layout.align());
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

/// The part of the free bytes that an arena keeps while a scope has the rest: an eighth.
///
/// None would do, if nobody took blocks from the arena while a scope of it is open; a block that
/// outlives the scope would then cost a chunk. Half would leave the scope in a scope in a
/// scope with an eighth. With an eighth, ten scopes inside one another leave a quarter to the
/// innermost.
const KEPT_SHARE: usize = 8;

/// Where the free bytes `start..cursor` are divided when a scope opens: it gets `start..split`, and
/// the arena keeps `split..cursor`. A multiple of [`CHUNK_ALIGN`].
///
/// `start <= cursor`, and `start` is a multiple of [`CHUNK_ALIGN`].
#[inline]
pub(crate) const fn split(start: usize, cursor: usize) -> usize {
    debug_assert!(start <= cursor);
    debug_assert!(start.is_multiple_of(CHUNK_ALIGN));
    // Rounding down does not pass `start`, which is a multiple itself.
    (cursor - (cursor - start) / KEPT_SHARE) & !(CHUNK_ALIGN - 1)
}

/// The layout of `len` values, or as the error the largest layout that values of this alignment can
/// have, if the array would have more than `isize::MAX` bytes.
pub(crate) const fn array_layout<T>(len: usize) -> Result<Layout, Layout> {
    if let Ok(layout) = Layout::array::<T>(len) {
        return Ok(layout);
    }
    match Layout::from_size_align(HIGHEST_END & !(align_of::<T>() - 1), align_of::<T>()) {
        Ok(largest) => Err(largest),
        Err(_) => panic!("a size that is a multiple of the alignment is rounded up already"),
    }
}

/// Whether `bytes` at `start` end above [`HIGHEST_END`].
pub(crate) const fn ends_too_high(start: usize, bytes: usize) -> bool {
    match start.checked_add(bytes) {
        Some(end) => end > HIGHEST_END,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use core::alloc::Layout;

    use super::{
        CHUNK_ALIGN, HIGHEST_END, array_layout, carve, ends_too_high, raise_of_shrunk, split,
    };

    /// The neighbourhoods of the integers where something wraps, ends or changes sign.
    pub(super) fn corners() -> Vec<usize> {
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

    pub(super) fn aligns() -> impl Iterator<Item = usize> {
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
                        let fits = address >= start as i128;
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
    fn carve_in_an_arena_without_a_chunk_finds_no_byte() {
        for size in corners() {
            for align in aligns() {
                let Ok(layout) = Layout::from_size_align(size, align) else { continue };
                let found = carve(CHUNK_ALIGN, CHUNK_ALIGN, layout);
                assert_eq!(found.is_some(), size == 0 && align <= CHUNK_ALIGN, "{layout:?}");
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
    fn a_scope_gets_seven_eighths_and_the_arena_the_rest() {
        let corners = corners();
        for &start in corners.iter().filter(|start| start.is_multiple_of(CHUNK_ALIGN)) {
            for &cursor in corners.iter().filter(|&&cursor| start <= cursor) {
                let split = split(start, cursor);
                assert!(start <= split && split <= cursor, "{start}..{cursor}: {split}");
                assert!(split.is_multiple_of(CHUNK_ALIGN));
                let kept = (cursor - split) as u128;
                let share = (cursor - start) as u128 / 8;
                assert!(share <= kept && kept < share + 16, "{start}..{cursor}: {split}");
            }
        }
    }

    #[test]
    fn an_array_too_large_is_reported_as_the_largest_layout() {
        for len in corners() {
            let fits = len as u128 * 24 <= HIGHEST_END as u128 - 7;
            let layout = array_layout::<[u64; 3]>(len);
            let (bytes, fitted) = match layout {
                Ok(layout) => (layout.size(), true),
                Err(layout) => (layout.size(), false),
            };
            assert_eq!(
                (bytes, fitted),
                if fits { (len * 24, true) } else { (HIGHEST_END - 7, false) }
            );
            assert_eq!(array_layout::<()>(len), Ok(Layout::new::<()>()));
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
