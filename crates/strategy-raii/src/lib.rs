#![doc = include_str!("../README.md")]

mod buffer;
mod byte;
mod contender;

pub use buffer::{ManagedBuffer, SystemMemory};
pub use byte::Byte;
pub use contender::{OwnedBlocks, Raii};
pub use strategy::Refused;
