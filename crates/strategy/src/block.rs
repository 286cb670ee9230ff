//! Owned blocks that give themselves back, so that their users need no `unsafe`.

use core::alloc::Layout;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::{AllocError, Allocator, BlockError, Misserved, Refused, Shape, Strategy};

/// The distance of the stamps of a block that carries one only, at its start.
const ONLY_FIRST: usize = usize::MAX;

/// The bytes of a stamp.
const STAMP_BYTES: usize = size_of::<u64>();

/// An owned block with a stamp in its first 8 bytes; it gives itself back on drop.
///
/// The stamp is written when the block is allocated and read by [`stamp`](Self::stamp): two
/// live blocks that share their first bytes cannot both have kept theirs. A block of less
/// than 8 bytes keeps the low bytes of its stamp. With `STRIDE` below `usize::MAX` a copy
/// of the stamp stands at every multiple of `STRIDE` at which 8 bytes fit: `4096` touches
/// every page. A stride of less than 8, in which copies would overlap, does not compile.
///
/// ```
/// # use allocator_api2::alloc::Global;
/// # use strategy::{BuildError, Plan, Profile};
/// use strategy::{Block, Fixed, Strategy};
/// # struct Plain;
/// # impl Strategy for Plain {
/// #     const NAME: &'static str = "plain";
/// #     const ABOUT: &'static str = "";
/// #     const PROFILE: Profile = Profile::GENERAL;
/// #     type Handle<'a> = Global;
/// #     fn new(_plan: &Plan) -> Result<Self, BuildError> { Ok(Self) }
/// #     fn handle(&self) -> Global { Global }
/// # }
///
/// let strategy = Plain::new(&Plan::default()).unwrap();
/// let block = Block::new(&strategy, Fixed::<64, 8>, 7).unwrap();
/// assert_eq!(block.stamp(), 7);
/// ```
pub struct Block<'a, S: Strategy + 'a, L: Shape = Layout, const STRIDE: usize = ONLY_FIRST> {
    /// Came from `handle` with the layout of `shape`, keeps it ([`served`]) and is not freed. The bytes of
    /// every stamp are initialized.
    pointer: NonNull<u8>,
    shape: L,
    handle: S::Handle<'a>,
}

impl<'a, S: Strategy, L: Shape> Block<'a, S, L> {
    /// Allocates a block of `shape` and writes `stamp` at its start.
    ///
    /// # Errors
    ///
    /// [`BlockError`] if the strategy has no such block, or serves one that is misaligned or too short, which
    /// is left alone then.
    #[inline]
    pub fn new(strategy: &'a S, shape: L, stamp: u64) -> Result<Self, BlockError> {
        Self::stamped(strategy, shape, stamp)
    }
}

impl<'a, S: Strategy, L: Shape, const STRIDE: usize> Block<'a, S, L, STRIDE> {
    /// Allocates a block of `shape` and writes `stamp` at every multiple of `STRIDE`.
    ///
    /// # Errors
    ///
    /// [`BlockError`] if the strategy has no such block, or serves one that is misaligned or too short, which
    /// is left alone then.
    #[inline]
    pub fn stamped(strategy: &'a S, shape: L, stamp: u64) -> Result<Self, BlockError> {
        Self::stamped_by(strategy.handle(), shape, stamp)
    }

    /// As [`stamped`](Self::stamped), from a handle.
    #[inline]
    pub(crate) fn stamped_by(
        handle: S::Handle<'a>,
        shape: L,
        stamp: u64,
    ) -> Result<Self, BlockError> {
        let layout = shape.layout();
        let pointer = served(handle.allocate(layout), layout)?;
        for_each_stamp::<STRIDE>(layout, |offset, bytes| {
            // SAFETY: `offset + bytes <= layout.size()` by `for_each_stamp`, and the allocator returned at
            // least that many bytes (`served`), which are writable by its contract.
            let target = unsafe { pointer.add(offset) };
            // SAFETY: as above; `stamp` is a local of `STAMP_BYTES >= bytes` bytes.
            unsafe { target.copy_from_nonoverlapping(NonNull::from(&stamp.to_le()).cast(), bytes) };
        });
        Ok(Self { pointer: seen(pointer), shape, handle })
    }

