//! Immutable bytes that have as many owners as are counted.

#[cfg(test)]
mod overflow;

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Bound, Range, RangeBounds};
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Global};

use super::block::Header;
use super::{AtomicCount, Count, UniqueBuffer};
use crate::OutOfMemory;

/// Immutable bytes with a count of their owners: a [`SharedBuffer`](crate::SharedBuffer) or a
/// [`LocalBuffer`](crate::LocalBuffer), by the kind of the count.
///
/// Each value is an owner of the whole and shows a part of it. A clone and a [slice](Self::slice)
/// are further owners of the same bytes: they add one to the count and copy nothing. The last one
/// gives the block back, with count, allocator and contents in it. What is empty or static [was
/// never allocated](Self::from_static), and is not counted.
///
/// ```
/// use buffers::SharedBuffer;
///
/// let line = SharedBuffer::from(b"key=value");
/// let at = line.iter().position(|&byte| byte == b'=').unwrap();
/// let (key, value) = (line.slice(..at), line.slice(at + 1..));
/// assert_eq!(key, b"key");
/// assert_eq!(value.as_ptr(), line[4..].as_ptr());
/// drop((line, key));
///
/// // The only one that is left may write, or have the block for something new.
/// let mut again = value.try_into_unique().unwrap();
/// again.extend_from_slice(b"s");
/// assert_eq!(again, b"values");
/// ```
///
/// A slice cannot be written while there are others:
///
/// ```compile_fail,E0594
/// let text = buffers::SharedBuffer::from(b"text");
/// text[0] = b'T';
/// ```
///
/// # Threads
///
/// A [`SharedBuffer`](crate::SharedBuffer) moves to other threads and is shared with them if its
/// allocator may be sent. That it be `Sync` is not needed: the allocator lies in the block, and
/// only the last owner touches it, who has it alone.
///
/// ```
/// use std::cell::Cell;
/// use std::thread;
/// # use std::alloc::Layout;
/// # use std::ptr::NonNull;
/// # use allocator_api2::alloc::{AllocError, Allocator, Global};
///
/// /// Counts its blocks without a lock: it may be sent, and not shared.
/// struct Counting(Cell<usize>);
/// # // SAFETY: the blocks are those of `Global`, which keeps the contract.
/// # unsafe impl Allocator for Counting {
/// #     fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
/// #         self.0.set(self.0.get() + 1);
/// #         Global.allocate(layout)
/// #     }
/// #     unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
/// #         // SAFETY: the block came from `Global` in `allocate`.
/// #         unsafe { Global.deallocate(block, layout) };
/// #     }
/// # }
///
/// let text = buffers::SharedBuffer::copied_in(b"text", Counting(Cell::new(0)));
/// thread::scope(|scope| {
///     scope.spawn(|| assert_eq!(text, b"text"));
///     let clone = text.clone();
///     scope.spawn(move || drop(clone));
/// });
/// ```
///
/// ```compile_fail,E0277
/// fn sent<A: allocator_api2::alloc::Allocator + Sync>() {
///     fn is_sent<T: Send>() {}
///     is_sent::<buffers::SharedBuffer<A>>();
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn shared<A: allocator_api2::alloc::Allocator + Sync>() {
///     fn is_shared<T: Sync>() {}
///     is_shared::<buffers::SharedBuffer<A>>();
/// }
/// ```
///
/// A [`LocalBuffer`](crate::LocalBuffer) stays on its thread, since two threads would count at
/// once:
///
/// ```compile_fail,E0277
/// let text = buffers::LocalBuffer::from(b"text");
/// std::thread::spawn(move || drop(text));
/// ```
///
/// ```compile_fail,E0277
/// let text = buffers::LocalBuffer::from(b"text");
/// std::thread::scope(|scope| {
///     scope.spawn(|| drop(text.clone()));
/// });
/// ```
///
/// # Leaked clones
///
/// A count above `isize::MAX` aborts the process, as that of `Arc` does: so many owners can only
/// have been leaked, and a count that wraps around would free a block in use.
pub struct CountedBuffer<C: Count, A: Allocator = Global> {
    /// The first of `len` initialized bytes. They are static, or none, or, if there is an `owner`,
    /// part of the contents of its block, with the provenance of all of it. Nobody writes them
    /// while there is more than one owner or a borrow of the only one.
    start: NonNull<u8>,
    len: usize,
    /// The block: the header at its begin is initialized, and holds the allocator that served it
    /// and the layout that it was served for. It is not freed before `count` comes to 0, in which
    /// this value counts for one. Has the provenance of the whole block.
    owner: Option<NonNull<Header<C, A>>>,
}

// SAFETY: what is reached through a buffer on several threads are its bytes, which nobody writes
// while it has several owners, and the count, which is atomic. The allocator is touched by the last
// owner alone, on its thread: it is sent there. All that other owners did happens before
// (`Count::decrement` and `Count::is_one`).
unsafe impl<A: Allocator + Send> Send for CountedBuffer<AtomicCount, A> {}

// SAFETY: a shared reference gives shared access to the bytes, and it makes further owners, which
// another thread may drop: as good as sending one, so the argument is that of `Send`. Of the
// allocator it shows nothing.
unsafe impl<A: Allocator + Send> Sync for CountedBuffer<AtomicCount, A> {}

impl<C: Count> CountedBuffer<C> {
    /// An empty buffer. It costs nothing.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self::from_static(&[])
    }

    /// A buffer of static bytes. It costs nothing and is not counted, and since its bytes are
    /// others' too, it is never unique.
    #[inline]
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self::uncounted(bytes)
    }
}

