//! The typed pool: slots for values of one type.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use allocator_api2::alloc::{Allocator, Global, Layout};

use crate::pooled::Slot;
use crate::{BlockPool, OutOfMemory, Pooled, Rejected};

/// A pool of values of one type.
///
/// [`alloc`](Self::alloc) puts a value into a slot and returns a [`Pooled`], which owns the
/// value like a `Box` and gives the slot back on drop. Slots grow as the blocks of a [`BlockPool`]
/// do, and take 8 bytes at least as those do; a type without size takes none.
///
/// ```
/// use strategy_pool::Pool;
///
/// let pool = Pool::new();
/// let mut greeting = pool.alloc(String::from("hello"));
/// greeting.push_str(", pool");
/// assert_eq!(*greeting, "hello, pool");
/// assert_eq!(pool.live(), 1);
/// drop(greeting);
/// assert_eq!(pool.live(), 0);
/// ```
///
/// Values may own other values of the same pool:
///
/// ```
/// use strategy_pool::{Pool, Pooled};
///
/// struct Node<'p> {
///     number: u32,
///     next: Option<Pooled<'p, Node<'p>>>,
/// }
///
/// let pool = Pool::new();
/// let tail = pool.alloc(Node { number: 2, next: None });
/// let head = pool.alloc(Node { number: 1, next: Some(tail) });
/// assert_eq!(head.number + head.next.as_ref().unwrap().number, 3);
/// ```
///
/// # Threads
///
/// A pool is not shared, and it is sent only with values that may be:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_pool::Pool<u64>>();
/// ```
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_pool::Pool<std::rc::Rc<u64>>>();
/// ```
pub struct Pool<T, A: Allocator = Global> {
    /// Blocks of the layout of `T`.
    blocks: BlockPool<A>,
    /// A pool drops no `T` (its handles do), so it does not own one here; that is
    /// what lets values borrow their own pool. Covariant, like the handles.
    _values: PhantomData<*const T>,
}

impl<T> Pool<T> {
    /// An empty pool. It takes no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self::new_in(Global)
    }

    /// A pool with `slots` slots up front, in one chunk.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn with_capacity(slots: usize) -> Self {
        Self::with_capacity_in(slots, Global)
    }

    /// A pool with `slots` slots up front, in one chunk.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory.
    pub fn try_with_capacity(slots: usize) -> Result<Self, OutOfMemory> {
        Self::try_with_capacity_in(slots, Global)
    }
}

impl<T, A: Allocator> Pool<T, A> {
    /// An empty pool that takes its memory from `backing`. It takes none yet.
    #[must_use]
    pub const fn new_in(backing: A) -> Self {
        Self { blocks: BlockPool::new_in(Layout::new::<T>(), backing), _values: PhantomData }
    }

    /// A pool with `slots` slots from `backing` up front, in one chunk.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::with_capacity`.
    #[must_use]
    pub fn with_capacity_in(slots: usize, backing: A) -> Self {
        Self::try_with_capacity_in(slots, backing).unwrap_or_else(|error| error.give_up())
    }

    /// A pool with `slots` slots from `backing` up front, in one chunk.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory.
    pub fn try_with_capacity_in(slots: usize, backing: A) -> Result<Self, OutOfMemory> {
        let pool = Self::new_in(backing);
        pool.try_reserve(slots)?;
        Ok(pool)
    }

