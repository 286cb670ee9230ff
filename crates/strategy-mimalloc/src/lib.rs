//! mimalloc as a strategy.
