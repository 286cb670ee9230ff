//! The two kinds of bytes that a buffer has.

use core::mem::MaybeUninit;

/// A byte of a buffer: `u8`, or `MaybeUninit<u8>` for one that may never have been written.
///
/// Nobody else can implement it.
pub trait Byte: Copy + sealed::OneByte {}

impl Byte for u8 {}
impl Byte for MaybeUninit<u8> {}

mod sealed {
    use core::mem::MaybeUninit;

    /// A type of size and alignment 1 of which a zero byte is a valid value.
    pub trait OneByte {}

    impl OneByte for u8 {}
    impl OneByte for MaybeUninit<u8> {}
}
