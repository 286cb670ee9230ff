//! A pool of one block size over a backing allocator, which can be told to break lines 8, 10 or 13.

use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;

use strategy::contract::Probe;
use strategy::{
    AllocError, Allocator, BuildError, Plan, Profile, Reset, Sizes, Stats, Strategy, Threads,
    Unsupported,
};

/// What a [`Chunks`] does wrong, if anything.
#[rustfmt::skip]
pub mod fault {
    /// Nothing, and a reset keeps all.
    pub const NONE: u8 = 0;
    /// Nothing, and a reset keeps the largest chunk.
    pub const NONE_KEEPS_LARGEST: u8 = 1;

    /// A reset keeps the smallest chunk, and says that it is the largest.
    pub const KEEPS_SMALLEST: u8 = 80;
    /// Out of memory is a panic.
    pub const PANICS: u8 = 100;
    /// Once out of memory, nothing is served any more.
    pub const GIVES_UP: u8 = 101;
    /// Out of memory wipes the live blocks.
    pub const WIPES: u8 = 102;
    /// When it is out of memory while it is built, it forgets what it has.
    pub const LEAKS_UNBUILT: u8 = 103;
    /// The last chunk is not given back.
    pub const LEAKS_CHUNK: u8 = 130;
    /// Chunks are given back with a smaller size.
    pub const WRONG_LAYOUT: u8 = 131;
    /// Chunks are given back only when no block is out.
    pub const WAITS_FOR_BLOCKS: u8 = 132;
}

pub struct Chunks<const FAULT: u8> {
    backing: Probe,
    /// The layout of a block, a multiple of its alignment.
    block: Layout,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What was got from `backing`, and the number of blocks in it.
    chunks: Vec<(NonNull<u8>, Layout, usize)>,
    free: Vec<NonNull<u8>>,
    live: usize,
    failed: bool,
}

impl<const FAULT: u8> Chunks<FAULT> {
    pub fn new_in(plan: &Plan, backing: Probe) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        let out_of_memory = BuildError::OutOfMemory { bytes: plan.max_size };
        let block = Layout::from_size_align(plan.max_size.max(1), plan.max_align);
        let block = block.map_err(|_| out_of_memory)?.pad_to_align();
        let pool = Self { backing, block, state: RefCell::default() };
        for _ in 0..2 {
            if pool.add_chunk().is_err() {
                if FAULT == fault::LEAKS_UNBUILT {
                    pool.state.take();
                }
                return Err(out_of_memory);
            }
        }
        Ok(pool)
    }

    /// Adds a chunk with as many blocks as there are, at least 2.
    fn add_chunk(&self) -> Result<(), AllocError> {
        let mut state = self.state.borrow_mut();
        let blocks = state.chunks.iter().map(|&(.., blocks)| blocks).sum::<usize>().max(2);
        let size = self.block.size().checked_mul(blocks).ok_or(AllocError)?;
        let layout = Layout::from_size_align(size, self.block.align()).map_err(|_| AllocError)?;
        let chunk = self.backing.allocate(layout);
        if FAULT == fault::PANICS {
            chunk.expect("out of memory");
        }
        if chunk.is_err() {
            state.failed = true;
        }
        if chunk.is_err() && FAULT == fault::WIPES {
            for &(start, layout, _) in &state.chunks {
                // SAFETY: the chunk has that many bytes, and nobody has a reference to them.
                unsafe { start.write_bytes(0xEE, layout.size()) };
            }
        }
        let start = chunk?.cast::<u8>();
        state.chunks.push((start, layout, blocks));
        self.cut(&mut state, start, blocks);
        Ok(())
    }

    /// Makes the blocks of a chunk free.
    fn cut(&self, state: &mut State, start: NonNull<u8>, blocks: usize) {
        for number in (0..blocks).rev() {
            // SAFETY: the chunk has `blocks` blocks of this size.
            state.free.push(unsafe { start.add(number * self.block.size()) });
        }
    }

    fn give_back(&self, (start, layout, _): (NonNull<u8>, Layout, usize)) {
        let layout = match FAULT {
            fault::WRONG_LAYOUT => {
                Layout::from_size_align(layout.size() - 1, layout.align()).unwrap()
            }
            _ => layout,
        };
        // SAFETY: the chunk came from `backing` with this layout; with `WRONG_LAYOUT` that is not so,
        // which the probe, the only backing allocator here, sees and puts right.
        unsafe { self.backing.deallocate(start, layout) };
    }
}

impl<const FAULT: u8> Strategy for Chunks<FAULT> {
    const NAME: &'static str = "chunks";
    const ABOUT: &'static str = "blocks of one size cut from chunks, for tests";
    const PROFILE: Profile = Profile {
        sizes: Sizes::OneBlock,
        threads: Threads::Owner,
        reset: match FAULT {
            fault::NONE_KEEPS_LARGEST | fault::KEEPS_SMALLEST => Reset::KeepsLargestChunk,
            _ => Reset::KeepsAll,
        },
        ..Profile::GENERAL
    };
    type Handle<'a> = &'a Self;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::new_in(plan, Probe::new())
    }

    fn handle(&self) -> &Self {
        self
    }

    fn reset(&mut self) -> Result<(), Unsupported> {
        let state = self.state.get_mut();
        state.free.clear();
        state.live = 0;
        let mut chunks = std::mem::take(&mut state.chunks);
        let given_back = match FAULT {
            fault::NONE_KEEPS_LARGEST => chunks.drain(..chunks.len() - 1).collect(),
            fault::KEEPS_SMALLEST => chunks.split_off(1),
            _ => Vec::new(),
        };
        given_back.into_iter().for_each(|chunk| self.give_back(chunk));
        let mut state = self.state.take();
        chunks.iter().for_each(|&(start, _, blocks)| self.cut(&mut state, start, blocks));
        self.state.replace(State { chunks, ..state });
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        let state = self.state.borrow();
        Some(Stats {
            reserved_bytes: state.chunks.iter().map(|(_, layout, _)| layout.size()).sum(),
            live_bytes: state.live * self.block.size(),
        })
    }
}

impl<const FAULT: u8> Drop for Chunks<FAULT> {
    fn drop(&mut self) {
        let mut state = self.state.take();
        if FAULT == fault::LEAKS_CHUNK || FAULT == fault::WAITS_FOR_BLOCKS && state.live > 0 {
            state.chunks.pop();
        }
        state.chunks.into_iter().for_each(|chunk| self.give_back(chunk));
    }
}

// SAFETY: not kept with a fault, which is what the tests are for. Without one: a block is a
// piece of a chunk, which stays where it is until the pool is dropped or reset; both need the
// pool, which the handle borrows.
unsafe impl<const FAULT: u8> Allocator for Chunks<FAULT> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let gave_up = FAULT == fault::GIVES_UP && self.state.borrow().failed;
        if layout.size() > self.block.size() || layout.align() > self.block.align() || gave_up {
            return Err(AllocError);
        }
        if self.state.borrow().free.is_empty() {
            self.add_chunk()?;
        }
        let mut state = self.state.borrow_mut();
        state.live += 1;
        let block = state.free.pop().ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, self.block.size()))
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, _layout: Layout) {
        let mut state = self.state.borrow_mut();
        state.live -= 1;
        state.free.push(pointer);
    }
}