    /// Reads the stamp back; with several, their sum, wrapping. A block of size 0 has stamp 0.
    #[inline]
    #[must_use]
    pub fn stamp(&self) -> u64 {
        let mut sum = 0_u64;
        for_each_stamp::<STRIDE>(self.shape.layout(), |offset, bytes| {
            let mut stamp = [0; STAMP_BYTES];
            // SAFETY: `offset + bytes <= layout.size()` by `for_each_stamp`, and the block has
            // that many bytes.
            let source = unsafe { self.pointer.add(offset) };
            // SAFETY: these bytes are initialized (the invariant of `pointer`); `stamp` is a
            // local of `STAMP_BYTES >= bytes` bytes.
            unsafe { source.copy_to_nonoverlapping(NonNull::from(&mut stamp).cast(), bytes) };
            sum = sum.wrapping_add(u64::from_le_bytes(stamp));
        });
        sum
    }

    /// Takes the block apart, without freeing it, into what it does not share with the other
    /// blocks of its handle.
    #[inline]
    pub(crate) fn into_parts(self) -> (NonNull<u8>, L) {
        let block = ManuallyDrop::new(self);
        (block.pointer, block.shape)
    }

    /// Puts a block together again.
    ///
    /// # Safety
    ///
    /// `pointer` and `shape` came from [`into_parts`](Self::into_parts) of a block with this
    /// `STRIDE` that `handle` or a copy of it has allocated, and are used once.
    #[inline]
    pub(crate) unsafe fn from_parts(handle: S::Handle<'a>, pointer: NonNull<u8>, shape: L) -> Self {
        Self { pointer, shape, handle }
    }
}

impl<'a, S: Strategy + 'a, L: Shape, const STRIDE: usize> Drop for Block<'a, S, L, STRIDE> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `pointer` came from `handle` with this layout and is not freed (its
        // invariant), and a block is dropped at most once.
        unsafe { self.handle.deallocate(self.pointer, self.shape.layout()) };
    }
}

impl<'a, S: Strategy + 'a, L: Shape, const STRIDE: usize> fmt::Debug for Block<'a, S, L, STRIDE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("pointer", &self.pointer)
            .field("layout", &self.shape.layout())
            .finish_non_exhaustive()
    }
}

/// Where the block of `layout` is that an allocator returned: aligned, and at least as long.
///
/// It is tested at every call, so that a strategy that is right as long as somebody checks it is found out
/// while it is measured. With a layout that is known at compile time this is one test of the address: 2
/// instructions of the 144 of a pair on System, 3 of the 22 on the pool, whose own test of the length stands for
/// the one here. One condition in the place of two, or an error that is not made out of line, made that 6 to 8.
///
/// # Errors
///
/// As [`Block::new`].
#[inline(always)]
fn served(
    returned: Result<NonNull<[u8]>, AllocError>,
    layout: Layout,
) -> Result<NonNull<u8>, BlockError> {
    let Ok(memory) = returned else { return Err(refused(layout)) };
    if memory.len() < layout.size() {
        return Err(misserved(memory, layout));
    }
    let pointer = memory.cast::<u8>();
    if pointer.addr().get() & (layout.align() - 1) != 0 {
        return Err(misserved(memory, layout));
    }
    Ok(pointer)
}

/// That there is no block of `layout`. Out of line, as what happens once.
#[cold]
#[inline(never)]
fn refused(layout: Layout) -> BlockError {
    BlockError::Refused(Refused { layout })
}

/// That `memory` is no block of `layout`. Out of line, as what happens once.
#[cold]
#[inline(never)]
fn misserved(memory: NonNull<[u8]>, layout: Layout) -> BlockError {
    let address = memory.cast::<u8>().addr().get();
    BlockError::Misserved(Misserved { layout, address, bytes: memory.len() })
}

