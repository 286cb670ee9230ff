//! The free blocks: a stack of pointers, apart from the blocks.
//!
//! Freeing a block writes its pointer here and leaves the block alone. A list threaded through
//! the free blocks needs no memory of its own, but reads and writes each block once more:
//! for 1000 blocks of 64 bytes it was 1.58 ns per allocation and free in LIFO order and 3.34 ns
//! in random order, where the stack took 1.36 ns and 1.11 ns (AMD EPYC, Zen 4).
//!
//! Below the oldest pointer stands a `None`, so that whoever takes a block learns from what it
//! reads that there is none, and need not compare with the end of the stack.
//!
//! What lost, on the same machine. An end that is compared with: 2.25 ns instead of 2.12 for
//! 1000 blocks of 64 bytes allocated, stamped, read and freed in random order, where a stack
//! without any test took 1.96. A length and a base instead of a pointer to the top: 2.69. A
//! free that writes its slot only if the slot holds another pointer: 1.38 instead of 1.35 for a
//! block that is allocated, written, read and freed in a loop. The newest free block in a cell of its
//! own, in front of the stack: 1.08 for the loop, but 4 % more for the batch, and twice the code
//! where it is inlined.

use core::cell::Cell;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Layout};

/// A place on the stack: a pointer, or `None` at the bottom.
type Slot = Option<NonNull<u8>>;

/// The bottom of a stack without room. Nothing is ever written there.
const NO_ROOM: &Slot = &None;

/// A stack of pointers to free blocks. It has no `Drop`: its owner calls
/// [`release`](Self::release) with the allocator that its slots came from.
pub(crate) struct FreeStack {
    /// The slot of the newest pointer, or `bottom` if there is none:
    /// `bottom <= top <= bottom + capacity`. The slots above `bottom` up to `top` are
    /// initialized and not `None`.
    top: Cell<NonNull<Slot>>,
    /// A slot that holds `None`. With a `capacity` of 0 it is `NO_ROOM`; otherwise it is the first
    /// of an allocation of `slots(capacity)`.
    bottom: Cell<NonNull<Slot>>,
    /// The number of slots above `bottom`. Never shrinks before `release`.
    capacity: Cell<usize>,
}

impl FreeStack {
    /// A stack without room.
    pub(crate) const fn new() -> Self {
        let bottom = NonNull::from_ref(NO_ROOM);
        Self { top: Cell::new(bottom), bottom: Cell::new(bottom), capacity: Cell::new(0) }
    }

