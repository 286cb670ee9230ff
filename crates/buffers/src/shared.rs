//! Shared buffers: immutable bytes with a count of their owners, and the unique owner that they are
//! made of.

mod block;
mod count;
mod counted;
mod exchange;
mod slices;
mod unique;

use allocator_api2::alloc::Global;

pub use count::{AtomicCount, Count, LocalCount};
pub use counted::CountedBuffer;
pub use unique::UniqueBuffer;

/// Immutable bytes that threads share: a [`CountedBuffer`] whose owners are counted atomically.
///
/// ```
/// use std::thread;
/// use buffers::SharedBuffer;
///
/// let text = SharedBuffer::from(b"one two");
/// let first = text.slice(..3);
/// let reader = thread::spawn(move || first.len());
/// assert_eq!(reader.join().unwrap(), 3);
/// assert!(text.is_unique());
/// ```
pub type SharedBuffer<A = Global> = CountedBuffer<AtomicCount, A>;

/// Immutable bytes that are shared within one thread: a [`CountedBuffer`] whose owners are counted
/// without atomic instructions.
///
/// ```
/// use buffers::LocalBuffer;
///
/// let text = LocalBuffer::from(b"one two");
/// let words = [text.slice(..3), text.slice(4..)];
/// drop(text); // the words keep it alive
/// assert_eq!(words, [b"one", b"two"]);
/// ```
pub type LocalBuffer<A = Global> = CountedBuffer<LocalCount, A>;
