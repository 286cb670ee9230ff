//! What the tests share.

#![allow(dead_code, reason = "each test file uses a part of it")]

use allocator_api2::alloc::Layout;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

pub fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Pseudorandom numbers with a seed that a failing test prints.
pub fn random(seed: u64) -> Pcg64Mcg {
    println!("seed {seed}");
    Pcg64Mcg::seed_from_u64(seed)
}
