//! The lines of the contract, once: the table, the functions, `check` and the macros all come
//! from here.

/// Hands the rows of one group to the macro `$then`, after `$with`. A row is the number, the
/// function, the test, and the sentence.
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_lines {
    (all $($then:ident)::+ { $($with:tt)* }) => { $($then)::+! { { $($with)* }
        1 aligned line_01_aligned
            "a block is aligned to its layout, also above a page, above its size and for size 0";
        2 whole line_02_whole
            "a block has the bytes asked for, and every byte of the returned slice is usable";
        3 apart line_03_apart
            "live blocks never overlap, and keep their contents through any other operation";
        4 zeroed line_04_zeroed
            "zeroed means every byte, also of a reused block and of the tail of a grown one";
        5 resized line_05_resized
            "a resized block keeps its bytes and honours its alignment; on failure the old one is whole";
        6 empty line_06_empty
            "size 0 works everywhere and costs no memory that is not given back";
        7 bounded line_07_bounded
            "with blocks freed one by one, memory does not grow without bound under steady churn";
        8 resets line_08_resets
            "a reset makes everything reusable and keeps what the profile says; one that fails changes nothing";
        9 too_large line_09_too_large
            "too large is an error: no panic, no abort, no wrap-around";
        11 excluded line_11_excluded
            "what the profile excludes is an error, never a smaller block, and nothing else is excluded";
        12 unwinds line_12_unwinds
            "a panic in the caller's code leaks no block and frees none twice";
        14 movable line_14_movable
            "moving the strategy does not move its blocks; all its handles serve the same memory";
    } };
    (shared $($then:ident)::+ { $($with:tt)* }) => { $($then)::+! { { $($with)* }
        15 threads line_15_threads
            "blocks cross threads: freed on another, got on one that has ended, many at once";
        16 fork_and_exit line_16_fork_and_exit
            "a forked child and the destructors of thread-locals can allocate: no deadlock";
    } };
    (backed $($then:ident)::+ { $($with:tt)* }) => { $($then)::+! { { $($with)* }
        10 out_of_memory line_10_out_of_memory
            "out of memory is an error that leaves the strategy usable and its blocks whole";
        13 given_back line_13_given_back
            "dropping the strategy gives back every byte that it took, blocks still out included";
    } };
    (global $($then:ident)::+ { $($with:tt)* }) => { $($then)::+! { { $($with)* }
        17 global_allocator line_17_global_allocator
            "a global allocator does not allocate through itself, print, or take its caller's locks";
    } };
}

/// Puts every line of the contract to a strategy: one `#[test]` a line, named
/// `line_01_aligned` and so on.
///
/// `contract_tests!(MyStrategy)` is for any [`Strategy`](crate::Strategy).
/// `contract_tests!(MyStrategy, shared)` adds lines 15 and 16, for one that is `Sync`. In a file
/// with several strategies, each goes into a module of its own.
///
/// ```no_run
/// # use strategy::{BuildError, Plan, Profile, Strategy};
/// # pub struct Plain;
/// # impl Strategy for Plain {
/// #     const NAME: &'static str = "plain";
/// #     const ABOUT: &'static str = "";
/// #     const PROFILE: Profile = Profile::GENERAL;
/// #     type Handle<'a> = allocator_api2::alloc::Global;
/// #     fn new(_plan: &Plan) -> Result<Self, BuildError> { Ok(Self) }
/// #     fn handle(&self) -> Self::Handle<'_> { allocator_api2::alloc::Global }
/// # }
/// strategy::contract_tests!(Plain, shared);
/// ```
#[macro_export]
macro_rules! contract_tests {
    ($strategy:ty) => {
        $crate::__contract_lines! { all $crate::__contract_tests { $strategy } }
    };
    ($strategy:ty, shared) => {
        $crate::contract_tests!($strategy);
        $crate::__contract_lines! { shared $crate::__contract_tests { $strategy } }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __contract_tests {
    ({ $strategy:ty } $($number:literal $name:ident $test:ident $sentence:literal;)*) => { $(
        #[test]
        fn $test() {
            $crate::contract::assert_holds($crate::contract::$name::<$strategy>());
        }
    )* };
}

/// Puts lines 10 and 13 of the contract to a strategy over a backing allocator: it takes a
/// function that builds the strategy from a [`Plan`](crate::Plan) and a
/// [`Probe`](crate::contract::Probe) to take its memory from. A macro call a strategy; in a file
/// with several, each goes into a module of its own.
///
/// ```no_run
/// # use allocator_api2::alloc::Allocator;
/// # use strategy::{BuildError, Plan, Profile, Strategy};
/// # pub struct BlockPool<A>(A);
/// # impl<A: Allocator> BlockPool<A> {
/// #     fn new_in(_: &Plan, backing: A) -> Result<Self, BuildError> { Ok(Self(backing)) }
/// # }
/// # impl<A: Allocator + Default> Strategy for BlockPool<A> {
/// #     const NAME: &'static str = "plain";
/// #     const ABOUT: &'static str = "";
/// #     const PROFILE: Profile = Profile::GENERAL;
/// #     type Handle<'a> = &'a A where A: 'a;
/// #     fn new(plan: &Plan) -> Result<Self, BuildError> { Self::new_in(plan, A::default()) }
/// #     fn handle(&self) -> Self::Handle<'_> { &self.0 }
/// # }
/// strategy::contract_backed_tests!(|plan, probe| BlockPool::new_in(plan, probe));
/// ```
#[macro_export]
macro_rules! contract_backed_tests {
    ($build:expr) => {
        $crate::__contract_lines! { backed $crate::__contract_backed_tests { $build } }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __contract_backed_tests {
    ({ $build:expr } $($number:literal $name:ident $test:ident $sentence:literal;)*) => { $(
        #[test]
        fn $test() {
            $crate::contract::assert_holds($crate::contract::$name($build));
        }
    )* };
}
