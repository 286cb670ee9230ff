//! "MaybeUninit for Safe Initialization".

use std::mem::MaybeUninit;

/// An array of `count` copies of `value`. It relies on a layout that nobody has promised: that of a `Vec` of one type being that of
/// a `Vec` of another.
#[expect(clippy::disallowed_methods, reason = "that it is found here is the test")]
pub fn create_array_uninit<T: Copy>(value: T, count: usize) -> Vec<T> {
    let mut vec: Vec<MaybeUninit<T>> = Vec::with_capacity(count);

    for _ in 0..count {
        vec.push(MaybeUninit::new(value));
    }

    // Safe because we initialized all elements
    unsafe { std::mem::transmute(vec) }
}
