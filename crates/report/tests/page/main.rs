//! The page of a made-up run, and what happens when a folder is not whole.
//!
//! Two pages are left in cargo's folder for temporary files of tests, `tmp/fixture/index.html` and
//! `tmp/turns/index.html` in the target folder, to be looked at.

mod content;
mod edges;
mod errors;
mod fixture;
mod hostile;
mod turns;
