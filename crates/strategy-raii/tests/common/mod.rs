//! What the tests share: a backing allocator that counts and can fail, and pseudorandom numbers.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global, Layout};

/// The program's allocator, with a list of what is out.
#[derive(Debug, Default)]
pub struct Counting {
    out: RefCell<BTreeMap<usize, Layout>>,
    /// Calls of `allocate` that still succeed; `None` for all.
    left: Cell<Option<usize>>,
}

impl Counting {
    pub fn bytes(&self) -> usize {
        self.out.borrow().values().map(Layout::size).sum()
    }

    pub fn blocks(&self) -> usize {
        self.out.borrow().len()
    }

    /// Lets `calls` succeed and all after them fail.
    pub fn fail_after(&self, calls: usize) {
        self.left.set(Some(calls));
    }

    pub fn never_fail(&self) {
        self.left.set(None);
    }
}

// SAFETY: every block is `Global`'s, which keeps the contract; a shared reference to `Global` is as
// good as a copy.
unsafe impl Allocator for &Counting {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        match self.left.get() {
            Some(0) => return Err(AllocError),
            Some(left) => self.left.set(Some(left - 1)),
            None => {}
        }
        let block = Global.allocate(layout)?;
        if layout.size() > 0 {
            let address = block.cast::<u8>().addr().get();
            assert!(self.out.borrow_mut().insert(address, layout).is_none(), "was out already");
        }
        Ok(block)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            let known = self.out.borrow_mut().remove(&pointer.addr().get());
            assert_eq!(known, Some(layout), "freed once, with the layout that it was got with");
        }
        // SAFETY: the block came from `Global` with this layout and was out, by the lines above.
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
