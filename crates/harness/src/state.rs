//! The start state of a cell's process, chosen by the round: the same for all contenders of a round, and over
//! the rounds every one.
//!
//! An allocator can be fast or slow by what was allocated before. glibc 2.36's `memalign`, for one, takes 643 or
//! 848 instructions a pair by the size of an earlier block that is kept, and by the free blocks that names of another length
//! have left. So what a cell begins with must not depend on a name, a path or the environment, and is brought to a state
//! that is known.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::str;

/// The states that are told apart: each residue of the top of the heap with each rest.
pub(crate) const STATES: u32 = 8;

/// The residues of the top of the heap modulo a line of the caches, in steps of [`HEAP_ALIGN`].
const RESIDUES: usize = LINE / HEAP_ALIGN;

/// The pages that are left at the top of the heap: more than 64 KiB, from which on the C library merges all small free
/// blocks when one is freed into the top, and fewer. From 128 KiB on it gives them back.
const RESTS: [usize; 2] = [26, 10];

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

/// Fills the holes of the C library's heap, and brings its top to the place that belongs to `state`: to 16 times `state`
/// modulo 64, in a line of its page that changes from round to round, with a rest of one of two sizes. Returns whether it is
/// there; another C library's heap may have no such top.
pub(crate) fn settle_heap(state: u32) -> bool {
    let state = state as usize;
    let turn = state / STATES as usize;
    let offset = state % RESIDUES * HEAP_ALIGN + turn * LINE_STEP % (PAGE / LINE) * LINE;
    let rest = RESTS[state / RESIDUES % RESTS.len()] * PAGE;
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
    // Under valgrind no mapping is called the heap: then its rest is what it is.
    let anywhere = (top + 2 * HEAP_ALIGN).next_multiple_of(PAGE) + offset;
    for _ in 0..TRIES {
        let place = heap_end().map_or(anywhere, |end| (end - rest).next_multiple_of(PAGE) + offset);
        let bytes = match place.checked_sub(top) {
            Some(0) => return probe(place),
            Some(missing @ ..=LARGE) if missing >= 2 * HEAP_ALIGN => missing - HEADER,
            // Too far, or not far enough: then the heap has to grow.
            _ => LARGE,
        };
        if keep(bytes) != top {
            return false;
        }
        top += chunk(bytes);
    }
    false
}

/// Whether the next block comes to lie at `place`. It is given back to the top.
fn probe(place: usize) -> bool {
    let block = Vec::<u8>::with_capacity(LISTED + HEAP_ALIGN);
    black_box(&block).as_ptr().addr() == place
}

/// Where the heap ends. Source: `man 5 proc_pid_maps`; the heap is among the first mappings.
fn heap_end() -> Option<usize> {
    // On the stack: the heap is what this is about.
    let mut text = [0; 8192];
    let mut len = 0;
    let mut file = File::open("/proc/self/maps").ok()?;
    while let Ok(count @ 1..) = file.read(&mut text[len..]) {
        len += count;
    }
    let lines = text[..len].split(|byte| *byte == b'\n');
    let mut lines = lines.filter_map(|line| str::from_utf8(line).ok());
    let heap = lines.find(|line| line.ends_with("[heap]"))?;
    let (_, end) = heap.split_whitespace().next()?.split_once('-')?;
    usize::from_str_radix(end, 16).ok()
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
    fn the_end_of_the_heap_is_found() {
        // A block of the main thread's heap; a test has a heap of its own.
        assert!(heap_end().is_some_and(|end| end.is_multiple_of(PAGE)));
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
