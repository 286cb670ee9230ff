//! What a strategy tells memcheck or AddressSanitizer about its blocks.
//!
//! To a tool that knows `malloc` and nothing else, a chunk that a pool has taken is one large block: a
//! read of a freed block of the pool, or a write past its end, stays inside and is not seen. With one of
//! these features a strategy says which bytes of a chunk are whose:
//!
//! | feature | the tool | needs |
//! | --- | --- | --- |
//! | `valgrind` | valgrind's memcheck | its headers and libclang, to build crabgrind |
//! | `asan` | AddressSanitizer | a build with `-Zsanitizer=address` |
//!
//! Without a feature all of this is empty, and costs nothing. The strategies have features of the same
//! names, which turn these on. One of the two can be on at a time.
//!
//! # For a strategy
//!
//! A strategy keeps a [`Blocks`] for what it hands out, and says:
//!
//! 1. [`taken`] of a new chunk, and [`unused`] of what a reset makes free;
//! 2. [`record_made`] and [`record_gone`] of its own records in chunks, so that memcheck's search for
//!    leaks follows the pointers in them;
//! 3. [`Blocks::allocated`], [`Blocks::resized`] and [`Blocks::freed`] of each block, with the size
//!    that the caller asked for; the block that it hands out is then as long as [`served`] says;
//! 4. [`Blocks::all_freed`] at a reset, [`Blocks::ended`] when it is dropped;
//! 5. [`returned`] of a chunk before that goes back to where it came from.
//!
//! It must not touch a block between `freed` and `allocated`. Sizes of 0 are ignored.
//!
//! ```
//! use std::ptr::NonNull;
//! use strategy::memcheck::{self, Blocks};
//!
//! let mut chunk = [0_u64; 8];
//! let start = NonNull::from(&mut chunk).cast::<u8>();
//! let blocks = Blocks::new();
//! memcheck::taken(start, 64);
//! blocks.allocated(start, 24); // the next 40 bytes are nobody's
//! blocks.freed(start, 24);
//! blocks.ended();
//! memcheck::returned(start, 64);
//! ```
//!
//! # For a program
//!
//! [`report_leaks`] makes each block that is out when its pool is dropped an error of memcheck's.

#[cfg(all(feature = "asan", feature = "valgrind"))]
compile_error!(
    "the features `asan` and `valgrind` exclude each other: neither tool runs the other"
);

#[cfg(feature = "asan")]
#[path = "memcheck/asan.rs"]
mod tool;
#[cfg(not(any(feature = "asan", feature = "valgrind")))]
#[path = "memcheck/off.rs"]
mod tool;
#[cfg(feature = "valgrind")]
#[path = "memcheck/valgrind.rs"]
mod tool;

use core::ptr::NonNull;

/// Whether a tool is told anything.
pub const IS_ON: bool = cfg!(any(feature = "asan", feature = "valgrind"));

/// The blocks of one strategy: what is told about them, by their address.
///
/// It is no memory without a feature. It may be shared by threads; what is told of one block is told
/// by whoever has it: `allocated` after it was taken, `freed` before it is given to anybody else.
#[derive(Debug, Default)]
pub struct Blocks {
    told: tool::Blocks,
}

impl Blocks {
    /// No blocks.
    #[must_use]
    pub const fn new() -> Self {
        Self { told: tool::Blocks::new() }
    }

    /// A block was handed out for `bytes` bytes, whatever was in it before: it may be written, and read
    /// once it is. Its site is where this is called from.
    #[inline(always)]
    pub fn allocated(&self, block: NonNull<u8>, bytes: usize) {
        if IS_ON && bytes > 0 {
            self.told.allocated(block, bytes);
        }
    }

    /// A block of `bytes` bytes was given back: it may not be touched from now on. One that is not out
    /// is reported.
    #[inline(always)]
    pub fn freed(&self, block: NonNull<u8>, bytes: usize) {
        if IS_ON && bytes > 0 {
            self.told.freed(block, bytes);
        }
    }

