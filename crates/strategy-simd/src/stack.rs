//! The free blocks: a stack of pointers, apart from the blocks.
//!
//! Freeing a block writes its pointer here and leaves the block alone: a buffer that was just
//! streamed through has left the cache, and a list threaded through the free blocks would fetch a
//! line of it for each allocation and free.
//!
//! `strategy-pool` has the same stack: a strategy depends on no other.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

/// A stack of pointers to free blocks. It has no `Drop`: its owner calls
/// [`release`](Self::release) with the allocator that its slots came from.
pub(crate) struct FreeStack {
    /// The slot after the newest pointer: `bottom <= top <= bottom + capacity`, and the slots
    /// from `bottom` to `top` are initialized.
    top: Cell<NonNull<NonNull<u8>>>,
    /// The first of `capacity` slots, which are one allocation with the layout of
    /// `slots(capacity)`; dangling if `capacity` is 0.
    bottom: Cell<NonNull<NonNull<u8>>>,
    /// The number of slots.
    capacity: Cell<usize>,
    /// Where `top` is when as many pointers are on the stack as its owner set for a limit:
    /// `bottom <= limit <= bottom + capacity`. It is compared, never followed.
    limit: Cell<NonNull<NonNull<u8>>>,
}

impl FreeStack {
    /// A stack without slots.
    pub(crate) const fn new() -> Self {
        Self {
            top: Cell::new(NonNull::dangling()),
            bottom: Cell::new(NonNull::dangling()),
            capacity: Cell::new(0),
            limit: Cell::new(NonNull::dangling()),
        }
    }

