//! The start state of a cell's process, chosen by the round: the same for all contenders of a round, and over
//! the rounds every one.
//!
//! An allocator can be fast or slow by what was allocated before. glibc 2.36's `memalign`, for one, takes 643 or
//! 848 instructions a pair by nothing but the size of an earlier block modulo 64. So what a cell begins with
//! must not depend on a name, a path or the environment, and is brought to a state that is known.

use std::hint::black_box;

/// The states that are told apart: residues of the top of the heap.
pub(crate) const STATES: u32 = 4;

/// What the C library's heap aligns to.
const HEAP_ALIGN: usize = 16;

/// What the C library keeps in front of a block.
const HEADER: usize = 8;

/// The size of a block that comes from the top of the heap: larger than what is free below it when a cell begins,
/// smaller than what the C library maps on its own.
const LARGE: usize = 64 << 10;

/// The sizes up to which the C library keeps freed blocks in lists of their own, one for each size.
const LISTED: usize = 1 << 10;

/// Blocks that are kept at the most until two follow each other at the top, and until a size has no holes left.
const TRIES: usize = 1 << 12;

/// How many lines of the caches the tops of neighbouring rounds of one residue lie apart: an odd number, so that over 64 of
/// them all lines of a page are used.
const LINE_STEP: usize = 21;

/// What offsets of heap and stack are taken modulo: a page, in which addresses alias.
const PAGE: usize = 4096;

/// A line of the caches.
const LINE: usize = 64;

/// How far the stacks of neighbouring states lie apart: an odd number of steps of 16 bytes, so that over 256
/// rounds all are used.
const STACK_STEP: usize = 1104;

/// How far the sizes of the environments of neighbouring states lie apart, in bytes.
const ENVIRONMENT_STEP: usize = 176;

/// The environments that there are: up to a page.
const ENVIRONMENTS: usize = 23;

/// The bytes of the variable that pads the environment in the state of this number.
pub(crate) fn environment_bytes(state: u32) -> usize {
    state as usize % ENVIRONMENTS * ENVIRONMENT_STEP
}

/// Fills the holes of the C library's heap, and brings its top to the offset in a page that belongs to `state`: 16
/// times `state` modulo 64, in a line that changes from round to round. Returns whether it is there; another C library's
/// heap may have no such top.
pub(crate) fn settle_heap(state: u32) -> bool {
    let state = state as usize;
    let (residue, turn) = (state % STATES as usize, state / STATES as usize);
    let offset = residue * HEAP_ALIGN + turn * LINE_STEP % (PAGE / LINE) * LINE;
    let Some(mut top) = top() else { return false };
    let listed = (HEAP_ALIGN + HEADER..=LISTED).step_by(HEAP_ALIGN);
    let doubled = (1..).map(|shift| LISTED << shift).take_while(|bytes| *bytes <= LARGE);
    for bytes in listed.chain(doubled) {
        for _ in 0..TRIES {
            if keep(bytes) == top {
                // There is no hole left that this size fits into.
                top += chunk(bytes);
                break;
            }
        }
    }
    let missing = (PAGE + offset - (top + chunk(LARGE)) % PAGE) % PAGE;
    keep(LARGE + missing);
    let probe = Vec::<u8>::with_capacity(LARGE);
    black_box(&probe).as_ptr().addr() % PAGE == offset
}

/// Where the next block comes to lie that is carved from the top of the heap.
fn top() -> Option<usize> {
    let mut last = keep(LARGE);
    for _ in 0..TRIES {
        let next = keep(LARGE);
        if next == last + chunk(LARGE) {
            return Some(next + chunk(LARGE));
        }
        last = next;
    }
    None
}

/// The address of a new block, which is never given back: it is the state.
fn keep(bytes: usize) -> usize {
    Vec::<u8>::with_capacity(bytes).leak().as_ptr().addr()
}

/// The bytes that a block of `bytes` takes of the heap.
const fn chunk(bytes: usize) -> usize {
    (bytes + HEADER).next_multiple_of(HEAP_ALIGN)
}

/// Calls `work` with a stack whose offset in its page belongs to `state`. Returns whether it does.
pub(crate) fn on_stack(state: u32, work: &mut dyn FnMut()) -> bool {
    let offset = state as usize * STACK_STEP % PAGE;
    // A frame that is an odd number of steps of 16 bytes comes past every offset; of two frames whose sizes differ by
    // one step, one is.
    let reached = deeper::<16>(offset, PAGE / HEAP_ALIGN, work)
        || deeper::<32>(offset, PAGE / HEAP_ALIGN, work);
    if !reached {
        work();
    }
    reached
}

/// Takes frames from the stack until one lies at `offset`, `levels` at the most, and calls `work` from it.
#[inline(never)]
fn deeper<const BYTES: usize>(offset: usize, levels: usize, work: &mut dyn FnMut()) -> bool {
    let frame = [0_u8; BYTES];
    let here = black_box(&frame).as_ptr().addr() % PAGE / HEAP_ALIGN * HEAP_ALIGN;
    let reached = if here == offset {
        work();
        true
    } else {
        levels > 0 && deeper::<BYTES>(offset, levels - 1, work)
    };
    // The frame is in use until here, so that the call before is none of a loop.
    black_box(&frame);
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_comes_to_every_residue() {
        for state in (0..2 * STATES).rev() {
            assert!(settle_heap(state), "state {state}");
        }
    }

    #[test]
    fn the_stack_comes_to_every_offset() {
        for state in 0..300 {
            let mut calls = 0;
            assert!(on_stack(state, &mut || calls += 1), "state {state}");
            assert_eq!(calls, 1, "state {state}");
        }
    }

    #[test]
    fn environments_differ_from_state_to_state() {
        let sizes: Vec<_> = (0..ENVIRONMENTS as u32).map(environment_bytes).collect();
        let mut distinct = sizes.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), sizes.len());
        assert!(sizes.iter().all(|bytes| *bytes < PAGE));
    }
}
