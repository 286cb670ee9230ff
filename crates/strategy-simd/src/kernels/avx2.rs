//! The kernels with AVX2 and FMA: vectors of 32 bytes, eight accumulators.
//!
//! Intrinsics and instructions are those of the Intel 64 and IA-32 Architectures Software
//! Developer's Manual, volume 2. What is left behind the last whole block of eight vectors is
//! copied to a block of zeros, and then is a block like the others.

use core::arch::x86_64::{
    __m256, __m256i, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps,
    _mm256_add_epi64, _mm256_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_sad_epu8, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_storeu_ps, _mm256_xor_si256,
};
use core::mem;

use super::{ACCUMULATORS, fold, padded};

/// The floats of a vector.
pub(super) const FLOATS: usize = 8;

/// The bytes of a vector.
pub(super) const BYTES: usize = 32;

/// The sum of the products; see [`dot`](super::dot). Both slices have the same length.
#[target_feature(enable = "avx2,fma")]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let mut sums = [_mm256_setzero_ps(); ACCUMULATORS];
    let (a_blocks, a_rest) = a.as_chunks();
    let (b_blocks, b_rest) = b.as_chunks();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        add_products(&mut sums, a, b);
    }
    if !a_rest.is_empty() {
        add_products(&mut sums, &padded(a_rest), &padded(b_rest));
    }
    add_lanes(fold(sums, |x, y| _mm256_add_ps(x, y)))
}

/// `y[i] = a * x[i] + y[i]`, fused; see [`saxpy`](super::saxpy). Both slices have the same
/// length.
#[target_feature(enable = "avx2,fma")]
pub(super) fn saxpy(a: f32, x: &[f32], y: &mut [f32]) {
    debug_assert_eq!(x.len(), y.len());
    let vector = _mm256_set1_ps(a);
    let (x_vectors, x_rest) = x.as_chunks();
    let (y_vectors, y_rest) = y.as_chunks_mut();
    for (x, y) in x_vectors.iter().zip(y_vectors) {
        let sum = _mm256_fmadd_ps(vector, load(x), load(y));
        store(y, sum);
    }
    for (x, y) in x_rest.iter().zip(y_rest) {
        *y = a.mul_add(*x, *y);
    }
}

/// The sum of all bytes.
#[target_feature(enable = "avx2,fma")]
pub(super) fn sum_bytes(bytes: &[u8]) -> u64 {
    let mut sums = [_mm256_setzero_si256(); ACCUMULATORS];
    let (blocks, rest) = bytes.as_chunks();
    for block in blocks {
        add_bytes(&mut sums, block);
    }
    if !rest.is_empty() {
        add_bytes(&mut sums, &padded(rest));
    }
    fold(words(fold(sums, |x, y| _mm256_add_epi64(x, y))), |x, y| x + y)
}

/// The exclusive or of all words; see [`read`](super::read).
#[target_feature(enable = "avx2,fma")]
pub(super) fn read(bytes: &[u8]) -> u64 {
    let mut all = [_mm256_setzero_si256(); ACCUMULATORS];
    let (blocks, rest) = bytes.as_chunks();
    for block in blocks {
        xor_bytes(&mut all, block);
    }
    if !rest.is_empty() {
        xor_bytes(&mut all, &padded(rest));
    }
    fold(words(fold(all, |x, y| _mm256_xor_si256(x, y))), |x, y| x ^ y)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn add_products(
    sums: &mut [__m256; ACCUMULATORS],
    a: &[f32; ACCUMULATORS * FLOATS],
    b: &[f32; ACCUMULATORS * FLOATS],
) {
    let (a, b) = (a.as_chunks().0, b.as_chunks().0);
    for vector in 0..ACCUMULATORS {
        sums[vector] = _mm256_fmadd_ps(load(&a[vector]), load(&b[vector]), sums[vector]);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_bytes(sums: &mut [__m256i; ACCUMULATORS], block: &[u8; ACCUMULATORS * BYTES]) {
    let block = block.as_chunks().0;
    for vector in 0..ACCUMULATORS {
        // Each 8 bytes become their sum.
        let sum = _mm256_sad_epu8(load_bytes(&block[vector]), _mm256_setzero_si256());
        sums[vector] = _mm256_add_epi64(sums[vector], sum);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn xor_bytes(all: &mut [__m256i; ACCUMULATORS], block: &[u8; ACCUMULATORS * BYTES]) {
    let block = block.as_chunks().0;
    for vector in 0..ACCUMULATORS {
        all[vector] = _mm256_xor_si256(all[vector], load_bytes(&block[vector]));
    }
}

/// The sum of the lanes: halves are added to halves, down to one lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn add_lanes(lanes: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(floats: &[f32; FLOATS]) -> __m256 {
    // SAFETY: the reference is to 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_ps(floats.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(floats: &mut [f32; FLOATS], vector: __m256) {
    // SAFETY: the reference is to 32 writable bytes; the store needs no alignment.
    unsafe { _mm256_storeu_ps(floats.as_mut_ptr(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_bytes(bytes: &[u8; BYTES]) -> __m256i {
    // SAFETY: the reference is to 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[expect(
    clippy::disallowed_methods,
    reason = "from a vector to an array of its size, as core::arch documents"
)]
pub(super) fn words(vector: __m256i) -> [u64; 4] {
    // SAFETY: both are 32 bytes of integers, for which every pattern is a value.
    unsafe { mem::transmute::<__m256i, [u64; 4]>(vector) }
}
