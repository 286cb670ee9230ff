//! Owned bytes that are freed with the layout that they were allocated with.

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

use allocator_api2::alloc::{AllocError, Allocator, handle_alloc_error};
use strategy::{FromGlobal, Refused, StaticGlobal};

use crate::Byte;

/// The C library's malloc, which buffers are from unless another allocator is named. It takes no
/// space in a buffer.
pub type SystemMemory = FromGlobal<System>;

/// Names `std::alloc::System` for [`SystemMemory`].
#[derive(Debug)]
pub enum System {}

impl StaticGlobal for System {
    type Global = std::alloc::System;
    const GLOBAL: &'static std::alloc::System = &std::alloc::System;
}

/// Owned bytes of any size and alignment, given back when the buffer is dropped.
///
/// A buffer of `u8` is initialized and derefs to `[u8]`. A buffer of `MaybeUninit<u8>` has bytes
/// that may never have been written, and derefs to `[MaybeUninit<u8>]`; [`filled`](Self::filled)
/// and [`copied_from`](Self::copied_from) make one of the first kind of it.
///
/// ```
/// use std::alloc::Layout;
/// use strategy_raii::ManagedBuffer;
///
/// let mut page = ManagedBuffer::zeroed(Layout::from_size_align(4096, 4096).unwrap());
/// page[0] = 7;
/// assert_eq!((page[0], page[1], page.len()), (7, 0, 4096));
///
/// let text = ManagedBuffer::uninit(Layout::new::<[u8; 5]>()).copied_from(b"hello");
/// assert_eq!(&*text, b"hello");
/// ```
///
/// What was never written cannot be read:
///
/// ```compile_fail,E0308
/// use std::alloc::Layout;
/// let buffer = strategy_raii::ManagedBuffer::uninit(Layout::new::<u64>());
/// let first: u8 = buffer[0];
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
/// sent::<strategy_raii::ManagedBuffer<u8, OneThread>>();
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
/// shared::<strategy_raii::ManagedBuffer<u8, OneThread>>();
/// ```
pub struct ManagedBuffer<B: Byte = u8, A: Allocator = SystemMemory> {
    /// A block that `backing` served for `layout`. It is not freed, and nothing else owns it. The
    /// first `layout.size()` bytes are values of type `B`: for `u8`, initialized.
    start: NonNull<u8>,
    /// What `start` was served for, and is to be freed with.
    layout: Layout,
    /// What `start` came from.
    backing: A,
    kind: PhantomData<B>,
}

// SAFETY: the block belongs to the buffer alone (the invariant of `start`), so moving the buffer
// moves all access to it. Its bytes are plain data, and it is freed through `backing`, which may be
// sent.
unsafe impl<B: Byte, A: Allocator + Send> Send for ManagedBuffer<B, A> {}

// SAFETY: a shared buffer gives shared access to its bytes, which are plain data, and to `backing`,
// which may be shared. Nothing is written or freed without exclusive access.
unsafe impl<B: Byte, A: Allocator + Sync> Sync for ManagedBuffer<B, A> {}

impl ManagedBuffer<MaybeUninit<u8>> {
    /// A buffer of `layout` from the C library, whose bytes are not written.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
    #[must_use]
    pub fn uninit(layout: Layout) -> Self {
        Self::uninit_in(layout, SystemMemory::new())
    }

    /// A buffer of `layout` from the C library, whose bytes are not written.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_uninit(layout: Layout) -> Result<Self, Refused> {
        Self::try_uninit_in(layout, SystemMemory::new())
    }
}

impl<A: Allocator> ManagedBuffer<MaybeUninit<u8>, A> {
    /// A buffer of `layout` from `backing`, whose bytes are not written.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
    pub fn uninit_in(layout: Layout, backing: A) -> Self {
        Self::try_uninit_in(layout, backing)
            .unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// A buffer of `layout` from `backing`, whose bytes are not written.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_uninit_in(layout: Layout, backing: A) -> Result<Self, Refused> {
        let Ok(block) = backing.allocate(layout) else { return Err(Refused { layout }) };
        Ok(Self { start: block.cast(), layout, backing, kind: PhantomData })
    }

    /// The buffer with every byte set to `byte`.
    #[must_use]
    pub fn filled(mut self, byte: u8) -> ManagedBuffer<u8, A> {
        self.fill(MaybeUninit::new(byte));
        // SAFETY: every byte was written in the line above.
        unsafe { self.assume_init() }
    }

