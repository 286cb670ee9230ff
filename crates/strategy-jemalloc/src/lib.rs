//! jemalloc as a strategy.
