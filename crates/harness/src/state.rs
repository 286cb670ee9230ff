//! The start state of a cell's process, chosen by the round: the same for all contenders of a round, and over
//! the rounds every one.
//!
//! An allocator can be fast or slow by what was allocated before. glibc 2.36's `memalign`, for one, takes 643 or
//! 848 instructions a pair by nothing but the size of an earlier block modulo 64. So what a cell begins with
//! must not depend on a name, a path or the environment, and is brought to a state that is known.

use std::hint::black_box;

/// The states that are told apart: residues of the top of the heap.
pub(crate) const STATES: u32 = 4;

/// What the top of the heap is taken modulo: a line of the caches.
const LINE: usize = 64;

/// What the C library's heap aligns to.
const HEAP_ALIGN: usize = 16;

/// What the C library keeps in front of a block.
const HEADER: usize = 8;

/// The size of a block that comes from the top of the heap: larger than what is free below it when a cell begins,
/// smaller than what the C library maps on its own.
const LARGE: usize = 64 << 10;

/// Blocks that are kept until two follow each other at the top.
const TRIES: usize = 16;

/// What the stack's offset is taken modulo: a page, in which addresses alias.
const PAGE: usize = 4096;

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

/// Brings the top of the C library's heap to the residue that belongs to `state`. Returns whether it is there;
/// another C library's heap may have no such top.
pub(crate) fn settle_heap(state: u32) -> bool {
    let residue = state as usize % STATES as usize * HEAP_ALIGN;
    // What is kept is never given back: it is the state.
    let keep = |bytes| Vec::<u8>::with_capacity(bytes).leak().as_ptr().addr();
    let chunk = |bytes: usize| (bytes + HEADER).next_multiple_of(HEAP_ALIGN);
    let mut last = keep(LARGE);
    for _ in 0..TRIES {
        let next = keep(LARGE);
        if next == last + chunk(LARGE) {
            // `next` ends at the top, where the next block would be at `top`.
            let top = next + chunk(LARGE);
            let missing = (LINE + residue - (top + chunk(LARGE)) % LINE) % LINE;
            keep(LARGE + missing);
            let probe = Vec::<u8>::with_capacity(LARGE);
            return black_box(&probe).as_ptr().addr() % LINE == residue;
        }
        last = next;
    }
    false
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
