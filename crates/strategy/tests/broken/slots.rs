//! A strategy that is easy to see through, and can be told to break any one line.
//!
//! It owns one buffer, cut into slots of the plan's largest block, and keeps a list of free slots.
//! Blocks never leave the buffer, so that a fault gives wrong blocks and no undefined behaviour.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::fault;
use strategy::{
    AllocError, Allocator, BuildError, Frees, Plan, Profile, Reset, Sizes, Stats, Strategy,
    Unsupported,
};

pub struct Slots<const FAULT: u8> {
    plan: Plan,
    /// `bytes` zeroed bytes, aligned to `stride`'s alignment, that only this strategy uses.
    buffer: NonNull<u8>,
    buffer_layout: Layout,
    /// The distance of two slots. It is larger than a block by `SLACK`, for the faults.
    stride: usize,
    state: Arc<Mutex<State>>,
    process: u32,
    handles: AtomicUsize,
}

/// The room behind a block in its slot.
const SLACK: usize = 64;

#[derive(Default)]
struct State {
    free: Vec<usize>,
    /// The slots that are out: who has which, by the thread and the handle.
    out: Vec<(usize, ThreadId, usize)>,
    allocated: usize,
    freed: usize,
    given_back: usize,
    /// Where the strategy was when it was used first.
    home: Option<usize>,
}

// SAFETY: the buffer is owned, and its bytes are only reached through blocks and by the holder
// of the lock on `state`.
unsafe impl<const FAULT: u8> Send for Slots<FAULT> {}

// SAFETY: as above.
unsafe impl<const FAULT: u8> Sync for Slots<FAULT> {}

thread_local! {
    /// The states in which this thread has blocks, for `ENDS_WITH_THREAD`.
    static USED: RefCell<Used> = RefCell::default();
}

#[derive(Default)]
struct Used(Vec<Arc<Mutex<State>>>);

impl Drop for Used {
    fn drop(&mut self) {
        for state in &self.0 {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { free, out, .. } = &mut *state;
            let me = thread::current().id();
            free.extend(out.iter().filter(|(_, thread, _)| *thread == me).map(|(slot, ..)| slot));
            out.retain(|(_, thread, _)| *thread != me);
        }
    }
}

