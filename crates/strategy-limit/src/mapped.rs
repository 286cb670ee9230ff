//! Large blocks of fresh memory: a mapping for each, advised to be of huge pages.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use libc::{
    MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, madvise, mmap,
    munmap,
};
use strategy::{
    AllocError, Allocator, BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Strategy, Threads,
};

/// The bytes of a huge page on x86-64, and on AArch64 with pages of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;

/// A mapping for each block: the least code for fresh memory. It serves whole huge pages.
#[derive(Clone, Copy, Debug)]
pub struct Mapped;

impl Strategy for Mapped {
    const NAME: &'static str = crate::NAME;
    const ABOUT: &'static str = crate::ABOUT;
    const ROLE: Role = Role::Limit;
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: HUGE_PAGE,
        frees: Frees::OneByOne,
        reset: Reset::Unsupported,
        threads: Threads::Shared,
    };
    type Handle<'a> = Self;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    fn handle(&self) -> Self {
        Self
    }
}

// SAFETY: every block is the aligned part of a mapping of its own, which stays until it is freed.
unsafe impl Allocator for Mapped {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let size = layout.size();
        if size == 0 || !size.is_multiple_of(HUGE_PAGE) || layout.align() > HUGE_PAGE {
            return Err(AllocError);
        }
        let whole = size.checked_add(HUGE_PAGE).ok_or(AllocError)?;
        let (access, kind) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        // SAFETY: a new mapping at no fixed place touches no memory that there is.
        let start = unsafe { mmap(ptr::null_mut(), whole, access, kind, -1, 0) };
        if start == MAP_FAILED {
            return Err(AllocError);
        }
        let start = start.cast::<u8>();
        let before = start.addr().next_multiple_of(HUGE_PAGE) - start.addr();
        // SAFETY: `before < HUGE_PAGE`, so the block lies inside the mapping.
        let block = unsafe { start.add(before) };
        // SAFETY: as above; the end of the block is inside or one past it.
        let end = unsafe { block.add(size) };
        // SAFETY: these pages of the mapping are in front of the block, and nobody's.
        let _kept = unsafe { munmap(start.cast(), before) };
        // SAFETY: and these behind it.
        let _kept = unsafe { munmap(end.cast(), whole - size - before) };
        // SAFETY: advice about the block's own pages changes no byte of them.
        let _advice = unsafe { madvise(block.cast(), size, MADV_HUGEPAGE) };
        let block = NonNull::new(block).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, size))
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the mapping of a block that the caller gives up (its duty).
        let unmapped = unsafe { munmap(pointer.as_ptr().cast(), layout.size()) };
        debug_assert_eq!(unmapped, 0);
    }
}
