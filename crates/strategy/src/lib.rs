//! The interface that every allocation strategy implements: [`Strategy`].
//!
//! A strategy hands out memory through a [handle](Strategy::Handle) that is an
//! [`Allocator`] of `allocator-api2`, so it can back a `Vec`, a `Box` or a
//! `HashMap` today, and its memory contract is the standard library's. On top of
//! that it says who it is ([`NAME`](Strategy::NAME)), what it can serve
//! ([`PROFILE`](Strategy::PROFILE)), how it is built from what a workload
//! announces ([`Plan`]), and, where it can, how it is [reset](Strategy::reset)
//! and what it holds ([`Stats`]).
//!
//! [`Block`] is an owned block of a strategy that gives itself back, and [`Table`] keeps many;
//! [`FromGlobal`] makes a strategy of any `GlobalAlloc`; [`contract`] is the
//! suite that every strategy has to pass; with [`memcheck`] a strategy tells valgrind or
//! AddressSanitizer what is allocated in it. [`layouts`] is for who has not asked for memory by
//! hand before: size, alignment, arrays, padding and overflow.
//!
//! # Why a handle
//!
//! The contract of [`Allocator`] says that a block stays valid until the
//! allocator and all its clones are dropped. An allocator that is itself
//! `reset(&mut self)` breaks that promise. Here the allocator is the *handle*,
//! which borrows the strategy: as long as one exists, `reset` does not compile.
//!
//! ```compile_fail,E0502
//! use strategy::{Block, Fixed, Strategy};
//!
//! fn reset_under_a_block<S: Strategy>(strategy: &mut S) {
//!     let block = Block::new(strategy, Fixed::<64, 8>, 1).unwrap();
//!     let _ = strategy.reset(); // `block` still borrows the strategy
//!     drop(block);
//! }
//! ```

mod apart;
mod block;
mod checked;
pub mod contract;
mod error;
mod global;
#[doc = include_str!("../docs/layouts.md")]
pub mod layouts {}
pub mod memcheck;
mod plan;
mod profile;
mod shape;
mod table;

pub use allocator_api2::alloc::{AllocError, Allocator};

pub use apart::kept_apart;
pub use block::{Block, Zeroed, escape};
pub use checked::{Checked, CheckedHandle};
pub use error::{BlockError, BuildError, Misserved, Refused, Unsupported};
pub use global::{FromGlobal, StaticGlobal};
pub use plan::Plan;
pub use profile::{Frees, Profile, Reset, Sizes, Threads};
pub use shape::{Compact, Fixed, Shape, Small};
pub use table::Table;

/// A way of allocating memory.
///
/// # Duties of an implementor
///
/// The handle keeps the contract of [`Allocator`], as `contract` tests it. A
/// strategy that cannot do something says so in its [`PROFILE`](Self::PROFILE)
/// and refuses it at run time with [`AllocError`]; it never serves less than was
/// asked for.
///
/// # Example
///
/// The smallest one: everything is left to another allocator.
///
/// ```
/// use allocator_api2::alloc::Global;
/// use strategy::{BuildError, Plan, Profile, Strategy};
///
/// struct Plain;
///
/// impl Strategy for Plain {
///     const NAME: &'static str = "plain";
///     const ABOUT: &'static str = "whatever the program's global allocator does";
///     const PROFILE: Profile = Profile::GENERAL;
///     type Handle<'a> = Global;
///
///     fn new(_plan: &Plan) -> Result<Self, BuildError> {
///         Ok(Self)
///     }
///
///     fn handle(&self) -> Global {
///         Global
///     }
/// }
///
/// let plain = Plain::new(&Plan::default()).unwrap();
/// let mut numbers = allocator_api2::vec::Vec::new_in(plain.handle());
/// numbers.extend([1, 2, 3]);
/// assert_eq!(numbers, [1, 2, 3]);
/// ```
pub trait Strategy: Sized {
    /// The name in code, benchmark ids, results and plots: kebab-case, unique.
    const NAME: &'static str;

    /// One sentence for the page: what the strategy does.
    const ABOUT: &'static str;

    /// What the strategy can serve.
    const PROFILE: Profile;

    /// The part that the strategy plays in a comparison.
    const ROLE: Role = Role::Contender;

    /// The allocator: a cheap copy that borrows the strategy. All handles of one
    /// strategy serve the same memory.
    type Handle<'a>: Allocator + Copy
    where
        Self: 'a;

    /// Builds a strategy that can serve `plan`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Unsupported`] if the profile excludes the plan, and
    /// [`BuildError::OutOfMemory`] if memory that is taken up front is not to be had.
    fn new(plan: &Plan) -> Result<Self, BuildError>;

    /// The allocator that serves this strategy's memory.
    ///
    /// All handles of one strategy serve the same memory: each is as good as a copy of any other,
    /// so a block that came from one may be freed to another.
    fn handle(&self) -> Self::Handle<'_>;

    /// What this strategy can serve; the same as [`PROFILE`](Self::PROFILE) but for
    /// wrappers, which know only at run time.
    #[inline]
    fn profile(&self) -> Profile {
        Self::PROFILE
    }

    /// Makes all memory reusable at once, without running destructors. What stays
    /// with the strategy is said by [`Profile::reset`].
    ///
    /// # Errors
    ///
    /// [`Unsupported`] if the profile says [`Reset::Unsupported`]; nothing has changed then.
    fn reset(&mut self) -> Result<(), Unsupported> {
        Err(Unsupported::new("has no reset"))
    }

    /// What the strategy holds, or `None` if it does not count.
    fn stats(&self) -> Option<Stats> {
        None
    }
}

/// The part that a strategy plays in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Measured to be judged.
    Contender,
    /// Measured to be judged, and written by those who wrote the benchmarks.
    Ours,
    /// What every ratio is taken to.
    Reference,
    /// A control: the reference under a second name, which shows the noise.
    SameAgain,
    /// A control: the least that an allocator can do, which shows what the measuring costs.
    Floor,
    /// A control: the least code that can do one workload, for that workload alone.
    Limit,
    /// A control: the reference in a process that never had a second thread.
    SingleThread,
}

/// What a strategy holds at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Taken from the system or the backing allocator and not given back.
    pub reserved_bytes: usize,
    /// Handed out and not freed, in the sizes that the strategy serves (a rounded
    /// size counts as rounded).
    pub live_bytes: usize,
}
