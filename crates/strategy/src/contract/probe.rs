//! A backing allocator that counts, checks what it is given back, and fails on command.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use allocator_api2::alloc::Global;

use crate::{AllocError, Allocator};

/// What fresh memory is filled with, so that nobody takes it for zeroed.
const FRESH: u8 = 0xCD;

/// What memory is filled with when it is given back, so that a later read is seen.
const GIVEN_BACK: u8 = 0xDD;

/// A backing allocator for tests: it counts what is out, checks what is given back, and can be
/// told to fail. Clones share everything.
///
/// Memory comes from the program's global allocator. Fresh memory is filled with `0xCD` and
/// returned memory with `0xDD`. A block given back with another layout than it was got
/// with, or one that is not out, is a [`fault`](Self::fault): the first is freed with
/// the right layout, the second is not touched. One that nobody has asked for panics when the last
/// clone is dropped, so a test that forgets to ask is red all the same, unless it leaks a clone.
///
/// ```
/// use allocator_api2::vec::Vec;
/// use strategy::contract::Probe;
///
/// let probe = Probe::new();
/// let numbers = Vec::<u64, _>::with_capacity_in(8, probe.clone());
/// assert_eq!((probe.bytes_out(), probe.blocks_out()), (64, 1));
/// drop(numbers);
/// assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
/// ```
#[derive(Clone, Default)]
pub struct Probe(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The layouts of the blocks that are out, by address. Blocks of size 0 are not in it.
    out: BTreeMap<usize, Layout>,
    bytes_out: usize,
    calls: usize,
    failed: usize,
    /// The calls that fail, counted from 1: from the first up to, but without, the second.
    failing: (usize, usize),
    fault: Option<String>,
    /// Whether somebody has asked for the fault since it happened.
    seen: bool,
}

impl Probe {
    /// One that does not fail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes taken and not given back.
    #[must_use]
    pub fn bytes_out(&self) -> usize {
        self.state().bytes_out
    }

    /// The blocks taken and not given back, without those of size 0.
    #[must_use]
    pub fn blocks_out(&self) -> usize {
        self.state().out.len()
    }

    /// The address and the layout of the largest block that is out.
    #[must_use]
    pub fn largest_out(&self) -> Option<(usize, Layout)> {
        let state = self.state();
        state.out.iter().max_by_key(|(_, layout)| layout.size()).map(|(&at, &layout)| (at, layout))
    }

    /// The requests for memory so far, served or not: allocating, growing and shrinking.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// The requests that failed because they were told to.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.state().failed
    }

    /// Makes the `nth` request from now fail, the next one being the first, and none after it.
    pub fn fail_on(&self, nth: usize) {
        let mut state = self.state();
        let call = state.calls.saturating_add(nth);
        state.failing = (call, call.saturating_add(1));
    }

    /// Makes the `nth` request from now fail and all that come after it.
    pub fn fail_from(&self, nth: usize) {
        let mut state = self.state();
        state.failing = (state.calls.saturating_add(nth), usize::MAX);
    }

    /// Ends all failing.
    pub fn heal(&self) {
        self.state().failing = (0, 0);
    }

    /// The first block that was given back wrongly, and how.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let mut state = self.state();
        state.seen = true;
        state.fault.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every method leaves the state consistent before it can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this request is to be served.
    fn admit(&self) -> Result<(), AllocError> {
        let mut state = self.state();
        state.calls += 1;
        let (first, end) = state.failing;
        if (first..end).contains(&state.calls) {
            state.failed += 1;
            return Err(AllocError);
        }
        Ok(())
    }
}

impl State {
    fn fail(&mut self, fault: String) {
        self.seen &= self.fault.is_some();
        self.fault.get_or_insert(fault);
    }

    fn took(&mut self, block: NonNull<[u8]>, layout: Layout) {
        if layout.size() > 0 {
            self.out.insert(block.cast::<u8>().addr().get(), layout);
            self.bytes_out += layout.size();
        }
    }

    /// The layout to free a block with, if there is such a block; it is not out from now on.
    fn gave_back(&mut self, pointer: NonNull<u8>, layout: Layout) -> Option<Layout> {
        if layout.size() == 0 {
            return Some(layout);
        }
        let Some(got) = self.out.remove(&pointer.addr().get()) else {
            self.fail(format!("gave back a block at {pointer:p} that is not out, with {layout:?}"));
            return None;
        };
        self.bytes_out -= got.size();
        if got != layout {
            self.fail(format!(
                "gave back a block at {pointer:p} with {layout:?}; it was got with {got:?}"
            ));
        }
        Some(got)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(fault) = self.fault.take()
            && !self.seen
            && !thread::panicking()
        {
            panic!("nobody has asked for the fault of a probe: {fault}");
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

// SAFETY: blocks come from `Global` and are freed to it, with the layout that it was asked for, only
// in `deallocate`, so they stay valid until then. `Global` has no state: clones and moves of
// the probe do not matter to it. Growing and shrinking are the trait's defaults: a new
// block, a copy, and `deallocate`.
unsafe impl Allocator for Probe {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        let block = Global.allocate(layout)?;
        // SAFETY: `Global` returned that many writable bytes.
        unsafe { block.cast::<u8>().write_bytes(FRESH, block.len()) };
        self.state().took(block, layout);
        Ok(block)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        let block = Global.allocate_zeroed(layout)?;
        self.state().took(block, layout);
        Ok(block)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        let Some(got) = self.state().gave_back(pointer, layout) else { return };
        // SAFETY: a block that was out with `got` has that many bytes (`gave_back` found it by its
        // address), and nobody else uses them, since the caller owns it. With size 0 nothing is
        // written.
        unsafe { pointer.write_bytes(GIVEN_BACK, got.size()) };
        // SAFETY: it came from `Global` with `got`, and is not freed, since it was out until now.
        unsafe { Global.deallocate(pointer, got) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout::new::<[u64; 4]>();

    #[test]
    fn the_nth_call_fails_and_no_other() {
        let probe = Probe::new();
        probe.fail_on(2);
        let served = [0; 4].map(|_| probe.allocate(LAYOUT).ok());
        assert_eq!(served.map(|block| block.is_some()), [true, false, true, true]);
        assert_eq!((probe.calls(), probe.failed(), probe.blocks_out()), (4, 1, 3));
        for block in served.into_iter().flatten() {
            // SAFETY: the block came from `probe` with this layout and is freed once.
            unsafe { probe.deallocate(block.cast(), LAYOUT) };
        }
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }

    #[test]
    fn a_wrong_layout_and_a_second_free_are_faults() {
        let probe = Probe::new();
        let block = probe.allocate(LAYOUT).unwrap().cast();
        let half = Layout::new::<[u64; 2]>();
        // SAFETY: not sound for any allocator but this one, which looks up what it gave out
        // and frees the block with the right layout.
        unsafe { probe.deallocate(block, half) };
        assert!(probe.fault().unwrap().contains("size: 16"), "{:?}", probe.fault());
        assert_eq!(probe.bytes_out(), 0);

        // SAFETY: as above.
        let unseen = || unsafe { Probe::new().deallocate(block, LAYOUT) };
        assert!(std::panic::catch_unwind(unseen).is_err());

        let probe = Probe::new();
        // SAFETY: as above: the probe does not touch a block that is not out.
        unsafe { probe.deallocate(block, LAYOUT) };
        assert!(probe.fault().unwrap().contains("not out"), "{:?}", probe.fault());
    }
}
