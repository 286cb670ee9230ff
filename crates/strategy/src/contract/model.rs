//! The naive model that a strategy is compared with: a list of the live blocks and what is in them.

use core::alloc::Layout;
use core::fmt;
use core::hint::black_box;
use core::ptr::NonNull;

use super::finding::{Outcome, Violation, hold};
use crate::{AllocError, Allocator};

/// The length of the pattern. It is prime, so that bytes moved by a power of two, or from one
/// block to another, do not match.
const PATTERN_BYTES: usize = 1021;

/// What blocks are filled with, from a starting point that differs from block to block. No byte
/// is 0, so that an old content is never taken for zeroed memory.
static PATTERN: [u8; PATTERN_BYTES] = {
    let mut random = super::random::Random::new(0);
    let mut pattern = [0; PATTERN_BYTES];
    let mut at = 0;
    while at < PATTERN_BYTES {
        pattern[at] = random.below(255) as u8 + 1;
        at += 1;
    }
    pattern
};

/// A live block. Its invariants hold while it is in a model, or given away by one.
#[derive(Clone, Copy)]
pub(super) struct Held {
    /// The how-manieth block of its model it is. It decides about the pattern.
    number: usize,
    /// The block is owned by whoever holds this, came from the strategy under test, and has `len`
    /// bytes. They are initialized: filled with the pattern of `number`.
    pointer: NonNull<u8>,
    len: usize,
    /// A layout that fits the block: with the alignment asked for, and a size from the one asked
    /// for up to `len`.
    layout: Layout,
}

// SAFETY: a block is memory that its holder owns; no other copy of the pointer is used while
// this one is. Whether the memory may be used on another thread is what a test with several
// threads asks of the strategy, which has to be `Sync` for it.
unsafe impl Send for Held {}

// SAFETY: a shared `Held` gives no access to the block but reading it, and nobody writes to it
// without owning the `Held`.
unsafe impl Sync for Held {}

impl Held {
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn address(&self) -> usize {
        self.pointer.addr().get()
    }

    /// Grows or shrinks the block, which the caller took from its model: on success it is gone.
    fn resize(
        &self,
        allocator: &impl Allocator,
        new: Layout,
        zeroed: bool,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let Self { pointer, layout: old, .. } = *self;
        seen(match (new.size() >= old.size(), zeroed) {
            // SAFETY: the block came from this strategy and is owned (the invariant of `pointer`),
            // the layout fits, and the new size is not smaller.
            (true, false) => unsafe { allocator.grow(pointer, old, new) },
            // SAFETY: as above.
            (true, true) => unsafe { allocator.grow_zeroed(pointer, old, new) },
            // SAFETY: as above, with a new size that is smaller.
            (false, _) => unsafe { allocator.shrink(pointer, old, new) },
        })
    }

    /// Fills the block with its pattern.
    fn fill(&self) {
        let mut from = 0;
        while from < self.len {
            let piece = self.expected(from, self.len);
            // SAFETY: `from < self.len`, the bytes of the block.
            let target = unsafe { self.pointer.add(from) };
            // SAFETY: `expected` returns at most `self.len - from` bytes, so they fit behind `from`;
            // they are in a static, which no block overlaps.
            unsafe { target.copy_from_nonoverlapping(NonNull::from(piece).cast(), piece.len()) };
            from += piece.len();
        }
    }

    /// The pattern from the byte at `from` on: as much of it as is in one piece, and not more
    /// than up to `end`.
    fn expected(&self, from: usize, end: usize) -> &'static [u8] {
        let start = (self.number * 37 + from) % PATTERN_BYTES;
        &PATTERN[start..PATTERN_BYTES.min(start + (end - from))]
    }

    /// The first of the first `end` bytes that has changed, and its value.
    fn changed(&self, end: usize) -> Option<(usize, u8)> {
        let mut from = 0;
        while from < end {
            let piece = self.expected(from, end);
            // SAFETY: `from + piece.len() <= end`, which is at most the block's length; the bytes are
            // initialized (the invariant of `pointer`), and nobody writes them meanwhile.
            let found = unsafe { bytes(self.pointer, from, piece.len()) };
            if found != piece {
                let differs = |at: &usize| found[*at] != piece[*at];
                return (0..piece.len()).find(differs).map(|at| (from + at, found[at]));
            }
            from += piece.len();
        }
        None
    }

    /// Demands that the first `end` bytes are as they were written.
    fn unchanged(&self, line: usize, end: usize, what: &str) -> Outcome {
        if let Some((at, found)) = self.changed(end) {
            let expected = self.expected(at, end)[0];
            let seen = format!("{what}: byte {at} is {found:#04x} instead of {expected:#04x}");
            return Err(Violation::new(line, seen).at(self));
        }
        Ok(())
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, pointer, len, layout } = self;
        let (size, align) = (layout.size(), layout.align());
        write!(
            f,
            "block {number} ({size} bytes aligned to {align}, {len} returned, at {pointer:p})"
        )
    }
}