impl<const FAULT: u8> Slots<FAULT> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pointer to byte `offset` of a slot.
    fn slot(&self, slot: usize, offset: usize) -> NonNull<u8> {
        let offset = slot * self.stride + offset;
        assert!(offset < self.buffer_layout.size());
        // SAFETY: the offset is inside the buffer.
        unsafe { self.buffer.add(offset) }
    }

    fn slot_of(&self, pointer: NonNull<u8>) -> Option<usize> {
        let offset = pointer.addr().get().checked_sub(self.buffer.addr().get())?;
        (offset < self.buffer_layout.size()).then_some(offset / self.stride)
    }

    /// Writes `byte` over the part of a slot that blocks are in.
    fn wipe(&self, slot: usize, byte: u8) {
        let start = self.slot(slot, 0);
        // SAFETY: a slot has that many bytes, and nobody has a reference to them.
        unsafe { start.write_bytes(byte, self.plan.max_size.max(1)) };
    }

    fn allocate(&self, layout: Layout, handle: usize) -> Result<NonNull<[u8]>, AllocError> {
        let size = match FAULT {
            fault::WRAPS if layout.size() > 1 << 40 => layout.size() & 0xF,
            _ => layout.size(),
        };
        if FAULT == fault::PANICS {
            assert!(size < 1 << 40, "attempt to add with overflow");
        }
        if FAULT == fault::REFUSES_EMPTY && size == 0 {
            return Err(AllocError);
        }
        if FAULT == fault::MISALIGNED_EMPTY && size == 0 {
            return Ok(NonNull::slice_from_raw_parts(NonNull::dangling(), 0));
        }
        if FAULT == fault::HANGS_IN_CHILD && std::process::id() != self.process {
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        }
        if matches!(FAULT, fault::ENDS_WITH_THREAD | fault::PANICS_AT_EXIT | fault::HANGS_AT_EXIT) {
            self.note_thread();
        }
        let size = if FAULT == fault::SERVES_LESS { size.min(self.plan.max_size) } else { size };
        let aligns_more = layout.align() > self.plan.max_align && FAULT != fault::ALIGNS_LESS;
        if size > self.plan.max_size || aligns_more {
            return Err(AllocError);
        }
        let mut state = self.state();
        self.find_home(&mut state);
        state.allocated += 1;
        let odd = state.allocated.is_multiple_of(50);
        let last = self.is_last_of_few(&state);
        assert!(!(last && FAULT == fault::LAST_PANICS), "the last block");
        let (slot, offset) = match state.out.last() {
            Some(&(live, ..)) if odd && FAULT == fault::TWICE => (live, 0),
            Some(&(live, ..)) if last && FAULT == fault::LAST_TWICE => (live, 0),
            Some(&(live, ..)) if odd && FAULT == fault::OVERLAPS && size < SLACK => (
                live,
                self.plan
                    .max_align
                    .max(self.plan.max_size / 2 / self.plan.max_align * self.plan.max_align),
            ),
            _ => (state.free.pop().ok_or(AllocError)?, 0),
        };
        state.out.push((slot, thread::current().id(), handle));
        let offset = match FAULT {
            fault::MISALIGNED if layout.align() > 16 => 8,
            fault::KEEPS_ALIGNMENT if layout.align() <= 16 => 16,
            _ => offset,
        };
        let len = match FAULT {
            fault::SHORT if size > 100 => size - 1,
            fault::LONG => self.stride + 8,
            fault::NONE_ONE_BLOCK => self.plan.max_size,
            fault::WRAPS => layout.size(),
            _ => size,
        };
        Ok(NonNull::slice_from_raw_parts(self.slot(slot, offset), len))
    }

    fn deallocate(&self, pointer: NonNull<u8>, layout: Layout, handle: usize) {
        let Some(slot) = self.slot_of(pointer) else { return };
        let mut state = self.state();
        self.find_home(&mut state);
        if Self::PROFILE.frees == Frees::Together {
            return;
        }
        state.freed += 1;
        let me = thread::current().id();
        let Some(at) = state.out.iter().position(|&(out, ..)| out == slot) else {
            // Freed twice.
            return state.free.push(slot);
        };
        let (_, owner, origin) = state.out[at];
        let forgets = match FAULT {
            fault::LEAKS_EMPTY => layout.size() == 0,
            fault::LEAKS => state.freed.is_multiple_of(10),
            fault::LEAKS_IN_PANIC => thread::panicking(),
            fault::HANDLES_DIFFER => origin != handle,
            fault::THREAD_BOUND => owner != me,
            _ => false,
        };
        if forgets {
            return;
        }
        state.out.swap_remove(at);
        state.free.push(slot);
        if FAULT == fault::TWICE_IN_PANIC && thread::panicking() {
            state.free.push(slot);
        }
        if FAULT == fault::SCRIBBLES && slot > 0 {
            self.wipe(slot - 1, 0xEE);
        }
    }

    /// Whether all blocks of a plan of a few are out but one, and the one that it may keep.
    fn is_last_of_few(&self, state: &State) -> bool {
        (3..8).contains(&self.plan.live_blocks) && state.free.len() <= 2
    }

    /// Panics, or waits, when the thread's destructors have run; notes the state for them otherwise.
    fn note_thread(&self) {
        let noted = USED.try_with(|used| {
            let used = &mut used.borrow_mut().0;
            let known = used.iter().any(|state| Arc::ptr_eq(state, &self.state));
            if FAULT == fault::ENDS_WITH_THREAD && !known {
                used.push(Arc::clone(&self.state));
            }
        });
        while noted.is_err() && FAULT == fault::HANGS_AT_EXIT {
            thread::sleep(Duration::from_secs(1));
        }
        assert!(noted.is_ok() || FAULT == fault::ENDS_WITH_THREAD, "the thread-local is gone");
    }

    fn find_home(&self, state: &mut State) {
        let here = (&raw const *self).addr();
        if *state.home.get_or_insert(here) != here && FAULT == fault::MOVES {
            state.home = Some(here);
            (0..self.plan.live_blocks).for_each(|slot| self.wipe(slot, 0));
        }
    }
}

