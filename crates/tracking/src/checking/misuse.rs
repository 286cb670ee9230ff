//! What a checking allocator finds, and what happens then.

use core::alloc::Layout;
use core::fmt::{self, Write};

use super::stderr::Stderr;
use super::stripe::{Deed, Record};
use crate::thread::{self, Busy, Task};

/// A mistake in the use of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A block was freed that was free already.
    DoubleFree,
    /// A block was freed that is not one of this allocator, or has not been for long; or null was.
    ///
    /// If its address was given out again meanwhile, it is the free of the block that is there now, and
    /// not found.
    ForeignPointer,
    /// A block was freed with a size or an alignment that is not its own.
    WrongLayout,
    /// A `GlobalAlloc` was asked for size 0, which is undefined behaviour by its contract.
    ZeroSize,
    /// Bytes before the block were written to.
    WriteBeforeStart,
    /// Bytes behind the block were written to.
    WritePastEnd,
    /// A block was written to after it was freed.
    WriteAfterFree,
}

impl Kind {
    /// The words that a report has for it, always the same.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DoubleFree => "double free",
            Self::ForeignPointer => "foreign pointer",
            Self::WrongLayout => "wrong layout",
            Self::ZeroSize => "zero size",
            Self::WriteBeforeStart => "write before the start",
            Self::WritePastEnd => "write past the end",
            Self::WriteAfterFree => "write after free",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A mistake that was found, and the block that it was found at.
///
/// Printed, it is the report: a line that begins with `tracking:`, and the places where the block was
/// allocated, freed, and found.
#[derive(Clone, Copy, Debug)]
pub struct Misuse {
    kind: Kind,
    address: usize,
    layout: Layout,
    given: Option<Layout>,
    byte: Option<isize>,
    allocated: Option<Deed>,
    freed: Option<Deed>,
    found: Option<Deed>,
}

impl Misuse {
    /// The kind of mistake.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The address of the block; 0 if there is none, or if it was null.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// The layout of the block; the one that it was called with if there is no such block.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The first byte that was written to and ought not to have been, counted from the start of the block.
    #[must_use]
    pub const fn byte_offset(&self) -> Option<isize> {
        self.byte
    }

    pub(super) fn of_layout(kind: Kind, address: usize, layout: Layout) -> Self {
        Self {
            kind,
            address,
            layout,
            given: None,
            byte: None,
            allocated: None,
            freed: None,
            found: None,
        }
    }

    pub(super) fn of_block(kind: Kind, record: &Record, found: Deed) -> Self {
        let address = record.start.addr().get();
        let (allocated, freed, found) = (Some(record.allocated), record.freed, Some(found));
        Self { allocated, freed, found, ..Self::of_layout(kind, address, record.layout()) }
    }

    pub(super) fn seen_at(self, found: Deed) -> Self {
        Self { found: Some(found), ..self }
    }

    pub(super) fn given(self, layout: Layout) -> Self {
        Self { given: Some(layout), ..self }
    }

    pub(super) fn byte(self, at: isize) -> Self {
        Self { byte: Some(at), ..self }
    }

    /// Writes the first line to standard error.
    fn write_headline(&self) {
        let mut stderr = Stderr::new();
        let _ = self.headline(&mut stderr);
        stderr.flush();
    }

    /// The first line.
    fn headline(&self, f: &mut impl Write) -> fmt::Result {
        let (size, align) = (self.layout.size(), self.layout.align());
        write!(f, "tracking: {} of {size} bytes (align {align})", self.kind)?;
        match self.address {
            0 => {}
            address => write!(f, " at {address:#x}")?,
        }
        if let Some(given) = self.given {
            write!(f, ", given as {} bytes (align {})", given.size(), given.align())?;
        }
        if let Some(byte) = self.byte {
            write!(f, ", first at byte {byte}")?;
        }
        f.write_char('\n')
    }

    fn places(&self, f: &mut impl Write) -> fmt::Result {
        let deeds = [("allocated", self.allocated), ("freed", self.freed), ("found", self.found)];
        for (what, deed) in deeds {
            if let Some(deed) = deed {
                write!(f, "  {what} at (thread {})\n{}", deed.thread, deed.site)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        self.places(f)
    }
}

/// What happens to what is found.
#[derive(Clone, Copy)]
pub(super) enum Report {
    /// It is written to standard error, and the program ends.
    Abort,
    /// A function is called with it, and the program goes on.
    Call(fn(&Misuse)),
}

/// Ends the program when it is dropped: nothing may unwind out of a global allocator.
struct Unwinding;

impl Drop for Unwinding {
    fn drop(&mut self) {
        std::process::abort();
    }
}

impl Report {
    pub(super) fn of(self, misuse: &Misuse) {
        match self {
            // Not while a name is looked up, which the function may do, and which is not reentrant.
            Self::Call(function) if !thread::is_busy(Task::LookUp) => {
                let Some(_busy) = Busy::begin(Task::Call) else {
                    misuse.write_headline();
                    return;
                };
                let unwinding = Unwinding;
                function(misuse);
                core::mem::forget(unwinding);
            }
            Self::Call(_) => misuse.write_headline(),
            Self::Abort => {
                let _ends = Unwinding;
                // The line first: the names are looked up in a program whose memory is broken.
                misuse.write_headline();
                // A second finding, on the way there, ends it.
                if let Some(_busy) = Busy::begin(Task::Report) {
                    let mut stderr = Stderr::new();
                    let _ = misuse.places(&mut stderr);
                    stderr.flush();
                }
                std::process::abort();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_function_is_called_while_a_name_is_looked_up() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);

        let report = Report::Call(|_| _ = CALLS.fetch_add(1, Ordering::Relaxed));
        let misuse = Misuse::of_layout(Kind::ForeignPointer, 0, Layout::new::<u64>());
        let busy = Busy::begin(Task::LookUp);
        report.of(&misuse);
        assert_eq!(CALLS.load(Ordering::Relaxed), 0);
        drop(busy);
        report.of(&misuse);
        assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    }
}
