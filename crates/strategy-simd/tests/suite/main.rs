//! The tests of the pool, the buffer and the kernels from outside, in one program.

mod bound;
mod buffer;
mod contract;
mod huge;
mod kernels;
mod pool;
