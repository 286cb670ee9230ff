#![doc = include_str!("../README.md")]

mod carved;
mod declare;
mod late;
mod recording;
mod stumbling;

use std::thread;
use std::time::Duration;

pub use late::{LateMisaligned, LateShort, LateSlow};
pub use recording::{Call, Recording};
pub use stumbling::Stumbling;

use declare::{GOOD_CALLS, broken, nth, well};
use strategy::AllocError;

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
        well(memory, call, layout)
    }
);

broken!(
    /// Panics after a while.
    Panicking,
    "panicking",
    "panics after a while",
    |memory, call, layout| {
        assert!(call <= GOOD_CALLS, "free list corrupt");
        well(memory, call, layout)
    }
);

broken!(
    /// Has no memory left after a while.
    Exhausted,
    "exhausted",
    "has no memory left after a while",
    |memory, call, layout| match call {
        0..GOOD_CALLS => well(memory, call, layout),
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
        well(memory, call, layout)
    }
);

#[cfg(test)]
mod tests {
    use std::alloc::Layout;

    use strategy::{Allocator, Plan, Strategy};

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