    /// The number of pointers on the stack.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let bytes = self.top.get().addr().get() - self.bottom.get().addr().get();
        bytes / size_of::<Slot>()
    }

    /// The number of pointers that fit.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity.get()
    }

    /// The bytes that the slots take from the backing allocator.
    pub(crate) fn bytes(&self) -> usize {
        match self.capacity.get() {
            0 => 0,
            // Did not overflow when it was allocated, as `slots(capacity)`.
            capacity => (capacity + 1) * size_of::<Slot>(),
        }
    }

    /// Takes the newest pointer.
    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<u8>> {
        let top = self.top.get();
        debug_assert!(self.bottom.get() <= top, "the top left the stack");
        // SAFETY: `top` is initialized (its invariant, and that of `bottom`).
        let newest = unsafe { top.read() }?;
        // SAFETY: the slot is not `None`, so it is not `bottom` and another one lies below.
        self.top.set(unsafe { top.sub(1) });
        Some(newest)
    }

    /// Puts `block` on top.
    ///
    /// # Safety
    ///
    /// Fewer than `capacity` pointers are on the stack.
    #[inline]
    pub(crate) unsafe fn push(&self, block: NonNull<u8>) {
        debug_assert!(self.len() < self.capacity(), "no room on the stack");
        // SAFETY: `top < bottom + capacity` (the caller's duty), so this is one of the slots.
        let slot = unsafe { self.top.get().add(1) };
        // SAFETY: as above.
        unsafe { slot.write(Some(block)) };
        self.top.set(slot);
    }

    /// Puts `count` blocks of `stride` bytes from `first` on, so that they are popped in the
    /// order of their addresses.
    ///
    /// # Safety
    ///
    /// `count` more pointers fit, and `first` points at `count * stride` bytes of one allocation.
    pub(crate) unsafe fn push_run(&self, first: NonNull<u8>, stride: usize, count: usize) {
        debug_assert!(count <= self.capacity() - self.len());
        let below = self.top.get();
        for index in 0..count {
            // SAFETY: `index < count`, so the offset is below `count * stride` (the caller's duty).
            let block = unsafe { first.add(index * stride) };
            // SAFETY: `count` slots are left above `top` (the caller's duty), and this is one.
            let slot = unsafe { below.add(count - index) };
            // SAFETY: `slot` is one of the allocation's slots.
            unsafe { slot.write(Some(block)) };
        }
        // SAFETY: as above; all slots up to here were just written.
        self.top.set(unsafe { below.add(count) });
    }

    /// Takes out the newest pointer with this address; the newest of all takes its place.
    pub(crate) fn take_out(&self, address: usize) -> Option<NonNull<u8>> {
        let mut slot = self.top.get();
        // SAFETY: the slot is the top one, or lies below one that is not `None` and so not
        // `bottom`: it is initialized.
        while let Some(found) = unsafe { slot.read() } {
            if found.addr().get() == address {
                let newest = self.pop();
                // SAFETY: the slot is at most the old top and above `bottom`, so it is one of the
                // allocation's. If it was the top itself, it is above the top now.
                unsafe { slot.write(newest) };
                return Some(found);
            }
            // SAFETY: the slot is not `None`, so it is not `bottom` and another one lies below.
            slot = unsafe { slot.sub(1) };
        }
        None
    }

    /// Forgets all pointers.
    pub(crate) fn clear(&mut self) {
        self.top.set(self.bottom.get());
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
        let doubled = self.capacity.get().saturating_mul(2).saturating_add(1);
        let wanted = capacity.max(doubled);
        let layout = slots(wanted)?;
        let storage = backing.allocate(layout)?.cast::<Slot>();
        // `backing` may itself use the pool, so what follows reads the fields afresh.
        let (old_bottom, old_capacity) = (self.bottom.get(), self.capacity.get());
        if wanted <= old_capacity {
            // SAFETY: `storage` came from `backing` with `layout` just now.
            unsafe { backing.deallocate(storage.cast(), layout) };
            return Ok(());
        }
        let len = self.len();
        // SAFETY: `bottom` and the `len` slots above it are initialized, and as
        // `len <= old_capacity < wanted` they fit into `storage`, which is a fresh allocation.
        unsafe { storage.copy_from_nonoverlapping(old_bottom, len + 1) };
        // SAFETY: `len < wanted`, the number of slots of `storage` above its first.
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

/// The layout of `capacity` slots above the one at the bottom.
fn slots(capacity: usize) -> Result<Layout, AllocError> {
    Layout::array::<Slot>(capacity.checked_add(1).ok_or(AllocError)?).map_err(|_| AllocError)
}

/// Frees the slots of a stack.
///
/// # Safety
///
/// `bottom` and `capacity` were fields of one `FreeStack` whose slots came from `backing`, and
/// are no longer.
unsafe fn give_back(bottom: NonNull<Slot>, capacity: usize, backing: &impl Allocator) {
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
        assert_eq!((stack.capacity(), stack.bytes()), (127, 128 * 8));
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
    fn a_pointer_is_taken_out_from_anywhere_and_the_others_stay() {
        let mut blocks = [0_u8; 5];
        let first = NonNull::from(&mut blocks).cast::<u8>();
        let address = first.addr().get();
        let taken = |stack: &FreeStack, at| {
            stack.take_out(address + at).map(|block| block.addr().get() - address)
        };
        let mut stack = FreeStack::new();
        assert_eq!(taken(&stack, 0), None);
        stack.ensure(5, &Global).unwrap();
        // SAFETY: five pointers fit, and the array has five bytes.
        unsafe { stack.push_run(first, 1, 5) }; // 0 is the newest
        assert_eq!(
            [3, 0, 4, 3, 5].map(|at| taken(&stack, at)),
            [Some(3), Some(0), Some(4), None, None]
        );
        let mut left = [(); 3].map(|()| stack.pop().map(|block| block.addr().get() - address));
        left.sort();
        assert_eq!(left, [None, Some(1), Some(2)]);
        // SAFETY: all slots came from `Global`.
        unsafe { stack.release(&Global) };
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
