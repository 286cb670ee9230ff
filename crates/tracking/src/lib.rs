//! Counts what is allocated, finds what leaks, and catches misuse.
