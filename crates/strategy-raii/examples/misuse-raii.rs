//! Mistakes inside of a pool of buffers. To a tool that is told nothing they are none; with the features `valgrind` and
//! `asan` it finds them: `scripts/memcheck` runs this with and without.
//!
//! ```sh
//! cargo build -p strategy-raii --example misuse-raii --features valgrind
//! valgrind target/debug/examples/misuse-raii use-after-free
//! ```

use std::alloc::Layout;
use std::hint::black_box;
use std::mem;

use strategy::Allocator;
use strategy_raii::{BufferPool, SharedBufferPool};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("use-after-free") => use_after_free(),
        Some("use-after-free-shared") => use_after_free_shared(),
        Some("overrun") => overrun(),
        Some("double-free") => double_free(),
        Some("never-written") => never_written(),
        Some("leak") => leak(),
        _ => panic!("which mistake? One of the names in `main`"),
    }
}

#[inline(never)]
fn use_after_free() {
    let pool = BufferPool::new();
    let buffer = pool.zeroed(1000);
    let place = &raw const buffer[500];
    drop(buffer); // kept
    // SAFETY: none. The buffer was dropped.
    black_box(unsafe { place.read() });
}

#[inline(never)]
fn use_after_free_shared() {
    static POOL: SharedBufferPool = SharedBufferPool::new();
    let buffer = POOL.zeroed(1000);
    let place = &raw const buffer[500];
    std::thread::spawn(move || drop(buffer)).join().unwrap();
    // SAFETY: none. The buffer was dropped.
    black_box(unsafe { place.read() });
}

#[inline(never)]
fn overrun() {
    let pool = BufferPool::new();
    // Its class has 1024 bytes.
    let mut buffer = pool.zeroed(1000);
    // SAFETY: none. It is the byte behind the last.
    unsafe { buffer.as_mut_ptr_range().end.write(1) };
}

#[inline(never)]
fn double_free() {
    let layout = Layout::new::<[u8; 64]>();
    let pool = BufferPool::new();
    let block = (&pool).allocate(layout).unwrap().cast();
    // SAFETY: the block is the pool's, and out.
    unsafe { (&pool).deallocate(block, layout) };
    // SAFETY: none. It is not out any more.
    unsafe { (&pool).deallocate(block, layout) };
}

#[inline(never)]
fn never_written() {
    let pool = BufferPool::new();
    pool.buffer(64).extend_from_slice(&[1; 64]);
    let bytes = pool.buffer(64);
    // SAFETY: none. What was written was written by another owner.
    if unsafe { bytes.as_ptr().read() } == 1 {
        println!("the last owner's");
    }
}

#[inline(never)]
fn leak() {
    strategy::memcheck::report_leaks();
    let pool = BufferPool::new();
    let _kept = pool.zeroed(1000);
    mem::forget(pool.zeroed(1000));
}
