//! "RAII Pattern Implementation", "Alignment for SIMD", and the nullified pointer of "Use After Free".

use std::alloc::{Layout, alloc, dealloc};

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

/// Frees a block and nullifies the pointer: this one, and no copy of it.
pub unsafe fn safe_dealloc(ptr: &mut *mut u8, layout: Layout) {
    if !ptr.is_null() {
        unsafe { dealloc(*ptr, layout) };
        *ptr = std::ptr::null_mut();
    }
}
