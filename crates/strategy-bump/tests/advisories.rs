//! Bugs that arenas in use have had, each tried on this one. Those that must not compile are
//! examples in the documentation of the types.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec as VecIn;
use common::layout;
use strategy::contract::Probe;
use strategy_bump::{Bump, Destructors};

/// RUSTSEC-2020-0006: bumpalo's `realloc` read as many bytes as the block was to have, not as many
/// as it had, and so bytes of other blocks or beyond the chunk. Valgrind sees the latter; the
/// former is seen here.
#[test]
fn growing_reads_no_more_than_the_block_had() {
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let secret = arena.alloc_slice_fill_copy(200, 0xAA_u8);
    let block = arena.alloc_layout(layout(100, 1));
    // SAFETY: the block has 100 bytes.
    unsafe { block.write_bytes(1, 100) };
    arena.alloc(0_u8);
    // SAFETY: the block came from `arena` with this layout, and the new one is larger.
    let grown = unsafe { (&arena).grow(block, layout(100, 1), layout(300, 1)) }.unwrap();
    let bytes = grown.cast::<u8>();
    for index in 0..300 {
        // SAFETY: the index is below the size of the block.
        let byte = unsafe { bytes.add(index) };
        // SAFETY: the block has this byte; the probe has filled what nobody wrote.
        let byte = unsafe { byte.read() };
        assert_eq!(byte, if index < 100 { 1 } else { 0xCD });
    }
    assert_eq!(secret, [0xAA; 200]);
}

/// RUSTSEC-2020-0040: obstack made references that were not aligned for types of a large alignment.
#[test]
fn a_type_of_a_large_alignment_is_aligned() {
    #[derive(Clone, Copy)]
    #[repr(align(4096))]
    struct Page(u8);

    let arena = Bump::new();
    let list = Destructors::new(&arena);
    for _ in 0..10 {
        arena.alloc(1_u8);
        let pages = [
            std::ptr::from_ref(arena.alloc(Page(1))).addr(),
            arena.alloc_slice_fill_copy(2, Page(2)).as_ptr().addr(),
            arena.alloc_from_iter([Page(3)].into_iter().filter(|_| true)).as_ptr().addr(),
            std::ptr::from_ref(list.alloc((Page(4), String::new()))).addr(),
            arena.scoped(|scope| std::ptr::from_ref(scope.alloc(Page(5))).addr()),
        ];
        assert!(pages.iter().all(|page| page.is_multiple_of(4096)), "{pages:x?}");
        let page = arena.alloc(Page(6));
        assert_eq!(page.0, 6);
    }
}

/// RUSTSEC-2021-0040 (arenavec) and RUSTSEC-2021-0033 (stack_dst): a clone or a default that panics
/// while a slice is filled had values dropped that were never made, or dropped twice.
#[test]
fn a_clone_that_panics_drops_nothing_twice() {
    struct Fragile(Rc<()>, usize);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            if self.1 == 3 {
                resume_unwind(Box::new(()));
            }
            Self(Rc::clone(&self.0), self.1)
        }
    }
    let counted = Rc::new(());
    let source: Vec<_> = (0..5).map(|number| Fragile(Rc::clone(&counted), number)).collect();
    let arena = Bump::new();
    let list = Destructors::new(&arena);
    let cloned = AssertUnwindSafe(|| {
        let mut cloned = VecIn::new_in(&arena);
        cloned.extend_from_slice(&source);
        list.alloc(cloned);
    });
    assert!(catch_unwind(cloned).is_err());
    drop(list);
    assert_eq!(Rc::strong_count(&counted), 6);
}

/// rust-lang/rust#67001: `alloc_from_iter` of the compiler's arena reserved the slice, and an
/// iterator that itself allocated in the arena was given the same bytes.
#[test]
fn an_iterator_that_allocates_in_the_arena_overwrites_nothing() {
    let arena = Bump::new();
    let item = |number: u64| &*arena.alloc(number);
    let exact = arena.alloc_from_iter((0..500).map(item));
    let unknown = arena.alloc_from_iter((0..500).map(item).filter(|_| true));
    let filled = arena.alloc_slice_fill_with(500, |index| item(index as u64));
    for slice in [exact, unknown, filled] {
        assert!(slice.iter().map(|number| **number).eq(0..500));
    }
}

/// RUSTSEC-2022-0078: bumpalo's `Vec::into_iter` gave an iterator that outlived the arena. The
/// iterator of `allocator-api2` has the allocator, which is a borrow; here it is used to its end.
#[test]
fn an_iterator_by_value_keeps_the_arena_borrowed() {
    let arena = Bump::new();
    let mut numbers = VecIn::new_in(&arena);
    numbers.extend(0..100);
    let rest = numbers.into_iter().skip(50);
    arena.alloc_slice_fill_copy(5000, 0xFF_u8);
    assert!(rest.eq(50..100));
}

/// bluurryy/bump-scope#134: an arena that was made by copying another one bit by bit had a copy of
/// its backing allocator as well. A scope borrows the allocator: one that counts in itself, and has a
/// destructor, is right after any number of scopes, and dropped once.
#[test]
fn a_scope_does_not_copy_the_backing_allocator() {
    use std::cell::Cell;
    use std::ptr::NonNull;

    use allocator_api2::alloc::{AllocError, Global, Layout};

    struct Counting<'d> {
        chunks: Cell<isize>,
        dropped_with: &'d Cell<Option<isize>>,
    }
    impl Drop for Counting<'_> {
        fn drop(&mut self) {
            assert_eq!(self.dropped_with.replace(Some(self.chunks.get())), None);
        }
    }
    // SAFETY: the blocks are those of `Global`, which keeps the contract.
    unsafe impl Allocator for Counting<'_> {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.chunks.set(self.chunks.get() + 1);
            Global.allocate(layout)
        }

        unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
            self.chunks.set(self.chunks.get() - 1);
            // SAFETY: the block came from `Global` in `allocate`.
            unsafe { Global.deallocate(pointer, layout) };
        }
    }

    let dropped_with = Cell::new(None);
    let backing = Counting { chunks: Cell::new(0), dropped_with: &dropped_with };
    let arena = Bump::new_in(backing);
    for bytes in [100, 10_000, 100, 50_000] {
        arena.scoped(|scope| {
            scope.alloc_slice_fill_copy(bytes, 1_u8);
            scope.scoped(|inner| inner.alloc_slice_fill_copy(bytes, 2_u8).len())
        });
    }
    assert_eq!(dropped_with.get(), None);
    drop(arena);
    assert_eq!(dropped_with.get(), Some(0));
}
