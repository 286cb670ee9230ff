#![doc = include_str!("../README.md")]

mod buffer;
mod chunks;
mod class;
mod error;
mod huge;
pub mod kernels;
mod large;
mod pool;
mod stack;
mod strategy;
mod zero;

pub use buffer::AlignedBuffer;
pub use error::BufferError;
pub use huge::{HugePages, huge_pages};
pub use pool::{DEFAULT_BOUND_BYTES, SimdPool};
pub use zero::ZeroIsValid;

/// The alignment of the widest vector unit: 64 bytes, the size of a `zmm` register of AVX-512
/// (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 15) and of
/// a cache line on x86-64 and most AArch64. A vector load at a multiple of it never crosses a line.
pub const VECTOR_ALIGN: usize = 64;
