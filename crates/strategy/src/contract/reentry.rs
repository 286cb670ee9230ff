//! Line 17: a global allocator that allocates through itself, prints, or takes its caller's locks.

use core::alloc::{GlobalAlloc, Layout};
use core::any::type_name;
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::hint::black_box;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::finding::{Outcome, Violation, hold};
use super::{Finding, LINES};

/// How long the allocations of the test may take: far more than they need.
const PATIENCE: Duration = Duration::from_secs(5);

/// A wrapper around what is installed as `#[global_allocator]`, which sees when that
/// allocates through itself.
///
/// It is for whoever writes a `GlobalAlloc` that is to be installed, not for strategies,
/// which are called by their own name and may use the global allocator. Install it in a
/// test file of its own and put it to [`global_allocator()`]:
///
/// ```no_run
/// use std::alloc::System;
/// use strategy::contract::{self, Reentry};
///
/// #[global_allocator]
/// static INSTALLED: Reentry<System> = Reentry::new(System);
///
/// #[test]
/// fn line_17_global_allocator() {
///     contract::assert_holds(contract::global_allocator(&INSTALLED));
/// }
/// # fn main() {}
/// ```
///
/// A call from inside a call, on the same thread, is counted and served from a small buffer of the
/// wrapper, so that it does not recurse without end.
#[derive(Debug)]
pub struct Reentry<G> {
    global: G,
    spare: Spare,
    calls: AtomicUsize,
    reentered: AtomicUsize,
}

thread_local! {
    /// Whether this thread is inside the wrapped allocator. It needs no set-up and no
    /// destructor, so that reading it allocates nothing.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as being inside the wrapped allocator.
struct Inside;

impl Inside {
    /// Nothing if it is inside already.
    fn enter() -> Option<Self> {
        // Not `then_some`, which would build a guard in either case, and drop it.
        if INSIDE.replace(true) { None } else { Some(Self) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

impl<G> Reentry<G> {
    /// Wraps `global`.
    #[must_use]
    pub const fn new(global: G) -> Self {
        Self {
            global,
            spare: Spare::new(),
            calls: AtomicUsize::new(0),
            reentered: AtomicUsize::new(0),
        }
    }

    /// The wrapped allocator.
    #[must_use]
    pub const fn wrapped(&self) -> &G {
        &self.global
    }

    /// The calls so far, on all threads.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many of them came from inside another one.
    #[must_use]
    pub fn reentered(&self) -> usize {
        self.reentered.load(Ordering::Relaxed)
    }

    /// Counts a call, and runs `wrapped` unless the call came from inside another one.
    fn call<T>(&self, wrapped: impl FnOnce(&G) -> T, nested: impl FnOnce(&Spare) -> T) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match Inside::enter() {
            Some(_inside) => wrapped(&self.global),
            None => {
                self.reentered.fetch_add(1, Ordering::Relaxed);
                nested(&self.spare)
            }
        }
    }
}

// SAFETY: memory comes from `global`, which is a `GlobalAlloc`, or from the spare buffer, whose
// blocks are aligned, large enough, and apart from each other until they are freed. A block is
// freed to where it came from, which its address tells.
unsafe impl<G: GlobalAlloc> GlobalAlloc for Reentry<G> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are the same.
        self.call(|global| unsafe { global.alloc(layout) }, |spare| spare.take(layout))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.call(
            // SAFETY: the caller's duties are the same.
            |global| unsafe { global.alloc_zeroed(layout) },
            |spare| {
                let block = spare.take(layout);
                if !block.is_null() {
                    // SAFETY: the buffer's blocks have the size of their layout.
                    unsafe { block.write_bytes(0, layout.size()) };
                }
                block
            },
        )
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.spare.owns(block) {
            return self.spare.put_back();
        }
        // A block of the wrapped allocator that is freed inside of it: it stays out.
        // SAFETY: the caller's duties are the same, and the block is not of the spare buffer.
        self.call(|global| unsafe { global.dealloc(block, layout) }, |_| ());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let moved = || {
            // SAFETY: the caller says that `size`, rounded up to this alignment, is a valid size.
            let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            // SAFETY: the caller says that `size` is above 0.
            let moved = unsafe { self.alloc(new) };
            if !moved.is_null() {
                // SAFETY: both blocks have that many bytes, and are apart, as both are live.
                unsafe { ptr::copy_nonoverlapping(block, moved, size.min(layout.size())) };
                // SAFETY: the caller's block, which it gives up.
                unsafe { self.dealloc(block, layout) };
            }
            moved
        };
        if self.spare.owns(block) {
            return moved();
        }
        // SAFETY: the caller's duties are the same, and the block is not of the spare buffer.
        self.call(|global| unsafe { global.realloc(block, layout, size) }, |_| moved())
    }
}

/// The bytes of the spare buffer.
const SPARE_BYTES: usize = 1 << 16;

/// A buffer that blocks are cut from, one behind the other. When the last one is back it starts
/// over.
struct Spare {
    buffer: UnsafeCell<[MaybeUninit<u8>; SPARE_BYTES]>,
    /// The bytes in use in the high half, the blocks that are out in the low half: together, so
    /// that both change at once.
    used: AtomicU64,
}

// SAFETY: the buffer is only handed out in blocks that do not overlap, each to one caller.
unsafe impl Sync for Spare {}

impl Spare {
    const fn new() -> Self {
        Self {
            buffer: UnsafeCell::new([MaybeUninit::uninit(); SPARE_BYTES]),
            used: AtomicU64::new(0),
        }
    }

    fn owns(&self, block: *mut u8) -> bool {
        let start = self.buffer.get().addr();
        (start..start + SPARE_BYTES).contains(&block.addr())
    }

    /// A block, or null if the buffer is full.
    fn take(&self, layout: Layout) -> *mut u8 {
        let start = self.buffer.get().addr();
        let mut offset = 0;
        let taken = self.used.fetch_update(Ordering::Acquire, Ordering::Relaxed, |used| {
            let (bytes, blocks) = (used >> 32, used & u64::from(u32::MAX));
            let free = start + bytes as usize;
            offset = free.checked_next_multiple_of(layout.align())? - start;
            let end = offset.checked_add(layout.size()).filter(|&end| end <= SPARE_BYTES)?;
            Some((end as u64) << 32 | (blocks + 1))
        });
        match taken {
            // SAFETY: `offset + layout.size()` is at most the length of the buffer.
            Ok(_) => unsafe { self.buffer.get().cast::<u8>().add(offset) },
            Err(_) => ptr::null_mut(),
        }
    }

    fn put_back(&self) {
        let update = |used: u64| Some(if used & u64::from(u32::MAX) <= 1 { 0 } else { used - 1 });
        // The function always returns something, so this does not fail.
        let _ = self.used.fetch_update(Ordering::Release, Ordering::Relaxed, update);
    }
}

impl core::fmt::Debug for Spare {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Spare").field("used", &self.used).finish_non_exhaustive()
    }
}

