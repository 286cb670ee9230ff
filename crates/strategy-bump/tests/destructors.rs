//! The list of destructors: what is dropped, when, and in which order.

mod common;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use allocator_api2::vec::Vec as VecIn;
use strategy::contract::Probe;
use strategy_bump::{Bump, Destructors};

/// Notes that it was dropped.
struct Noted<'n> {
    dropped: &'n RefCell<Vec<u32>>,
    number: u32,
    panics: bool,
}

impl<'n> Noted<'n> {
    fn new(dropped: &'n RefCell<Vec<u32>>, number: u32) -> Self {
        Self { dropped, number, panics: false }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.number);
        if self.panics {
            resume_unwind(Box::new(self.number));
        }
    }
}

#[test]
fn values_are_dropped_once_and_the_newest_first() {
    let dropped = RefCell::new(Vec::new());
    let mut arena = Bump::new();
    let list = Destructors::new(&arena);
    let mut first = list.alloc(Noted::new(&dropped, 1));
    for number in 2..1000 {
        list.alloc(Noted::new(&dropped, number));
    }
    // A value that is replaced is dropped there and then.
    *first = Noted::new(&dropped, 0);
    first = list.alloc(Noted::new(&dropped, 1000));
    first.number += 1;
    assert_eq!(*dropped.borrow(), [1]);
    drop(list);
    let expected: Vec<_> = [1, 1001].into_iter().chain((2..1000).rev()).chain([0]).collect();
    assert_eq!(*dropped.borrow(), expected);
    arena.reset();
    drop(arena);
    assert_eq!(dropped.borrow().len(), expected.len());
}

#[test]
fn a_type_without_a_destructor_takes_no_place_in_the_list() {
    let arena = Bump::new();
    let list = Destructors::new(&arena);
    list.alloc(7_u64);
    assert_eq!(arena.used_bytes(), 8);
    list.alloc(String::new());
    assert_eq!(arena.used_bytes(), 8 + 16 + size_of::<String>());
}

#[test]
fn values_of_every_size_and_alignment_are_dropped() {
    #[repr(align(256))]
    struct Wide<'n>(#[expect(dead_code, reason = "it is there to be dropped")] Noted<'n>);
    struct Nothing;
    thread_local!(static NOTHINGS: RefCell<u32> = const { RefCell::new(0) });
    impl Drop for Nothing {
        fn drop(&mut self) {
            NOTHINGS.with_borrow_mut(|nothings| *nothings += 1);
        }
    }
    let dropped = RefCell::new(Vec::new());
    let arena = Bump::new();
    let list = Destructors::new(&arena);
    list.alloc(Nothing);
    let wide = list.alloc(Wide(Noted::new(&dropped, 1)));
    assert!(std::ptr::from_ref(wide).addr().is_multiple_of(256));
    list.alloc(Nothing);
    list.alloc([Noted::new(&dropped, 2), Noted::new(&dropped, 3)]);
    drop(list);
    assert_eq!(*dropped.borrow(), [2, 3, 1]);
    assert_eq!(NOTHINGS.take(), 2);
}

#[test]
fn a_destructor_that_panics_stops_no_other_and_runs_once() {
    for panicking in 0..5 {
        let dropped = RefCell::new(Vec::new());
        let arena = Bump::new();
        let list = Destructors::new(&arena);
        for number in 0..5 {
            let mut value = Noted::new(&dropped, number);
            value.panics = number == panicking;
            list.alloc(value);
        }
        let payload = catch_unwind(AssertUnwindSafe(|| drop(list))).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&panicking));
        assert_eq!(*dropped.borrow(), [4, 3, 2, 1, 0]);
        arena.alloc(1_u64);
    }
}

#[test]
fn a_list_in_a_scope_ends_before_it() {
    let dropped = RefCell::new(Vec::new());
    let arena = Bump::new();
    let outer = Destructors::new(&arena);
    outer.alloc(Noted::new(&dropped, 1));
    arena.scoped(|scope| {
        let list = Destructors::new(scope);
        list.alloc(Noted::new(&dropped, 2));
        outer.alloc(Noted::new(&dropped, 3));
    });
    assert_eq!(*dropped.borrow(), [2]);
    let scope = AssertUnwindSafe(|| {
        arena.scoped(|scope| {
            let list = Destructors::new(scope);
            list.alloc(Noted::new(&dropped, 4));
            resume_unwind(Box::new(()));
        })
    });
    assert!(catch_unwind(scope).is_err());
    assert_eq!(*dropped.borrow(), [2, 4]);
    drop(outer);
    assert_eq!(*dropped.borrow(), [2, 4, 3, 1]);
}

/// Reads in its destructor what it borrows from the arena.
struct Reader<'a>(&'a RefCell<Vec<u32>>, Vec<u32>);

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().append(&mut self.1);
    }
}

#[test]
fn a_destructor_may_read_what_outlives_the_list() {
    let seen = RefCell::new(Vec::new());
    let arena = Bump::new();
    let longer = Destructors::new(&arena);
    let own = &*longer.alloc(RefCell::new(vec![0]));
    {
        let shorter = Destructors::new(&arena);
        // Of the stack, of the arena, and of a list that lives longer.
        shorter.alloc(Reader(&seen, vec![1]));
        let leaked = &*arena.alloc_leaked(RefCell::new(Vec::new()));
        shorter.alloc(Reader(leaked, vec![2]));
        shorter.alloc(Reader(own, vec![3]));
        drop(shorter);
        assert_eq!(leaked.take(), [2]);
    }
    assert_eq!((seen.take(), own.take()), (vec![1], vec![0, 3]));
}

#[test]
fn a_collection_in_the_arena_is_a_value_of_the_list() {
    let counted = Rc::new(());
    let arena = Bump::new();
    let list = Destructors::new(&arena);
    let mut collected = VecIn::new_in(&arena);
    collected.extend((0..100).map(|_| Rc::clone(&counted)));
    let slice = list.alloc(collected).as_mut_slice();
    assert_eq!((slice.len(), Rc::strong_count(&counted)), (100, 101));
    drop(list);
    assert_eq!(Rc::strong_count(&counted), 1);
}

#[test]
fn out_of_memory_drops_the_value_and_lists_nothing() {
    let counted = Rc::new(());
    let backing = Probe::new();
    let arena = Bump::new_in(&backing);
    let list = Destructors::new(&arena);
    list.alloc(Rc::clone(&counted));
    backing.fail_from(1);
    while list.try_alloc(Rc::clone(&counted)).is_ok() {}
    let listed = Rc::strong_count(&counted) - 1;
    assert_eq!(arena.used_bytes(), listed * (16 + 8));
    drop(list);
    assert_eq!(Rc::strong_count(&counted), 1);
}

#[test]
fn a_destructor_may_allocate_in_the_arena() {
    struct Allocating<'a>(&'a Bump);
    impl Drop for Allocating<'_> {
        fn drop(&mut self) {
            self.0.alloc_slice_fill_copy(2000, 1_u8);
        }
    }
    let arena = Bump::new();
    let list = Destructors::new(&arena);
    for _ in 0..10 {
        list.alloc(Allocating(&arena));
    }
    drop(list);
    assert!(arena.used_bytes() > 20_000);
}
