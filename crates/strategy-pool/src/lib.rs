#![doc = include_str!("../README.md")]

mod allocator;
mod block_pool;
mod chunks;
mod class;
mod error;
mod guide;
mod large;
mod pooled;
mod region;
mod size_class_allocator;
mod size_class_pool;
mod stack;
mod strategy;
mod sync;
mod typed;

pub use block_pool::BlockPool;
pub use error::{OutOfMemory, Rejected};
pub use guide::GuidePool;
pub use pooled::Pooled;
pub use size_class_pool::SizeClassPool;
pub use sync::{SyncHandle, SyncPool};
pub use typed::Pool;
