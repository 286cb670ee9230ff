//! The bumpalo arena as a strategy.