    /// The number of pointers on the stack.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.slots_below(self.top.get())
    }

    /// The number of slots from `bottom` to `end`, which is `top` or `limit`.
    #[inline]
    fn slots_below(&self, end: NonNull<NonNull<u8>>) -> usize {
        (end.addr().get() - self.bottom.get().addr().get()) / size_of::<NonNull<u8>>()
    }

    /// The number of pointers that fit.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity.get()
    }

    /// The number of pointers that may be on the stack without anybody being asked.
    pub(crate) fn limit(&self) -> usize {
        self.slots_below(self.limit.get())
    }

    /// Sets the limit, to the capacity at the most.
    pub(crate) fn set_limit(&self, limit: usize) {
        // SAFETY: at most `capacity` slots behind `bottom`, the end of the allocation.
        self.limit.set(unsafe { self.bottom.get().add(limit.min(self.capacity.get())) });
    }

    /// Whether more pointers than the limit are on the stack.
    #[inline]
    pub(crate) fn is_over_its_limit(&self) -> bool {
        self.top.get() > self.limit.get()
    }

    /// The bytes that the slots take from the backing allocator.
    pub(crate) fn bytes(&self) -> usize {
        // Did not overflow when it was allocated, as `slots(capacity)`.
        self.capacity.get() * size_of::<NonNull<u8>>()
    }

    /// The newest pointer.
    pub(crate) fn newest(&self) -> Option<NonNull<u8>> {
        let top = self.top.get();
        if top == self.bottom.get() {
            return None;
        }
        // SAFETY: as in `pop`: the slot below is one of the allocation's.
        let newest = unsafe { top.sub(1) };
        // SAFETY: as in `pop`: it is initialized.
        Some(unsafe { newest.read() })
    }

    /// Takes the newest pointer.
    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<u8>> {
        let top = self.top.get();
        if top == self.bottom.get() {
            return None;
        }
        // SAFETY: `bottom < top` (tested above with the invariant of `top`), so the slot below
        // is one of the allocation's.
        let newest = unsafe { top.sub(1) };
        self.top.set(newest);
        // SAFETY: the slot lies between `bottom` and the old `top`, so it is initialized.
        Some(unsafe { newest.read() })
    }

    /// Puts `block` on top.
    ///
    /// # Safety
    ///
    /// Fewer than `capacity` pointers are on the stack.
    #[inline]
    pub(crate) unsafe fn push(&self, block: NonNull<u8>) {
        debug_assert!(self.len() < self.capacity());
        let top = self.top.get();
        // SAFETY: `top < bottom + capacity` (the caller's duty), so this is one of the slots.
        unsafe { top.write(block) };
        // SAFETY: as above; the end of the allocation at most.
        self.top.set(unsafe { top.add(1) });
    }

    /// Puts `count` blocks of `stride` bytes from `first` on, so that they are popped in the
    /// order of their addresses.
    ///
    /// # Safety
    ///
    /// `count` more pointers fit, and `first` points at `count * stride` bytes of one allocation.
    pub(crate) unsafe fn push_run(&self, first: NonNull<u8>, stride: usize, count: usize) {
        debug_assert!(count <= self.capacity() - self.len());
        let bottom_of_run = self.top.get();
        for index in 0..count {
            // SAFETY: `index < count`, so the offset is below `count * stride` (the caller's duty).
            let block = unsafe { first.add(index * stride) };
            // SAFETY: `count` slots are left above `top` (the caller's duty), and this is one.
            let slot = unsafe { bottom_of_run.add(count - 1 - index) };
            // SAFETY: `slot` is one of the allocation's slots.
            unsafe { slot.write(block) };
        }
        // SAFETY: as above; all slots up to here were just written.
        self.top.set(unsafe { bottom_of_run.add(count) });
    }

    /// Sorts the pointers by address, shows them to `look`, and takes those from the stack that it
    /// [`mark`]s. `look` does nothing else to them, and does not reach this stack.
    pub(crate) fn sift(&self, look: impl FnOnce(&mut [NonNull<u8>])) {
        let bottom = self.bottom.get();
        let mut slots = NonNull::slice_from_raw_parts(bottom, self.len());
        // SAFETY: the slots from `bottom` to `top` are initialized (the invariant of `top`), or there
        // are none and `bottom` is aligned. Nobody else reaches them before the end of the function.
        let slots = unsafe { slots.as_mut() };
        slots.sort_unstable();
        look(slots);
        let mut kept = 0;
        for index in 0..slots.len() {
            if !is_marked(slots[index]) {
                slots.swap(kept, index);
                kept += 1;
            }
        }
        // SAFETY: `kept` is at most the number of slots that were initialized.
        self.top.set(unsafe { bottom.add(kept) });
    }

    /// Makes room for `capacity` pointers in all. Slots at least double, so that `n` blocks added
    /// one by one move at most `2 n` pointers.
    ///
    /// # Errors
    ///
    /// If the backing allocator has no memory; nothing has changed then.
    pub(crate) fn ensure(
        &self,
        capacity: usize,
        backing: &impl Allocator,
    ) -> Result<(), AllocError> {
        if capacity <= self.capacity.get() {
            return Ok(());
        }
        let wanted = capacity.max(self.capacity.get().saturating_mul(2));
        let layout = slots(wanted)?;
        let storage = backing.allocate(layout)?.cast::<NonNull<u8>>();
        // `backing` may itself use the pool, so this looks afresh.
        let still_wanted = wanted > self.capacity.get();
        // SAFETY: `storage` is a new allocation of `backing` with `slots(wanted)`, and has more room
        // than the stack has if it is wanted. The slots came from `backing`, by this function.
        unsafe { self.move_or_drop(still_wanted, storage, wanted, backing) };
        Ok(())
    }

    /// Makes do with less room if there is four times what `needed` says, which it may say anew after
    /// the backing allocator was asked. Without memory all stays as it is.
    ///
    /// # Safety
    ///
    /// `backing` is the allocator that every call of [`ensure`](Self::ensure) was given, and the stack
    /// never has more pointers than `needed` says.
    pub(crate) unsafe fn shrink(&self, needed: impl Fn() -> usize, backing: &impl Allocator) {
        let needed_before = needed();
        if needed_before > self.capacity.get() / 4 {
            return;
        }
        if needed_before == 0 {
            // SAFETY: the caller's duty.
            return unsafe { self.release(backing) };
        }
        let wanted = 2 * needed_before;
        let Ok(layout) = slots(wanted) else { return };
        let Ok(storage) = backing.allocate(layout) else { return };
        let still_wanted = wanted < self.capacity.get() && wanted >= needed();
        // SAFETY: `storage` is a new allocation of `backing` with `slots(wanted)`. There are no more
        // pointers than `needed` says (the caller's duty), and the slots came from `backing`.
        unsafe { self.move_or_drop(still_wanted, storage.cast(), wanted, backing) };
    }

    /// Moves the pointers to `storage` if it is wanted, and gives back what is not used.
    ///
    /// # Safety
    ///
    /// `storage` came from `backing` with the layout of `slots(capacity)` and is nobody else's. If it
    /// is wanted, the pointers fit into it, and the stack's slots came from `backing`.
    unsafe fn move_or_drop(
        &self,
        wanted: bool,
        storage: NonNull<NonNull<u8>>,
        capacity: usize,
        backing: &impl Allocator,
    ) {
        if !wanted {
            // SAFETY: the caller's duty; no field has it.
            return unsafe { give_back(storage, capacity, backing) };
        }
        let (len, limit) = (self.len(), self.limit());
        let (old_bottom, old_capacity) = (self.bottom.get(), self.capacity.get());
        debug_assert!(len <= capacity);
        // SAFETY: `len` slots from `old_bottom` on are initialized, and fit into `storage` (the
        // caller's duty), which is a fresh allocation.
        unsafe { storage.copy_from_nonoverlapping(old_bottom, len) };
        // SAFETY: `len` is at most the number of slots of `storage`.
        self.top.set(unsafe { storage.add(len) });
        self.bottom.set(storage);
        self.capacity.set(capacity);
        self.set_limit(limit);
        // SAFETY: `old_bottom` and `old_capacity` were the fields until a few lines above, and
        // nothing points there any more.
        unsafe { give_back(old_bottom, old_capacity, backing) };
    }

    /// Gives the slots back and leaves an empty stack.
    ///
    /// # Safety
    ///
    /// `backing` is the allocator that every call of [`ensure`](Self::ensure) was given.
    pub(crate) unsafe fn release(&self, backing: &impl Allocator) {
        let Self { bottom, top, capacity, limit } = Self::new();
        self.top.set(top.get());
        self.limit.set(limit.get());
        let bottom = self.bottom.replace(bottom.get());
        let capacity = self.capacity.replace(capacity.get());
        // SAFETY: the two were the fields of `self`, which no longer holds them.
        unsafe { give_back(bottom, capacity, backing) };
    }
}

