#![doc = include_str!("../README.md")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;

use strategy::{AllocError, Allocator, BuildError, Plan, Profile, Strategy, Threads};

/// The memory that the strategy manages.
#[derive(Debug)]
pub struct TemplateName {
    // Begin here: what is kept between two calls. Write on each field what is always true of it;
    // the SAFETY comments below refer to that. A call has `&self`, so what changes is in a `Cell`.
}

impl Strategy for TemplateName {
    const NAME: &'static str = "template-name";
    const ABOUT: &'static str = "TODO: what it does, in one sentence";
    // What is not served is said here, and the cells that need it then say why they are empty.
    // If all threads may share the strategy: `Profile::GENERAL` alone, `visit_shared` in
    // crates/registry/src/lib.rs, and `contract_tests!(TemplateName, shared)` below.
    const PROFILE: Profile = Profile { threads: Threads::Owner, ..Profile::GENERAL };
    // With `const ROLE: strategy::Role = strategy::Role::Ours;` the page says that those who wrote
    // the benchmarks wrote the strategy as well.
    type Handle<'a> = &'a Self;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        Ok(Self {})
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    // If all memory can be made reusable at once: `reset`, and `reset` in `PROFILE`.
    // If what is held is counted: `stats`.
}

// SAFETY: a block is the C library's until it is freed there, so it overlaps no other and is valid
// however long the strategy lives. A copy of the reference serves the same memory.
unsafe impl Allocator for &TemplateName {
    // Begin here: every block comes out of this function.
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let pointer = match layout.size() {
            0 => layout.dangling_ptr(),
            // SAFETY: the size is not 0.
            _ => NonNull::new(unsafe { System.alloc(layout) }).ok_or(AllocError)?,
        };
        Ok(NonNull::slice_from_raw_parts(pointer, layout.size()))
    }

    // And every block goes back through this one.
    #[inline]
    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            // SAFETY: the caller got the block from `allocate` with this layout, whose size is
            // not 0, so it came from `System`; it is not used from now on.
            unsafe { System.dealloc(pointer.as_ptr(), layout) };
        }
    }

    // Growing, shrinking and zeroing are made of these two until they are written here: `grow`,
    // `grow_zeroed`, `shrink`, `allocate_zeroed`.
}

#[cfg(test)]
mod tests {
    use super::TemplateName;

    strategy::contract_tests!(TemplateName);
}
