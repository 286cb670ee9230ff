#![doc = include_str!("../README.md")]

mod allocator;
mod block_pool;
mod chunks;
mod error;
mod pooled;
mod stack;
mod strategy;
mod typed;

pub use block_pool::BlockPool;
pub use error::{OutOfMemory, Rejected};
pub use pooled::Pooled;
pub use typed::Pool;
