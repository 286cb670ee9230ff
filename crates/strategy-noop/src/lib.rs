#![doc = include_str!("../README.md")]

mod blocks;
mod noop;

pub use noop::Noop;
