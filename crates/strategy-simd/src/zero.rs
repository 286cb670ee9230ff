//! The types for which zero bytes are a value.

use core::mem::MaybeUninit;

/// A type for which all bytes 0 are a value.
///
/// # Safety
///
/// The implementor has no reference, no `NonZero`, no enum without a variant for 0 and nothing
/// else that zero bytes are not a valid value of.
///
/// ```compile_fail,E0277
/// // A reference is never zero.
/// strategy_simd::AlignedBuffer::<&u8>::zeroed(1);
/// ```
pub unsafe trait ZeroIsValid {}

macro_rules! zero_is_valid {
    ($($number:ty)*) => {
        $(
            // SAFETY: every pattern of bytes is a number of this type.
            unsafe impl ZeroIsValid for $number {}
        )*
    };
}

zero_is_valid! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 }

// SAFETY: the byte 0 is `false`.
unsafe impl ZeroIsValid for bool {}

// SAFETY: an array of zero bytes is an array of elements of zero bytes: an array has no padding.
unsafe impl<T: ZeroIsValid, const N: usize> ZeroIsValid for [T; N] {}

// SAFETY: every pattern of bytes, initialized or not, is a value.
unsafe impl<T> ZeroIsValid for MaybeUninit<T> {}
