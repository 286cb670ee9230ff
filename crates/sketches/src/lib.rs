#![doc = include_str!("../README.md")]
#![allow(
    clippy::missing_safety_doc,
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    clippy::new_without_default,
    clippy::missing_panics_doc,
    reason = "the sketches stand as they are, and have no proofs"
)]

mod buffer;
mod building;
mod counted;
mod once;
mod pool;
mod recorder;
mod tracking;

pub use buffer::{ManagedBuffer, allocate_buffer, allocate_simd_buffer, deallocate_buffer};
pub use building::create_array_uninit;
pub use counted::{RefCountedBuffer, SharedBuffer};
pub use once::{OncePtr, safe_dealloc};
pub use pool::MemoryPool;
pub use recorder::{Record, Recorder, UNWRITTEN, record};
pub use tracking::{TrackingAllocator, track_allocation, track_deallocation};
