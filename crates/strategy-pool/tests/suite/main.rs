//! The tests of the pool from outside, in one program.

mod block_pool;
mod contract;
mod guide;
mod nested;
mod size_class_pool;
mod typed;
