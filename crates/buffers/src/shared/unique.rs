//! The unique owner of a block: bytes that are written before they are shared.

mod growth;

use core::alloc::Layout;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};

use allocator_api2::alloc::{AllocError, Allocator, Global};

use super::block::Block;
use super::{LocalBuffer, SharedBuffer};
use crate::OutOfMemory;

/// Bytes with one owner, who may write them and have more of them, and who can make them a
/// [`SharedBuffer`] or a [`LocalBuffer`] without a copy.
///
/// It has room for [`capacity`](Self::capacity) bytes, of which the first [`len`](slice::len) are
/// written. It derefs to those as `[u8]`; the others can be written through
/// [`spare_capacity_mut`](Self::spare_capacity_mut), and nobody can read them.
///
/// In front of the contents its block has room for the count and for the allocator, which are
/// written there when it is [frozen](Self::freeze). A buffer without capacity has no block.
///
/// ```
/// use std::io::Write;
/// use buffers::UniqueBuffer;
///
/// let mut text = UniqueBuffer::with_capacity(16);
/// write!(text, "{} and {}", 1, 2)?;
/// text[0] = b'0';
/// let shared = text.freeze();
/// assert_eq!(shared, b"0 and 2");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What was never written cannot be read:
///
/// ```compile_fail,E0308
/// let mut buffer = buffers::UniqueBuffer::with_capacity(8);
/// let first: u8 = buffer.spare_capacity_mut()[0];
/// ```
///
/// After it is frozen there is no way to write to it:
///
/// ```compile_fail,E0382
/// let mut buffer = buffers::UniqueBuffer::zeroed(8);
/// let shared = buffer.freeze();
/// buffer[0] = 1;
/// ```
///
/// It moves to another thread, or is shared, if its allocator may be:
///
/// ```
/// fn sent_and_shared<T: Send + Sync>() {}
/// sent_and_shared::<buffers::UniqueBuffer>();
/// ```
///
/// ```compile_fail,E0277
/// fn sent<A: allocator_api2::alloc::Allocator + Sync>() {
///     fn is_sent<T: Send>() {}
///     is_sent::<buffers::UniqueBuffer<A>>();
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn shared<A: allocator_api2::alloc::Allocator + Send>() {
///     fn is_shared<T: Sync>() {}
///     is_shared::<buffers::UniqueBuffer<A>>();
/// }
/// ```
pub struct UniqueBuffer<A: Allocator = Global> {
    /// The first byte of the contents, at a multiple of `block.align()`. If `block` has contents,
    /// it is `block.offset()` bytes behind the begin of a block that `allocator` served for
    /// `block.layout()`, with the provenance of all of it. That is not freed, and nothing else owns
    /// it.
    start: NonNull<u8>,
    /// The first so many bytes of the contents are initialized; at most `block.capacity()`.
    len: usize,
    /// How the block is laid out. If it has no contents, there is none.
    block: Block<A>,
    /// What the block came from, and further ones are to come from.
    allocator: A,
}

// SAFETY: the block belongs to the buffer alone (the invariant of `start`), so moving the buffer
// moves all access to it. Its bytes are plain data, and it is freed through `allocator`, which may
// be sent.
unsafe impl<A: Allocator + Send> Send for UniqueBuffer<A> {}

// SAFETY: a shared buffer gives shared access to its bytes, which are plain data, and to
// `allocator`, which may be shared. Nothing is written or freed without exclusive access.
unsafe impl<A: Allocator + Sync> Sync for UniqueBuffer<A> {}

impl UniqueBuffer {
    /// An empty buffer of the global allocator. It costs nothing until it grows.
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        Self::new_in(Global)
    }

    /// An empty buffer of the global allocator with room for `bytes`, at any address.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts), and if it would
    /// be more than `isize::MAX` bytes. Contents that are that many, or hardly fewer, leave no room for
    /// the header, and count as memory that is out.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self::try_with_capacity(bytes).unwrap_or_else(|error| error.give_up())
    }

    /// An empty buffer of the global allocator with room for `bytes`, at any address.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    pub fn try_with_capacity(bytes: usize) -> Result<Self, OutOfMemory> {
        Self::try_with_layout_in(unaligned(bytes)?, Global)
    }

    /// A buffer of the global allocator of `len` bytes, all 0, at any address.
    ///
    /// # Panics
    ///
    /// As [`with_capacity`](Self::with_capacity).
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self::try_zeroed(len).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of the global allocator of `len` bytes, all 0, at any address.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    pub fn try_zeroed(len: usize) -> Result<Self, OutOfMemory> {
        Self::try_zeroed_in(unaligned(len)?, Global)
    }
}