/// Contract line 17: a global allocator does not allocate through itself, print, or take its
/// caller's locks.
///
/// `installed` is this program's `#[global_allocator]`. The test allocates, resizes and frees,
/// also while another thread holds the locks of standard output and standard error.
///
/// # Errors
///
/// The first violation that was seen.
pub fn global_allocator<G: GlobalAlloc + Sync>(
    installed: &'static Reentry<G>,
) -> Result<(), Finding> {
    is_quiet(installed).map_err(|Violation { line, seen }| Finding {
        line: &LINES[line - 1],
        strategy: type_name::<G>(),
        seen,
    })
}

fn is_quiet<G: GlobalAlloc + Sync>(installed: &'static Reentry<G>) -> Outcome {
    let before = (installed.calls(), installed.reentered());
    exercise();
    let calls = installed.calls() - before.0;
    hold!(17, calls > 0, "it is not the global allocator of this program: nothing reached it");
    let reentered = installed.reentered() - before.1;
    hold!(17, reentered == 0, "allocated or freed through itself {reentered} times");

    static DONE: AtomicBool = AtomicBool::new(false);
    DONE.store(false, Ordering::SeqCst);
    let locks = (io::stdout().lock(), io::stderr().lock());
    let other = thread::spawn(|| {
        exercise();
        DONE.store(true, Ordering::SeqCst);
    });
    let start = Instant::now();
    while !DONE.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    let in_time = DONE.load(Ordering::SeqCst);
    drop(locks);
    hold!(17, other.join().is_ok(), "panicked");
    hold!(17, in_time, "waits for standard output or error, which another thread has locked");
    let reentered = installed.reentered() - before.1;
    hold!(17, reentered == 0, "allocated or freed through itself {reentered} times");
    Ok(())
}

/// Every entry of the global allocator, with small and large blocks and large alignments.
fn exercise() {
    #[repr(align(256))]
    struct Aligned([u8; 256]);

    for size in [1, 24, 1000, 70_000, 1 << 21] {
        let mut bytes = black_box(Vec::<u8>::with_capacity(size));
        bytes.resize(size, 1);
        bytes.reserve_exact(size);
        bytes.truncate(size / 2);
        bytes.shrink_to_fit();
        let zeroed = black_box(vec![0_u8; size]);
        let sum: usize = bytes.iter().chain(&zeroed).map(|&byte| usize::from(byte)).sum();
        assert_eq!(sum, size / 2);
    }
    let aligned = black_box(Box::new(Aligned([0; 256])));
    assert_eq!(aligned.0[255], 0);
}

#[cfg(test)]
mod tests {
    use std::alloc::System;

    use super::*;

    /// Allocates through `NESTED` twice, for every block.
    struct Nesting;

    static NESTED: Reentry<Nesting> = Reentry::new(Nesting);

    // SAFETY: all memory is `System`'s, or that of `NESTED`, to which it is freed.
    unsafe impl GlobalAlloc for Nesting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            for _ in 0..2 {
                // SAFETY: the caller's duties are the same.
                let nested = unsafe { NESTED.alloc(layout) };
                assert!(NESTED.spare.owns(nested), "served inside of itself");
                // SAFETY: it came from there with this layout.
                unsafe { NESTED.dealloc(nested, layout) };
            }
            // SAFETY: the caller's duties are the same.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller's duties are the same.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[test]
    fn every_nested_call_is_seen_not_only_the_first() {
        let layout = Layout::new::<u64>();
        for round in 1..=2 {
            // SAFETY: the size is not 0.
            let block = unsafe { NESTED.alloc(layout) };
            assert!(!NESTED.spare.owns(block));
            // SAFETY: it came from there with this layout.
            unsafe { NESTED.dealloc(block, layout) };
            assert_eq!((NESTED.calls(), NESTED.reentered()), (4 * round, 2 * round));
        }
    }

    #[test]
    fn spare_blocks_are_apart_and_start_over() {
        let spare = Spare::new();
        let layout = Layout::from_size_align(100, 64).unwrap();
        let first = spare.take(layout);
        let second = spare.take(layout);
        assert!(first.addr().is_multiple_of(64) && second.addr() >= first.addr() + 100);
        assert!(spare.owns(first) && spare.owns(second));
        spare.put_back();
        spare.put_back();
        assert_eq!(spare.take(layout), first);
        assert!(spare.take(Layout::from_size_align(SPARE_BYTES, 1).unwrap()).is_null());
    }
}
