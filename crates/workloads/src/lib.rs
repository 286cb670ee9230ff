//! Seeded operation streams and the code that runs them on any [`Strategy`].
//!
//! A workload writes into every block that it gets and reads back what it wrote before it
//! gives the block up. The operations served and the sum of what was read are its [`Tally`];
//! the seed fixes what they must be ([`Workload::answer`]), so a strategy that loses,
//! overlaps or repeats a block gives a wrong answer and not a fast one.
//!
//! Workloads see the trait, never an implementor, and contain no `unsafe`.

#![forbid(unsafe_code)]

mod aligned;
mod batch;
mod case;
mod churn;
mod fragment;
mod grow;
pub mod hot;
mod pair;
mod request;
mod stream;
mod tally;
mod zeroed;

pub use aligned::Aligned;
pub use batch::{Batch, Order};
pub use case::{Case, Contender};
pub use churn::{Churn, Skew};
pub use fragment::Fragment;
pub use grow::Grow;
pub use pair::{Pair, PairOpaque};
pub use request::Request;
pub use stream::Stream;
pub use tally::{Failure, Tally};
pub use zeroed::ZeroedPair;

use strategy::{Plan, Strategy};

/// The seed of every stream.
pub const SEED: u64 = 0x4865_6170_6d61_726b;

/// Every stamp is an index xor this, so that neither zeroed nor untouched memory passes for one.
pub const COOKIE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The stamp of the block with this index.
#[inline]
#[must_use]
pub const fn stamp(index: u64) -> u64 {
    index ^ COOKIE
}

/// Runs a number of passes and returns what they did.
pub type Passes<'p> = dyn FnMut(u64) -> Result<Tally, Failure> + 'p;

/// Calls the passes as often and as many at a time as it likes, and measures them.
pub type Measure<'m> = dyn FnMut(&mut Passes<'_>) -> Result<(), Failure> + 'm;

/// A kind of work for an allocator.
pub trait Workload {
    /// What the workload is called and what it is.
    fn description(&self) -> Description;

    /// `64` is bytes, `4096@64` bytes at an alignment, `16-1024` a range of bytes.
    fn parameter(&self) -> String;

    /// What it demands of a strategy.
    fn plan(&self) -> Plan;

    /// What one pass over `stream` must return, computed from the seed without an allocator. The
    /// operations are as many for every stream; work that draws nothing has one answer for all.
    fn answer(&self, stream: Stream) -> Tally;

    /// Sets up, hands the passes over `stream` to `measure`, and tears down. Only what happens
    /// inside the passes is measured.
    ///
    /// # Errors
    ///
    /// The first [`Failure`] of a pass, of the set-up, or of `measure`.
    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure>;
}

/// What a workload is called and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The name: kebab-case.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What it stands for in a program.
    pub stands_for: &'static str,
    /// What one operation is.
    pub operation: &'static str,
}
