//! Work for a thread that nobody may wait for, so that it cannot borrow what it works on.

use super::finding::Outcome;

/// A function and the address of what it works on, without their types and lifetimes.
#[derive(Clone, Copy)]
pub(super) struct Errand {
    /// May be called with `with` by whoever runs the errand, says who made it.
    run: unsafe fn(*const ()) -> Outcome,
    with: *const (),
}

// SAFETY: `run` may be called with `with` on whatever thread runs the errand (the duty of `new`).
unsafe impl Send for Errand {}

// SAFETY: as above, by several threads at once.
unsafe impl Sync for Errand {}

impl Errand {
    /// An errand that calls `run` with `with`.
    ///
    /// # Safety
    ///
    /// Whoever runs the errand or a copy of it, on whatever thread and however often, may call
    /// `run` with `with` there and then. The maker knows them all, since a copy runs only where
    /// the maker has sent it.
    pub(super) const unsafe fn new(run: unsafe fn(*const ()) -> Outcome, with: *const ()) -> Self {
        Self { run, with }
    }

    pub(super) fn run(self) -> Outcome {
        // SAFETY: the duty of `new`, and this is a copy of the errand.
        unsafe { (self.run)(self.with) }
    }
}
