//! "Basic Allocation API", "RAII Pattern Implementation" and "Alignment for SIMD".

use std::alloc::{Layout, alloc, dealloc};

/// Memory for `size` bytes, of which the caller has to remember how many they are.
pub unsafe fn allocate_buffer(size: usize) -> *mut u8 {
    let layout = Layout::from_size_align(size, 1).unwrap();
    let ptr = unsafe { alloc(layout) };

    if ptr.is_null() {
        panic!("Allocation failed");
    }

    ptr
}

/// Frees it, with whatever size the caller remembers.
pub unsafe fn deallocate_buffer(ptr: *mut u8, size: usize) {
    let layout = Layout::from_size_align(size, 1).unwrap();
    unsafe { dealloc(ptr, layout) };
}

/// A buffer that frees itself. It is got with the alignment 1, asks for 0 bytes if it is told to, and shows bytes that
/// nobody has written.
///
/// It says nothing of threads, and so may not be sent to one, although nothing would be wrong with it:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<sketches::ManagedBuffer>();
/// ```
pub struct ManagedBuffer {
    ptr: *mut u8,
    size: usize,
    layout: Layout,
}

impl ManagedBuffer {
    /// A buffer of `size` bytes.
    pub fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, 1).unwrap();

        let ptr = unsafe { alloc(layout) };
        if ptr.is_null() {
            panic!("Allocation failed");
        }

        Self { ptr, size, layout }
    }

    /// Its bytes, written or not.
    pub fn as_slice_mut(&mut self) -> &mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.ptr, self.size) }
    }
}

impl Drop for ManagedBuffer {
    fn drop(&mut self) {
        unsafe {
            dealloc(self.ptr, self.layout);
        }
    }
}

/// A buffer for AVX. The product may wrap, null is not looked at, and nothing frees it.
pub unsafe fn allocate_simd_buffer(elements: usize) -> *mut f32 {
    // `wrapping_mul`, which is what `*` does in a release build.
    let size = elements.wrapping_mul(std::mem::size_of::<f32>());
    let layout = Layout::from_size_align(size, 32).unwrap();
    unsafe { alloc(layout) as *mut f32 }
}
