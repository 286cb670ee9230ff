//! What a broken strategy is made of.

use std::alloc::Layout;
use std::ptr::NonNull;

use strategy::{AllocError, Profile, Threads};

use crate::carved::Carved;

/// What all of them claim.
pub(crate) const CLAIM: Profile = Profile { threads: Threads::Owner, ..Profile::GENERAL };

/// The calls that a strategy serves well before it breaks: enough for the checked pass of a workload,
/// so that it breaks while it is measured.
pub(crate) const GOOD_CALLS: usize = 3_000;

/// Serves block number `call` as it should be, as long as the blocks that are live fit into the buffer.
pub(crate) fn well(
    memory: &Carved,
    call: usize,
    layout: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    memory.block(nth(call, layout.size().next_multiple_of(layout.align())), layout)
}

/// The offset of block number `call` if each takes `bytes`. It wraps round where it overflows, which
/// keeps it a multiple of every power of two that `bytes` is one of.
pub(crate) const fn nth(call: usize, bytes: usize) -> usize {
    call.wrapping_mul(bytes)
}

/// Declares a strategy that serves blocks as its `serve` does and frees nothing.
macro_rules! broken {
    ($(#[$doc:meta])* $name:ident, $id:literal, $about:literal, $serve:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            memory: $crate::carved::Carved,
            calls: std::cell::Cell<usize>,
        }

        impl strategy::Strategy for $name {
            const NAME: &'static str = $id;
            const ABOUT: &'static str = $about;
            const PROFILE: strategy::Profile = $crate::declare::CLAIM;
            type Handle<'a> = &'a Self;

            fn new(_plan: &strategy::Plan) -> Result<Self, strategy::BuildError> {
                Ok(Self { memory: $crate::carved::Carved::new()?, calls: std::cell::Cell::new(0) })
            }

            fn handle(&self) -> &Self {
                self
            }
        }

        // SAFETY: it breaks the contract, which is its purpose. It is sound only through `Checked`, or
        // for those who use blocks as raw bytes, as workloads do by `Block`: all blocks lie inside the
        // buffer that `Carved` owns, whose bytes are initialized, and stay there while it is
        // borrowed. Nobody else may use it, says the README; only tests and measurements do.
        unsafe impl strategy::Allocator for &$name {
            fn allocate(
                &self,
                layout: std::alloc::Layout,
            ) -> Result<std::ptr::NonNull<[u8]>, strategy::AllocError> {
                /// Serves a block, the one with this number.
                type Serve = fn(
                    &$crate::carved::Carved,
                    usize,
                    std::alloc::Layout,
                ) -> Result<std::ptr::NonNull<[u8]>, strategy::AllocError>;
                let serve: Serve = $serve;
                let call = self.calls.get();
                self.calls.set(call + 1);
                serve(&self.memory, call, layout)
            }

            unsafe fn deallocate(&self, _: std::ptr::NonNull<u8>, _: std::alloc::Layout) {}
        }
    };
}
pub(crate) use broken;
