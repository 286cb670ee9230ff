#![doc = include_str!("../README.md")]

mod shared;

pub use shared::{
    AtomicCount, Count, CountedBuffer, LocalBuffer, LocalCount, OutOfMemory, SharedBuffer,
    UniqueBuffer,
};
