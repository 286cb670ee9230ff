//! The tests of the pool and the buffer from outside, in one program.

mod backing;
mod buffer;
mod kernels;
mod model;
mod pool;
