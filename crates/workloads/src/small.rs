//! The layout of a small block whose size is known only at run time.

use std::alloc::Layout;

use strategy::Shape;

/// The alignment of every small block: that of the stamp.
pub(crate) const ALIGN: usize = 8;

/// A block of this many bytes, aligned to 8: a `Layout` in two bytes, so that a table of ten
/// thousand live blocks stays small beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Small(pub(crate) u16);

impl Shape for Small {
    #[inline]
    fn layout(self) -> Layout {
        Layout::from_size_align(usize::from(self.0), ALIGN).expect("64 KiB do not overflow")
    }
}
