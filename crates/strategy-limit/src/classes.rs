//! Blocks of up to 1 KiB: a stack of pointers for every 16 bytes of size.

use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use strategy::{
    AllocError, Allocator, BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Strategy, Threads,
};

use crate::stack::{Memory, Pointers};

/// The distance of the sizes in bytes, and the alignment of every block.
const STEP: usize = 16;

/// The size of the largest block in bytes.
const LARGEST: usize = 1024;

/// The classes.
const CLASSES: usize = LARGEST / STEP;

/// The bytes that are carved into blocks at a time.
const CHUNK: usize = 1 << 20;

/// Blocks of up to 1 KiB, as many as the plan has alive: the least code for mixed sizes.
pub struct Classes {
    /// The blocks of class `n` have `(n + 1) * STEP` bytes. Each stack has room for `most` pointers.
    free: [Pointers; CLASSES],
    /// How many blocks of each class there are: at most `most`.
    carved: [Cell<usize>; CLASSES],
    /// The most blocks of one class.
    most: usize,
    /// Where the next block is carved, and how many bytes are left from there to the end of the newest of
    /// `chunks`: none as long as there is no chunk.
    next: Cell<(NonNull<u8>, usize)>,
    chunks: RefCell<Vec<Memory>>,
}

impl Classes {
    #[cold]
    #[inline(never)]
    fn carve(&self, class: usize) -> Result<NonNull<u8>, AllocError> {
        let bytes = (class + 1) * STEP;
        let carved = &self.carved[class];
        if carved.get() == self.most {
            return Err(AllocError);
        }
        let (mut block, mut left) = self.next.get();
        if left < bytes {
            let layout = Layout::from_size_align(CHUNK, STEP).map_err(|_| AllocError)?;
            let chunk = Memory::new(layout).map_err(|_| AllocError)?;
            (block, left) = (chunk.start, CHUNK);
            self.chunks.borrow_mut().push(chunk);
        }
        // SAFETY: the chunk has `left` bytes from `block` on, at least `bytes`.
        self.next.set((unsafe { block.add(bytes) }, left - bytes));
        carved.set(carved.get() + 1);
        Ok(block)
    }
}

impl Strategy for Classes {
    const NAME: &'static str = crate::NAME;
    const ABOUT: &'static str = crate::ABOUT;
    const ROLE: Role = Role::Limit;
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: STEP,
        frees: Frees::OneByOne,
        reset: Reset::Unsupported,
        threads: Threads::Owner,
    };
    type Handle<'a> = &'a Self;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        let stacks: Result<Vec<_>, _> =
            (0..CLASSES).map(|_| Pointers::new(plan.live_blocks)).collect();
        let Ok(free) = stacks?.try_into() else { unreachable!("there are `CLASSES` stacks") };
        Ok(Self {
            free,
            carved: [const { Cell::new(0) }; CLASSES],
            most: plan.live_blocks,
            next: Cell::new((NonNull::dangling(), 0)),
            chunks: RefCell::default(),
        })
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }
}

// SAFETY: a block of class `n` has `(n + 1) * STEP` bytes at `STEP`, at least what the layout asks for,
// was carved for this class alone, and is handed out once before it is freed. The chunks are freed by
// the drop, which a handle in use rules out.
unsafe impl Allocator for &Classes {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // Size 0 wraps around to the largest number.
        let class = layout.size().wrapping_sub(1) / STEP;
        if class >= CLASSES || layout.align() > STEP {
            return Err(AllocError);
        }
        let block = match self.free[class].pop() {
            Some(block) => block,
            None => self.carve(class)?,
        };
        Ok(NonNull::slice_from_raw_parts(block, (class + 1) * STEP))
    }

    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        let class = (layout.size() - 1) / STEP;
        // SAFETY: a layout that fits has a size from the one asked for to `(class + 1) * STEP`, so the block is one
        // of this class, and is out (the caller's duty), so
        // fewer than `carved` are on its stack, which has room for `most`.
        unsafe { self.free[class].push(pointer) };
    }
}
