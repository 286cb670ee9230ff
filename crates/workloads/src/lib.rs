//! Seeded operation streams and the code that runs them.
