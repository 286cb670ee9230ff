//! "Custom Allocator Implementation" and "Memory Leak Detection".

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A global allocator that counts. It wraps around when memory is freed that it has not counted, and leaves `realloc` and
/// `alloc_zeroed` to the trait, which allocates anew and copies, and writes every byte.
pub struct TrackingAllocator<A = System> {
    /// Bytes that are out.
    pub allocated: AtomicUsize,
    /// The system in the sketch. A parameter here, so that a test can stand below it.
    pub inner: A,
}

unsafe impl<A: GlobalAlloc> GlobalAlloc for TrackingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let ptr = unsafe { self.inner.alloc(layout) };
        if !ptr.is_null() {
            self.allocated.fetch_add(layout.size(), Ordering::Relaxed);
        }
        ptr
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { self.inner.dealloc(ptr, layout) };
        self.allocated.fetch_sub(layout.size(), Ordering::Relaxed);
    }
}

static ALLOCATION_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Counts an allocation, and prints: which allocates.
pub fn track_allocation(size: usize) {
    ALLOCATION_COUNT.fetch_add(size, Ordering::Relaxed);
    println!("Allocated {} bytes, total: {}", size, ALLOCATION_COUNT.load(Ordering::Relaxed));
}

/// Counts a free, and prints: which allocates.
pub fn track_deallocation(size: usize) {
    ALLOCATION_COUNT.fetch_sub(size, Ordering::Relaxed);
    println!("Deallocated {} bytes, total: {}", size, ALLOCATION_COUNT.load(Ordering::Relaxed));
}
