//! Shared buffers, owned blocks, and arrays that are built in place.
