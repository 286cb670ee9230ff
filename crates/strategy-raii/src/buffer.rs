//! Owned bytes that are freed with the layout that they were allocated with.

mod growth;

use core::alloc::Layout;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};

use allocator_api2::alloc::Allocator;

use crate::{OutOfMemory, SystemMemory};

/// Owned bytes of any size and alignment, given back when the buffer is dropped.
///
/// A buffer has a block with room for [`capacity`](Self::capacity) bytes, of which the first
/// [`len`](slice::len) are written. It derefs to those as `[u8]`; the others can be written through
/// [`spare_capacity_mut`](Self::spare_capacity_mut), and nobody can read them.
///
/// ```
/// use std::alloc::Layout;
/// use strategy_raii::ManagedBuffer;
///
/// let mut page = ManagedBuffer::zeroed(Layout::from_size_align(4096, 4096).unwrap());
/// page[0] = 7;
/// assert_eq!((page[0], page[1], page.len()), (7, 0, 4096));
///
/// let mut text = ManagedBuffer::with_capacity(Layout::new::<[u8; 16]>());
/// text.extend_from_slice(b"hello");
/// assert_eq!(text, b"hello");
/// assert_eq!(text.capacity(), 16);
/// ```
///
/// It is a [`Write`](std::io::Write) that appends and grows, like a `Vec<u8>`, and a borrowed slice
/// of it is a [`Read`](std::io::Read), as is a [`Cursor`](std::io::Cursor) over it:
///
/// ```
/// use std::io::{Cursor, Read, Write};
/// use strategy_raii::ManagedBuffer;
///
/// let mut buffer = ManagedBuffer::new();
/// write!(buffer, "{} and {}", 1, 2)?;
///
/// let mut word = [0; 1];
/// (&buffer[..]).read_exact(&mut word)?;
/// assert_eq!(word, *b"1");
/// let mut text = String::new();
/// Cursor::new(buffer).read_to_string(&mut text)?;
/// assert_eq!(text, "1 and 2");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What was never written cannot be read:
///
/// ```compile_fail,E0308
/// use std::alloc::Layout;
/// let mut buffer = strategy_raii::ManagedBuffer::with_capacity(Layout::new::<u64>());
/// let first: u8 = buffer.spare_capacity_mut()[0];
/// ```
///
/// The bytes do not outlive the buffer, and a buffer is freed once:
///
/// ```compile_fail,E0505
/// use std::alloc::Layout;
/// let buffer = strategy_raii::ManagedBuffer::zeroed(Layout::new::<u64>());
/// let bytes: &[u8] = &buffer;
/// drop(buffer);
/// assert_eq!(bytes[0], 0);
/// ```
///
/// ```compile_fail,E0382
/// use std::alloc::Layout;
/// let buffer = strategy_raii::ManagedBuffer::zeroed(Layout::new::<u64>());
/// drop(buffer);
/// drop(buffer);
/// ```
///
/// A buffer moves to another thread, or is shared, if its allocator may be:
///
/// ```
/// fn sent_and_shared<T: Send + Sync>() {}
/// sent_and_shared::<strategy_raii::ManagedBuffer>();
/// ```
///
/// ```compile_fail,E0277
/// # use std::alloc::Layout;
/// # struct OneThread(std::rc::Rc<()>);
/// # // SAFETY: the blocks are those of `Global`, which keeps the contract.
/// # unsafe impl strategy::Allocator for OneThread {
/// #     fn allocate(&self, layout: Layout) -> Result<std::ptr::NonNull<[u8]>, strategy::AllocError> {
/// #         allocator_api2::alloc::Global.allocate(layout)
/// #     }
/// #     unsafe fn deallocate(&self, pointer: std::ptr::NonNull<u8>, layout: Layout) {
/// #         // SAFETY: the block came from `Global` in `allocate`.
/// #         unsafe { allocator_api2::alloc::Global.deallocate(pointer, layout) };
/// #     }
/// # }
/// // `OneThread` is an allocator with an `Rc` in it.
/// fn sent<T: Send>() {}
/// sent::<strategy_raii::ManagedBuffer<OneThread>>();
/// ```
///
/// ```compile_fail,E0277
/// # use std::alloc::Layout;
/// # struct OneThread(std::rc::Rc<()>);
/// # // SAFETY: the blocks are those of `Global`, which keeps the contract.
/// # unsafe impl strategy::Allocator for OneThread {
/// #     fn allocate(&self, layout: Layout) -> Result<std::ptr::NonNull<[u8]>, strategy::AllocError> {
/// #         allocator_api2::alloc::Global.allocate(layout)
/// #     }
/// #     unsafe fn deallocate(&self, pointer: std::ptr::NonNull<u8>, layout: Layout) {
/// #         // SAFETY: the block came from `Global` in `allocate`.
/// #         unsafe { allocator_api2::alloc::Global.deallocate(pointer, layout) };
/// #     }
/// # }
/// fn shared<T: Sync>() {}
/// shared::<strategy_raii::ManagedBuffer<OneThread>>();
/// ```
pub struct ManagedBuffer<A: Allocator = SystemMemory> {
    /// A block that `backing` served for `layout`. It is not freed, and nothing else owns it.
    start: NonNull<u8>,
    /// The first so many bytes of the block are initialized; at most `layout.size()`.
    len: usize,
    /// What `start` was served for, and is to be freed with.
    layout: Layout,
    /// What `start` came from.
    backing: A,
}

