//! One buffer for many: a handle that is cloned, and a part of the buffer that keeps all of it.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use buffers::{LocalBuffer, SharedBuffer};
use strategy::{Plan, escape, kept_apart};
use workloads::{Case, Contender, Description, Measure, Stream, Tally, stamp};

use crate::Visitor;
use crate::list::{SYSTEM, SYSTEM_AGAIN, ours, standard};

const FAMILY: &str = "Peers: shared buffers";

/// The bytes of a buffer.
const BYTES: usize = 4096;

/// The bytes of a part of it.
const PART: usize = 64;

/// Handles of a pass.
const HANDLES: u64 = 1000;

/// The bytes of a stamp.
const STAMP: usize = size_of::<u64>();

const HANDLE: Description = Description {
    name: "peers-handle",
    about: "Clones the handle of a buffer of 4 KiB, reads a word through the clone, and drops it. System copies \
            the buffer.",
    stands_for: "A message for several consumers, a file in a cache.",
    operation: "one handle cloned, used and dropped",
};

const SLICE: Description = Description {
    name: "peers-slice",
    about: "Takes 64 bytes of a buffer of 4 KiB as a part that keeps all of it, reads a word of it, and drops it. \
            System copies the part.",
    stands_for: "Parsing without copies: fields, frames, tokens.",
    operation: "one part taken, read and dropped",
};

const ARC: Contender = standard(
    "arc",
    "`Arc<[u8]>` of the standard library; a part is a clone with a range beside it",
);
const RC: Contender =
    standard("rc", "`Rc<[u8]>` of the standard library; a part is a clone with a range beside it");
const SHARED: Contender = ours("shared-buffer", "one block for the bytes and an atomic count");
const LOCAL: Contender = ours("local-buffer", "one block for the bytes and a count for one thread");

/// Bytes in which every word is the stamp of its index.
fn contents() -> Vec<u8> {
    (0..(BYTES / STAMP) as u64).flat_map(|word| stamp(word).to_le_bytes()).collect()
}

/// A clone of a handle, and the range that it is about.
struct Part<H>(H, Range<usize>);

impl<H: AsRef<[u8]>> AsRef<[u8]> for Part<H> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0.as_ref()[self.1.clone()]
    }
}

/// Adds a contender to the row of `description`: `taken` gets from a buffer what the part of this range
/// is read through.
pub(crate) fn contender<H, P>(
    visitor: &mut Visitor<'_>,
    (description, parameter, part): (Description, &str, usize),
    contender: Contender,
    shared: fn(Vec<u8>) -> H,
    taken: impl Fn(&H, Range<usize>) -> P + Copy + 'static,
) where
    H: 'static,
    P: AsRef<[u8]>,
{
    // Which part, and which word of it.
    let places = move || {
        (0..HANDLES).map(move |index| {
            let start = (index as usize * part) % BYTES;
            (start..start + part, (index as usize * STAMP) % part)
        })
    };
    let answer = move |_: Stream| {
        places().map(|(part, at)| stamp(((part.start + at) / STAMP) as u64)).collect()
    };
    let run = move |_: Stream, measure: &mut Measure<'_>| {
        let buffer = shared(contents());
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for (part, at) in places() {
                    escape(&buffer);
                    let taken = taken(&buffer, part);
                    escape(&taken);
                    let word = taken.as_ref()[at..].first_chunk().expect("a part has whole words");
                    tally.add(u64::from_le_bytes(*word));
                }
            }
            Ok(tally)
        })
    };
    let case = Case::new(description, parameter.to_owned(), contender, answer, run);
    visitor(FAMILY, case.planned(&Plan::sizes(part, BYTES)));
}

/// The row of handles: all of the buffer is taken.
pub(crate) const HANDLES_ROW: (Description, &str, usize) = (HANDLE, "4096", BYTES);

/// The row of parts.
pub(crate) const SLICES_ROW: (Description, &str, usize) = (SLICE, "64-of-4096", PART);

/// Adds a contender that copies the bytes. Each `COPY` is code of its own.
fn copied<const COPY: u32>(visitor: &mut Visitor<'_>, by: Contender) {
    let copy = |buffer: &Vec<u8>, part| {
        kept_apart::<COPY>();
        Box::<[u8]>::from(&buffer[part])
    };
    contender(visitor, HANDLES_ROW, by, |bytes| bytes, copy);
    contender(visitor, SLICES_ROW, by, |bytes| bytes, copy);
}

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    copied::<0>(visitor, SYSTEM);
    contender(visitor, HANDLES_ROW, ARC, Arc::<[u8]>::from, |all, _| all.clone());
    contender(visitor, HANDLES_ROW, RC, Rc::<[u8]>::from, |all, _| all.clone());
    contender(visitor, SLICES_ROW, ARC, Arc::<[u8]>::from, |all, part| Part(all.clone(), part));
    contender(visitor, SLICES_ROW, RC, Rc::<[u8]>::from, |all, part| Part(all.clone(), part));
    #[cfg(feature = "others")]
    crate::contenders::sharing(visitor);
    contender(visitor, HANDLES_ROW, SHARED, SharedBuffer::from, |all, _| all.clone());
    contender(visitor, HANDLES_ROW, LOCAL, LocalBuffer::from, |all, _| all.clone());
    contender(visitor, SLICES_ROW, SHARED, SharedBuffer::from, |all, part| all.slice(part));
    contender(visitor, SLICES_ROW, LOCAL, LocalBuffer::from, |all, part| all.slice(part));
    copied::<1>(visitor, SYSTEM_AGAIN);
}
