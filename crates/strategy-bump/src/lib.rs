#![doc = include_str!("../README.md")]

mod allocator;
mod arena;
mod arithmetic;
mod chunk;
mod contender;

pub use arena::Bump;
pub use strategy::{BuildError, Refused};
