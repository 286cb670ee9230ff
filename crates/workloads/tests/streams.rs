//! Another stream is other work: every allocation and every free is recorded.

use std::alloc::{Layout, System};
use std::cell::RefCell;
use std::ptr::NonNull;

use strategy::{
    AllocError, Allocator, BuildError, FromGlobal, Plan, Profile, StaticGlobal, Strategy,
};
use workloads::{Stream, Workload, hot};

/// The C library's malloc.
struct Libc;

impl StaticGlobal for Libc {
    type Global = System;
    const GLOBAL: &'static System = &System;
}

/// What is asked of an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Allocate(Layout),
    /// Frees the block that the allocation with this number returned.
    Free(usize),
}

/// Records what is asked of the C library's malloc.
#[derive(Default)]
struct Recorder {
    calls: RefCell<Vec<Call>>,
    /// The address of each live block, with the number of its allocation.
    live: RefCell<std::collections::HashMap<usize, usize>>,
}

impl Strategy for Recorder {
    const NAME: &'static str = "recorder";
    const ABOUT: &'static str = "records what is asked of the C library's malloc";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = &'a Self;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self::default())
    }

    fn handle(&self) -> &Self {
        self
    }
}

// SAFETY: every call goes on to malloc's handle as it came.
unsafe impl Allocator for &Recorder {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = FromGlobal::<Libc>::new().allocate(layout)?;
        let mut calls = self.calls.borrow_mut();
        self.live.borrow_mut().insert(block.cast::<u8>().addr().get(), calls.len());
        calls.push(Call::Allocate(layout));
        Ok(block)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        let number = self.live.borrow_mut().remove(&pointer.addr().get());
        self.calls.borrow_mut().push(Call::Free(number.expect("it is live")));
        // SAFETY: the caller's duty is the same.
        unsafe { FromGlobal::<Libc>::new().deallocate(pointer, layout) };
    }
}

/// Which workloads draw, found by what they do over eight streams.
#[derive(Default)]
struct Drawing(Vec<&'static str>);

impl hot::Visitor for Drawing {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        let name = workload.description().name;
        let calls = |stream| {
            let mut recorder = Recorder::default();
            let once = &mut |passes: &mut workloads::Passes<'_>| {
                passes(1)?.verified(workload.answer(stream)).map(drop)
            };
            workload.run(&mut recorder, stream, once).unwrap();
            recorder.calls.take()
        };
        let streams: Vec<_> = (0..8).map(|number| calls(Stream::numbered(number))).collect();
        assert!(streams[0] == calls(Stream::FIRST), "{name}: a stream is not what it was");
        let pairs = || (0..streams.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        if pairs().all(|(one, other)| streams[one] != streams[other]) {
            self.0.push(name);
        } else {
            assert!(
                pairs().all(|(one, other)| streams[one] == streams[other]),
                "{name}: only some are others"
            );
        }
    }
}

#[test]
fn another_stream_is_another_order_or_other_sizes() {
    let mut drawing = Drawing::default();
    hot::visit(&mut drawing);
    assert_eq!(drawing.0, ["batch-random", "churn", "churn-pareto", "request", "fragment"]);
}