impl<C: Count, A: Allocator> CountedBuffer<C, A> {
    /// A copy of `bytes` from `allocator`, with no more room than it needs.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts).
    #[must_use]
    pub fn copied_in(bytes: &[u8], allocator: A) -> Self {
        UniqueBuffer::copied_in(bytes, allocator).into()
    }

    /// A copy of `bytes` from `allocator`, with no more room than it needs.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    pub fn try_copied_in(bytes: &[u8], allocator: A) -> Result<Self, OutOfMemory> {
        UniqueBuffer::try_copied_in(bytes, allocator).map(Self::from)
    }

    /// A further owner that shows the bytes of `range`.
    ///
    /// It keeps the whole alive, also if it is small or empty.
    ///
    /// # Panics
    ///
    /// If there are no such bytes.
    #[inline]
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        match within(&range, self.len) {
            // SAFETY: the range is within the length (`within`).
            Some(range) => unsafe { self.part(range) },
            None => not_within(&range, self.len),
        }
    }

    /// A further owner that shows the bytes of `range`, or `None` if there are no such bytes.
    #[inline]
    #[must_use]
    pub fn try_slice(&self, range: impl RangeBounds<usize>) -> Option<Self> {
        // SAFETY: the range is within the length (`within`).
        within(&range, self.len).map(|range| unsafe { self.part(range) })
    }

    /// A further owner that shows the bytes of `part`, a borrowed part of this one: for what a
    /// parser returns. `None` if `part` lies elsewhere.
    ///
    /// ```
    /// let text = buffers::SharedBuffer::from(b"  word ");
    /// let word = text.slice_of(text.trim_ascii()).unwrap();
    /// assert_eq!(word, b"word");
    /// assert!(text.slice_of(b"word").is_none());
    /// ```
    #[inline]
    #[must_use]
    pub fn slice_of(&self, part: &[u8]) -> Option<Self> {
        let start = part.as_ptr().addr().checked_sub(self.start.addr().get())?;
        self.try_slice(start..start.checked_add(part.len())?)
    }

    /// Whether this is the only owner of its block; false if it has none. Where the owners share it
    /// with other threads, somebody may have made it wrong before it is read.
    #[inline]
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.count().is_some_and(C::is_one)
    }

    /// The bytes to write to, if this is the only owner of its block.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self) -> Option<&mut [u8]> {
        if !self.is_unique() {
            return None;
        }
        // SAFETY: this is the only owner, and `&mut self` keeps it so and borrows it alone. What
        // others read happened before (`Count::is_one`).
        Some(unsafe { self.shown().as_mut() })
    }

    /// The unique owner of the block, without a copy, if this is the only one. It has the bytes
    /// that this one shows, and the room of the whole block. If they are not at the begin of the
    /// contents, they are moved there.
    ///
    /// # Errors
    ///
    /// The buffer itself if it has other owners, or no block.
    #[inline]
    pub fn try_into_unique(self) -> Result<UniqueBuffer<A>, Self> {
        match self.owner {
            Some(owner) if self.is_unique() => {
                let only = ManuallyDrop::new(self);
                // SAFETY: the header is initialized (the invariant of `owner`). What others did as
                // owners happened before, and the only one is not dropped nor used as such any
                // more.
                let Header { block, allocator, .. } = unsafe { owner.read() };
                // SAFETY: the block is that long, since it was served for that layout.
                let contents = unsafe { owner.cast::<u8>().add(block.offset()) };
                if only.start != contents {
                    // SAFETY: the bytes are initialized and within the contents (the invariant of
                    // `start`), so there is room for them at the begin, and nobody else uses the
                    // block.
                    unsafe { contents.copy_from(only.start, only.len) };
                }
                // SAFETY: the block came from `allocator` and belongs to nobody else, as said
                // above; its first `len` bytes are initialized.
                Ok(unsafe { UniqueBuffer::from_parts(contents, only.len, block, allocator) })
            }
            _ => Err(self),
        }
    }

    /// A buffer of static bytes, of which nobody is the owner.
    #[inline]
    pub(super) const fn uncounted(bytes: &'static [u8]) -> Self {
        Self { start: NonNull::from_ref(bytes).cast(), len: bytes.len(), owner: None }
    }

    /// A further owner of the bytes of `range`.
    ///
    /// # Safety
    ///
    /// `range.start <= range.end <= self.len`.
    #[inline]
    unsafe fn part(&self, range: Range<usize>) -> Self {
        debug_assert!(range.start <= range.end && range.end <= self.len);
        if let Some(count) = self.count() {
            count.increment();
        }
        // SAFETY: there are `len` bytes from `start` on (its invariant), and the range begins
        // within them (the caller's duty).
        let start = unsafe { self.start.add(range.start) };
        Self { start, len: range.end - range.start, owner: self.owner }
    }

    /// The count of the block's owners, if there is a block.
    #[inline]
    fn count(&self) -> Option<&C> {
        // SAFETY: the header is initialized, begins with the count, and stays as long as this value
        // (the invariant of `owner`). The reference is to the count alone, which may be changed
        // under it: that of the header would promise that nobody frees the block before a call
        // returns.
        self.owner.map(|owner| unsafe { owner.cast::<C>().as_ref() })
    }

    /// The bytes, as a pointer with the provenance of the block.
    #[inline]
    pub(super) fn shown(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.start, self.len)
    }

    /// Skips the first `bytes`.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    #[inline]
    pub(super) fn skip(&mut self, bytes: usize) {
        match self.len.checked_sub(bytes) {
            Some(left) => {
                // SAFETY: there are `len` bytes from `start` on (its invariant), and not fewer than
                // `bytes`, by the line above.
                self.start = unsafe { self.start.add(bytes) };
                self.len = left;
            }
            None => not_within(&(bytes..), self.len),
        }
    }
}

