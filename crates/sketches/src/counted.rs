//! "Reference Counting for Manual Management" and "Zero-Copy Patterns".

use std::alloc::{Layout, alloc, dealloc};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A buffer with a count of its own in an `Arc`, which has another: two counts of which one is never looked at, and two
/// allocations.
///
/// Its raw pointer keeps it from any other thread, which is what an `Arc` is for:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<std::sync::Arc<sketches::RefCountedBuffer>>();
/// ```
pub struct RefCountedBuffer {
    data: *mut u8,
    size: usize,
    ref_count: AtomicUsize,
    layout: Layout,
}

impl RefCountedBuffer {
    /// A buffer of `size` bytes.
    #[expect(clippy::arc_with_non_send_sync, reason = "that it is found here is the test")]
    pub fn new(size: usize) -> Arc<Self> {
        let layout = Layout::from_size_align(size, 1).unwrap();
        let data = unsafe { alloc(layout) };

        if data.is_null() {
            panic!("Allocation failed");
        }

        Arc::new(Self { data, size, ref_count: AtomicUsize::new(1), layout })
    }

    /// Its bytes, written or not.
    pub fn as_slice(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.data, self.size) }
    }

    /// Its own count. Beside the sketch, which has no way to read it.
    pub fn ref_count(&self) -> usize {
        self.ref_count.load(Ordering::Relaxed)
    }
}

impl Drop for RefCountedBuffer {
    fn drop(&mut self) {
        unsafe {
            dealloc(self.data, self.layout);
        }
    }
}

/// A vector behind a count: two allocations, and two pointers to follow.
pub struct SharedBuffer {
    data: Arc<Vec<u8>>,
}

impl SharedBuffer {
    /// A buffer of `size` bytes, all 0.
    pub fn new(size: usize) -> Self {
        Self { data: Arc::new(vec![0; size]) }
    }

    /// Another handle of the same buffer.
    pub fn clone_handle(&self) -> Self {
        Self { data: self.data.clone() }
    }
}
