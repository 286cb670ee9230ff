//! Which size class serves a layout: arithmetic alone.
//!
//! There are two rows of classes. The *spaced* ones are multiples of 16 up to 128 bytes and then four
//! for each doubling, up to 32 KiB: 16, 32, 48, …, 112, 128, 160, 192, 224, 256, 320, … This is
//! jemalloc's row ("four size classes for each doubling in size, which limits internal
//! fragmentation to approximately 20% for all but the smallest four size classes", jemalloc(3)).
//! The *aligned* ones are powers of two from 128 bytes to 32 KiB, each aligned to its
//! size, for alignments above a cache line.

use allocator_api2::alloc::Layout;

/// The distance of the smallest classes, and what every block is aligned to: as `malloc` on 64-bit
/// machines.
pub(crate) const QUANTUM: usize = 16;

/// The largest class: 32 KiB, a thirty-second of the largest chunk, so that the end of a chunk that
/// is too short for a block is little of it.
pub(crate) const LARGEST_CLASS_BYTES: usize = 32 << 10;

/// Blocks of spaced classes are aligned to the largest power of two that divides their size, up
/// to this: 64 bytes, the cache line of x86-64 and most AArch64. More would cost memory where blocks of
/// different classes follow each other, and blocks of 1 KiB at multiples of 1 KiB share a
/// sixteenth of the sets of a cache.
const LARGEST_SPACED_ALIGN: usize = 64;

/// Spaced classes for each doubling.
const STEPS: usize = 4;

/// The first aligned class: twice `LARGEST_SPACED_ALIGN`.
const FIRST_ALIGNED_BYTES: usize = 2 * LARGEST_SPACED_ALIGN;

/// The aligned classes, which come first.
const ALIGNED: usize = (LARGEST_CLASS_BYTES / FIRST_ALIGNED_BYTES).ilog2() as usize + 1;

/// From here on the distance of the spaced classes doubles with their size.
const EVEN_BYTES: usize = STEPS * QUANTUM;

/// The number of classes: 9 aligned and 40 spaced ones.
pub(crate) const CLASSES: usize =
    ALIGNED + STEPS * (1 + (LARGEST_CLASS_BYTES / EVEN_BYTES).ilog2() as usize);

/// The class of every size that has one, in steps of `QUANTUM`: that of 1 to 16 bytes, of 17 to 32,
/// and so on. It takes 2 KiB; sizes up to 1 KiB need one cache line of it. jemalloc and tcmalloc
/// look up their classes in such a table, too. Computed from the position of the highest bit instead,
/// a block freed and another allocated took 8.4 ns instead of 6.8 in `churn` (10,000 blocks of 16 to
/// 1024 bytes, replaced at random; AMD EPYC, Zen 4).
static SPACED: [u8; LARGEST_CLASS_BYTES / QUANTUM] = spaced();

const fn spaced() -> [u8; LARGEST_CLASS_BYTES / QUANTUM] {
    let mut table = [0; LARGEST_CLASS_BYTES / QUANTUM];
    let (mut class, mut at) = (ALIGNED, 0);
    while at < table.len() {
        if QUANTUM * (at + 1) > class_bytes(class) {
            class += 1;
        }
        assert!(class < CLASSES);
        table[at] = class as u8;
        at += 1;
    }
    table
}

/// The class that serves `layout`: a number below `CLASSES`. None does if its size is 0, or above
/// `LARGEST_CLASS_BYTES`, or its alignment is.
///
/// The size may be anything between what was asked for and the size of the class: a block is
/// freed with a layout that fits, not with the same one. The class is the smallest of its row
/// with blocks of at least that size and alignment, and all sizes up to its own have it.
#[inline]
pub(crate) fn class_of(layout: Layout) -> Option<usize> {
    let size = if layout.align() <= QUANTUM {
        layout.size()
    } else {
        core::hint::cold_path();
        if layout.align() > LARGEST_SPACED_ALIGN {
            return aligned_class_of(layout);
        }
        // Sizes that are multiples of an alignment have classes that are, too: there is a class at
        // every multiple of the alignment up to four times that, and the distances above are
        // multiples of it.
        layout.pad_to_align().size()
    };
    // A size of 0 wraps around to the largest number, which is not in the table.
    SPACED.get(size.wrapping_sub(1) / QUANTUM).map(|&class| usize::from(class))
}