    /// The buffer with a copy of `source`.
    ///
    /// # Panics
    ///
    /// If `source` is not as long as the buffer.
    #[must_use]
    pub fn copied_from(mut self, source: &[u8]) -> ManagedBuffer<u8, A> {
        assert_eq!(source.len(), self.len(), "the source is as long as the buffer");
        self.write_copy_of_slice(source);
        // SAFETY: every byte was written in the line above, since the lengths are the same.
        unsafe { self.assume_init() }
    }

    /// The buffer as one of initialized bytes.
    ///
    /// # Safety
    ///
    /// Every byte of the buffer has been written.
    #[must_use]
    pub unsafe fn assume_init(self) -> ManagedBuffer<u8, A> {
        let (start, layout, backing) = self.into_raw_parts();
        // SAFETY: these are the parts of a buffer, whose bytes are initialized (the caller's duty).
        unsafe { ManagedBuffer::from_raw_parts(start, layout, backing) }
    }

    /// Changes size and alignment to those of `new`. The first bytes are kept, as many as
    /// fit; those that are added are not written.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; the buffer is as it was then.
    pub fn try_resize(&mut self, new: Layout) -> Result<(), Refused> {
        if new.size() > self.layout.size() {
            // SAFETY: `new` is the larger one, by the line above.
            unsafe { self.grow(new) }
        } else {
            // SAFETY: `new` is not the larger one.
            unsafe { self.shrink(new) }
        }
    }

    /// # Safety
    ///
    /// `new` has at least as many bytes as the buffer.
    #[inline]
    pub(crate) unsafe fn grow(&mut self, new: Layout) -> Result<(), Refused> {
        // SAFETY: `backing` served `start` for `layout` (the invariant of `start`), and `new` has
        // as many bytes (the caller's duty).
        let block = unsafe { self.backing.grow(self.start, self.layout, new) };
        self.moved(block, new)
    }

    /// As [`Allocator::grow_zeroed`], which may keep what the block has beyond the buffer's layout
    /// instead of zeroing it.
    ///
    /// # Safety
    ///
    /// `new` has at least as many bytes as the buffer.
    #[inline]
    pub(crate) unsafe fn grow_zeroed(&mut self, new: Layout) -> Result<(), Refused> {
        // SAFETY: `backing` served `start` for `layout` (the invariant of `start`), and `new` has
        // as many bytes (the caller's duty).
        let block = unsafe { self.backing.grow_zeroed(self.start, self.layout, new) };
        self.moved(block, new)
    }
}

impl ManagedBuffer {
    /// A buffer of `layout` from the C library, all bytes 0.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
    #[must_use]
    pub fn zeroed(layout: Layout) -> Self {
        Self::zeroed_in(layout, SystemMemory::new())
    }

    /// A buffer of `layout` from the C library, all bytes 0.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_zeroed(layout: Layout) -> Result<Self, Refused> {
        Self::try_zeroed_in(layout, SystemMemory::new())
    }
}

impl<A: Allocator> ManagedBuffer<u8, A> {
    /// A buffer of `layout` from `backing`, all bytes 0.
    ///
    /// # Panics
    ///
    /// If memory is out, as [`handle_alloc_error`] does it (which by default aborts).
    pub fn zeroed_in(layout: Layout, backing: A) -> Self {
        Self::try_zeroed_in(layout, backing)
            .unwrap_or_else(|refused| handle_alloc_error(refused.layout))
    }

    /// A buffer of `layout` from `backing`, all bytes 0.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out.
    #[inline]
    pub fn try_zeroed_in(layout: Layout, backing: A) -> Result<Self, Refused> {
        let Ok(block) = backing.allocate_zeroed(layout) else { return Err(Refused { layout }) };
        Ok(Self { start: block.cast(), layout, backing, kind: PhantomData })
    }
}

