//! What seats are synchronized with. `tests/seats_loom.rs` compiles them with the models of loom in
//! its place.

pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
