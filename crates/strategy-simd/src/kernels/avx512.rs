//! The kernels with AVX-512 (F, BW, VL and VNNI): those with AVX2, with masked loads and
//! stores for what is left behind the last whole block, and with a dot product of bytes in
//! `sum_bytes`, one instruction for each vector instead of two.
//!
//! The vectors are of 32 bytes, too. Zen 4 has data paths of that width: vectors of 64 bytes were as
//! fast in `dot`, 5 % slower in `read` and 18 % slower in `saxpy` on 4 KiB, and 5 to 12 % slower
//! in all of them on 16 MiB. A processor with wider paths could read more from its first cache.
//!
//! Intrinsics and instructions are those of the Intel 64 and IA-32 Architectures Software
//! Developer's Manual, volume 2.

use core::arch::x86_64::{
    __m256, __m256i, _mm256_add_epi32, _mm256_add_epi64, _mm256_add_ps, _mm256_and_si256,
    _mm256_dpbusd_epi32, _mm256_fmadd_ps, _mm256_mask_storeu_ps, _mm256_maskz_loadu_epi8,
    _mm256_maskz_loadu_ps, _mm256_set1_epi8, _mm256_set1_epi64x, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_srli_epi64, _mm256_xor_si256,
};

use super::avx2::{
    BYTES, FLOATS, add_lanes, add_products, load, load_bytes, store, words, xor_bytes,
};
use super::{ACCUMULATORS, fold};

/// The bytes that are summed in lanes of 32 bits before these are added to a sum of 64. A
/// lane gets 4 bytes of each vector, at most 1020.
const PIECE_BYTES: usize = 1 << 20;
const _: () = assert!(PIECE_BYTES / BYTES * 1020 <= u32::MAX as usize);

/// The sum of the products; see [`dot`](super::dot). Both slices have the same length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let mut sums = [_mm256_setzero_ps(); ACCUMULATORS];
    let (a_blocks, a_rest) = a.as_chunks();
    let (b_blocks, b_rest) = b.as_chunks();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        add_products(&mut sums, a, b);
    }
    if !a_rest.is_empty() {
        for (vector, sum) in sums.iter_mut().enumerate() {
            let (a, b) = (load_part(a_rest, vector), load_part(b_rest, vector));
            *sum = _mm256_fmadd_ps(a, b, *sum);
        }
    }
    add_lanes(fold(sums, |x, y| _mm256_add_ps(x, y)))
}

/// `y[i] = a * x[i] + y[i]`, fused; see [`saxpy`](super::saxpy). Both slices have the same
/// length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn saxpy(a: f32, x: &[f32], y: &mut [f32]) {
    debug_assert_eq!(x.len(), y.len());
    let a = _mm256_set1_ps(a);
    let (x_vectors, x_rest) = x.as_chunks();
    let (y_vectors, y_rest) = y.as_chunks_mut();
    for (x, y) in x_vectors.iter().zip(y_vectors) {
        let sum = _mm256_fmadd_ps(a, load(x), load(y));
        store(y, sum);
    }
    if !x_rest.is_empty() {
        let sum = _mm256_fmadd_ps(a, load_part(x_rest, 0), load_part(y_rest, 0));
        store_first(y_rest, sum);
    }
}

/// The sum of all bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn sum_bytes(bytes: &[u8]) -> u64 {
    let mut sum = 0;
    for piece in bytes.chunks(PIECE_BYTES) {
        sum += sum_piece(piece);
    }
    sum
}

/// The exclusive or of all words; see [`read`](super::read).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn read(bytes: &[u8]) -> u64 {
    let mut all = [_mm256_setzero_si256(); ACCUMULATORS];
    let (blocks, rest) = bytes.as_chunks();
    for block in blocks {
        xor_bytes(&mut all, block);
    }
    if !rest.is_empty() {
        for (vector, all) in all.iter_mut().enumerate() {
            *all = _mm256_xor_si256(*all, load_bytes_part(rest, vector));
        }
    }
    fold(words(fold(all, |x, y| _mm256_xor_si256(x, y))), |x, y| x ^ y)
}

/// The sum of at most `PIECE_BYTES` bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn sum_piece(bytes: &[u8]) -> u64 {
    debug_assert!(bytes.len() <= PIECE_BYTES);
    let ones = _mm256_set1_epi8(1);
    let mut sums = [_mm256_setzero_si256(); ACCUMULATORS];
    let (blocks, rest) = bytes.as_chunks::<{ ACCUMULATORS * BYTES }>();
    for block in blocks {
        let block = block.as_chunks().0;
        for vector in 0..ACCUMULATORS {
            let bytes = load_bytes(&block[vector]);
            sums[vector] = _mm256_dpbusd_epi32(sums[vector], bytes, ones);
        }
    }
    if !rest.is_empty() {
        for (vector, sum) in sums.iter_mut().enumerate() {
            *sum = _mm256_dpbusd_epi32(*sum, load_bytes_part(rest, vector), ones);
        }
    }
    // Lanes of 32 bits, which hold the whole piece (`PIECE_BYTES`), to lanes of 64.
    let sums = fold(sums, |x, y| _mm256_add_epi32(x, y));
    let even = _mm256_and_si256(sums, _mm256_set1_epi64x(0xFFFF_FFFF));
    let odd = _mm256_srli_epi64::<32>(sums);
    fold(words(_mm256_add_epi64(even, odd)), |x, y| x + y)
}

/// The vector at `8 * vector`, with zeros where the slice has ended.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn load_part(floats: &[f32], vector: usize) -> __m256 {
    let (start, mask) = part::<FLOATS>(floats.len(), vector);
    // SAFETY: the lanes that are read are elements of the slice, by `part`; the load does not
    // touch the others and needs no alignment.
    unsafe { _mm256_maskz_loadu_ps(mask as u8, floats.as_ptr().wrapping_add(start)) }
}

/// Writes the first vector, as far as the slice goes.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn store_first(floats: &mut [f32], lanes: __m256) {
    let (_, mask) = part::<FLOATS>(floats.len(), 0);
    // SAFETY: the lanes that are written are elements of the slice, by `part`; the store does not
    // touch the others and needs no alignment.
    unsafe { _mm256_mask_storeu_ps(floats.as_mut_ptr(), mask as u8, lanes) }
}

/// The vector at `32 * vector`, with zeros where the slice has ended.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_bytes_part(bytes: &[u8], vector: usize) -> __m256i {
    let (start, mask) = part::<BYTES>(bytes.len(), vector);
    // SAFETY: the lanes that are read are elements of the slice, by `part`; the load does not
    // touch the others and needs no alignment.
    unsafe { _mm256_maskz_loadu_epi8(mask, bytes.as_ptr().wrapping_add(start).cast()) }
}

/// Where the vector with this number starts in a slice of `len` elements, and the mask of its
/// lanes that are elements: lane `i` is in it if `start + i < len`.
#[inline]
fn part<const LANES: usize>(len: usize, vector: usize) -> (usize, u32) {
    let start = vector * LANES;
    let lanes = len.saturating_sub(start).min(LANES);
    let mask = u32::MAX.checked_shr(u32::BITS - lanes as u32).unwrap_or(0);
    debug_assert!(mask.count_ones() as usize == lanes && (lanes == 0 || start + lanes <= len));
    (start, mask)
}