impl<A: Allocator> UniqueBuffer<A> {
    /// An empty buffer of `allocator`. It costs nothing until it grows.
    #[inline]
    #[must_use]
    pub fn new_in(allocator: A) -> Self {
        // With no contents it is an error only if the header is one, and that is of a type.
        let empty = Self::try_with_layout_in(Layout::new::<[u8; 0]>(), allocator);
        empty.unwrap_or_else(|error| error.give_up())
    }

    /// An empty buffer of `allocator`, with room for as many bytes as `contents` has, the first of
    /// them at a multiple of its alignment. They keep that alignment when the buffer grows.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn with_layout_in(contents: Layout, allocator: A) -> Self {
        Self::try_with_layout_in(contents, allocator).unwrap_or_else(|error| error.give_up())
    }

    /// An empty buffer of `allocator`, as [`with_layout_in`](Self::with_layout_in) makes it.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_with_layout_in(contents: Layout, allocator: A) -> Result<Self, OutOfMemory> {
        let block = Block::new(contents)?;
        let Ok(start) = obtain(block, &allocator, A::allocate) else {
            return Err(OutOfMemory::of(contents));
        };
        Ok(Self { start, len: 0, block, allocator })
    }

    /// A buffer of `allocator` of as many bytes as `contents` has, all 0, the first of them at a
    /// multiple of its alignment.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn zeroed_in(contents: Layout, allocator: A) -> Self {
        Self::try_zeroed_in(contents, allocator).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `allocator`, as [`zeroed_in`](Self::zeroed_in) makes it.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_zeroed_in(contents: Layout, allocator: A) -> Result<Self, OutOfMemory> {
        let block = Block::new(contents)?;
        let Ok(start) = obtain(block, &allocator, A::allocate_zeroed) else {
            return Err(OutOfMemory::of(contents));
        };
        Ok(Self { start, len: contents.size(), block, allocator })
    }

    /// A copy of `bytes` from `allocator`, with no more room than it needs, at any address.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn copied_in(bytes: &[u8], allocator: A) -> Self {
        Self::try_copied_in(bytes, allocator).unwrap_or_else(|error| error.give_up())
    }

    /// A copy of `bytes` from `allocator`, with no more room than it needs, at any address.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    pub fn try_copied_in(bytes: &[u8], allocator: A) -> Result<Self, OutOfMemory> {
        let mut buffer = Self::try_with_layout_in(Layout::for_value(bytes), allocator)?;
        buffer.try_extend_from_slice(bytes)?;
        Ok(buffer)
    }

    /// Makes it a buffer that threads can share. The contents stay where they are, and the room
    /// behind them stays part of the block: [`shrink_to_fit`](Self::shrink_to_fit) gives it back
    /// before.
    #[inline]
    #[must_use = "the buffer is freed otherwise"]
    pub fn freeze(self) -> SharedBuffer<A> {
        self.into()
    }

    /// Makes it a buffer that one thread can share, as [`freeze`](Self::freeze) does.
    #[inline]
    #[must_use = "the buffer is freed otherwise"]
    pub fn freeze_local(self) -> LocalBuffer<A> {
        self.into()
    }

    /// The bytes that the buffer has room for.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.block.capacity()
    }

    /// What the address of the first byte is a multiple of: the alignment that was asked for, or
    /// that of a word, whichever is more.
    #[inline]
    #[must_use]
    pub fn align(&self) -> usize {
        self.block.align()
    }

    /// The allocator that the block came from.
    #[inline]
    #[must_use]
    pub fn allocator(&self) -> &A {
        &self.allocator
    }

    /// Keeps the first `len` bytes, or all if there are fewer. The room stays.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes the buffer empty. The room stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The room behind the bytes that are written.
    #[inline]
    #[must_use]
    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let spare_bytes = self.spare();
        // SAFETY: `len` is at most the size of the contents (the invariant of `len`).
        let spare = unsafe { self.start.add(self.len) }.cast::<MaybeUninit<u8>>();
        let mut spare = NonNull::slice_from_raw_parts(spare, spare_bytes);
        // SAFETY: the contents have that many bytes from there on; `MaybeUninit` wants nothing of
        // them, and `&mut self` makes the access exclusive.
        unsafe { spare.as_mut() }
    }

    /// Says how many bytes are written.
    ///
    /// # Safety
    ///
    /// `len` is at most [`capacity`](Self::capacity), and the first `len` bytes have been written.
    #[inline]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        self.len = len;
    }

    /// The bytes that are not written.
    #[inline]
    pub(super) fn spare(&self) -> usize {
        debug_assert!(self.len <= self.capacity());
        self.capacity() - self.len
    }

    /// The bytes that are written, as a pointer with the provenance of the block.
    #[inline]
    pub(super) fn written(&self) -> NonNull<[u8]> {
        debug_assert!(self.len <= self.capacity());
        NonNull::slice_from_raw_parts(self.start, self.len)
    }

    /// Gives up the buffer without freeing it: the fields, with their invariants.
    #[inline]
    pub(super) fn into_parts(self) -> (NonNull<u8>, usize, Block<A>, A) {
        let buffer = ManuallyDrop::new(self);
        // SAFETY: `buffer` is never dropped nor used after this, so that there is one `allocator`.
        let allocator = unsafe { ptr::read(&raw const buffer.allocator) };
        (buffer.start, buffer.len, buffer.block, allocator)
    }

    /// The buffer of these fields.
    ///
    /// # Safety
    ///
    /// They keep the invariants that stand on the fields of the type.
    #[inline]
    pub(super) unsafe fn from_parts(
        start: NonNull<u8>,
        len: usize,
        block: Block<A>,
        allocator: A,
    ) -> Self {
        debug_assert!(len <= block.capacity());
        debug_assert!(start.addr().get().is_multiple_of(block.align()));
        Self { start, len, block, allocator }
    }
}

