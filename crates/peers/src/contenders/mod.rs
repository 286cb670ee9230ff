//! The crates of others, each used as its own documentation uses it.
#![cfg(feature = "others")]

mod arenas;
mod counting;
mod kernels;
mod objects;
mod sharing;
mod strategies;

pub(crate) use arenas::{BumpScopeArena, BumpaloArena};
pub(crate) use counting::{Cap, StatsAlloc};
pub(crate) use kernels::{DOTS, SUMS};
pub(crate) use objects::{OPOOL, buffers, objects};
pub(crate) use sharing::sharing;
pub(crate) use strategies::{BumpScope, Snmalloc, reserving};