impl<C: Count, A: Allocator> Clone for CountedBuffer<C, A> {
    #[inline]
    fn clone(&self) -> Self {
        // A word at a time. Copied as a struct, two of them are stored as one, and who reads the clone
        // at once waits for it: 1.87 instead of 1.72 ns for a local one that is cloned, read, dropped.
        // SAFETY: the range is the whole.
        unsafe { self.part(0..self.len) }
    }
}

impl<C: Count, A: Allocator> Drop for CountedBuffer<C, A> {
    #[inline]
    fn drop(&mut self) {
        if let Some(owner) = self.owner
            && self.count().is_some_and(C::decrement)
        {
            // SAFETY: this was the last owner, and nothing uses it after this.
            unsafe { release(owner) };
        }
    }
}

/// Freezes: count and allocator are written in front of the contents, which stay where they are.
impl<C: Count, A: Allocator> From<UniqueBuffer<A>> for CountedBuffer<C, A> {
    #[inline]
    fn from(unique: UniqueBuffer<A>) -> Self {
        let (start, len, block, allocator) = unique.into_parts();
        if block.is_empty() {
            debug_assert!(len == 0);
            return Self { start, len, owner: None };
        }
        // SAFETY: `start` is that many bytes behind the begin of its block (its invariant).
        let owner = unsafe { start.sub(block.offset()) }.cast::<Header<C, A>>();
        debug_assert!(owner.is_aligned() && size_of::<Header<C, A>>() <= block.offset());
        // SAFETY: in front of the contents the block has room for the header of either count, at
        // its alignment (`Block`), and nobody else owns it.
        unsafe { owner.write(Header { count: C::one(), block, allocator }) };
        Self { start, len, owner: Some(owner) }
    }
}

/// Says the length. The bytes may be many, or nobody's business.
impl<C: Count, A: Allocator> fmt::Debug for CountedBuffer<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(C::BUFFER).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Gives a block back, out of line so that dropping an owner that is not the last stays short.
///
/// # Safety
///
/// The invariant of the field `owner` holds but for the count, which came to 0, and nobody uses the
/// block after this.
#[cold]
#[inline(never)]
unsafe fn release<C: Count, A: Allocator>(owner: NonNull<Header<C, A>>) {
    // SAFETY: the header is initialized, and read for the last time (the caller's duty).
    let Header { block, allocator, count: _ } = unsafe { owner.read() };
    // SAFETY: `allocator` served the block for that layout, and nobody uses it any more (the
    // caller's duty).
    unsafe { allocator.deallocate(owner.cast(), block.layout()) };
}

/// The range as numbers, if it is a range of `len` bytes.
#[inline]
fn within(range: &impl RangeBounds<usize>, len: usize) -> Option<Range<usize>> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1)?,
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    (start <= end && end <= len).then_some(start..end)
}

#[cold]
#[inline(never)]
#[track_caller]
fn not_within(range: &impl RangeBounds<usize>, len: usize) -> ! {
    let bounds = (range.start_bound(), range.end_bound());
    panic!("{bounds:?} is no range of a buffer of {len} bytes")
}
