//! Mistakes inside of a pool of vectors. To a tool that is told nothing they are none; with the features `valgrind` and
//! `asan` it finds them: `scripts/memcheck` runs this with and without.
//!
//! ```sh
//! cargo build -p strategy-simd --example misuse-simd --features valgrind
//! valgrind target/debug/examples/misuse-simd use-after-free
//! ```

use std::alloc::Layout;
use std::hint::black_box;
use std::mem;

use allocator_api2::alloc::Allocator;
use strategy_simd::{AlignedBuffer, BufferError, SimdPool};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("use-after-free") => use_after_free(),
        Some("overrun") => overrun(),
        Some("double-free") => double_free(),
        Some("never-written") => never_written(),
        Some("leak") => leak(),
        _ => panic!("which mistake? One of the names in `main`"),
    }
    .expect("there is memory");
}

type Buffer<'p, T> = AlignedBuffer<T, 64, &'p SimdPool>;

#[inline(never)]
fn use_after_free() -> Result<(), BufferError> {
    let pool = SimdPool::new();
    let samples = Buffer::<f32>::try_zeroed_in(1000, &pool)?;
    let place = &raw const samples[500];
    drop(samples);
    // SAFETY: none. The block was given back.
    black_box(unsafe { place.read() });
    Ok(())
}

#[inline(never)]
fn overrun() -> Result<(), BufferError> {
    let pool = SimdPool::new();
    // Its class has 4096 bytes.
    let mut samples = Buffer::<f32>::try_zeroed_in(1000, &pool)?;
    // SAFETY: none. It is the element behind the last.
    unsafe { samples.as_mut_ptr_range().end.write(1.0) };
    Ok(())
}

#[inline(never)]
fn double_free() -> Result<(), BufferError> {
    let layout = Layout::new::<[u8; 64]>();
    let pool = SimdPool::new();
    // With others out, and another one freed in between, no assertion sees it.
    let [_out, block, other] = [(); 3].map(|()| (&pool).allocate(layout).unwrap().cast());
    // SAFETY: the block is the pool's, and out.
    unsafe { (&pool).deallocate(block, layout) };
    // SAFETY: as above.
    unsafe { (&pool).deallocate(other, layout) };
    // SAFETY: none. It is not out any more.
    unsafe { (&pool).deallocate(block, layout) };
    Ok(())
}

#[inline(never)]
fn never_written() -> Result<(), BufferError> {
    let pool = SimdPool::new();
    drop(Buffer::<u8>::try_filled_in(1, 64, &pool)?);
    let bytes = Buffer::<u8>::try_with_capacity_in(64, &pool)?;
    // SAFETY: none. What was written was written by another owner.
    if unsafe { bytes.as_ptr().read() } == 1 {
        println!("the last owner's");
    }
    Ok(())
}

#[inline(never)]
fn leak() -> Result<(), BufferError> {
    strategy::memcheck::report_leaks();
    let pool = SimdPool::new();
    let _kept = Buffer::<u8>::try_zeroed_in(64, &pool)?;
    mem::forget(Buffer::<u8>::try_zeroed_in(64, &pool)?);
    Ok(())
}
