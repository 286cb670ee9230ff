//! One buffer, used and freed: `alloc` and `dealloc` by hand.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::slice;
use std::alloc::System;

/// Calls `used` with a buffer of `layout` from the C library, and frees it: what one writes who
/// wants no owner for it. If `used` panics, the buffer is leaked, as it would be there.
///
/// `None` if memory is out, or the size is 0.
#[inline]
pub fn with_buffer<R>(layout: Layout, used: impl FnOnce(&mut [MaybeUninit<u8>]) -> R) -> Option<R> {
    if layout.size() == 0 {
        return None;
    }
    // SAFETY: the size is not 0, as tested above.
    let start = unsafe { System.alloc(layout) };
    if start.is_null() {
        return None;
    }
    // SAFETY: the block has that many bytes, nobody else has it, and they need not be initialized.
    let buffer = unsafe { slice::from_raw_parts_mut(start.cast(), layout.size()) };
    let result = used(buffer);
    // SAFETY: `start` came from `System` with this layout, and the slice over it is not used any more.
    unsafe { System.dealloc(start, layout) };
    Some(result)
}
