#![doc = include_str!("../README.md")]

mod buffer;
mod bytes;
mod contender;
mod error;
mod lock;
mod pool;
mod recycler;
mod shelves;
mod system;

pub use buffer::ManagedBuffer;
pub use contender::{OwnedBlocks, Raii};
pub use error::OutOfMemory;
pub use lock::{AllThreads, Lock, OneThread};
pub use pool::{BufferPool, Pool, PooledBuffer, SharedBufferPool};
pub use shelves::Limits;
pub use system::{System, SystemMemory};
