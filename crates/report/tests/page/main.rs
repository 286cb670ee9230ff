//! The page of a made-up run, and what happens when a folder is not whole.
//!
//! The page is left in cargo's folder for temporary files of tests, `tmp/fixture/index.html` in
//! the target folder, to be looked at.

mod content;
mod edges;
mod errors;
mod fixture;
