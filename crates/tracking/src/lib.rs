#![doc = include_str!("../README.md")]

mod checking;
mod grouped;
mod histogram;
mod ledger;
mod primitives;
mod region;
mod seats;
mod shard;
mod stats;
mod thread;
mod tracking;

pub use checking::{Checking, Kind, Leak, Leaks, Misuse};
pub use histogram::Histogram;
pub use region::Region;
pub use stats::{Change, Stats};
pub use tracking::Tracking;
