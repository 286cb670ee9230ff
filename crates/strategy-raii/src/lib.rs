//! One owned buffer for each allocation.
