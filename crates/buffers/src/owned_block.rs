//! One block of memory that is freed once, with the layout that it was got with.

use core::alloc::Layout;
use core::fmt;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};

use allocator_api2::alloc::{Allocator, Global};

use crate::OutOfMemory;

/// A block of a layout that is known at run time, with the allocator that it is freed to.
///
/// Freeing it takes the block itself, so there is nothing left to free again or to use. What other
/// languages do by setting a pointer to null and testing it, the compiler does here:
///
/// ```
/// use std::alloc::Layout;
/// use buffers::OwnedBlock;
///
/// let mut block = OwnedBlock::new(Layout::new::<u64>())?;
/// let text: &mut [u8] = block.bytes_mut().write_copy_of_slice(b"8 bytes.");
/// text.make_ascii_uppercase();
/// assert_eq!(text, b"8 BYTES.");
/// block.free(); // or at the end of the scope
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// It is not freed twice:
///
/// ```compile_fail,E0382
/// # use std::alloc::Layout;
/// let block = buffers::OwnedBlock::new(Layout::new::<u64>())?;
/// block.free();
/// block.free();
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// It is not used after it was freed, whether by its name or by a borrow of its bytes:
///
/// ```compile_fail,E0382
/// # use std::alloc::Layout;
/// let mut block = buffers::OwnedBlock::new(Layout::new::<u64>())?;
/// block.free();
/// block.bytes_mut()[0].write(42);
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// ```compile_fail,E0505
/// # use std::alloc::Layout;
/// let mut block = buffers::OwnedBlock::new(Layout::new::<u64>())?;
/// let bytes = block.bytes_mut();
/// block.free();
/// bytes[0].write(42);
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// ```compile_fail,E0597
/// # use std::alloc::Layout;
/// let bytes;
/// {
///     let block = buffers::OwnedBlock::new(Layout::new::<u64>())?;
///     bytes = block.bytes();
/// }
/// assert_eq!(bytes.len(), 8);
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// It is freed with its own layout, since nobody can say another one:
///
/// ```compile_fail,E0061
/// # use std::alloc::Layout;
/// let block = buffers::OwnedBlock::new(Layout::new::<u64>())?;
/// block.free(Layout::new::<u32>());
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// What was never written is not read:
///
/// ```compile_fail,E0308
/// # use std::alloc::Layout;
/// let block = buffers::OwnedBlock::new(Layout::new::<u64>())?;
/// let first: u8 = block.bytes()[0];
/// # Ok::<(), buffers::OutOfMemory>(())
/// ```
///
/// It moves to another thread, or is shared, if its allocator may be:
///
/// ```
/// fn sent_and_shared<T: Send + Sync>() {}
/// sent_and_shared::<buffers::OwnedBlock>();
/// ```
///
/// ```compile_fail,E0277
/// # use std::alloc::Layout;
/// # use allocator_api2::alloc::{AllocError, Allocator, Global};
/// # struct OneThread(std::rc::Rc<()>);
/// # // SAFETY: the blocks are those of `Global`, which keeps the contract.
/// # unsafe impl Allocator for OneThread {
/// #     fn allocate(&self, layout: Layout) -> Result<std::ptr::NonNull<[u8]>, AllocError> {
/// #         Global.allocate(layout)
/// #     }
/// #     unsafe fn deallocate(&self, pointer: std::ptr::NonNull<u8>, layout: Layout) {
/// #         // SAFETY: the block came from `Global` in `allocate`.
/// #         unsafe { Global.deallocate(pointer, layout) };
/// #     }
/// # }
/// // `OneThread` is an allocator with an `Rc` in it.
/// fn sent<T: Send>() {}
/// sent::<buffers::OwnedBlock<OneThread>>();
/// ```
///
/// ```compile_fail,E0277
/// # use std::alloc::Layout;
/// # use allocator_api2::alloc::{AllocError, Allocator, Global};
/// # struct OneThread(std::rc::Rc<()>);
/// # // SAFETY: the blocks are those of `Global`, which keeps the contract.
/// # unsafe impl Allocator for OneThread {
/// #     fn allocate(&self, layout: Layout) -> Result<std::ptr::NonNull<[u8]>, AllocError> {
/// #         Global.allocate(layout)
/// #     }
/// #     unsafe fn deallocate(&self, pointer: std::ptr::NonNull<u8>, layout: Layout) {
/// #         // SAFETY: the block came from `Global` in `allocate`.
/// #         unsafe { Global.deallocate(pointer, layout) };
/// #     }
/// # }
/// fn shared<T: Sync>() {}
/// shared::<buffers::OwnedBlock<OneThread>>();
/// ```
///
/// `mem::forget` leaks it, as it leaks a `Box`.
#[must_use = "it is freed at once unless it is kept"]
pub struct OwnedBlock<A: Allocator = Global> {
    /// A block that `allocator` served for `layout`. It is not freed, and nothing else owns it.
    start: NonNull<u8>,
    /// What `start` was served for, and is to be freed with.
    layout: Layout,
    /// What `start` came from.
    allocator: A,
}

