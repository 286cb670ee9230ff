//! What threads are synchronized with: the standard library's primitives, or, built with
//! `--cfg loom`, the models of them with which loom explores every order of events.
//!
//! The fields that are handed from thread to thread are cells of this module as well, so that
//! loom sees a hand-over without synchronization.

#[cfg(loom)]
pub(super) use self::modelled::*;
#[cfg(not(loom))]
pub(super) use self::standard::*;

#[cfg(not(loom))]
mod standard {
    pub(in crate::sync) use core::cell::Cell;
    pub(in crate::sync) use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize};
    pub(in crate::sync) use std::sync::{Mutex, MutexGuard};
    pub(in crate::sync) use std::thread_local;
}

#[cfg(loom)]
mod modelled {
    pub(in crate::sync) use loom::cell::Cell;
    pub(in crate::sync) use loom::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize};
    pub(in crate::sync) use loom::sync::{Mutex, MutexGuard};

    /// Loom's has no `const` blocks.
    macro_rules! per_thread {
        ($($(#[$attribute:meta])* static $name:ident: $type:ty = const { $value:expr };)*) => {
            loom::thread_local! { $($(#[$attribute])* static $name: $type = $value;)* }
        };
    }
    pub(in crate::sync) use per_thread as thread_local;
}

/// A `const fn`, but not under loom, whose types have no constant constructors.
macro_rules! constant {
    ($(#[$attribute:meta])* $visible:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visible const fn $($rest)*
        #[cfg(loom)]
        $(#[$attribute])*
        $visible fn $($rest)*
    };
}
pub(super) use constant;
