//! What the tests share: a backing allocator that counts and can fail, and pseudorandom numbers.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};

/// The program's allocator, with a list of what is out and a plan of which calls fail.
#[derive(Debug, Default)]
pub struct Counting {
    out: RefCell<BTreeMap<usize, Layout>>,
    /// Calls of `allocate` so far, the failed ones included.
    calls: Cell<usize>,
    failing: Cell<Failing>,
}

/// Which calls of [`Counting::allocate`] fail; the first one is call 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failing {
    #[default]
    None,
    Only(usize),
    From(usize),
    Above {
        bytes: usize,
    },
}

impl Counting {
    pub fn bytes(&self) -> usize {
        self.out.borrow().values().map(Layout::size).sum()
    }

    pub fn blocks(&self) -> usize {
        self.out.borrow().len()
    }

    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<_> = self.out.borrow().values().map(Layout::size).collect();
        sizes.sort_unstable();
        sizes
    }

    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    pub fn fail(&self, failing: Failing) {
        self.failing.set(failing);
    }
}

// SAFETY: every block is `Global`'s, which keeps the contract; a shared reference to `Global` is as
// good as a copy.
unsafe impl Allocator for &Counting {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let call = self.calls.get() + 1;
        self.calls.set(call);
        let fails = match self.failing.get() {
            Failing::None => false,
            Failing::Only(failing) => call == failing,
            Failing::From(first) => call >= first,
            Failing::Above { bytes } => layout.size() > bytes,
        };
        if fails {
            return Err(AllocError);
        }
        let block = Global.allocate(layout)?;
        let address = block.cast::<u8>().addr().get();
        assert!(self.out.borrow_mut().insert(address, layout).is_none(), "was out already");
        Ok(block)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        let known = self.out.borrow_mut().remove(&pointer.addr().get());
        assert_eq!(known, Some(layout), "freed once, with the layout that it was got with");
        // SAFETY: the block came from `Global` with this layout and was out, by the line above.
        unsafe { Global.deallocate(pointer, layout) };
    }
}

/// Pseudorandom numbers: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014 (SplitMix64).
pub struct Random(u64);

impl Random {
    /// With a seed that a failing test prints.
    pub fn seeded(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }
}