// SAFETY: the block belongs to this value alone (the invariant of `start`), so moving it moves all
// access to the bytes. They are plain data, and are freed through `allocator`, which may be sent.
unsafe impl<A: Allocator + Send> Send for OwnedBlock<A> {}

// SAFETY: a shared block gives shared access to its bytes, which are plain data, and to
// `allocator`, which may be shared. Nothing is written or freed without exclusive access.
unsafe impl<A: Allocator + Sync> Sync for OwnedBlock<A> {}

impl OwnedBlock {
    /// A block of `layout` from the program's global allocator. Its bytes are not initialized.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn new(layout: Layout) -> Result<Self, OutOfMemory> {
        Self::new_in(layout, Global)
    }

    /// A block of `layout` from the program's global allocator, all bytes 0.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn zeroed(layout: Layout) -> Result<Self, OutOfMemory> {
        Self::zeroed_in(layout, Global)
    }
}

impl<A: Allocator> OwnedBlock<A> {
    /// A block of `layout` from `allocator`. Its bytes are not initialized.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn new_in(layout: Layout, allocator: A) -> Result<Self, OutOfMemory> {
        let block = allocator.allocate(layout).map_err(|_| OutOfMemory::of(layout))?;
        Ok(Self { start: block.cast(), layout, allocator })
    }

    /// A block of `layout` from `allocator`, all bytes 0. They are as good as written:
    ///
    /// ```
    /// use std::alloc::Layout;
    ///
    /// let page = buffers::OwnedBlock::zeroed(Layout::from_size_align(4096, 4096)?)?;
    /// // SAFETY: every byte is 0.
    /// let bytes: &[u8] = unsafe { page.bytes().assume_init_ref() };
    /// assert_eq!(bytes, [0; 4096]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn zeroed_in(layout: Layout, allocator: A) -> Result<Self, OutOfMemory> {
        let block = allocator.allocate_zeroed(layout).map_err(|_| OutOfMemory::of(layout))?;
        Ok(Self { start: block.cast(), layout, allocator })
    }

    /// Gives the block back. Dropping it does the same.
    #[inline]
    pub fn free(self) {}

    /// Size and alignment: what was asked for, and what the block is freed with.
    #[inline]
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The allocator that the block came from.
    #[inline]
    #[must_use]
    pub fn allocator(&self) -> &A {
        &self.allocator
    }

    /// Where the block begins. The pointer may be used for the whole block, as long as the block is
    /// neither freed nor borrowed.
    #[inline]
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The bytes, as many as were asked for.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the block has that many bytes (the invariant of `start`), `MaybeUninit` wants
        // nothing of them, and `&self` keeps them from being written or freed.
        unsafe { self.slots().as_ref() }
    }

    /// The bytes, to be written. `write_copy_of_slice` writes them all and gives them as
    /// `&mut [u8]`.
    #[inline]
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as in `bytes`; `&mut self` makes the access exclusive.
        unsafe { self.slots().as_mut() }
    }

    /// Gives up the block without freeing it: where it begins, what it is to be freed with, and what
    /// it is to be freed to. [`from_raw_parts`](Self::from_raw_parts) takes it back.
    #[inline]
    #[must_use = "the block is leaked unless it is freed"]
    pub fn into_raw_parts(self) -> (NonNull<u8>, Layout, A) {
        let block = ManuallyDrop::new(self);
        // SAFETY: `block` is never dropped nor used after this, so that there is one `allocator`.
        let allocator = unsafe { ptr::read(&raw const block.allocator) };
        (block.start, block.layout, allocator)
    }

    /// Takes over a block.
    ///
    /// # Safety
    ///
    /// - `allocator` served the block at `start` for a layout that `layout` fits, and has not been
    ///   asked to free it.
    /// - The caller owns the block, and gives it up.
    #[inline]
    pub unsafe fn from_raw_parts(start: NonNull<u8>, layout: Layout, allocator: A) -> Self {
        debug_assert!(start.addr().get().is_multiple_of(layout.align()));
        Self { start, layout, allocator }
    }

    fn slots(&self) -> NonNull<[MaybeUninit<u8>]> {
        NonNull::slice_from_raw_parts(self.start.cast(), self.layout.size())
    }
}

impl<A: Allocator> Drop for OwnedBlock<A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `allocator` served `start` for `layout`, and it is not freed (the invariant of
        // `start`). Nothing uses the block after this.
        unsafe { self.allocator.deallocate(self.start, self.layout) };
    }
}

impl<A: Allocator> fmt::Debug for OwnedBlock<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedBlock")
            .field("start", &self.start)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}
