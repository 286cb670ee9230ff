//! Mistakes inside of a pool. To a tool that is told nothing they are none; with the features `valgrind` and
//! `asan` it finds them: `scripts/memcheck` runs this with and without.
//!
//! ```sh
//! cargo build -p strategy-pool --example misuse-pool --features valgrind
//! valgrind target/debug/examples/misuse-pool use-after-free
//! ```

use std::alloc::Layout;
use std::hint::black_box;
use std::mem;

use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;
use strategy_pool::{BlockPool, Pool, SizeClassPool, SyncPool};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("use-after-free") => use_after_free(),
        Some("use-after-reset") => use_after_reset(),
        Some("overrun") => overrun(),
        Some("overrun-shared") => overrun_shared(),
        Some("double-free") => double_free(),
        Some("never-written") => never_written(),
        Some("leak") => leak(),
        _ => panic!("which mistake? One of the names in `main`"),
    }
}

#[inline(never)]
fn use_after_free() {
    let pool = Pool::new();
    let [_first, second] = [1, 2].map(|number| pool.alloc([number; 8]));
    let place = second.as_ptr();
    drop(second);
    // SAFETY: none. The slot was given back.
    black_box(unsafe { place.read() });
}

#[inline(never)]
fn use_after_reset() {
    let mut pool = SizeClassPool::new();
    let bytes = Vec::<u8, _>::with_capacity_in(100, &pool);
    let place = bytes.as_ptr_range().start.wrapping_add(50);
    mem::forget(bytes);
    pool.reset();
    // SAFETY: none. The block is free since the reset.
    black_box(unsafe { place.read() });
}

#[inline(never)]
fn overrun() {
    let pool = SizeClassPool::new();
    // Its class has 112 bytes.
    let mut bytes = Vec::<u8, _>::with_capacity_in(100, &pool);
    let end = bytes.spare_capacity_mut().as_mut_ptr_range().end;
    // SAFETY: none. It is the byte behind those asked for.
    unsafe { end.cast::<u8>().write(1) };
}

#[inline(never)]
fn overrun_shared() {
    let pool = SyncPool::new(Layout::new::<[u8; 64]>());
    let mut bytes = Vec::<u8, _>::with_capacity_in(64, &pool);
    let end = bytes.spare_capacity_mut().as_mut_ptr_range().end;
    // SAFETY: none. It is the first byte of the next block, which is free.
    unsafe { end.cast::<u8>().write(1) };
}

#[inline(never)]
fn double_free() {
    let layout = Layout::new::<[u8; 64]>();
    let pool = BlockPool::new(layout);
    // With one that stays out, no assertion sees it.
    let [_out, block] = [(); 2].map(|()| (&pool).allocate(layout).unwrap().cast());
    // SAFETY: the block is the pool's, and out.
    unsafe { (&pool).deallocate(block, layout) };
    // SAFETY: none. It is not out any more.
    unsafe { (&pool).deallocate(block, layout) };
}

#[inline(never)]
fn never_written() {
    let pool = BlockPool::new(Layout::new::<[u8; 64]>());
    drop(allocator_api2::boxed::Box::new_in([1_u8; 64], &pool));
    let bytes = Vec::<u8, _>::with_capacity_in(64, &pool);
    // SAFETY: none. What was written was written by another owner.
    if unsafe { bytes.as_ptr().read() } == 1 {
        println!("the last owner's");
    }
}

#[inline(never)]
fn leak() {
    strategy::memcheck::report_leaks();
    let pool = Pool::new();
    let _kept = pool.alloc([1; 8]);
    mem::forget(pool.alloc([2; 8]));
}