// SAFETY: the block belongs to the buffer alone (the invariant of `start`), so moving the buffer
// moves all access to it. Its bytes are plain data, and it is freed through `backing`, which may be
// sent.
unsafe impl<A: Allocator + Send> Send for ManagedBuffer<A> {}

// SAFETY: a shared buffer gives shared access to its bytes, which are plain data, and to `backing`,
// which may be shared. Nothing is written or freed without exclusive access.
unsafe impl<A: Allocator + Sync> Sync for ManagedBuffer<A> {}

impl ManagedBuffer {
    /// An empty buffer from the C library, at any address. It costs nothing until it grows.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Layout::new::<[u8; 0]>())
    }

    /// An empty buffer from the C library, with a block of `layout`.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn with_capacity(layout: Layout) -> Self {
        Self::with_capacity_in(layout, SystemMemory::new())
    }

    /// An empty buffer from the C library, with a block of `layout`.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_with_capacity(layout: Layout) -> Result<Self, OutOfMemory> {
        Self::try_with_capacity_in(layout, SystemMemory::new())
    }

    /// A buffer from the C library, as long as its block of `layout`, all bytes 0.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn zeroed(layout: Layout) -> Self {
        Self::zeroed_in(layout, SystemMemory::new())
    }

    /// A buffer from the C library, as long as its block of `layout`, all bytes 0.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_zeroed(layout: Layout) -> Result<Self, OutOfMemory> {
        Self::try_zeroed_in(layout, SystemMemory::new())
    }
}

