//! The kernels without intrinsics: what the compiler makes of plain loops over blocks.

use super::{fold, padded};

/// The partial sums of `dot`: eight vectors of four floats, what every x86-64 and AArch64 has.
const PARTIALS: usize = 32;

/// The words of a block of bytes.
const WORDS: usize = 16;

/// The blocks after which the 16-bit sums of `sum_bytes` could overflow: each block adds two bytes,
/// at most 510, to each of them.
const BLOCKS_OF_SUMS: usize = u16::MAX as usize / 510;

/// The sum of the products; see [`dot`](super::dot). Both slices have the same length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let mut sums = [0.0; PARTIALS];
    let (a_blocks, a_rest) = a.as_chunks();
    let (b_blocks, b_rest) = b.as_chunks();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        add_products(&mut sums, a, b);
    }
    if !a_rest.is_empty() {
        add_products(&mut sums, &padded(a_rest), &padded(b_rest));
    }
    fold(sums, |x, y| x + y)
}

/// `y[i] = a * x[i] + y[i]`, rounded twice; see [`saxpy`](super::saxpy). Both slices have the same
/// length.
pub(super) fn saxpy(a: f32, x: &[f32], y: &mut [f32]) {
    debug_assert_eq!(x.len(), y.len());
    for (x, y) in x.iter().zip(y) {
        *y += a * x;
    }
}

/// The sum of all bytes.
pub(super) fn sum_bytes(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks();
    let sums = blocks.chunks(BLOCKS_OF_SUMS).map(|blocks| {
        let mut sums = [0; WORDS];
        for block in blocks {
            add_bytes(&mut sums, block);
        }
        sum_of_sums(sums)
    });
    let mut last = [0; WORDS];
    add_bytes(&mut last, &padded(rest));
    sums.sum::<u64>() + sum_of_sums(last)
}

/// The exclusive or of all words; see [`read`](super::read).
pub(super) fn read(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks();
    let mut all = words(&padded(rest));
    for block in blocks {
        for (all, word) in all.iter_mut().zip(words(block)) {
            *all ^= word;
        }
    }
    fold(all, |x, y| x ^ y)
}

#[inline]
fn add_products(sums: &mut [f32; PARTIALS], a: &[f32; PARTIALS], b: &[f32; PARTIALS]) {
    for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
        *sum += a * b;
    }
}

/// Adds the bytes of a block to sums of 16 bits, four in each word.
#[inline]
fn add_bytes(sums: &mut [u64; WORDS], block: &[u8; 8 * WORDS]) {
    const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
    for (sums, word) in sums.iter_mut().zip(words(block)) {
        *sums += (word & EVEN) + ((word >> 8) & EVEN);
    }
}

fn sum_of_sums(sums: [u64; WORDS]) -> u64 {
    sums.iter().flat_map(|sums| [0, 16, 32, 48].map(|bit| (sums >> bit) & 0xFFFF)).sum()
}

#[inline]
fn words(block: &[u8; 8 * WORDS]) -> [u64; WORDS] {
    let words = block.as_chunks::<8>().0;
    core::array::from_fn(|index| u64::from_le_bytes(words[index]))
}