/// What an allocator answered, behind the back of the compiler: it knows `malloc`, and where nobody
/// looks at the block it takes any size for served and asks for none.
pub(super) fn seen(answer: Result<NonNull<[u8]>, AllocError>) -> Result<NonNull<[u8]>, AllocError> {
    black_box(answer)
}

/// The bytes of a block from `from` on.
///
/// # Safety
///
/// The block has at least `from + len` bytes, those are initialized, and nobody writes or frees
/// them while the result is used.
unsafe fn bytes<'a>(block: NonNull<u8>, from: usize, len: usize) -> &'a [u8] {
    // SAFETY: `from` is inside the block, says the caller.
    let start = unsafe { block.add(from) };
    // SAFETY: the caller's duties.
    unsafe { NonNull::slice_from_raw_parts(start, len).as_ref() }
}

/// The live blocks of one strategy. It never frees by itself: after a violation nothing is known
/// about the blocks.
#[derive(Default)]
pub(super) struct Model {
    held: Vec<Held>,
    /// The blocks that were given out, resized ones anew.
    numbered: usize,
    /// `numbered` when all blocks were last given up.
    renewed: usize,
}

impl Model {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One whose blocks are numbered from `number` on, so that they differ from another's.
    pub(super) fn numbered_from(number: usize) -> Self {
        Self { numbered: number, renewed: number, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// The blocks that were given out since all were given up.
    pub(super) fn spent(&self) -> usize {
        self.numbered - self.renewed
    }

    pub(super) fn held(&self, index: usize) -> Held {
        self.held[index]
    }

    /// Allocates a block, checks and fills it: its index, or `None` if it was refused.
    pub(super) fn allocate(
        &mut self,
        allocator: &impl Allocator,
        layout: Layout,
    ) -> Outcome<Option<usize>> {
        let Ok(block) = seen(allocator.allocate(layout)) else { return Ok(None) };
        let held = self.accept(block, layout)?;
        Ok(Some(self.keep(held)))
    }

    /// The same with zeroed memory, of which every byte has to be 0.
    pub(super) fn allocate_zeroed(
        &mut self,
        allocator: &impl Allocator,
        layout: Layout,
    ) -> Outcome<Option<usize>> {
        let Ok(block) = seen(allocator.allocate_zeroed(layout)) else { return Ok(None) };
        let held = self.accept(block, layout)?;
        // SAFETY: the block has that many bytes, and the strategy promised to have written them all.
        let found = unsafe { bytes(held.pointer, 0, held.len) };
        if let Some(at) = found.iter().position(|&byte| byte != 0) {
            let found = found[at];
            let seen = format!("byte {at} of a zeroed block is {found:#04x}");
            return Err(Violation::new(4, seen).at(held));
        }
        Ok(Some(self.keep(held)))
    }

    /// Frees a block, whose contents must still be there.
    pub(super) fn free(&mut self, allocator: &impl Allocator, index: usize) -> Outcome {
        let held = self.take(index)?;
        // SAFETY: the block came from this strategy and is owned (the invariant of `Held`, which
        // the model gave up), and the layout fits.
        unsafe { allocator.deallocate(held.pointer, held.layout) };
        Ok(())
    }

    /// Frees all blocks, the last one first.
    pub(super) fn free_all(&mut self, allocator: &impl Allocator) -> Outcome {
        self.check_all()?;
        while !self.held.is_empty() {
            self.free(allocator, self.held.len() - 1)?;
        }
        Ok(())
    }

    /// Resizes a block to `new`, to a zeroed tail if it grows and `zeroed` is set; false if it was refused.
    /// The block takes a new number and pattern then.
    pub(super) fn resize(
        &mut self,
        allocator: &impl Allocator,
        index: usize,
        new: Layout,
        zeroed: bool,
    ) -> Outcome<bool> {
        let old = self.take(index)?;
        let Ok(block) = old.resize(allocator, new, zeroed) else {
            self.put_back(index, old)?;
            return Ok(false);
        };
        let held = self.accept(block, new).map_err(|violation| violation.means(5, &[1, 2]))?;
        // The same memory with the old contents, for as long as it takes to look at them.
        let kept = old.layout.size().min(new.size());
        Held { pointer: held.pointer, ..old }
            .unchanged(5, kept, "a resized block lost its contents")
            .map_err(|violation| violation.at(format_args!("now {held}")))?;
        if zeroed && new.size() >= old.layout.size() {
            Self::tail_is_zeroed(&old, &held)?;
        }
        self.keep(held);
        let last = self.held.len() - 1;
        self.held.swap(index, last);
        Ok(true)
    }

    /// Asks for a size or an alignment that cannot be had: false if the block was resized, which
    /// is not looked at then.
    pub(super) fn fails_to_resize(
        &mut self,
        allocator: &impl Allocator,
        index: usize,
        new: Layout,
        zeroed: bool,
    ) -> Outcome<bool> {
        let old = self.take(index)?;
        if old.resize(allocator, new, zeroed).is_ok() {
            return Ok(false);
        }
        self.put_back(index, old)?;
        Ok(true)
    }

    /// Takes a block back after a resize that failed, which must not have changed it.
    fn put_back(&mut self, index: usize, held: Held) -> Outcome {
        held.unchanged(5, held.len, "a failed resize changed the block")?;
        self.held.push(held);
        let last = self.held.len() - 1;
        self.held.swap(index, last);
        Ok(())
    }

    /// Demands that the bytes behind the old layout's are 0. Those that the old block had beyond
    /// its layout may also be kept as they were, says [`Allocator::grow_zeroed`].
    fn tail_is_zeroed(old: &Held, new: &Held) -> Outcome {
        let start = old.layout.size();
        // SAFETY: the new block is longer than the old layout; the strategy promised to have written
        // what the old block did not have, and that was filled.
        let tail = unsafe { bytes(new.pointer, start, new.len - start) };
        for (at, &found) in (start..).zip(tail) {
            let kept = at < old.len && found == old.expected(at, old.len)[0];
            if found != 0 && !kept {
                let seen = format!("byte {at} of a block grown zeroed is {found:#04x}, was {old}");
                return Err(Violation::new(4, seen).at(new));
            }
        }
        Ok(())
    }

    /// Uses the whole returned slice from now on: a size of `size`, or as near as the slice allows.
    pub(super) fn claim(&mut self, index: usize, size: usize) {
        let held = &mut self.held[index];
        let size = size.clamp(held.layout.size(), held.len);
        // A slice that the strategy returned may be longer than a layout with its alignment can be.
        if let Ok(layout) = Layout::from_size_align(size, held.layout.align()) {
            held.layout = layout;
        }
    }

    /// Demands that a block has kept its contents.
    pub(super) fn check(&self, index: usize) -> Outcome {
        let held = self.held[index];
        held.unchanged(3, held.len, "a live block changed")
    }

    /// Demands that all blocks have kept their contents.
    pub(super) fn check_all(&self) -> Outcome {
        (0..self.held.len()).try_for_each(|index| self.check(index))
    }

    /// Gives a block away; its contents must still be there.
    pub(super) fn take(&mut self, index: usize) -> Outcome<Held> {
        self.check(index)?;
        Ok(self.held.swap_remove(index))
    }

    /// Takes over a block that another model gave away.
    pub(super) fn adopt(&mut self, held: Held) -> Outcome<usize> {
        self.apart(&held)?;
        self.held.push(held);
        let index = self.held.len() - 1;
        self.check(index)?;
        Ok(index)
    }

    /// Gives up all blocks, as after a reset.
    pub(super) fn forget_all(&mut self) {
        self.held.clear();
        self.renewed = self.numbered;
    }

    /// Checks a new block before anything is written to it.
    fn accept(&mut self, block: NonNull<[u8]>, layout: Layout) -> Outcome<Held> {
        let held = Held { number: self.numbered, pointer: block.cast(), len: block.len(), layout };
        hold!(1, held.address().is_multiple_of(layout.align()), "misaligned: {held}");
        hold!(2, held.len >= layout.size(), "fewer bytes than asked for: {held}");
        self.apart(&held)?;
        self.numbered += 1;
        Ok(held)
    }

    /// Demands that a block overlaps none that is held.
    fn apart(&self, new: &Held) -> Outcome {
        let overlap = |start: usize, len: usize, other: usize, other_len: usize| {
            let apart =
                start.saturating_add(len) <= other || other.saturating_add(other_len) <= start;
            len > 0 && other_len > 0 && !apart
        };
        for old in &self.held {
            if overlap(new.address(), new.len, old.address(), old.len) {
                let asked = (new.layout.size(), old.layout.size());
                let line =
                    if overlap(new.address(), asked.0, old.address(), asked.1) { 3 } else { 2 };
                let part =
                    if line == 3 { "" } else { ", in what one of them has beyond its layout" };
                return Err(Violation::new(line, format!("{new} overlaps {old}{part}")));
            }
        }
        Ok(())
    }

    /// Fills a block and holds it.
    fn keep(&mut self, held: Held) -> usize {
        held.fill();
        self.held.push(held);
        self.held.len() - 1
    }
}
