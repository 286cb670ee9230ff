//! The memory that buffers are made of unless another allocator is named.

use strategy::{FromGlobal, StaticGlobal};

/// The C library's malloc, as an allocator that takes no space in a buffer.
pub type SystemMemory = FromGlobal<System>;

/// Names `std::alloc::System` for [`SystemMemory`].
#[derive(Debug)]
pub enum System {}

impl StaticGlobal for System {
    type Global = std::alloc::System;
    const GLOBAL: &'static std::alloc::System = &std::alloc::System;
}
