//! Values, slices and text: what the typed methods promise.

mod common;

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use allocator_api2::boxed::Box as BoxIn;
use allocator_api2::vec::Vec as VecIn;
use common::layout;
use strategy::contract::Probe;
use strategy_bump::{Bump, Refused};

#[test]
fn values_slices_and_text_are_kept() {
    let arena = Bump::new();
    let number = arena.alloc(7_u64);
    let pair = arena.try_alloc((1_u8, 2_u32)).unwrap();
    let slice = arena.alloc_slice_copy(&[1_u16, 2, 3]);
    let text = arena.alloc_str("grüße");
    *number += 1;
    slice[1] = 9;
    text.make_ascii_uppercase();
    assert_eq!((*number, *pair, &*slice, &*text), (8, (1, 2), &[1, 9, 3][..], "GRüßE"));
    assert_eq!(arena.try_alloc_slice_copy::<u64>(&[]).unwrap(), &mut []);
    assert_eq!(arena.try_alloc_str("").unwrap(), "");
}

#[test]
fn slices_of_every_kind_are_filled() {
    #[derive(Clone, Debug, Default, PartialEq)]
    struct NotCopy(u32);

    let arena = Bump::new();
    let cloned = arena.alloc_slice_clone(&[NotCopy(1), NotCopy(2)]);
    let counted = arena.alloc_slice_fill_with(3, |index| index * 10);
    let copies = arena.alloc_slice_fill_copy(4, 'x');
    let defaults = arena.alloc_slice_fill_default::<NotCopy>(2);
    let slots = arena.alloc_uninit_slice::<u128>(2);
    for (index, slot) in slots.iter_mut().enumerate() {
        slot.write(index as u128);
    }
    assert_eq!(cloned, [NotCopy(1), NotCopy(2)]);
    assert_eq!(counted, [0, 10, 20]);
    assert_eq!(copies, ['x'; 4]);
    assert_eq!(defaults, [NotCopy(0), NotCopy(0)]);
    assert!(slots.as_ptr().is_aligned());

    let before = arena.used_bytes();
    assert_eq!(arena.alloc_slice_fill_with(1000, |_| ()).len(), 1000);
    assert_eq!(arena.alloc_uninit_slice::<()>(usize::MAX).len(), usize::MAX);
    assert_eq!(arena.alloc_slice_fill_copy(0, 1_u64), &[0; 0]);
    assert_eq!(arena.used_bytes(), before, "no bytes, no memory");
}

#[test]
fn a_slice_too_large_is_refused_and_nobody_is_called() {
    let arena = Bump::new();
    let largest = layout(isize::MAX as usize & !7, 8);
    for len in [usize::MAX, usize::MAX / 8 + 1, isize::MAX as usize / 8 + 1] {
        let made = arena.try_alloc_slice_fill_with(len, |_| -> u64 { unreachable!() });
        assert_eq!(made, Err(Refused { layout: largest }));
        assert_eq!(
            arena.try_alloc_slice_fill_default::<u64>(len),
            Err(Refused { layout: largest })
        );
        assert_eq!(arena.try_alloc_slice_fill_copy(len, 0_u64), Err(Refused { layout: largest }));
        assert!(arena.try_alloc_uninit_slice::<u64>(len).is_err());
    }
    let exact = layout(isize::MAX as usize / 8 * 8, 8);
    let made = arena.try_alloc_slice_fill_copy(isize::MAX as usize / 8, 0_u64);
    assert_eq!(made, Err(Refused { layout: exact }));
    assert_eq!(arena.reserved_bytes(), 0);
}

