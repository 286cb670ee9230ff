//! The crates of others, each used as its own documentation uses it.
#![cfg(feature = "others")]

mod arenas;
mod kernels;
mod objects;
mod strategies;

pub(crate) use arenas::{BumpScopeArena, BumpaloArena};
pub(crate) use kernels::{DOTS, SUMS};
pub(crate) use objects::{OPOOL, buffers, objects};
pub(crate) use strategies::{BumpScope, Snmalloc, reserving};
