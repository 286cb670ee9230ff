//! How large a chunk is: the block that it is taken for, the growth policy, what a limit leaves.

use core::alloc::Layout;

use super::CHUNK_ALIGN;

/// Bytes that an allocator behind the arena may need beside a chunk. A chunk is this much
/// below a power of two: `malloc` puts its own header of 8 or 16 bytes there, and
/// an allocator of power-of-two classes serves it from the class of that power.
const BACKING_OVERHEAD: usize = 16;

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
const FIRST_CHUNK: usize = 1024;

/// The size at which chunks no longer double, with `BACKING_OVERHEAD`: 64 MiB.
///
/// Doubling makes the number of chunks logarithmic, and leaves an arena that is
/// reset in a loop with one chunk for all its blocks. Up to half of the newest chunk may
/// never be used, which costs address space. At 64 MiB the first touch of a chunk's 16,384
/// pages takes tens of milliseconds, against which one more call for a chunk is nothing.
const LARGEST_CHUNK: usize = 64 << 20;

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

    /// The chunk that `growth` asks for after one of `newest` bytes (0: there is none), if it is
    /// larger than the least one; the least one otherwise.
    pub(crate) const fn grown(
        growth: Growth,
        newest: usize,
        size: usize,
        align: usize,
        footer: usize,
    ) -> Option<Self> {
        let room = growth.after(newest).saturating_sub(BACKING_OVERHEAD + footer);
        if room > size
            && let Some(grown) = Self::least(room, align, footer)
        {
            return Some(grown);
        }
        Self::least(size, align, footer)
    }

    /// This chunk, or if it has more than `left` bytes the largest smaller one that has not.
    /// `None` if that one would have less than the bytes of `least`.
    ///
    /// Both have footers of `footer` bytes, and the same alignment.
    pub(crate) const fn within(self, left: usize, least: Self, footer: usize) -> Option<Self> {
        if self.layout.size() <= left {
            return Some(self);
        }
        if least.layout.size() > left {
            return None;
        }
        // `left` is less than the bytes of this chunk, so the layout exists.
        let footer_offset = (left - footer) & !(CHUNK_ALIGN - 1);
        match Layout::from_size_align(footer_offset + footer, self.layout.align()) {
            Ok(layout) => Some(Self { layout, footer_offset }),
            Err(_) => None,
        }
    }
}

/// How large chunks become. All sizes are with `BACKING_OVERHEAD` and the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// The least of a chunk.
    pub(crate) first: usize,
    /// How many times as large as the one before a chunk is.
    pub(crate) factor: usize,
    /// The size at which chunks no longer grow, unless `first` is larger.
    pub(crate) largest: usize,
}

impl Growth {
    /// From 1 KiB by doubling to 64 MiB.
    pub(crate) const DEFAULT: Self = Self { first: FIRST_CHUNK, factor: 2, largest: LARGEST_CHUNK };

    /// The size of a chunk after one of `newest` bytes, which are without `BACKING_OVERHEAD`.
    const fn after(self, newest: usize) -> usize {
        let grown = newest.saturating_add(BACKING_OVERHEAD).saturating_mul(self.factor);
        let grown = if grown > self.largest { self.largest } else { grown };
        if grown < self.first { self.first } else { grown }
    }
}

#[cfg(test)]
mod tests {
    use core::alloc::Layout;

    use super::super::tests::{aligns, corners};
    use super::super::{CHUNK_ALIGN, HIGHEST_END, carve};
    use super::{ChunkShape, Growth};

    /// As in `chunk`.
    const FOOTER: usize = 32;

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
                    assert!(carved.is_some(), "{size} bytes at {align} in {start}..");
                }
            }
        }
    }

    /// What a policy asks for, in integers that do not wrap.
    fn goal(growth: Growth, newest: usize) -> u128 {
        let grown = (newest as u128 + 16) * growth.factor as u128;
        grown.min(growth.largest as u128).max(growth.first as u128)
    }

    #[test]
    fn chunks_grow_and_are_never_less_than_the_least() {
        let mut policies = vec![Growth::DEFAULT];
        for first in [0, 47, 48, 64, 1000, 1 << 40, usize::MAX] {
            for factor in [0, 1, 2, 3, usize::MAX] {
                for largest in [0, 1 << 12, 1 << 26, usize::MAX] {
                    policies.push(Growth { first, factor, largest });
                }
            }
        }
        // A chunk is a multiple of its alignment.
        let corners = corners();
        for &newest in corners.iter().filter(|bytes| bytes.is_multiple_of(CHUNK_ALIGN)) {
            for &size in &corners {
                for align in [1, 16, 4096, 1 << (usize::BITS - 1)] {
                    let least = ChunkShape::least(size, align, FOOTER);
                    for &growth in &policies {
                        let room = goal(growth, newest).saturating_sub(16 + FOOTER as u128);
                        let larger = usize::try_from(room)
                            .ok()
                            .filter(|&room| room > size)
                            .and_then(|room| ChunkShape::least(room, align, FOOTER));
                        assert_eq!(
                            ChunkShape::grown(growth, newest, size, align, FOOTER),
                            larger.or(least),
                            "{growth:?} {newest} {size} {align}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn chunks_double_from_1_kib_to_64_mib() {
        let mut newest = 0;
        for power in (10..=26).chain([26, 26]) {
            let grown = ChunkShape::grown(Growth::DEFAULT, newest, 1, 1, FOOTER).unwrap();
            newest = grown.layout.size();
            assert_eq!(newest, (1 << power) - 16);
        }
    }

    #[test]
    fn what_is_left_of_a_limit_bounds_the_chunk_and_never_the_block() {
        for size in corners() {
            for align in [1, 16, 4096] {
                let Some(least) = ChunkShape::least(size, align, FOOTER) else { continue };
                for room in corners() {
                    let grown = ChunkShape::least(room.max(size), align, FOOTER);
                    let Some(grown) = grown else { continue };
                    for left in corners() {
                        let within = grown.within(left, least, FOOTER);
                        assert_eq!(within.is_some(), least.layout.size() <= left);
                        let Some(within) = within else { continue };
                        let (bytes, offset) = (within.layout.size(), within.footer_offset);
                        assert!(bytes <= left && bytes <= grown.layout.size());
                        assert!(bytes >= least.layout.size());
                        assert!(within == grown || left - bytes < CHUNK_ALIGN, "{left}: {bytes}");
                        assert!(offset.is_multiple_of(CHUNK_ALIGN) && offset + FOOTER == bytes);
                        assert_eq!(within.layout.align(), grown.layout.align());
                    }
                }
            }
        }
    }
}