impl<const FAULT: u8> Strategy for Slots<FAULT> {
    const NAME: &'static str = "slots";
    const ABOUT: &'static str = "slots of one buffer, for tests";
    const PROFILE: Profile = {
        let any = Profile { reset: Reset::KeepsAll, ..Profile::GENERAL };
        let any = Profile { max_align: 1 << 20, ..any };
        match FAULT {
            fault::NONE_ONE_BLOCK => {
                Profile { sizes: Sizes::OneBlock, reset: Reset::Unsupported, ..any }
            }
            fault::SERVES_LESS | fault::TAKES_ANY_PLAN => Profile { sizes: Sizes::OneBlock, ..any },
            fault::NONE_TOGETHER => {
                Profile { frees: Frees::Together, reset: Reset::Unsupported, ..any }
            }
            fault::NONE_TOGETHER_RESET => Profile { frees: Frees::Together, ..any },
            fault::ALIGNS_LESS => Profile { max_align: 64, ..any },
            fault::RESETS_SECRETLY | fault::WIPES_ON_FAILED_RESET => {
                Profile { reset: Reset::Unsupported, ..any }
            }
            _ => any,
        }
    };
    type Handle<'a> = Handle<'a, FAULT>;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        if FAULT != fault::TAKES_ANY_PLAN {
            Self::PROFILE.serves(plan)?;
        }
        let buffer = || {
            let size = plan.max_size.max(1).checked_add(SLACK)?;
            let stride = size.checked_next_multiple_of(plan.max_align.max(SLACK))?;
            let bytes = plan.live_blocks.checked_add(1)?.checked_mul(stride)?;
            Some((stride, Layout::from_size_align(bytes, plan.max_align.max(SLACK)).ok()?))
        };
        if FAULT == fault::PANICS_ON_PLAN {
            buffer().expect("the plan's bytes overflow");
        }
        let out_of_memory = BuildError::OutOfMemory { bytes: usize::MAX };
        let (stride, buffer_layout) = buffer().ok_or(out_of_memory)?;
        // SAFETY: the size is at least that of one slot, which is above 0.
        let buffer = NonNull::new(unsafe { alloc_zeroed(buffer_layout) }).ok_or(out_of_memory)?;
        let free = (0..plan.live_blocks).rev().collect();
        Ok(Self {
            plan: *plan,
            buffer,
            buffer_layout,
            stride,
            state: Arc::new(Mutex::new(State { free, ..State::default() })),
            process: std::process::id(),
            handles: AtomicUsize::new(0),
        })
    }

    fn handle(&self) -> Handle<'_, FAULT> {
        Handle { slots: self, number: self.handles.fetch_add(1, Ordering::Relaxed) }
    }

    fn reset(&mut self) -> Result<(), Unsupported> {
        let mut state = self.state();
        let unsupported = Self::PROFILE.reset == Reset::Unsupported;
        if FAULT == fault::WIPES_ON_FAILED_RESET {
            state.out.iter().for_each(|&(slot, ..)| self.wipe(slot, 0xEE));
        }
        if unsupported && FAULT != fault::RESETS_SECRETLY || FAULT == fault::RESET_FAILS {
            return Err(Unsupported::new("has no reset"));
        }
        let keeps = if FAULT == fault::RESETS_HALF { state.out.len() / 2 } else { 0 };
        let back = state.out.split_off(keeps);
        state.free.extend(back.iter().map(|&(slot, ..)| slot));
        if FAULT == fault::RESETS_HALF {
            state.out.clear();
        }
        if FAULT == fault::RESET_MISCOUNTS {
            state.out = back;
        }
        state.given_back += usize::from(FAULT == fault::RESET_GIVES_BACK);
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        let state = self.state();
        Some(Stats {
            reserved_bytes: self.buffer_layout.size() - state.given_back,
            live_bytes: state.out.len() * self.stride,
        })
    }
}

