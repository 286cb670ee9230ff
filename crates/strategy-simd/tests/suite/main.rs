//! The tests of the pool and the buffer from outside, in one program.

mod backing;
mod buffer;
mod model;
mod pool;
