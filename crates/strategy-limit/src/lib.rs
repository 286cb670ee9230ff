#![doc = include_str!("../README.md")]

mod by_hand;
mod classes;
mod cursor;
mod mapped;
mod stack;

pub use by_hand::with_buffer;
pub use classes::Classes;
pub use cursor::Cursor;
pub use mapped::Mapped;
pub use stack::Stack;

/// The name of all of them: no row has two.
const NAME: &str = "limit";

/// What all of them are.
const ABOUT: &str = "the least code that can do this one workload; no library";
