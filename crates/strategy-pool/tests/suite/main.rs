//! The tests of the pool from outside, in one program.

mod backing;
mod block_pool;
mod model;
mod typed;