    /// Puts `value` into a slot.
    ///
    /// # Panics
    ///
    /// Without memory for a new chunk it ends like `Box::new`.
    #[inline]
    pub fn alloc(&self, value: T) -> Pooled<'_, T, A> {
        self.slot().unwrap_or_else(|error| error.give_up()).fill(value)
    }

    /// Puts `value` into a slot.
    ///
    /// # Errors
    ///
    /// If there is no memory for a new chunk. The error gives `value` back.
    #[inline]
    pub fn try_alloc(&self, value: T) -> Result<Pooled<'_, T, A>, Rejected<T>> {
        match self.slot() {
            Ok(slot) => Ok(slot.fill(value)),
            Err(reason) => Err(Rejected { value, reason }),
        }
    }

    /// Takes a slot and puts the result of `value` into it, which a large value can be written to
    /// without a copy. If `value` panics, the slot is free again.
    ///
    /// # Panics
    ///
    /// Without memory for a new chunk it ends like `Box::new`.
    #[inline]
    pub fn alloc_with(&self, value: impl FnOnce() -> T) -> Pooled<'_, T, A> {
        let slot = self.slot().unwrap_or_else(|error| error.give_up());
        slot.fill(value())
    }

    /// Takes a slot and puts the result of `value` into it. If `value` panics, the slot is
    /// free again.
    ///
    /// # Errors
    ///
    /// If there is no memory for a new chunk; `value` is not called then.
    #[inline]
    pub fn try_alloc_with(
        &self,
        value: impl FnOnce() -> T,
    ) -> Result<Pooled<'_, T, A>, OutOfMemory> {
        let slot = self.slot()?;
        Ok(slot.fill(value()))
    }

    /// Makes at least `slots` slots free, if need be by one more chunk.
    ///
    /// # Panics
    ///
    /// If their size overflows. Without memory it ends like `Vec::reserve`.
    pub fn reserve(&self, slots: usize) {
        self.blocks.reserve(slots);
    }

    /// Makes at least `slots` slots free, if need be by one more chunk.
    ///
    /// # Errors
    ///
    /// If their size overflows, or there is no memory; the pool is as usable as before.
    pub fn try_reserve(&self, slots: usize) -> Result<(), OutOfMemory> {
        self.blocks.try_reserve(slots)
    }

    /// Makes every slot free, and keeps all memory. Only a slot whose value was forgotten or
    /// [leaked](Pooled::leak) can still be taken: such a value is not dropped.
    ///
    /// ```compile_fail,E0502
    /// # use strategy_pool::Pool;
    /// let mut pool = Pool::new();
    /// let one = pool.alloc(1);
    /// pool.reset(); // `one` still borrows the pool
    /// drop(one);
    /// ```
    pub fn reset(&mut self) {
        self.blocks.reset();
    }

    /// The number of slots, free or taken; 0 for a type without size.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.blocks.capacity()
    }

    /// The number of slots taken; 0 for a type without size.
    #[inline]
    #[must_use]
    pub fn live(&self) -> usize {
        self.blocks.live()
    }

    /// The bytes taken from the backing allocator, as for [`BlockPool::reserved_bytes`].
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.blocks.reserved_bytes()
    }

    #[inline]
    fn slot(&self) -> Result<Slot<'_, T, A>, OutOfMemory> {
        let pointer = match size_of::<T>() {
            0 => NonNull::dangling(),
            _ => self.blocks.take().map_err(|_| self.blocks.out_of_memory(1))?.cast(),
        };
        self.blocks.out().allocated(pointer.cast(), size_of::<T>());
        // SAFETY: `pointer` was just taken from `self.blocks`, whose blocks have the layout of `T`
        // (`new_in` is the only constructor), or is dangling for a type without size.
        Ok(unsafe { Slot::new(pointer, &self.blocks) })
    }
}

// SAFETY: the block pool may be sent (see there). A pool drops no value and lends none, and the
// handles that do borrow it, so none is left behind; values that were leaked on this thread are
// out of reach. The bound on `T` is more than this needs: it keeps the promise simple.
unsafe impl<T: Send, A: Allocator + Send> Send for Pool<T, A> {}

impl<T, A: Allocator + Default> Default for Pool<T, A> {
    fn default() -> Self {
        Self::new_in(A::default())
    }
}

impl<T, A: Allocator> fmt::Debug for Pool<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &self.capacity())
            .field("live", &self.live())
            .field("reserved_bytes", &self.reserved_bytes())
            .finish_non_exhaustive()
    }
}
