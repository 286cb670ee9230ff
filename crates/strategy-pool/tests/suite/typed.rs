//! The typed pool: values that are dropped once, and slots that come back.

use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use strategy::contract::Probe;
use strategy_pool::{Pool, Pooled};

/// Counts its drops, and panics in the drop that it is told to.
struct Counted<'c> {
    drops: &'c Cell<usize>,
    panics: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        assert!(!self.panics, "told to panic");
    }
}

#[test]
fn random_operations_agree_with_a_vector() {
    let seed = 7;
    println!("seed {seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let probe = Probe::new();
    let pool = Pool::new_in(probe.clone());
    let mut live = Vec::new();
    for number in 0..20_000 {
        if random.random_ratio(live.len() as u32, 1000) {
            let (handle, value) = live.swap_remove(random.random_range(0..live.len()));
            match number % 2 {
                0 => assert_eq!(Pooled::into_inner(handle), value),
                _ => assert_eq!(*handle, value),
            }
        } else {
            let value = (number, number.to_string());
            let handle = match number % 3 {
                0 => pool.alloc(value.clone()),
                1 => pool.try_alloc(value.clone()).unwrap(),
                _ => pool.alloc_with(|| value.clone()),
            };
            live.push((handle, value));
        }
        assert_eq!(pool.live(), live.len());
    }
    assert!(live.iter().all(|(handle, value)| **handle == *value));
    drop(live);
    assert_eq!((pool.live(), pool.reserved_bytes()), (0, probe.bytes_out()));
    drop(pool);
    assert_eq!(probe.bytes_out(), 0);
}

#[test]
fn a_value_is_dropped_once_however_its_handle_goes() {
    let drops = Cell::new(0);
    let counted = || Counted { drops: &drops, panics: false };
    let pool = Pool::new();
    drop(pool.alloc(counted()));
    assert_eq!((drops.get(), pool.live()), (1, 0));
    let value = Pooled::into_inner(pool.alloc(counted()));
    assert_eq!((drops.get(), pool.live()), (1, 0));
    drop(value);
    assert_eq!(drops.get(), 2);
    let _leaked: &mut Counted = Pooled::leak(pool.alloc(counted()));
    mem::forget(pool.alloc(counted()));
    assert_eq!((drops.get(), pool.live()), (2, 2));
    drop(pool);
    assert_eq!(drops.get(), 2);
}

#[test]
fn a_panic_in_a_drop_frees_the_slot_once() {
    let drops = Cell::new(0);
    let pool = Pool::new();
    let handle = pool.alloc(Counted { drops: &drops, panics: true });
    let slot = &raw const *handle;
    catch_unwind(AssertUnwindSafe(|| drop(handle))).unwrap_err();
    assert_eq!((drops.get(), pool.live()), (1, 0));
    let calm = || Counted { drops: &drops, panics: false };
    let (first, second) = (pool.alloc(calm()), pool.alloc(calm()));
    assert_eq!(&raw const *first, slot);
    assert_ne!(&raw const *second, slot);
}

#[test]
fn a_panic_while_the_value_is_made_frees_the_slot() {
    let pool = Pool::<u64>::new();
    catch_unwind(AssertUnwindSafe(|| pool.alloc_with(|| panic!("told to")))).unwrap_err();
    catch_unwind(AssertUnwindSafe(|| pool.try_alloc_with(|| panic!("told to")))).unwrap_err();
    assert_eq!(pool.live(), 0);
    assert!(pool.capacity() > 0);
}

#[test]
fn a_value_that_finds_no_slot_comes_back() {
    let probe = Probe::new();
    let pool = Pool::new_in(probe.clone());
    probe.fail_on(2);
    let value = Rc::new(5);
    let rejected = pool.try_alloc(Rc::clone(&value)).unwrap_err();
    assert!(Rc::ptr_eq(&rejected.value, &value));
    assert_eq!(rejected.to_string(), "no memory for 1 more blocks of 8 bytes aligned to 8");
    probe.fail_on(1);
    pool.try_alloc_with(|| unreachable!("there is no slot")).unwrap_err();
    assert_eq!(*pool.alloc(value), Rc::new(5));
}

#[test]
fn values_without_size_take_no_memory_and_are_dropped() {
    thread_local!(static DROPS: Cell<usize> = const { Cell::new(0) });
    #[repr(align(128))]
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }
    let probe = Probe::new();
    let mut pool = Pool::with_capacity_in(1000, probe.clone());
    let nothings: Vec<_> = (0..100).map(|_| pool.alloc(Nothing)).collect();
    assert!(nothings.iter().all(|nothing| (&raw const **nothing).addr().is_multiple_of(128)));
    drop(nothings);
    drop(Pooled::into_inner(pool.alloc(Nothing)));
    assert_eq!((DROPS.get(), pool.live(), probe.calls()), (101, 0, 0));
    pool.reset();
}

#[test]
fn over_aligned_values_are_aligned() {
    #[repr(align(4096))]
    struct Page(u8);
    let pool = Pool::new();
    let pages: Vec<_> = (0..20).map(|number| pool.alloc(Page(number))).collect();
    for (number, page) in pages.iter().enumerate() {
        assert!((&raw const **page).addr().is_multiple_of(4096));
        assert_eq!(usize::from(page.0), number);
    }
}

#[test]
fn values_may_own_values_of_the_same_pool() {
    struct Node<'p> {
        number: u32,
        next: Option<Pooled<'p, Node<'p>>>,
    }
    let pool = Pool::new();
    let mut head: Option<Pooled<Node>> = None;
    for number in 0..1000 {
        head = Some(pool.alloc(Node { number, next: head.take() }));
    }
    let mut next = head.as_ref();
    let mut sum = 0;
    while let Some(node) = next {
        sum += node.number;
        next = node.next.as_ref();
    }
    assert_eq!((sum, pool.live()), (999 * 1000 / 2, 1000));
    drop(head);
    assert_eq!(pool.live(), 0);
}

#[test]
fn reset_frees_the_slots_of_leaked_values() {
    let mut pool = Pool::with_capacity(10);
    for number in 0..10_u64 {
        *Pooled::leak(pool.alloc(number)) += 1;
    }
    assert_eq!((pool.live(), pool.capacity()), (10, 10));
    pool.reset();
    assert_eq!(pool.live(), 0);
    let again: Vec<_> = (0..10).map(|number| pool.alloc(number)).collect();
    assert_eq!(pool.capacity(), 10);
    assert!(again.iter().map(|value| **value).eq(0..10));
}
