//! A program whose allocator looks for mistakes. With the name of one as its argument it makes that
//! mistake: `cargo run -p tracking --example checked -- "double free"`.

use std::alloc::{GlobalAlloc, Layout, alloc, dealloc, realloc};
use std::hint::black_box;

use tracking::Checking;

#[global_allocator]
static ALLOCATOR: Checking = Checking::system().with_backtraces();

/// What all the mistakes are made with.
const LAYOUT: Layout = Layout::new::<[u64; 8]>();

#[inline(never)]
fn allocates() -> *mut u8 {
    // SAFETY: the size is not 0.
    black_box(unsafe { alloc(LAYOUT) })
}

#[inline(never)]
fn frees(block: *mut u8) {
    // SAFETY: as far as the block is live, which is for the allocator to find out.
    unsafe { dealloc(black_box(block), LAYOUT) };
}

#[inline(never)]
fn writes(block: *mut u8, at: isize) {
    // SAFETY: none, if `at` is outside of the block or the block is freed.
    unsafe { black_box(block.wrapping_offset(at)).write(1) };
}

fn main() {
    ALLOCATOR.report_at_exit();
    let mistake = std::env::args().nth(1).unwrap_or_default();
    match mistake.as_str() {
        "double free" => {
            let block = allocates();
            frees(block);
            frees(block);
        }
        "foreign pointer" => {
            let mut local = [0_u64; 8];
            frees((&raw mut local).cast());
        }
        "wrong layout" => {
            let block = allocates();
            // SAFETY: none: the block has another size.
            unsafe { dealloc(block, Layout::new::<[u64; 4]>()) };
        }
        "wrong layout of realloc" => {
            let block = allocates();
            // SAFETY: none: the block has another alignment.
            let block = unsafe { realloc(block, LAYOUT.align_to(32).unwrap(), 100) };
            black_box(block);
        }
        "zero size" => {
            // SAFETY: none: the size is 0.
            black_box(unsafe { ALLOCATOR.alloc(Layout::new::<()>()) });
        }
        "write before the start" => {
            let block = allocates();
            writes(block, -3);
            frees(block);
        }
        "write past the end" => {
            let block = allocates();
            writes(block, 64);
            frees(block);
        }
        "write past the end, never freed" => writes(allocates(), 64),
        "write past the end, checked" => {
            writes(allocates(), 64);
            ALLOCATOR.check();
        }
        "write after free" => {
            let block = allocates();
            frees(block);
            writes(block, 5);
        }
        "leak" => {
            black_box(allocates());
        }
        _ => frees(allocates()),
    }
}