impl<A: Allocator> Drop for UniqueBuffer<A> {
    #[inline]
    fn drop(&mut self) {
        if !self.block.is_empty() {
            // SAFETY: the block has contents, by the line above. Nothing uses the buffer after
            // this.
            unsafe { self.release() };
        }
    }
}

/// Contents at any address.
fn unaligned(bytes: usize) -> Result<Layout, OutOfMemory> {
    Layout::from_size_align(bytes, 1).map_err(|_| OutOfMemory { bytes, align: 1 })
}

/// The contents of a new block, or, if it would have none, where they would be.
#[inline]
fn obtain<A>(
    block: Block<A>,
    allocator: &A,
    allocate: impl FnOnce(&A, Layout) -> Result<NonNull<[u8]>, AllocError>,
) -> Result<NonNull<u8>, AllocError> {
    let layout = block.layout();
    if block.is_empty() {
        return Ok(layout.dangling_ptr());
    }
    let whole = allocate(allocator, layout)?;
    debug_assert!(serves(whole, layout));
    // SAFETY: the offset is less than the size of the layout, which the block was served for.
    Ok(unsafe { whole.cast::<u8>().add(block.offset()) })
}

/// Whether a block is what its layout asks for: the first duty of an allocator.
fn serves(block: NonNull<[u8]>, layout: Layout) -> bool {
    block.len() >= layout.size() && block.addr().get().is_multiple_of(layout.align())
}
