//! Many live blocks of one strategy, at the price of a pointer each.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use crate::{Block, BlockError, Shape, Strategy};

/// A table of blocks: each slot holds a [`Block`] of the strategy, or nothing.
///
/// A `Block` carries its strategy's handle, as a `Box` carries its allocator. A program that keeps
/// thousands of blocks does not store that thousands of times; neither does the table, so a
/// strategy whose handle is a reference costs no more memory here than one whose handle takes
/// no space.
///
/// ```
/// # use allocator_api2::alloc::Global;
/// # use strategy::{BuildError, Plan, Profile};
/// use strategy::{Fixed, Strategy, Table};
/// # struct Plain;
/// # impl Strategy for Plain {
/// #     const NAME: &'static str = "plain";
/// #     const ABOUT: &'static str = "";
/// #     const PROFILE: Profile = Profile::GENERAL;
/// #     type Handle<'a> = Global;
/// #     fn new(_plan: &Plan) -> Result<Self, BuildError> { Ok(Self) }
/// #     fn handle(&self) -> Global { Global }
/// # }
///
/// let strategy = Plain::new(&Plan::default()).unwrap();
/// let mut table = Table::new(&strategy, 1000);
/// table.allocate(7, Fixed::<64, 8>, 42).unwrap();
/// assert_eq!(table.take(7).unwrap().stamp(), 42);
/// assert!(table.take(7).is_none());
/// ```
///
/// It is sent to another thread if the strategy's handle may be:
///
/// ```compile_fail,E0277
/// # use strategy::{BuildError, Plan, Profile, Strategy, Table};
/// # struct Owner(Arena);
/// # impl Strategy for Owner {
/// #     const NAME: &'static str = "owner";
/// #     const ABOUT: &'static str = "";
/// #     const PROFILE: Profile = Profile::GENERAL;
/// #     type Handle<'a> = &'a Arena;
/// #     fn new(_plan: &Plan) -> Result<Self, BuildError> { Ok(Self(Arena(std::cell::Cell::new(0)))) }
/// #     fn handle(&self) -> &Arena { &self.0 }
/// # }
/// # struct Arena(std::cell::Cell<u8>);
/// # // SAFETY: it serves nothing.
/// # unsafe impl strategy::Allocator for &Arena {
/// #     fn allocate(&self, _: std::alloc::Layout) -> Result<std::ptr::NonNull<[u8]>, strategy::AllocError> {
/// #         Err(strategy::AllocError)
/// #     }
/// #     unsafe fn deallocate(&self, _: std::ptr::NonNull<u8>, _: std::alloc::Layout) {}
/// # }
/// fn sent<T: Send>() {}
/// // `Owner` hands out a reference to an arena that is not `Sync`.
/// sent::<Table<'static, Owner>>();
/// ```
pub struct Table<'a, S: Strategy + 'a, L: Shape = Layout> {
    handle: S::Handle<'a>,
    /// Each is empty or the parts of a block that came from `handle` and is owned by the slot.
    slots: Vec<Option<(NonNull<u8>, L)>>,
}

// SAFETY: a table owns its blocks and frees them to its handle. A handle is `Copy`, so one that may be sent
// can be on two threads at once anyway, and all copies serve the same memory.
unsafe impl<'a, S: Strategy + 'a, L: Shape + Send> Send for Table<'a, S, L> where S::Handle<'a>: Send
{}

impl<'a, S: Strategy, L: Shape> Table<'a, S, L> {
    /// A table of `slots` empty slots, numbered from 0. Its own memory is the global
    /// allocator's.
    #[must_use]
    pub fn new(strategy: &'a S, slots: usize) -> Self {
        Self { handle: strategy.handle(), slots: vec![None; slots] }
    }

    /// Allocates a block into a slot, with `stamp` at its start. What the slot held is freed.
    ///
    /// # Errors
    ///
    /// [`BlockError`] if the strategy has no such block, or serves another one. The slot is as it was.
    ///
    /// # Panics
    ///
    /// If there is no such slot.
    #[inline]
    pub fn allocate(&mut self, slot: usize, shape: L, stamp: u64) -> Result<(), BlockError> {
        let place = &mut self.slots[slot];
        let old =
            place.replace(Block::<'a, S, L>::stamped_by(self.handle, shape, stamp)?.into_parts());
        // SAFETY: the parts were in the slot and are not any more.
        drop(old.map(|parts| unsafe { self.block(parts) }));
        Ok(())
    }

    /// Takes the block out of a slot, or nothing out of an empty one.
    ///
    /// # Panics
    ///
    /// If there is no such slot.
    #[inline]
    pub fn take(&mut self, slot: usize) -> Option<Block<'a, S, L>> {
        // SAFETY: the parts were in the slot and are not any more.
        self.slots[slot].take().map(|parts| unsafe { self.block(parts) })
    }

    /// Puts the block of a slot together again.
    ///
    /// # Safety
    ///
    /// The parts were taken out of a slot and are in none any more.
    #[inline]
    unsafe fn block(&self, (pointer, shape): (NonNull<u8>, L)) -> Block<'a, S, L> {
        // SAFETY: from a slot, they are the parts of a block that came from `handle` (the invariant
        // of `slots`); in none any more, they are used once (the caller's duty).
        unsafe { Block::from_parts(self.handle, pointer, shape) }
    }
}

impl<'a, S: Strategy + 'a, L: Shape> Drop for Table<'a, S, L> {
    fn drop(&mut self) {
        for slot in 0..self.slots.len() {
            drop(self.take(slot));
        }
    }
}

impl<'a, S: Strategy + 'a, L: Shape> fmt::Debug for Table<'a, S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.slots.iter().flatten().count();
        f.debug_struct("Table").field("slots", &self.slots.len()).field("live", &live).finish()
    }
}
