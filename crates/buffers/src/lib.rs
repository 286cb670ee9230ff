#![doc = include_str!("../README.md")]

pub mod building;
mod out_of_memory;
mod owned_block;
mod shared;

pub use out_of_memory::OutOfMemory;
pub use owned_block::OwnedBlock;
pub use shared::{
    AtomicCount, Count, CountedBuffer, LocalBuffer, LocalCount, SharedBuffer, UniqueBuffer,
};
