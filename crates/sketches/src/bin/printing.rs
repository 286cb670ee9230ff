//! A program whose allocator prints. It does not get far: printing allocates, which prints.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    reason = "the sketches stand as they are, and have no proofs"
)]

use std::alloc::{GlobalAlloc, Layout, System};

use sketches::{track_allocation, track_deallocation};

struct Printing;

unsafe impl GlobalAlloc for Printing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        track_allocation(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        track_deallocation(layout.size());
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Printing = Printing;

fn main() {
    println!("{}", vec![1; 10].len());
}
