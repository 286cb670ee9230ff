//! The shared pool: blocks of one layout for many threads, each with magazines of its own.

mod cache;
mod depot;
mod extent;
mod handle;
mod lease;
mod magazine;
mod pool;
mod prefetch;
mod primitives;
mod strategy;
mod threads;

pub use handle::SyncHandle;
pub use pool::SyncPool;