impl<A: Allocator> ManagedBuffer<A> {
    /// An empty buffer with a block of `layout` from `backing`.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn with_capacity_in(layout: Layout, backing: A) -> Self {
        Self::try_with_capacity_in(layout, backing).unwrap_or_else(|error| error.give_up())
    }

    /// An empty buffer with a block of `layout` from `backing`.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_with_capacity_in(layout: Layout, backing: A) -> Result<Self, OutOfMemory> {
        let Ok(block) = backing.allocate(layout) else { return Err(OutOfMemory::of(layout)) };
        debug_assert!(serves(block, layout));
        Ok(Self { start: block.cast(), len: 0, layout, backing })
    }

    /// A buffer as long as its block of `layout` from `backing`, all bytes 0.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn zeroed_in(layout: Layout, backing: A) -> Self {
        Self::try_zeroed_in(layout, backing).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer as long as its block of `layout` from `backing`, all bytes 0.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_zeroed_in(layout: Layout, backing: A) -> Result<Self, OutOfMemory> {
        let Ok(block) = backing.allocate_zeroed(layout) else {
            return Err(OutOfMemory::of(layout));
        };
        debug_assert!(serves(block, layout));
        Ok(Self { start: block.cast(), len: layout.size(), layout, backing })
    }

    /// A copy of `bytes` from `backing`, with no more room than it needs, at any address.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn copied_in(bytes: &[u8], backing: A) -> Self {
        Self::try_copied_in(bytes, backing).unwrap_or_else(|error| error.give_up())
    }

    /// A copy of `bytes` from `backing`, with no more room than it needs, at any address.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    pub fn try_copied_in(bytes: &[u8], backing: A) -> Result<Self, OutOfMemory> {
        let mut buffer = Self::try_with_capacity_in(Layout::for_value(bytes), backing)?;
        buffer.try_extend_from_slice(bytes)?;
        Ok(buffer)
    }

    /// Another buffer of the same bytes and the same alignment, with no more room than it needs.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    pub fn try_clone(&self) -> Result<Self, OutOfMemory>
    where
        A: Clone,
    {
        let layout = self.layout_of(self.len)?;
        let mut clone = Self::try_with_capacity_in(layout, self.backing.clone())?;
        clone.try_extend_from_slice(self)?;
        Ok(clone)
    }

    /// Size and alignment of the block: what was asked for, and what it is freed with.
    #[inline]
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The bytes that the buffer has room for.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.layout.size()
    }

    /// The allocator that the block came from.
    #[inline]
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.backing
    }

    /// Keeps the first `len` bytes, or all if there are fewer. The block stays.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes the buffer empty. The block stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The room behind the bytes that are written.
    #[inline]
    #[must_use]
    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        debug_assert!(self.len <= self.layout.size());
        // SAFETY: `len` is at most the size of the block (the invariant of `len`).
        let spare = unsafe { self.start.add(self.len) }.cast::<MaybeUninit<u8>>();
        let mut spare = NonNull::slice_from_raw_parts(spare, self.layout.size() - self.len);
        // SAFETY: the block has that many bytes from there on; `MaybeUninit` wants nothing of them, and
        // `&mut self` makes the access exclusive.
        unsafe { spare.as_mut() }
    }

    /// Says how many bytes are written.
    ///
    /// # Safety
    ///
    /// `len` is at most [`capacity`](Self::capacity), and the first `len` bytes have been written.
    #[inline]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.layout.size());
        self.len = len;
    }

    /// Gives up the buffer without freeing it: its block, the bytes of it that are written, what it
    /// is to be freed with, and what it is to be freed to.
    /// [`from_raw_parts`](Self::from_raw_parts) takes it back.
    #[inline]
    #[must_use = "the block is leaked unless it is freed"]
    pub fn into_raw_parts(self) -> (NonNull<u8>, usize, Layout, A) {
        let buffer = ManuallyDrop::new(self);
        // SAFETY: `buffer` is never dropped nor used after this, so that there is one `backing`.
        let backing = unsafe { ptr::read(&raw const buffer.backing) };
        (buffer.start, buffer.len, buffer.layout, backing)
    }

    /// The buffer of a block.
    ///
    /// # Safety
    ///
    /// - `backing` served the block at `start` for a layout that `layout` fits, and has not been
    ///   asked to free it.
    /// - The caller owns the block, and gives it up.
    /// - `len` is at most `layout.size()`, and the first `len` bytes are initialized.
    #[inline]
    pub unsafe fn from_raw_parts(
        start: NonNull<u8>,
        len: usize,
        layout: Layout,
        backing: A,
    ) -> Self {
        debug_assert!(len <= layout.size() && start.addr().get().is_multiple_of(layout.align()));
        Self { start, len, layout, backing }
    }

    /// The bytes that are written, as a pointer with the provenance of the block.
    #[inline]
    pub(crate) fn written(&self) -> NonNull<[u8]> {
        debug_assert!(self.len <= self.layout.size());
        NonNull::slice_from_raw_parts(self.start, self.len)
    }
}

impl<A: Allocator> Drop for ManagedBuffer<A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `backing` served `start` for `layout`, and it is not freed (the invariant of
        // `start`). Nothing uses the buffer after this.
        unsafe { self.backing.deallocate(self.start, self.layout) };
    }
}

/// Whether a block is what its layout asks for: the first duty of an allocator.
fn serves(block: NonNull<[u8]>, layout: Layout) -> bool {
    block.len() >= layout.size() && block.addr().get().is_multiple_of(layout.align())
}