impl<B: Byte, A: Allocator> ManagedBuffer<B, A> {
    /// Size and alignment: what was asked for, and what the buffer is freed with.
    #[inline]
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Changes size and alignment to those of `new`. The first bytes are kept, as many as
    /// fit; those that are added are 0.
    ///
    /// # Errors
    ///
    /// [`Refused`] if memory is out; the buffer is as it was then.
    pub fn try_resize_zeroed(&mut self, new: Layout) -> Result<(), Refused> {
        let old = self.layout;
        if new.size() <= old.size() {
            // SAFETY: `new` is not the larger one, by the line above.
            return unsafe { self.shrink(new) };
        }
        if old.size() == 0 {
            // Nothing to keep: zeroed memory may cost no memset.
            let block = self.backing.allocate_zeroed(new);
            let empty = self.start;
            self.moved(block, new)?;
            // SAFETY: `backing` served `empty` for `old` (the invariant of `start`), and the buffer
            // has another block by the line above.
            unsafe { self.backing.deallocate(empty, old) };
            return Ok(());
        }
        // Not `grow_zeroed`: a block may have more bytes than its layout, and what lies there may
        // be kept instead of zeroed.
        // SAFETY: `backing` served `start` for `old` (the invariant of `start`), and `new` is the
        // larger one, as tested above.
        let block = unsafe { self.backing.grow(self.start, old, new) };
        if let Ok(block) = block {
            // SAFETY: `old.size() < new.size()`, and the block has that many bytes.
            let added = unsafe { block.cast::<u8>().add(old.size()) };
            // SAFETY: from there on the block has that many bytes, and they are this buffer's.
            unsafe { added.write_bytes(0, new.size() - old.size()) };
        }
        self.moved(block, new)
    }

    /// Gives up the buffer without freeing it: its block, what the block is to be freed with, and
    /// what it is to be freed to. [`from_raw_parts`](Self::from_raw_parts) takes it back.
    #[inline]
    pub fn into_raw_parts(self) -> (NonNull<u8>, Layout, A) {
        let buffer = ManuallyDrop::new(self);
        // SAFETY: `buffer` is never dropped nor used after this, so that there is one `backing`.
        let backing = unsafe { ptr::read(&raw const buffer.backing) };
        (buffer.start, buffer.layout, backing)
    }

    /// The buffer of a block.
    ///
    /// # Safety
    ///
    /// - `backing` served the block at `start` for a layout that `layout` fits, and has not been
    ///   asked to free it.
    /// - The caller owns the block, and gives it up.
    /// - If `B` is `u8`, the first `layout.size()` bytes are initialized.
    #[inline]
    pub unsafe fn from_raw_parts(start: NonNull<u8>, layout: Layout, backing: A) -> Self {
        Self { start, layout, backing, kind: PhantomData }
    }

    /// # Safety
    ///
    /// `new` has at most as many bytes as the buffer.
    #[inline]
    pub(crate) unsafe fn shrink(&mut self, new: Layout) -> Result<(), Refused> {
        // SAFETY: `backing` served `start` for `layout` (the invariant of `start`), and `new` has
        // no more bytes (the caller's duty).
        let block = unsafe { self.backing.shrink(self.start, self.layout, new) };
        self.moved(block, new)
    }

    /// Notes what the allocator made of the block when it was to become one of `new`. If it
    /// refused, the old block is still the buffer's.
    #[inline]
    fn moved(
        &mut self,
        block: Result<NonNull<[u8]>, AllocError>,
        new: Layout,
    ) -> Result<(), Refused> {
        let Ok(block) = block else { return Err(Refused { layout: new }) };
        self.start = block.cast();
        self.layout = new;
        Ok(())
    }
}

impl<B: Byte, A: Allocator> Deref for ManagedBuffer<B, A> {
    type Target = [B];

    #[inline]
    fn deref(&self) -> &[B] {
        let bytes = NonNull::slice_from_raw_parts(self.start.cast::<B>(), self.layout.size());
        // SAFETY: the block has that many values of type `B` (the invariant of `start`; a `B` is
        // one byte), and `&self` keeps them from being written or freed.
        unsafe { bytes.as_ref() }
    }
}

impl<B: Byte, A: Allocator> DerefMut for ManagedBuffer<B, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [B] {
        let mut bytes = NonNull::slice_from_raw_parts(self.start.cast::<B>(), self.layout.size());
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { bytes.as_mut() }
    }
}

impl<B: Byte, A: Allocator> Drop for ManagedBuffer<B, A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `backing` served `start` for `layout`, and it is not freed (the invariant of
        // `start`). Nothing uses the buffer after this.
        unsafe { self.backing.deallocate(self.start, self.layout) };
    }
}

impl<B: Byte, A: Allocator> fmt::Debug for ManagedBuffer<B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedBuffer").field("layout", &self.layout).finish_non_exhaustive()
    }
}
