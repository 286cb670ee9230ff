//! The list of the mistakes, each a module: `bad` makes it, `good` does the same without it.
//!
//! Pointers go through `black_box`, so that the compiler cannot see the mistake and remove it, or
//! make something else of it, as it may.

mod data_race;
mod double_free;
mod leak;
mod misaligned_read;
mod read_after_free;
mod uninitialized_read;
mod write_after_free;
mod write_past_end;
mod wrong_layout;

use std::alloc::{self, Layout};
use std::ptr::NonNull;

use clap::ValueEnum;

/// Something that can go wrong with memory.
#[derive(Clone, Copy, ValueEnum)]
pub enum Mistake {
    /// a block that nobody frees
    Leak,
    /// a write to a block that was freed
    WriteAfterFree,
    /// a read of a block that was freed
    ReadAfterFree,
    /// a block that is freed twice
    DoubleFree,
    /// a block that is freed with another layout
    WrongLayout,
    /// a write behind the end of a block
    WritePastEnd,
    /// a read of a number at an address that does not suit it
    MisalignedRead,
    /// a read of what was never written
    UninitializedRead,
    /// a count that two threads add to at once
    DataRace,
}

impl Mistake {
    /// Makes it.
    pub fn make(self) {
        match self {
            Self::Leak => leak::bad(),
            Self::WriteAfterFree => write_after_free::bad(),
            Self::ReadAfterFree => read_after_free::bad(),
            Self::DoubleFree => double_free::bad(),
            Self::WrongLayout => wrong_layout::bad(),
            Self::WritePastEnd => write_past_end::bad(),
            Self::MisalignedRead => misaligned_read::bad(),
            Self::UninitializedRead => uninitialized_read::bad(),
            Self::DataRace => data_race::bad(),
        }
    }

    /// Does the same without it.
    pub fn avoid(self) {
        match self {
            Self::Leak => leak::good(),
            Self::WriteAfterFree => write_after_free::good(),
            Self::ReadAfterFree => read_after_free::good(),
            Self::DoubleFree => double_free::good(),
            Self::WrongLayout => wrong_layout::good(),
            Self::WritePastEnd => write_past_end::good(),
            Self::MisalignedRead => misaligned_read::good(),
            Self::UninitializedRead => uninitialized_read::good(),
            Self::DataRace => data_race::good(),
        }
    }

    /// What rules it out.
    pub fn ruled_out_by(self) -> &'static str {
        match self {
            Self::Leak => "`OwnedBlock`, freed at the end of its scope",
            Self::WriteAfterFree | Self::ReadAfterFree => "bytes that borrow their `OwnedBlock`",
            Self::DoubleFree => "`OwnedBlock::free`, which takes the block",
            Self::WrongLayout => "`OwnedBlock`, which knows its layout",
            Self::WritePastEnd => "a slice, which knows its length",
            Self::MisalignedRead => "bytes, of which `from_ne_bytes` makes a number",
            Self::UninitializedRead => "`MaybeUninit`, which is no number",
            Self::DataRace => "`AtomicU64`; a `Cell` is not `Sync`",
        }
    }
}

/// A block of `layout`, which has a size, as a program in C gets one. Nothing in it is written.
fn block(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0);
    // SAFETY: the layout has a size (asserted above).
    let start = unsafe { alloc::alloc(layout) };
    NonNull::new(start).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}
