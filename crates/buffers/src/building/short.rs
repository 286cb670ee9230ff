//! The error of an iterator that ends too early.

use core::error::Error;
use core::fmt;

/// An iterator ended before there was a value for every place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// How many values there was memory for.
    pub wanted: usize,
    /// How many values came.
    pub got: usize,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the iterator ended after {} of {} values", self.got, self.wanted)
    }
}

impl Error for Short {}
