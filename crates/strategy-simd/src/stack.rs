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
    /// Never shrinks before `release`.
    capacity: Cell<usize>,
}

impl FreeStack {
    /// A stack without slots.
    pub(crate) const fn new() -> Self {
        Self {
            top: Cell::new(NonNull::dangling()),
            bottom: Cell::new(NonNull::dangling()),
            capacity: Cell::new(0),
        }
    }

    /// The number of pointers on the stack.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let bytes = self.top.get().addr().get() - self.bottom.get().addr().get();
        bytes / size_of::<NonNull<u8>>()
    }

    /// The number of pointers that fit.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity.get()
    }

    /// The bytes that the slots take from the backing allocator.
    pub(crate) fn bytes(&self) -> usize {
        // Did not overflow when it was allocated, as `slots(capacity)`.
        self.capacity.get() * size_of::<NonNull<u8>>()
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
        // `backing` may itself use the pool, so what follows reads the fields afresh.
        let (old_bottom, old_capacity) = (self.bottom.get(), self.capacity.get());
        if wanted <= old_capacity {
            // SAFETY: `storage` came from `backing` with `layout` just now.
            unsafe { backing.deallocate(storage.cast(), layout) };
            return Ok(());
        }
        let len = self.len();
        // SAFETY: `len` slots from `bottom` on are initialized, and `len <= old_capacity < wanted`
        // of them fit into `storage`, which is a fresh allocation.
        unsafe { storage.copy_from_nonoverlapping(old_bottom, len) };
        // SAFETY: `len < wanted`, the number of slots of `storage`.
        self.top.set(unsafe { storage.add(len) });
        self.bottom.set(storage);
        self.capacity.set(wanted);
        // SAFETY: `old_bottom` and `old_capacity` were the fields until two lines above, and
        // nothing points there any more.
        unsafe { give_back(old_bottom, old_capacity, backing) };
        Ok(())
    }

    /// Gives the slots back and leaves an empty stack.
    ///
    /// # Safety
    ///
    /// `backing` is the allocator that every call of [`ensure`](Self::ensure) was given.
    pub(crate) unsafe fn release(&mut self, backing: &impl Allocator) {
        let Self { bottom, capacity, .. } = core::mem::replace(self, Self::new());
        // SAFETY: the two were the fields of `self`, which no longer holds them.
        unsafe { give_back(bottom.get(), capacity.get(), backing) };
    }
}

/// The layout of `capacity` slots.
fn slots(capacity: usize) -> Result<Layout, AllocError> {
    Layout::array::<NonNull<u8>>(capacity).map_err(|_| AllocError)
}

/// Frees the slots of a stack.
///
/// # Safety
///
/// `bottom` and `capacity` were fields of one `FreeStack` whose slots came from `backing`, and
/// are no longer.
unsafe fn give_back(bottom: NonNull<NonNull<u8>>, capacity: usize, backing: &impl Allocator) {
    if capacity == 0 {
        return;
    }
    let layout = slots(capacity).expect("the slots were allocated with this layout");
    // SAFETY: by the invariant of `bottom`, it came from `backing` with this layout.
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
        let mut stack = FreeStack::new();
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
    fn a_run_is_popped_in_the_order_of_its_addresses() {
        let mut blocks = [0_u8; 12];
        let first = NonNull::from(&mut blocks).cast::<u8>();
        let mut stack = FreeStack::new();
        stack.ensure(4, &Global).unwrap();
        // SAFETY: four pointers fit, and the array has 4 * 3 bytes.
        unsafe { stack.push_run(first, 3, 4) };
        let offsets = [0, 3, 6, 9].map(|offset| Some(first.addr().get() + offset));
        assert_eq!([(); 4].map(|()| stack.pop().map(|block| block.addr().get())), offsets);
        // SAFETY: all slots came from `Global`.
        unsafe { stack.release(&Global) };
    }
}