impl<const FAULT: u8> Drop for Slots<FAULT> {
    fn drop(&mut self) {
        // SAFETY: the buffer came from `alloc_zeroed` with this layout, and whoever could still use
        // a block would borrow the strategy.
        unsafe { dealloc(self.buffer.as_ptr(), self.buffer_layout) };
    }
}

pub struct Handle<'a, const FAULT: u8> {
    slots: &'a Slots<FAULT>,
    number: usize,
}

impl<const FAULT: u8> Clone for Handle<'_, FAULT> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<const FAULT: u8> Copy for Handle<'_, FAULT> {}

// SAFETY: not kept with a fault, which is what the tests are for; nobody but the contract suite,
// which never leaves a block, uses it then. Without one: a block is a slot, which is free again
// when it is freed, and stays where it is, in a buffer that lives as long as the strategy.
unsafe impl<const FAULT: u8> Allocator for Handle<'_, FAULT> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.slots.allocate(layout, self.number)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.allocate(layout)?;
        let len = match FAULT {
            fault::DIRTY => 0,
            fault::DIRTY_LAST => block.len().saturating_sub(1),
            // They are longer than the slot.
            fault::WRAPS | fault::LONG => 0,
            _ => block.len(),
        };
        // SAFETY: the block is as long as that.
        unsafe { block.cast::<u8>().write_bytes(0, len) };
        Ok(block)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        self.slots.deallocate(pointer, layout, self.number);
    }

    unsafe fn grow(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if FAULT == fault::KEEPS_ALIGNMENT && new.size() <= self.slots.plan.max_size {
            return Ok(NonNull::slice_from_raw_parts(pointer, new.size()));
        }
        let block = self.allocate(new);
        if block.is_err() && FAULT == fault::LOSES_ON_FAILURE {
            self.slots.deallocate(pointer, old, self.number);
        }
        let block = block?;
        let kept = if FAULT == fault::LOSES_TAIL { old.size().min(8) } else { old.size() };
        // SAFETY: both blocks have that many bytes, and the new one is another slot; with `TWICE` it
        // may be the same, which this allows.
        unsafe { block.cast::<u8>().copy_from(pointer, kept.min(block.len())) };
        self.slots.deallocate(pointer, old, self.number);
        Ok(block)
    }

    unsafe fn grow_zeroed(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's duties are the same.
        let block = unsafe { self.grow(pointer, old, new) }?;
        if FAULT != fault::DIRTY_TAIL && block.len() <= self.slots.stride {
            for at in old.size()..block.len() {
                // SAFETY: the offset is inside the block.
                let byte = unsafe { block.cast::<u8>().add(at) };
                // SAFETY: as above.
                unsafe { byte.write(0) };
            }
        }
        Ok(block)
    }

    unsafe fn shrink(
        &self,
        pointer: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.allocate(new)?;
        // SAFETY: as in `grow`, with the new size.
        unsafe { block.cast::<u8>().copy_from(pointer, new.size().min(block.len())) };
        if FAULT == fault::SHRINKS_WRONG && new.size() > 0 {
            // SAFETY: the block has a first byte, which nobody else uses.
            unsafe { block.cast::<u8>().write(0xEE) };
        }
        self.slots.deallocate(pointer, old, self.number);
        Ok(block)
    }
}
