#![doc = include_str!("../README.md")]

mod carved;
mod stumbling;

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::NonNull;
use std::thread;
use std::time::Duration;

use carved::Carved;
use strategy::{AllocError, Allocator, BuildError, Plan, Profile, Strategy, Threads};
pub use stumbling::Stumbling;

/// What all of them claim.
const CLAIM: Profile = Profile { threads: Threads::Owner, ..Profile::GENERAL };

/// The calls that a strategy serves well before it breaks: enough for the checked pass of a workload,
/// so that it breaks while it is measured.
const GOOD_CALLS: usize = 3_000;

/// The offset of block number `call` if each takes `bytes`. It wraps round where it overflows, which
/// keeps it a multiple of every power of two that `bytes` is one of.
const fn nth(call: usize, bytes: usize) -> usize {
    call.wrapping_mul(bytes)
}

/// Declares a strategy that serves blocks as its `serve` does and frees nothing.
macro_rules! broken {
    ($(#[$doc:meta])* $name:ident, $id:literal, $about:literal, $serve:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            memory: Carved,
            calls: Cell<usize>,
        }

        impl Strategy for $name {
            const NAME: &'static str = $id;
            const ABOUT: &'static str = $about;
            const PROFILE: Profile = CLAIM;
            type Handle<'a> = &'a Self;

            fn new(_plan: &Plan) -> Result<Self, BuildError> {
                Ok(Self { memory: Carved::new()?, calls: Cell::new(0) })
            }

            fn handle(&self) -> &Self {
                self
            }
        }

        // SAFETY: it breaks the contract, which is its purpose. It is sound only through `Checked`, or
        // for those who use blocks as raw bytes, as workloads do by `Block`: all blocks lie inside the
        // buffer that `Carved` owns, whose bytes are initialized, and stay there while it is
        // borrowed. Nobody else may use it, says the README; only tests and measurements do.
        unsafe impl Allocator for &$name {
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                let call = self.calls.get();
                self.calls.set(call + 1);
                let serve: fn(&Carved, usize, Layout) -> Result<NonNull<[u8]>, AllocError> = $serve;
                serve(&self.memory, call, layout)
            }

            unsafe fn deallocate(&self, _pointer: NonNull<u8>, _layout: Layout) {}
        }
    };
}

broken!(
    /// Hands out blocks that begin in the middle of the one before.
    Overlapping,
    "overlapping",
    "hands out blocks that begin in the middle of the one before",
    |memory, call, layout| memory.block(nth(call, (layout.size() / 2).next_multiple_of(layout.align())), layout)
);

broken!(
    /// Ignores the alignment: every block is aligned to 8 and to nothing more.
    Misaligned,
    "misaligned",
    "ignores the alignment: every block is aligned to 8 and to nothing more",
    |memory, call, layout| memory.block(nth(call, layout.size().next_multiple_of(16)).wrapping_add(8), layout)
);

broken!(
    /// Does not return from its first call.
    Hanging,
    "hanging",
    "does not return from its first call",
    |_, _, _| loop {
        thread::sleep(Duration::from_secs(1));
    }
);

broken!(
    /// Aborts the process after a while.
    Aborting,
    "aborting",
    "aborts the process after a while",
    |memory, call, layout| {
        if call > GOOD_CALLS {
            eprintln!("aborting: free list corrupt");
            std::process::abort();
        }
        memory.block(nth(call, layout.size().next_multiple_of(layout.align())), layout)
    }
);

broken!(
    /// Panics after a while.
    Panicking,
    "panicking",
    "panics after a while",
    |memory, call, layout| {
        assert!(call <= GOOD_CALLS, "free list corrupt");
        memory.block(nth(call, layout.size().next_multiple_of(layout.align())), layout)
    }
);

broken!(
    /// Has no memory left after a while.
    Exhausted,
    "exhausted",
    "has no memory left after a while",
    |memory, call, layout| match call {
        0..GOOD_CALLS => memory.block(nth(call, layout.size().next_multiple_of(layout.align())), layout),
        _ => Err(AllocError),
    }
);

broken!(
    /// Hands out one block again and again after a while, whoever has it.
    Repeating,
    "repeating",
    "hands out one block again and again after a while",
    |memory, call, layout| {
        let call = if call > GOOD_CALLS { 0 } else { call };
        memory.block(nth(call, layout.size().next_multiple_of(layout.align())), layout)
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_that_no_buffer_has_are_refused() {
        let strategy = Misaligned::new(&Plan::default()).unwrap();
        for (size, align) in [(isize::MAX as usize, 1), (1 << 40, 16), (1, 1 << 40)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            for _ in 0..4 {
                assert_eq!((&strategy).allocate(layout), Err(AllocError));
            }
        }
    }
}
