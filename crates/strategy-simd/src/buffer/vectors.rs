//! A buffer as whole vectors.

use allocator_api2::alloc::Allocator;

use super::AlignedBuffer;

impl<T, const ALIGN: usize, A: Allocator> AlignedBuffer<T, ALIGN, A> {
    /// The elements as vectors of `N`, and the fewer than `N` that are left.
    ///
    /// Every vector is aligned to its size in bytes, or to `ALIGN` if that is less: there are no
    /// elements before the first one, and a size that would put later ones out of step does not
    /// compile. That is what sets it apart from the slice's `as_chunks`.
    ///
    /// ```
    /// use strategy_simd::AlignedBuffer;
    ///
    /// let buffer = AlignedBuffer::<f32>::from_fn(100, |index| index as f32);
    /// let (vectors, tail) = buffer.as_vectors::<16>();
    /// assert_eq!((vectors.len(), tail.len()), (6, 4));
    /// assert!(vectors.iter().all(|vector| vector.as_ptr().addr() % 64 == 0));
    /// ```
    ///
    /// ```compile_fail,E0080
    /// // 12 bytes: the second vector would not be aligned.
    /// strategy_simd::AlignedBuffer::<f32>::zeroed(100).as_vectors::<3>();
    /// ```
    #[inline]
    #[must_use]
    pub fn as_vectors<const N: usize>(&self) -> (&[[T; N]], &[T]) {
        const { assert!(stays_aligned(size_of::<[T; N]>(), ALIGN), "vectors out of step") };
        let (vectors, tail) = self.as_chunks();
        debug_assert!(vectors.as_ptr().addr().is_multiple_of(size_of::<[T; N]>().min(ALIGN)));
        (vectors, tail)
    }

    /// As [`as_vectors`](Self::as_vectors), to be changed.
    #[inline]
    #[must_use]
    pub fn as_vectors_mut<const N: usize>(&mut self) -> (&mut [[T; N]], &mut [T]) {
        const { assert!(stays_aligned(size_of::<[T; N]>(), ALIGN), "vectors out of step") };
        let (vectors, tail) = self.as_chunks_mut();
        debug_assert!(vectors.as_ptr().addr().is_multiple_of(size_of::<[T; N]>().min(ALIGN)));
        (vectors, tail)
    }
}

/// Whether vectors of `bytes` in a row stay aligned to `bytes` or `align`, whichever is less, if the
/// first one is.
const fn stays_aligned(bytes: usize, align: usize) -> bool {
    bytes > 0 && (align.is_multiple_of(bytes) || bytes.is_multiple_of(align))
}