    /// A block of `old_bytes` bytes at `old` is now one of `bytes` at `block`, a place that
    /// may overlap the old one. Its first bytes, as many as both have, are as they were; what it had
    /// beside the new place may not be touched any more.
    ///
    /// Bytes that are to be written before this is called, and are not in the old block, are
    /// [`opened`] first.
    #[inline(always)]
    pub fn resized(&self, old: NonNull<u8>, old_bytes: usize, block: NonNull<u8>, bytes: usize) {
        match (old_bytes, bytes) {
            _ if !IS_ON => {}
            (0, _) => self.allocated(block, bytes),
            (_, 0) => self.freed(old, old_bytes),
            _ => self.told.resized(old, old_bytes, block, bytes),
        }
    }

    /// All blocks were given back, at a reset. The memory that they were in is said to be
    /// [`unused`] after this.
    #[inline(always)]
    pub fn all_freed(&self) {
        if IS_ON {
            self.told.all_freed();
        }
    }

    /// Reports the blocks that are out, if [`report_leaks`] was called: each was never freed. A strategy
    /// whose blocks are freed one by one says this before [`ended`](Self::ended).
    #[inline(always)]
    pub fn never_freed(&self) {
        if IS_ON {
            self.told.never_freed();
        }
    }

    /// The strategy is dropped: nothing more is told about its blocks, and none is out. What is
    /// told after this is about another strategy's.
    #[inline(always)]
    pub fn ended(&self) {
        if IS_ON {
            self.told.ended();
        }
    }
}

/// A chunk came from where chunks come from. So far all of it is [`unused`].
#[inline(always)]
pub fn taken(start: NonNull<u8>, bytes: usize) {
    if IS_ON && bytes > 0 {
        tool::taken(start, bytes);
    }
}

/// Bytes of a chunk are in no block: they may not be touched.
#[inline(always)]
pub fn unused(start: NonNull<u8>, bytes: usize) {
    if IS_ON && bytes > 0 {
        tool::unused(start, bytes);
    }
}

/// Bytes that were [`unused`] may be written.
#[inline(always)]
pub fn opened(start: NonNull<u8>, bytes: usize) {
    if IS_ON && bytes > 0 {
        tool::opened(start, bytes);
    }
}

/// Bytes of a block were written where the tool did not see it: before it was told of the block.
#[inline(always)]
pub fn written(start: NonNull<u8>, bytes: usize) {
    if IS_ON && bytes > 0 {
        tool::written(start, bytes);
    }
}

/// A strategy is about to write a record of its own into a chunk. It stays until [`record_gone`].
#[inline(always)]
pub fn record_made(record: NonNull<u8>, bytes: usize) {
    if IS_ON && bytes > 0 {
        tool::record_made(record, bytes);
    }
}

/// A strategy has read a record for the last time.
#[inline(always)]
pub fn record_gone(record: NonNull<u8>, bytes: usize) {
    if IS_ON && bytes > 0 {
        tool::record_gone(record, bytes);
    }
}

/// A chunk is about to go back to where it came from, who may do with it what it likes.
#[inline(always)]
pub fn returned(start: NonNull<u8>, bytes: usize) {
    if IS_ON && bytes > 0 {
        tool::returned(start, bytes);
    }
}

/// The length of the slice that a block of `whole_bytes` bytes is handed out as, when `bytes` were asked for:
/// all of it. A tool is to find what goes beyond what was asked for; while it is told of blocks, that is the length.
#[inline(always)]
#[must_use]
pub const fn served(whole_bytes: usize, bytes: usize) -> usize {
    debug_assert!(bytes <= whole_bytes);
    if IS_ON { bytes } else { whole_bytes }
}

/// From now on, a block that is out when its pool is dropped is an error of memcheck's, which says
/// where it was allocated.
///
/// A pool gives all of its memory back when it is dropped, so memcheck does not miss the blocks
/// that nobody has freed. That may be meant, so it has to be asked for. With AddressSanitizer, or without
/// a feature, nothing is reported; neither is the leak of a pool that is never dropped.
pub fn report_leaks() {
    tool::report_leaks();
}