#[test]
fn out_of_memory_is_an_error_of_every_method_that_tries() {
    let backing = Probe::new();
    backing.fail_from(1);
    let arena = Bump::new_in(&backing);
    assert!(arena.try_alloc(1_u8).is_err());
    assert!(arena.try_alloc_with(|| -> u8 { unreachable!() }).is_err());
    assert!(arena.try_alloc_leaked(String::from("x")).is_err());
    assert!(arena.try_alloc_layout(layout(1, 1)).is_err());
    assert!(arena.try_alloc_slice_copy(b"x").is_err());
    assert!(arena.try_alloc_slice_clone(b"x").is_err());
    assert!(arena.try_alloc_slice_fill_with(1, |_| -> u8 { unreachable!() }).is_err());
    assert!(arena.try_alloc_slice_fill_copy(1, 0_u8).is_err());
    assert!(arena.try_alloc_slice_fill_default::<u8>(1).is_err());
    assert!(arena.try_alloc_uninit_slice::<u8>(1).is_err());
    assert!(arena.try_alloc_from_iter([1_u8]).is_err());
    assert!(arena.try_alloc_from_iter("a b".split(' ')).is_err());
    assert!(arena.try_alloc_str("x").is_err());
    assert!(arena.try_alloc_fmt(format_args!("{}", 1)).is_err());
    // What needs no memory does not fail.
    assert!(arena.try_alloc(()).is_ok());
    assert!(arena.try_alloc_from_iter([0_u8; 0]).is_ok());
    assert_eq!(arena.try_alloc_fmt(format_args!("")).unwrap(), "");
    assert_eq!((backing.blocks_out(), backing.fault()), (0, None));
    backing.heal();
    assert_eq!(arena.alloc_str("works again"), "works again");
}

#[test]
fn the_block_is_carved_before_the_value_is_made() {
    let arena = Bump::new();
    let inner = Cell::new(None);
    let outer = arena.alloc_with(|| {
        inner.set(Some(&*arena.alloc(1_u32)));
        2_u32
    });
    let inner = inner.get().unwrap();
    assert_eq!((*inner, *outer), (1, 2));
    assert!(std::ptr::from_ref(inner) < std::ptr::from_ref(outer), "the second one is below");
}

#[test]
fn a_panic_while_a_value_is_made_leaves_the_arena_usable() {
    let backing = Probe::new();
    let mut arena = Bump::new_in(&backing);
    let kept = arena.alloc(1_u64);
    let with = AssertUnwindSafe(|| arena.alloc_with(|| -> u64 { resume_unwind(Box::new(())) }));
    assert!(catch_unwind(with).is_err());
    let mut made = 0;
    let filled = AssertUnwindSafe(|| {
        arena.alloc_slice_fill_with(10, |index| match index {
            5 => resume_unwind(Box::new(())),
            _ => made += 1,
        });
    });
    assert!(catch_unwind(filled).is_err());
    assert_eq!((*kept, *arena.alloc(2_u64), made), (1, 2, 5));
    arena.reset();
    assert_eq!(arena.used_bytes(), 0);
    drop(arena);
    assert_eq!((backing.bytes_out(), backing.fault()), (0, None));
}

#[test]
fn a_leaked_value_is_not_dropped() {
    struct Loud<'c>(&'c Cell<bool>);
    impl Drop for Loud<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Cell::new(false);
    let mut arena = Bump::new();
    arena.alloc_leaked(Loud(&dropped));
    arena.reset();
    drop(arena);
    assert!(!dropped.get());

    // If memory is out, there is nothing to leak it into.
    let backing = Probe::new();
    backing.fail_from(1);
    assert!(Bump::new_in(&backing).try_alloc_leaked(Loud(&dropped)).is_err());
    assert!(dropped.get());
}

#[test]
fn iterators_of_every_kind_are_collected() {
    let arena = Bump::new();
    assert_eq!(arena.alloc_from_iter([1, 2, 3]), [1, 2, 3]);
    assert_eq!(arena.alloc_from_iter((0..100).filter(|number| number % 7 == 0)).len(), 15);
    assert_eq!(arena.alloc_from_iter(std::iter::empty::<u64>()), &[0; 0]);
    assert_eq!(arena.alloc_from_iter(std::iter::repeat_n((), 1000)).len(), 1000);
    let long: Vec<u32> = (0..10_000).collect();
    assert_eq!(arena.alloc_from_iter(long.iter().copied().skip_while(|_| false)), long);
}