/// Makes the compiler take it that somebody else has looked at `value`, and at all that can be reached
/// from it: what was written there cannot be left out.
///
/// It knows `malloc` and `free`, and would otherwise remove both, and the stamp with them.
/// `black_box` does the same, but sends the pointer through memory: a store for each block, which
/// is a quarter of what the cheapest strategies cost. Here are no instructions at all.
#[inline(always)]
pub fn escape<T: ?Sized>(value: &T) {
    seen(NonNull::from(value).cast());
}

/// Returns `pointer`, behind the back of the compiler: as [`escape`], and what it points to may have
/// been written to.
#[inline(always)]
fn seen(pointer: NonNull<u8>) -> NonNull<u8> {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    {
        let mut seen = pointer.as_ptr();
        // SAFETY: there are no instructions, so nothing changes: neither memory, nor flags, nor the
        // register, which comes back as it went in.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) seen, options(nostack, preserves_flags))
        };
        // SAFETY: it is still `pointer`, which is not null.
        unsafe { NonNull::new_unchecked(seen) }
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    core::hint::black_box(pointer)
}

/// Calls `stamp(offset, bytes)` for every stamp of a block: `offset + bytes <= layout.size()`
/// and `bytes <= 8`.
#[inline(always)]
fn for_each_stamp<const STRIDE: usize>(layout: Layout, mut stamp: impl FnMut(usize, usize)) {
    const { assert!(STRIDE >= STAMP_BYTES, "copies of the stamp would overlap") };
    let size = layout.size();
    if size < STAMP_BYTES {
        return stamp(0, size);
    }
    stamp(0, STAMP_BYTES);
    if STRIDE != ONLY_FIRST {
        let mut offset = STRIDE;
        while offset <= size - STAMP_BYTES {
            stamp(offset, STAMP_BYTES);
            offset += STRIDE;
        }
    }
}

/// An owned block of zeroed bytes; it gives itself back on drop.
pub struct Zeroed<'a, S: Strategy + 'a, L: Shape = Layout> {
    /// Came from `handle` with the layout of `shape`, keeps it ([`served`]) and is not freed. All bytes of
    /// the layout are initialized.
    pointer: NonNull<u8>,
    shape: L,
    handle: S::Handle<'a>,
}

impl<'a, S: Strategy, L: Shape> Zeroed<'a, S, L> {
    /// Allocates a block of `shape`, all bytes 0.
    ///
    /// # Errors
    ///
    /// [`BlockError`] if the strategy has no such block, or serves one that is misaligned or too short, which
    /// is left alone then.
    #[inline]
    pub fn new(strategy: &'a S, shape: L) -> Result<Self, BlockError> {
        let handle = strategy.handle();
        let layout = shape.layout();
        let pointer = served(handle.allocate_zeroed(layout), layout)?;
        Ok(Self { pointer: seen(pointer), shape, handle })
    }
}

impl<'a, S: Strategy + 'a, L: Shape> Deref for Zeroed<'a, S, L> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let bytes = NonNull::slice_from_raw_parts(self.pointer, self.shape.layout().size());
        // SAFETY: the block has that many bytes, all initialized (the invariant of `pointer`),
        // and `&self` keeps them from being written or freed.
        unsafe { bytes.as_ref() }
    }
}

impl<'a, S: Strategy + 'a, L: Shape> DerefMut for Zeroed<'a, S, L> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let mut bytes = NonNull::slice_from_raw_parts(self.pointer, self.shape.layout().size());
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { bytes.as_mut() }
    }
}

impl<'a, S: Strategy + 'a, L: Shape> Drop for Zeroed<'a, S, L> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `pointer` came from `handle` with this layout and is not freed (its
        // invariant), and a block is dropped at most once.
        unsafe { self.handle.deallocate(self.pointer, self.shape.layout()) };
    }
}