/// A pointer to a free block with a mark. Blocks are aligned, so that bit 0 is free, and the order
/// of the addresses stays.
pub(crate) fn mark(block: NonNull<u8>) -> NonNull<u8> {
    debug_assert!(!is_marked(block));
    block.map_addr(|address| address | 1)
}

fn is_marked(block: NonNull<u8>) -> bool {
    block.addr().get() & 1 == 1
}

/// The layout of `capacity` slots.
fn slots(capacity: usize) -> Result<Layout, AllocError> {
    Layout::array::<NonNull<u8>>(capacity).map_err(|_| AllocError)
}

/// Frees slots.
///
/// # Safety
///
/// `capacity` is 0, or `bottom` came from `backing` with `slots(capacity)`, and nobody uses it.
unsafe fn give_back(bottom: NonNull<NonNull<u8>>, capacity: usize, backing: &impl Allocator) {
    if capacity == 0 {
        return;
    }
    let layout = slots(capacity).expect("the slots were allocated with this layout");
    // SAFETY: it came from `backing` with this layout (the caller's duty).
    unsafe { backing.deallocate(bottom.cast(), layout) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    #[test]
    fn pops_what_was_pushed_newest_first_through_growth() {
        let mut blocks = [0_u8; 100];
        let first = NonNull::from(&mut blocks).cast::<u8>();
        let stack = FreeStack::new();
        assert_eq!(stack.pop(), None);
        for len in 0..100 {
            stack.ensure(len + 1, &Global).unwrap();
            // SAFETY: `len` pointers are on the stack, and the line above made room for one more.
            unsafe { stack.push(first.map_addr(|first| first.saturating_add(len))) };
        }
        assert_eq!(stack.capacity(), 128);
        for len in (0..100).rev() {
            assert_eq!(stack.pop().unwrap().addr().get(), first.addr().get() + len);
            assert_eq!(stack.len(), len);
        }
        assert_eq!(stack.pop(), None);
        // SAFETY: all slots came from `Global`.
        unsafe { stack.release(&Global) };
        assert_eq!((stack.capacity(), stack.len()), (0, 0));
    }

    #[test]
    fn the_limit_stays_where_it_was_through_growth() {
        let mut blocks = [0_u8; 100];
        let first = NonNull::from(&mut blocks).cast::<u8>();
        let stack = FreeStack::new();
        for len in 0..100 {
            stack.ensure(len + 1, &Global).unwrap();
            stack.set_limit(20);
            assert_eq!(stack.limit(), 20.min(stack.capacity()));
            // SAFETY: `len` pointers are on the stack, and room was made for one more.
            unsafe { stack.push(first) };
            assert_eq!(stack.is_over_its_limit(), stack.len() > stack.limit());
        }
        assert_eq!(stack.limit(), 20);
        // SAFETY: all slots came from `Global`.
        unsafe { stack.release(&Global) };
        assert_eq!(stack.limit(), 0);
    }

    #[test]
    fn what_is_sifted_out_is_gone_and_the_rest_is_sorted() {
        let mut blocks = [0_u16; 10];
        let first = NonNull::from(&mut blocks).cast::<u8>();
        let stack = FreeStack::new();
        stack.sift(|none| assert!(none.is_empty()));
        stack.ensure(10, &Global).unwrap();
        // SAFETY: ten pointers fit, and the array has 10 * 2 bytes.
        unsafe { stack.push_run(first, 2, 10) };
        stack.sift(|blocks| {
            assert!(blocks.is_sorted());
            for index in [0, 3, 4, 9] {
                blocks[index] = mark(blocks[index]);
            }
        });
        let offsets = [8, 7, 6, 5, 2, 1].map(|index| Some(first.addr().get() + 2 * index));
        assert_eq!([(); 6].map(|()| stack.pop().map(|block| block.addr().get())), offsets);
        assert_eq!(stack.pop(), None);
        // SAFETY: all slots came from `Global`.
        unsafe { stack.release(&Global) };
    }

    #[test]
    fn a_run_is_popped_in_the_order_of_its_addresses() {
        let mut blocks = [0_u8; 12];
        let first = NonNull::from(&mut blocks).cast::<u8>();
        let stack = FreeStack::new();
        stack.ensure(4, &Global).unwrap();
        // SAFETY: four pointers fit, and the array has 4 * 3 bytes.
        unsafe { stack.push_run(first, 3, 4) };
        let offsets = [0, 3, 6, 9].map(|offset| Some(first.addr().get() + offset));
        assert_eq!([(); 4].map(|()| stack.pop().map(|block| block.addr().get())), offsets);
        // SAFETY: all slots came from `Global`.
        unsafe { stack.release(&Global) };
    }
}
