//! The layout of a block: a type where it is known at compile time, a value where it is not.

use core::alloc::Layout;

mod sealed {
    /// Keeps [`Shape`](super::Shape) to the types of this file.
    pub trait Sealed {}
}

/// The layout of a block. It is a trait so that a layout that is known at compile
/// time stays one: a constant layout and an opaque one differ by half in the
/// instructions of a fast path.
///
/// It is sealed: a [`Block`](crate::Block) asks its shape again when it is freed, and is sound only
/// if the answer is the layout that it was allocated with. That holds for [`Fixed`], [`Small`] and
/// [`Layout`], and could not be asked of a safe trait that anybody implements.
///
/// ```compile_fail,E0277
/// use std::alloc::Layout;
///
/// #[derive(Clone, Copy)]
/// struct Another;
///
/// impl strategy::Shape for Another {
///     fn layout(self) -> Layout {
///         Layout::new::<u64>()
///     }
/// }
/// ```
pub trait Shape: sealed::Sealed + Copy {
    /// Size and alignment: the same whenever it is asked.
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

impl<const SIZE: usize, const ALIGN: usize> sealed::Sealed for Fixed<SIZE, ALIGN> {}

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

/// A block of this many bytes, aligned to [`Small::ALIGN`]: a `Layout` in two bytes, so that a
/// table of ten thousand live blocks stays small beside them.
///
/// ```
/// use strategy::{Shape, Small};
/// let layout = Small(100).layout();
/// assert_eq!((layout.size(), layout.align()), (100, 8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Small(pub u16);

impl Small {
    /// The alignment of every small block: that of the stamp.
    pub const ALIGN: usize = 8;
}

impl sealed::Sealed for Small {}

impl Shape for Small {
    #[inline]
    fn layout(self) -> Layout {
        Layout::from_size_align(usize::from(self.0), Self::ALIGN).expect("64 KiB do not overflow")
    }
}

/// A block of up to 4095 bytes, aligned to up to 2^15: any such `Layout` in two bytes.
///
/// ```
/// use core::alloc::Layout;
/// use strategy::{Compact, Shape};
/// let layout = Layout::from_size_align(100, 16).unwrap();
/// assert_eq!(Compact::new(layout).map(Shape::layout), Some(layout));
/// assert_eq!(Compact::new(Layout::new::<[u8; 4096]>()), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compact(
    /// The size in the upper 12 bits, the exponent of the alignment in the lower 4.
    u16,
);

impl Compact {
    /// The bits of the exponent.
    const EXPONENT_BITS: u32 = 4;

    /// `layout`, if it is small enough.
    #[must_use]
    pub const fn new(layout: Layout) -> Option<Self> {
        let exponent = layout.align().trailing_zeros();
        if layout.size() >> (u16::BITS - Self::EXPONENT_BITS) > 0
            || exponent >> Self::EXPONENT_BITS > 0
        {
            return None;
        }
        Some(Self((layout.size() as u16) << Self::EXPONENT_BITS | exponent as u16))
    }
}

impl sealed::Sealed for Compact {}

impl Shape for Compact {
    #[inline]
    fn layout(self) -> Layout {
        let exponent = self.0 & ((1 << Self::EXPONENT_BITS) - 1);
        let size = usize::from(self.0 >> Self::EXPONENT_BITS);
        Layout::from_size_align(size, 1 << exponent).expect("neither is large enough to overflow")
    }
}

impl sealed::Sealed for Layout {}

/// A layout that is known only at run time.
impl Shape for Layout {
    #[inline]
    fn layout(self) -> Layout {
        self
    }
}
