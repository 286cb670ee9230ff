//! The C library's malloc, and what was asked of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr::NonNull;

use strategy::{AllocError, Allocator, BuildError, Plan, Profile, Strategy, Threads};

/// What is asked of an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A block of this layout.
    Allocate(Layout),
    /// That the block is freed which the call with this number returned.
    Free(usize),
}

/// The C library's malloc, which records what is asked of it. Blocks of size 0 are refused.
///
/// ```
/// use strategy::{Block, Fixed, Shape};
/// use strategy_broken::{Call, Recording};
///
/// let recording = Recording::default();
/// drop(Block::new(&recording, Fixed::<64, 8>, 7).unwrap());
/// assert_eq!(recording.calls(), [Call::Allocate(Fixed::<64, 8>.layout()), Call::Free(0)]);
/// ```
#[derive(Debug, Default)]
pub struct Recording {
    calls: RefCell<Vec<Call>>,
    /// The address of each live block, with the number of the call that returned it.
    live: RefCell<HashMap<usize, usize>>,
}

impl Recording {
    /// What was asked, in its order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }
}

impl Strategy for Recording {
    const NAME: &'static str = "recording";
    const ABOUT: &'static str = "malloc, which records what is asked of it";
    const PROFILE: Profile = Profile { threads: Threads::Owner, ..Profile::GENERAL };
    type Handle<'a> = &'a Self;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self::default())
    }

    fn handle(&self) -> &Self {
        self
    }
}

// SAFETY: blocks are `System`'s, and they are freed with the layout that they were got with (the duty of
// `deallocate`'s caller), which has a size above 0: others are refused. Moving the reference moves no block.
unsafe impl Allocator for &Recording {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Err(AllocError);
        }
        // SAFETY: the size is not 0 (tested above).
        let pointer = NonNull::new(unsafe { System.alloc(layout) }).ok_or(AllocError)?;
        let mut calls = self.calls.borrow_mut();
        self.live.borrow_mut().insert(pointer.addr().get(), calls.len());
        calls.push(Call::Allocate(layout));
        Ok(NonNull::slice_from_raw_parts(pointer, layout.size()))
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        let number = self.live.borrow_mut().remove(&pointer.addr().get());
        self.calls.borrow_mut().push(Call::Free(number.expect("it is live, as its owner says")));
        // SAFETY: the caller got the block from `allocate`, which is `System`'s, with this layout.
        unsafe { System.dealloc(pointer.as_ptr(), layout) };
    }
}
