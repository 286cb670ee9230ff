//! The layout of a block: a type where it is known at compile time, a value where it is not.

use core::alloc::Layout;

/// The layout of a block. It is a trait so that a layout that is known at compile
/// time stays one: a constant layout and an opaque one differ by half in the
/// instructions of a fast path.
pub trait Shape: Copy {
    /// Size and alignment.
    fn layout(self) -> Layout;
}

/// A layout that is known at compile time: `SIZE` bytes aligned to `ALIGN`. It takes no space.
///
/// A layout that does not exist does not compile:
///
/// ```compile_fail
/// use strategy::{Fixed, Shape};
/// Fixed::<64, 3>.layout(); // 3 is not a power of two
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fixed<const SIZE: usize, const ALIGN: usize>;

impl<const SIZE: usize, const ALIGN: usize> Shape for Fixed<SIZE, ALIGN> {
    #[inline]
    fn layout(self) -> Layout {
        const {
            match Layout::from_size_align(SIZE, ALIGN) {
                Ok(layout) => layout,
                Err(_) => {
                    panic!("SIZE rounded up to ALIGN overflows, or ALIGN is not a power of two")
                }
            }
        }
    }
}

/// A layout that is known only at run time.
impl Shape for Layout {
    #[inline]
    fn layout(self) -> Layout {
        self
    }
}
