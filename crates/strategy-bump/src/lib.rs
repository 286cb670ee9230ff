#![doc = include_str!("../README.md")]

mod allocator;
mod arena;
mod arithmetic;
mod builder;
mod chain;
mod chunk;
mod contender;
mod cursor;
mod destructors;
mod scope;
mod slices;
mod source;
mod values;

pub use arena::Bump;
pub use builder::Builder;
pub use destructors::Destructors;
pub use strategy::{BuildError, Refused};
