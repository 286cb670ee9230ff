//! Mistakes inside of an arena. To a tool that is told nothing they are none; with the features `valgrind` and
//! `asan` it finds them: `scripts/memcheck` runs this with and without.
//!
//! ```sh
//! cargo build -p strategy-bump --example misuse-bump --features valgrind
//! valgrind target/debug/examples/misuse-bump use-after-free
//! ```

use std::alloc::Layout;
use std::hint::black_box;

use allocator_api2::alloc::Allocator;
use allocator_api2::boxed::Box;
use strategy_bump::Bump;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("use-after-free") => use_after_free(),
        Some("use-after-reset") => use_after_reset(),
        Some("use-after-scope") => use_after_scope(),
        Some("overrun") => overrun(),
        Some("underrun") => underrun(),
        Some("double-free") => double_free(),
        Some("never-written") => never_written(),
        _ => panic!("which mistake? One of the names in `main`"),
    }
}

#[inline(never)]
fn use_after_free() {
    let arena = Bump::new();
    let number = Box::new_in(7_u64, &arena);
    let _newer = arena.alloc(8_u64);
    let place = &raw const *number;
    drop(number); // its memory stays taken
    // SAFETY: none. The block was freed.
    black_box(unsafe { place.read() });
}

#[inline(never)]
fn use_after_reset() {
    let mut arena = Bump::new();
    let place = &raw const *arena.alloc(7_u64);
    arena.reset();
    // SAFETY: none. The block is free since the reset.
    black_box(unsafe { place.read() });
}

#[inline(never)]
fn use_after_scope() {
    let arena = Bump::with_capacity(1000);
    let place = arena.scoped(|scope| (&raw const *scope.alloc(7_u64)).addr());
    let place = (&raw const *arena.alloc(8_u64)).with_addr(place);
    // SAFETY: none. The block was the scope's.
    black_box(unsafe { place.read() });
}

#[inline(never)]
fn overrun() {
    let arena = Bump::new();
    let older = Box::new_in([0_u64; 8], &arena);
    let bytes = arena.alloc([0_u8; 64]);
    drop(older);
    // SAFETY: none. It is the first byte of the block that was freed.
    unsafe { bytes.as_mut_ptr_range().end.write(1) };
}

#[inline(never)]
fn underrun() {
    let arena = Bump::new();
    let number = &raw mut *arena.alloc(7_u64);
    // SAFETY: none. Below the newest block is the rest of the chunk.
    unsafe { number.wrapping_sub(1).write(8) };
}

#[inline(never)]
fn double_free() {
    let layout = Layout::new::<[u8; 64]>();
    let arena = Bump::new();
    let block = (&arena).allocate(layout).unwrap().cast();
    // SAFETY: the block is the arena's, and out.
    unsafe { (&arena).deallocate(block, layout) };
    // SAFETY: none. It is not out any more.
    unsafe { (&arena).deallocate(block, layout) };
}

#[inline(never)]
fn never_written() {
    let arena = Bump::new();
    drop(Box::new_in([1_u8; 64], &arena));
    let bytes = arena.alloc_layout(Layout::new::<[u8; 64]>());
    // SAFETY: none. What was written was written by another owner.
    if unsafe { bytes.read() } == 1 {
        println!("the last owner's");
    }
}
