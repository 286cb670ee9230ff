//! The controls: the C library's malloc again, to show what a difference of nothing looks like.

use std::alloc::{GlobalAlloc, Layout};

use strategy::{BuildError, FromGlobal, Plan, Profile, Role, StaticGlobal, Strategy, kept_apart};

/// [`System`](crate::System) under a second name, as a copy of its own: what it differs from the first by
/// is noise.
#[derive(Debug)]
pub struct SystemAgain;

/// [`System`](crate::System) in a process that never had a second thread, where glibc skips its locks.
///
/// The code is a copy of the same. The harness runs it in such a process because of its role.
#[derive(Debug)]
pub struct SystemSingleThread;

/// [`System`](crate::System) under a further name, as a copy of its own: `system-copy-0` to
/// `system-copy-9`. A harness that finds a difference between them is wrong.
///
/// ```
/// use strategy::Strategy;
/// use strategy_system::SystemCopy;
/// assert_eq!(SystemCopy::<7>::NAME, "system-copy-7");
/// ```
///
/// There are ten:
///
/// ```compile_fail,E0080
/// # use strategy::Strategy;
/// # use strategy_system::SystemCopy;
/// let name = SystemCopy::<10>::NAME;
/// ```
#[derive(Debug)]
pub struct SystemCopy<const N: u32>;

impl<const N: u32> SystemCopy<N> {
    /// The name: a constant for each, since a trait's constant cannot be put together from a number.
    const NAME: &'static str = match N {
        0 => "system-copy-0",
        1 => "system-copy-1",
        2 => "system-copy-2",
        3 => "system-copy-3",
        4 => "system-copy-4",
        5 => "system-copy-5",
        6 => "system-copy-6",
        7 => "system-copy-7",
        8 => "system-copy-8",
        9 => "system-copy-9",
        _ => panic!("there are ten copies"),
    };
}

/// The standard library's `System` as a copy of its own: code that allocates or frees by it is not made one
/// with code that does the same by another copy, or by `System` itself.
#[derive(Debug)]
pub struct Copied<const COPY: u32>;

// SAFETY: every call goes on to `System` as it came, and what it returns comes back as it is; that is a
// `GlobalAlloc`, and all copies serve its memory.
unsafe impl<const COPY: u32> GlobalAlloc for Copied<COPY> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        kept_apart::<COPY>();
        // SAFETY: the caller's duties are the same.
        unsafe { std::alloc::System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        kept_apart::<COPY>();
        // SAFETY: the caller's duties are the same.
        unsafe { std::alloc::System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        kept_apart::<COPY>();
        // SAFETY: the caller's duties are the same; a block of this copy is `System`'s.
        unsafe { std::alloc::System.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        kept_apart::<COPY>();
        // SAFETY: the caller's duties are the same; a block of this copy is `System`'s.
        unsafe { std::alloc::System.realloc(block, layout, new_size) }
    }
}

/// Makes a type a strategy that is a copy of System: which, its name, its role, and what it is.
macro_rules! copy {
    ($({$($generics:tt)*})? $type:ty, $copy:expr, $name:expr, $role:expr, $about:literal) => {
        impl $(<$($generics)*>)? StaticGlobal for $type {
            type Global = Copied<{ $copy }>;
            const GLOBAL: &'static Self::Global = &Copied;
        }

        impl $(<$($generics)*>)? Strategy for $type {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const PROFILE: Profile = Profile::GENERAL;
            const ROLE: Role = $role;
            type Handle<'a> = FromGlobal<Self>;

            fn new(_plan: &Plan) -> Result<Self, BuildError> {
                Ok(Self)
            }

            #[inline]
            fn handle(&self) -> FromGlobal<Self> {
                FromGlobal::new()
            }
        }
    };
}

/// Which copy [`System`](crate::System) is itself: beyond the numbers of the further names. It is called through a
/// copy as well, since a comment counts when the compiler decides what to inline.
pub(crate) const SYSTEM: u32 = 100;

copy!(
    SystemAgain,
    SYSTEM + 1,
    "system-again",
    Role::SameAgain,
    "system under a second name, as a copy of its own: its distance from system is the noise"
);
copy!(
    SystemSingleThread,
    SYSTEM + 2,
    "system-single-thread",
    Role::SingleThread,
    "system in a process that never had a second thread"
);
copy!(
    {const N: u32} SystemCopy<N>,
    N,
    Self::NAME,
    Role::Contender,
    "system under a further name, as a copy of its own: whatever it differs by is noise"
);