/// The class for an alignment above a cache line.
fn aligned_class_of(layout: Layout) -> Option<usize> {
    let bytes = layout.size().max(layout.align());
    if layout.size() == 0 || bytes > LARGEST_CLASS_BYTES {
        return None;
    }
    Some((bytes.next_power_of_two() / FIRST_ALIGNED_BYTES).ilog2() as usize)
}

/// The layout of the blocks of a class below `CLASSES`: its size is a multiple of its alignment.
pub(crate) const fn class_layout(class: usize) -> Layout {
    let bytes = class_bytes(class);
    let align = if class < ALIGNED {
        bytes
    } else {
        let divides = 1 << bytes.trailing_zeros();
        if divides < LARGEST_SPACED_ALIGN { divides } else { LARGEST_SPACED_ALIGN }
    };
    match Layout::from_size_align(bytes, align) {
        Ok(layout) => layout,
        Err(_) => panic!("32 KiB do not overflow"),
    }
}

/// The size of the blocks of a class below `CLASSES`.
#[inline]
pub(crate) const fn class_bytes(class: usize) -> usize {
    if class < ALIGNED {
        return FIRST_ALIGNED_BYTES << class;
    }
    let (doublings, step) = ((class - ALIGNED) / STEPS, (class - ALIGNED) % STEPS);
    match doublings {
        0 => QUANTUM * (step + 1),
        _ => (STEPS + step + 1) * (QUANTUM << (doublings - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn the_classes_are_those_of_jemalloc_up_to_32_kib() {
        let spaced: Vec<_> = (ALIGNED..CLASSES).map(class_bytes).collect();
        assert_eq!(spaced[..12], [16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256]);
        assert_eq!(spaced[36..], [20 << 10, 24 << 10, 28 << 10, 32 << 10]);
        assert_eq!((ALIGNED, spaced.len()), (9, 40));
        let aligned: Vec<_> = (0..ALIGNED).map(class_bytes).collect();
        assert_eq!(aligned, [128, 256, 512, 1024, 2048, 4096, 8192, 16 << 10, 32 << 10]);
    }

    #[test]
    fn every_layout_has_the_smallest_class_of_its_row_that_serves_it() {
        for align in (0..=15).map(|shift| 1 << shift) {
            let row = if align <= LARGEST_SPACED_ALIGN { ALIGNED..CLASSES } else { 0..ALIGNED };
            for size in 1..=LARGEST_CLASS_BYTES {
                let serves = |class: &usize| {
                    let block = class_layout(*class);
                    block.size() >= size && block.align() >= align
                };
                let smallest = row.clone().find(serves).unwrap();
                assert_eq!(class_of(layout(size, align)), Some(smallest), "{size} at {align}");
            }
        }
    }

    #[test]
    fn less_than_a_fifth_of_a_block_above_64_bytes_is_wasted() {
        for size in 65..=LARGEST_CLASS_BYTES {
            let block = class_bytes(class_of(layout(size, 8)).unwrap());
            assert!(5 * (block - size) < block, "{size} in {block}");
        }
    }

    #[test]
    fn what_no_class_serves_has_none() {
        for align in (0..=24).map(|shift| 1 << shift) {
            let most = isize::MAX as usize / align * align;
            for size in [0, LARGEST_CLASS_BYTES + 1, 1 << 20, most - align, most] {
                assert_eq!(class_of(layout(size, align)), None, "{size} at {align}");
            }
        }
        assert_eq!(class_of(layout(1, 2 * LARGEST_CLASS_BYTES)), None);
    }
}
