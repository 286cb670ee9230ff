//! The tests of the control from outside, in one program.

mod backing;
mod model;
mod noop;
