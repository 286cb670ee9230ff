//! Pools that keep dropped buffers for reuse.

use core::alloc::Layout;
use core::fmt;

use strategy::memcheck::{self, Blocks};
use strategy::{Allocator, BuildError, Frees, Plan, Profile, Reset, Role, Sizes, Stats, Strategy};

use crate::lock::{AllThreads, Lock, OneThread};
use crate::shelves::{Class, Limits, Shelves};
use crate::{ManagedBuffer, OutOfMemory, SystemMemory};

/// A pool for one thread: see [`Pool`].
///
/// ```
/// use strategy_raii::BufferPool;
///
/// let pool = BufferPool::new();
/// let mut first = pool.buffer(4096);
/// first.extend_from_slice(b"secret");
/// let place = first.as_ptr();
/// drop(first); // kept
///
/// let second = pool.buffer(3000);
/// assert_eq!(second.as_ptr(), place); // the same memory,
/// assert_eq!(second.len(), 0); // and none of what was in it
/// ```
///
/// It cannot be shared, and its buffers cannot be sent:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<strategy_raii::BufferPool>();
/// ```
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<strategy_raii::PooledBuffer<'static>>();
/// ```
pub type BufferPool<A = SystemMemory> = Pool<OneThread, A>;

/// A pool for all threads at once: see [`Pool`]. A buffer may be dropped on any thread.
///
/// In a `static` it lends buffers that go anywhere:
///
/// ```
/// use strategy_raii::SharedBufferPool;
///
/// static POOL: SharedBufferPool = SharedBufferPool::new();
///
/// let mut request = POOL.buffer(4096);
/// request.extend_from_slice(b"GET /");
/// std::thread::spawn(move || assert_eq!(request, b"GET /")).join().unwrap();
/// assert_eq!(POOL.kept_bytes(), 4096);
/// ```
pub type SharedBufferPool<A = SystemMemory> = Pool<AllThreads, A>;

/// A buffer of a pool: it is an ordinary one, whose allocator is the pool, and goes back to it when
/// it is dropped.
pub type PooledBuffer<'p, A = SystemMemory, L = OneThread> = ManagedBuffer<&'p Pool<L, A>>;

/// Keeps buffers that were dropped, as far as its [`Limits`] go, and hands them out again.
///
/// `&Pool` is an `Allocator`, so a buffer of a pool is a [`ManagedBuffer`], and a pool can back any
/// collection. A request for up to 1 MiB is rounded up to a power of two of at least 64 bytes, its
/// class; what was dropped lately is taken first, since it is likely to be in the cache. A larger
/// one is passed on and not kept. A kept buffer whose address does not suit the alignment that is
/// asked for is left where it is, and a new one is made.
///
/// A buffer borrows its pool:
///
/// ```compile_fail,E0597
/// let buffer = {
///     let pool = strategy_raii::BufferPool::new();
///     pool.buffer(100) // would outlive `pool`
/// };
/// drop(buffer);
/// ```
///
/// What a buffer held before cannot be read: an empty buffer has no bytes, and a zeroed one has been
/// written as a whole.
pub struct Pool<L: Lock, A: Allocator = SystemMemory> {
    /// Lists every block that `backing` has given and not got back, with what it was asked for.
    pub(crate) shelves: L,
    /// The blocks that are out, for memcheck.
    pub(crate) out: Blocks,
    pub(crate) backing: A,
}

impl BufferPool {
    /// An empty pool over the C library's malloc, with the default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limits(Limits::DEFAULT)
    }

    /// An empty pool over the C library's malloc.
    #[must_use]
    pub const fn with_limits(limits: Limits) -> Self {
        Self { shelves: OneThread::new(limits), out: Blocks::new(), backing: SystemMemory::new() }
    }
}

impl SharedBufferPool {
    /// An empty pool over the C library's malloc, with the default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limits(Limits::DEFAULT)
    }

    /// An empty pool over the C library's malloc.
    #[must_use]
    pub const fn with_limits(limits: Limits) -> Self {
        Self { shelves: AllThreads::new(limits), out: Blocks::new(), backing: SystemMemory::new() }
    }
}

impl<L: Lock, A: Allocator> Pool<L, A> {
    /// An empty pool that takes its memory from `backing`.
    #[must_use]
    pub fn new_in(limits: Limits, backing: A) -> Self {
        Self { shelves: L::new(limits), out: Blocks::new(), backing }
    }

