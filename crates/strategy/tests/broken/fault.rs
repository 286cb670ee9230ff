//! What a `Slots` does wrong, if anything. The tens are the line that it breaks.

/// Nothing: any size, freed one by one, with a reset.
pub const NONE: u8 = 0;
/// Nothing, with one block size, whole slots returned, and no reset.
pub const NONE_ONE_BLOCK: u8 = 1;
/// Nothing, with blocks freed together, and no reset.
pub const NONE_TOGETHER: u8 = 2;
/// Nothing, with blocks freed together and a reset.
pub const NONE_TOGETHER_RESET: u8 = 3;

/// Alignments above 16 are not kept.
pub const MISALIGNED: u8 = 10;
/// A block of size 0 is at address 1.
pub const MISALIGNED_EMPTY: u8 = 11;
/// Blocks of more than 100 bytes have one less.
pub const SHORT: u8 = 20;
/// The returned slice reaches into the next slot.
pub const LONG: u8 = 21;
/// Every 50th block is one that is live.
pub const TWICE: u8 = 30;
/// A free writes into the block before it.
pub const SCRIBBLES: u8 = 31;
/// A block begins in the middle of the one before, from time to time.
pub const OVERLAPS: u8 = 32;
/// If a plan has few blocks, the last of them is one that is live.
pub const LAST_TWICE: u8 = 33;
/// If a plan has few blocks, the last of them is a panic.
pub const LAST_PANICS: u8 = 34;
/// Zeroed blocks are not zeroed; fresh ones are zero by luck.
pub const DIRTY: u8 = 40;
/// The last byte is not zeroed.
pub const DIRTY_LAST: u8 = 41;
/// Growing zeroed is growing.
pub const DIRTY_TAIL: u8 = 42;
/// Growing keeps 8 bytes.
pub const LOSES_TAIL: u8 = 50;
/// Growing stays in place, and so at the old alignment.
pub const KEEPS_ALIGNMENT: u8 = 51;
/// A failed growth frees the block.
pub const LOSES_ON_FAILURE: u8 = 52;
/// Shrinking writes to the first byte.
pub const SHRINKS_WRONG: u8 = 53;
/// A block of size 0 is never free again.
pub const LEAKS_EMPTY: u8 = 60;
/// Size 0 is refused.
pub const REFUSES_EMPTY: u8 = 61;
/// Every tenth free is forgotten.
pub const LEAKS: u8 = 70;
/// A reset forgets half of the blocks that were out.
pub const RESETS_HALF: u8 = 80;
/// A reset works, and the profile says that there is none.
pub const RESETS_SECRETLY: u8 = 81;
/// A reset fails, and has wiped the blocks.
pub const WIPES_ON_FAILED_RESET: u8 = 82;
/// A reset fails, and the profile says that there is one.
pub const RESET_FAILS: u8 = 83;
/// A reset keeps all, says the profile, and less is reserved after it.
pub const RESET_GIVES_BACK: u8 = 84;
/// Blocks still count as live after a reset.
pub const RESET_MISCOUNTS: u8 = 85;
/// Rounding up a large size panics.
pub const PANICS: u8 = 90;
/// A large size wraps around to a small one.
pub const WRAPS: u8 = 91;
/// A plan whose bytes overflow panics.
pub const PANICS_ON_PLAN: u8 = 92;
/// A block over the size gets the size.
pub const SERVES_LESS: u8 = 110;
/// Several block sizes are taken for one.
pub const TAKES_ANY_PLAN: u8 = 111;
/// An alignment above the largest is served at the largest.
pub const ALIGNS_LESS: u8 = 112;
/// Nothing is freed by a thread that panics.
pub const LEAKS_IN_PANIC: u8 = 120;
/// A thread that panics frees everything twice.
pub const TWICE_IN_PANIC: u8 = 121;
/// When the strategy has moved, it loses its blocks' contents.
pub const MOVES: u8 = 140;
/// A block can only be freed with the handle that it came from.
pub const HANDLES_DIFFER: u8 = 141;
/// A block is only freed by the thread that it came from.
pub const THREAD_BOUND: u8 = 150;
/// When a thread ends, its blocks are free.
pub const ENDS_WITH_THREAD: u8 = 151;
/// A forked child waits for ever.
pub const HANGS_IN_CHILD: u8 = 160;
/// The thread's destructors have made it unusable: it panics.
pub const PANICS_AT_EXIT: u8 = 161;
/// The thread's destructors have made it unusable: it waits for ever.
pub const HANGS_AT_EXIT: u8 = 162;
