//! Strategies that are right as long as somebody checks them, and break while they are measured.

use std::hint;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use crate::declare::{GOOD_CALLS, broken, nth, well};

/// What a slow call takes more: many times what a block takes.
const SLOW: Duration = Duration::from_micros(1);

broken!(
    /// Misaligns every block after a while, by half its alignment.
    LateMisaligned,
    "late-misaligned",
    "misaligns every block after a while, by half its alignment",
    |memory, call, layout| {
        let offset = if call < GOOD_CALLS { 0 } else { layout.align() / 2 };
        let bytes = layout.size().next_multiple_of(layout.align());
        memory.block(nth(call, bytes).wrapping_add(offset), layout)
    }
);

broken!(
    /// Makes every block a byte too short after a while.
    LateShort,
    "late-short",
    "makes every block a byte too short after a while",
    |memory, call, layout| {
        let block = well(memory, call, layout)?;
        let missing = if call < GOOD_CALLS { 0 } else { 1 };
        let bytes = block.len().saturating_sub(missing);
        Ok(NonNull::slice_from_raw_parts(block.cast(), bytes))
    }
);

broken!(
    /// Takes a microsecond of processor time more for every block after a while.
    LateSlow,
    "late-slow",
    "takes a microsecond more for every block after a while",
    |memory, call, layout| {
        let start = Instant::now();
        while call >= GOOD_CALLS && start.elapsed() < SLOW {
            hint::spin_loop();
        }
        well(memory, call, layout)
    }
);
