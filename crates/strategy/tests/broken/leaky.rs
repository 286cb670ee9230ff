//! A strategy over the global allocator that never frees before it is dropped.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use allocator_api2::alloc::Global;
use strategy::{AllocError, Allocator, BuildError, Plan, Profile, Stats, Strategy, Threads};

/// It counts what it has, or it does not.
#[derive(Default)]
pub struct Leaky<const COUNTS: bool> {
    blocks: Mutex<Vec<(NonNull<u8>, Layout)>>,
}

impl<const COUNTS: bool> Leaky<COUNTS> {
    fn blocks(&self) -> MutexGuard<'_, Vec<(NonNull<u8>, Layout)>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const COUNTS: bool> Strategy for Leaky<COUNTS> {
    const NAME: &'static str = "leaky";
    const ABOUT: &'static str = "never frees, for tests";
    const PROFILE: Profile = Profile { threads: Threads::Owner, ..Profile::GENERAL };
    type Handle<'a> = &'a Self;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        Ok(Self { blocks: Mutex::default() })
    }

    fn handle(&self) -> &Self {
        self
    }

    fn stats(&self) -> Option<Stats> {
        let bytes = self.blocks().iter().map(|(_, layout)| layout.size()).sum();
        COUNTS.then_some(Stats { reserved_bytes: bytes, live_bytes: 0 })
    }
}

impl<const COUNTS: bool> Drop for Leaky<COUNTS> {
    fn drop(&mut self) {
        for &(pointer, layout) in &*self.blocks() {
            // SAFETY: the block came from `Global` with this layout, and is not freed before.
            unsafe { Global.deallocate(pointer, layout) };
        }
    }
}

// SAFETY: blocks are `Global`'s and stay until the strategy is dropped, which the handle borrows.
unsafe impl<const COUNTS: bool> Allocator for Leaky<COUNTS> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = Global.allocate(layout)?;
        self.blocks().push((block.cast(), layout));
        Ok(block)
    }

    unsafe fn deallocate(&self, _pointer: NonNull<u8>, _layout: Layout) {}
}