#[test]
fn an_exact_iterator_takes_no_more_than_its_slice() {
    let arena = Bump::new();
    arena.alloc_from_iter(0..100_u64);
    assert_eq!(arena.used_bytes(), 800);
    arena.alloc_from_iter((0..10_u64).filter(|_| true));
    assert!(arena.used_bytes() <= 800 + 2 * 80, "{arena:?}");
}

/// An iterator that says anything of its length.
struct Liar {
    left: usize,
    says: (usize, Option<usize>),
}

impl Iterator for Liar {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        Some(self.left)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.says
    }
}

impl ExactSizeIterator for Liar {}

#[test]
fn what_an_iterator_says_of_its_length_is_not_relied_on() {
    let arena = Bump::new();
    for left in [0, 1, 2, 5, 100] {
        for says in [0, 1, 4, 50, 1000] {
            let made = arena.alloc_from_iter(Liar { left, says: (says, Some(says)) });
            let expected: Vec<_> = (0..left).rev().collect();
            assert_eq!(made, expected, "{left} that say {says}");
        }
    }
    let refused = arena.try_alloc_from_iter(Liar { left: 3, says: (usize::MAX, None) });
    assert!(refused.is_err(), "as much as it says is not to be had");
}

#[test]
fn a_panic_in_an_iterator_gives_the_slice_back() {
    let arena = Bump::new();
    let before = arena.alloc(7_u64);
    for at in [0, 1, 3, 50] {
        let items = (0..100_u64).inspect(|&item| {
            if item == at {
                resume_unwind(Box::new(()));
            }
        });
        let exact = AssertUnwindSafe(|| arena.alloc_from_iter(items.clone()));
        assert!(catch_unwind(exact).is_err());
        let unknown = AssertUnwindSafe(|| arena.alloc_from_iter(items.clone().filter(|_| true)));
        assert!(catch_unwind(unknown).is_err());
        assert_eq!(arena.used_bytes(), 8);
    }
    assert_eq!(*before, 7);
}

#[test]
fn a_collection_with_destructors_drops_what_a_panicking_iterator_has_yielded() {
    let counted = std::rc::Rc::new(());
    let arena = Bump::new();
    let items = (0..100).map(|item| match item {
        60 => resume_unwind(Box::new(())),
        _ => std::rc::Rc::clone(&counted),
    });
    let mut collected = VecIn::new_in(&arena);
    assert!(catch_unwind(AssertUnwindSafe(|| collected.extend(items))).is_err());
    drop(collected);
    assert_eq!((std::rc::Rc::strong_count(&counted), arena.used_bytes()), (1, 0));
    let boxed = BoxIn::new_in(std::rc::Rc::clone(&counted), &arena);
    drop(boxed);
    assert_eq!(std::rc::Rc::strong_count(&counted), 1);
}

#[test]
fn text_is_formatted_in_place() {
    let arena = Bump::new();
    let long = arena.alloc_fmt(format_args!("{:>300}|{:?}", 7, [1.5, 2.5]));
    assert_eq!(*long, *format!("{:>300}|{:?}", 7, [1.5, 2.5]));
    assert!(arena.used_bytes() < 2 * long.len());

    struct Nested<'a>(&'a Bump);
    impl fmt::Display for Nested<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0.alloc_fmt(format_args!("<{}>", 1)))
        }
    }
    let nested = arena.alloc_fmt(format_args!("{0}{0}", Nested(&arena)));
    assert_eq!(nested, "<1><1>");
}

#[test]
fn a_value_that_fails_to_format_panics_and_leaves_nothing() {
    struct Failing;
    impl fmt::Display for Failing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            Err(fmt::Error)
        }
    }
    let arena = Bump::new();
    let formatted = AssertUnwindSafe(|| arena.try_alloc_fmt(format_args!("{Failing}")).is_ok());
    assert!(catch_unwind(formatted).is_err());
    assert_eq!(arena.used_bytes(), 0);
}
