#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

pub mod record;

mod canvas;
mod check;
mod error;
mod figure;
mod first;
mod format;
mod grid;
mod heatmap;
mod ink;
mod noise;
mod page;
mod plot;
mod read;
mod scale;
mod states;
mod verdict;
mod write;

pub use error::Error;
pub use format::printable;
pub use read::{RunFolder, read};
pub use write::write;
