//! Blocks of one layout: a stack of pointers, filled beforehand.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;
use std::alloc::System;

use strategy::{
    AllocError, Allocator, BuildError, Frees, FromGlobal, Plan, Profile, Reset, Role, Sizes,
    StaticGlobal, Strategy, Threads,
};

/// The memory of all limits.
pub(crate) struct Libc;

impl StaticGlobal for Libc {
    type Global = System;
    const GLOBAL: &'static System = &System;
}

/// The allocator of all limits.
pub(crate) const LIBC: FromGlobal<Libc> = FromGlobal::new();

/// Memory from the C library that is given back on drop.
pub(crate) struct Memory {
    /// Came from `LIBC` with `layout` and is not freed.
    pub(crate) start: NonNull<u8>,
    pub(crate) layout: Layout,
}

impl Memory {
    pub(crate) fn new(layout: Layout) -> Result<Self, BuildError> {
        let block = LIBC.allocate(layout);
        let block = block.map_err(|AllocError| BuildError::OutOfMemory { bytes: layout.size() })?;
        Ok(Self { start: block.cast(), layout })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it came from `LIBC` with this layout and is not freed (the invariant of `start`).
        unsafe { LIBC.deallocate(self.start, self.layout) };
    }
}

/// `count` times `size` bytes aligned to `align`, or the error that says that they are too many.
pub(crate) fn array(count: usize, size: usize, align: usize) -> Result<Layout, BuildError> {
    let bytes = count.saturating_mul(size);
    Layout::from_size_align(bytes, align).map_err(|_| BuildError::OutOfMemory { bytes })
}

/// A stack of pointers to free blocks, with room for all that there are.
pub(crate) struct Pointers {
    /// The slot after the newest pointer: not below `bottom` and at most one past the last slot. The slots
    /// from `bottom` up to it are initialized.
    top: Cell<NonNull<NonNull<u8>>>,
    bottom: NonNull<NonNull<u8>>,
    /// The slots.
    _memory: Memory,
}

impl Pointers {
    /// An empty stack with room for `capacity` pointers.
    pub(crate) fn new(capacity: usize) -> Result<Self, BuildError> {
        let slot = Layout::new::<NonNull<u8>>();
        let memory = Memory::new(array(capacity, slot.size(), slot.align())?)?;
        let bottom = memory.start.cast();
        Ok(Self { top: Cell::new(bottom), bottom, _memory: memory })
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<u8>> {
        let top = self.top.get();
        if top == self.bottom {
            return None;
        }
        // SAFETY: `top` is not `bottom`, so it is above it (its invariant), and the slot below is one of the stack's.
        let newest = unsafe { top.sub(1) };
        self.top.set(newest);
        // SAFETY: the slot was below `top`, so it is initialized.
        Some(unsafe { newest.read() })
    }

    /// # Safety
    ///
    /// Fewer pointers are on the stack than it has room for.
    #[inline]
    pub(crate) unsafe fn push(&self, block: NonNull<u8>) {
        let top = self.top.get();
        // SAFETY: there is room (the caller's duty), so the slot at `top` is one of the stack's.
        unsafe { top.write(block) };
        // SAFETY: as above, and one past the last slot at the most.
        self.top.set(unsafe { top.add(1) });
    }
}

/// Blocks of `SIZE` bytes at `ALIGN`, as many as the plan has alive: the least code for a pool.
pub struct Stack<const SIZE: usize, const ALIGN: usize> {
    /// Has room for every block.
    free: Pointers,
    _blocks: Memory,
}

impl<const SIZE: usize, const ALIGN: usize> Stack<SIZE, ALIGN> {
    const SERVES: () = assert!(
        SIZE > 0 && ALIGN.is_power_of_two() && SIZE.is_multiple_of(ALIGN),
        "blocks stand side by side"
    );
}

impl<const SIZE: usize, const ALIGN: usize> Strategy for Stack<SIZE, ALIGN> {
    const NAME: &'static str = crate::NAME;
    const ABOUT: &'static str = crate::ABOUT;
    const ROLE: Role = Role::Limit;
    const PROFILE: Profile = Profile {
        sizes: Sizes::OneBlock,
        max_align: ALIGN,
        frees: Frees::OneByOne,
        reset: Reset::Unsupported,
        threads: Threads::Owner,
    };
    type Handle<'a> = &'a Self;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        let () = Self::SERVES;
        let free = Pointers::new(plan.live_blocks)?;
        let blocks = Memory::new(array(plan.live_blocks, SIZE, ALIGN)?)?;
        for index in (0..plan.live_blocks).rev() {
            // SAFETY: the memory has `live_blocks` blocks of `SIZE` bytes, and `index` is below that.
            let block = unsafe { blocks.start.add(index * SIZE) };
            // SAFETY: there is room for `live_blocks`, and each is pushed once.
            unsafe { free.push(block) };
        }
        Ok(Self { free, _blocks: blocks })
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }
}

// SAFETY: a block has `SIZE` bytes at `ALIGN`, at least what the layout asks for, belongs to this
// alone, and is handed out once before it is freed. The memory is freed by the drop, which a handle
// in use rules out.
unsafe impl<const SIZE: usize, const ALIGN: usize> Allocator for &Stack<SIZE, ALIGN> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() > SIZE || layout.align() > ALIGN || layout.size() == 0 {
            return Err(AllocError);
        }
        let block = self.free.pop().ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, SIZE))
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, _layout: Layout) {
        // SAFETY: the block is one of this limit's and is out (the caller's duty), so not all are on
        // the stack, which has room for all.
        unsafe { self.free.push(pointer) };
    }
}