    /// An empty pool that serves `plan` from `backing`: it has room for the plan's live blocks, if
    /// that is more than the default.
    ///
    /// # Errors
    ///
    /// [`BuildError::Unsupported`] if the plan has several threads and the pool is for one.
    pub fn for_plan_in(plan: &Plan, backing: A) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        let class = Class::of(plan.max_size.max(1)).map_or(0, Class::bytes);
        let Limits { buffers_per_class, bytes_per_class } = Limits::DEFAULT;
        let limits = Limits {
            buffers_per_class: buffers_per_class.max(plan.live_blocks),
            bytes_per_class: bytes_per_class.max(plan.live_blocks.saturating_mul(class)),
        };
        Ok(Self::new_in(limits, backing))
    }

    /// An empty buffer with room for `bytes`, and for as many more as its class has.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts), and if `bytes` is
    /// more than `isize::MAX`.
    #[must_use]
    pub fn buffer(&self, bytes: usize) -> PooledBuffer<'_, A, L> {
        self.try_buffer(bytes).unwrap_or_else(|error| error.give_up())
    }

    /// An empty buffer with room for `bytes`, and for as many more as its class has.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_buffer(&self, bytes: usize) -> Result<PooledBuffer<'_, A, L>, OutOfMemory> {
        let room = if bytes == 0 { None } else { Class::of(bytes) };
        ManagedBuffer::try_with_capacity_in(layout(room.map_or(bytes, Class::bytes))?, self)
    }

    /// A buffer of `bytes` zeroes.
    ///
    /// # Panics
    ///
    /// If memory is out, as `handle_alloc_error` does it (which by default aborts), and if `bytes` is
    /// more than `isize::MAX`.
    #[must_use]
    pub fn zeroed(&self, bytes: usize) -> PooledBuffer<'_, A, L> {
        self.try_zeroed(bytes).unwrap_or_else(|error| error.give_up())
    }

    /// A buffer of `bytes` zeroes.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if there is no such block.
    #[inline]
    pub fn try_zeroed(&self, bytes: usize) -> Result<PooledBuffer<'_, A, L>, OutOfMemory> {
        ManagedBuffer::try_zeroed_in(layout(bytes)?, self)
    }

    /// The buffers that are kept for reuse.
    #[must_use]
    pub fn kept(&self) -> usize {
        Class::all().map(|class| self.kept_of(class)).sum()
    }

    /// The bytes of the buffers that are kept for reuse.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        Class::all().map(|class| self.kept_of(class) * class.bytes()).sum()
    }

    fn kept_of(&self, class: Class) -> usize {
        let on_shelf = self.shelves.with(|shelves| shelves.kept(class));
        on_shelf + usize::from(self.shelves.keeps(class))
    }

    /// Gives the buffers that are kept back to the backing allocator. Those that are out stay valid,
    /// and are kept as before when they are dropped.
    pub fn clear(&self) {
        for class in Class::all() {
            while let Some(block) = self.take(class, 1) {
                // SAFETY: it was taken, so it is out, and given up here.
                unsafe { self.give_back(block) };
            }
        }
    }
}

/// A layout of `bytes` at any address.
#[inline]
fn layout(bytes: usize) -> Result<Layout, OutOfMemory> {
    Layout::from_size_align(bytes, 1).map_err(|_| OutOfMemory { bytes, align: 1 })
}

impl<L: Lock, A: Allocator> Drop for Pool<L, A> {
    /// Gives everything back, also what is still out because it was leaked.
    fn drop(&mut self) {
        self.out.never_freed();
        self.out.ended();
        for made in self.shelves.with(Shelves::strike_all) {
            memcheck::returned(made.start.0, made.layout.size());
            // SAFETY: it was on the list, so `backing` gave it with that layout and has not got it
            // back (the invariant of `shelves`); whoever could still use it would borrow the pool.
            unsafe { self.backing.deallocate(made.start.0, made.layout) };
        }
    }
}

impl<L: Lock, A: Allocator + Default> Default for Pool<L, A> {
    /// An empty pool with the default limits.
    fn default() -> Self {
        Self::new_in(Limits::DEFAULT, A::default())
    }
}

impl<L: Lock, A: Allocator> Pool<L, A> {
    /// What it can serve as a strategy.
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: Profile::ANY_ALIGN,
        frees: Frees::OneByOne,
        reset: Reset::Unsupported,
        threads: L::THREADS,
    };
}

impl<L: Lock, A: Allocator + Default> Strategy for Pool<L, A> {
    const NAME: &'static str = L::NAME;
    const ABOUT: &'static str = L::ABOUT;
    const PROFILE: Profile = Self::PROFILE;
    const ROLE: Role = Role::Ours;
    type Handle<'a>
        = &'a Self
    where
        Self: 'a;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::for_plan_in(plan, A::default())
    }

    #[inline]
    fn handle(&self) -> &Self {
        self
    }

    fn stats(&self) -> Option<Stats> {
        let made_bytes = self.shelves.with(|shelves| shelves.made_bytes());
        // With other threads at work, the two are not of the same moment.
        let live_bytes = made_bytes.saturating_sub(self.kept_bytes());
        Some(Stats { reserved_bytes: made_bytes, live_bytes })
    }
}

impl<L: Lock, A: Allocator> fmt::Debug for Pool<L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("made_bytes", &self.shelves.with(|shelves| shelves.made_bytes()))
            .field("kept", &self.kept())
            .field("kept_bytes", &self.kept_bytes())
            .finish_non_exhaustive()
    }
}
