//! The nullified pointer of "Use After Free", and the wrapper of "Double Free".

use std::alloc::{Layout, dealloc};

/// Frees a block and nullifies the pointer: this one, and no copy of it.
pub unsafe fn safe_dealloc(ptr: &mut *mut u8, layout: Layout) {
    if !ptr.is_null() {
        unsafe { dealloc(*ptr, layout) };
        *ptr = std::ptr::null_mut();
    }
}

/// A pointer that is freed once, if anybody thinks of it: nothing does when it is dropped.
pub struct OncePtr(pub *mut u8, pub Layout);

impl OncePtr {
    /// Frees the block, unless that has been done.
    pub unsafe fn free(&mut self) {
        if !self.0.is_null() {
            unsafe { dealloc(self.0, self.1) };
            self.0 = std::ptr::null_mut();
        }
    }
}
