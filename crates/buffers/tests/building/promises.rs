//! What is built where nothing goes wrong.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::thread;

use allocator_api2::alloc::{AllocError, Allocator, Global};
use buffers::building;
use strategy::contract::Probe;

#[test]
fn what_is_built_has_the_values_in_their_order() {
    let double = |index: usize| index * 2;
    assert_eq!(building::array().from_fn(double), [0, 2, 4]);
    assert_eq!(*building::boxed_array::<_, 3>().unwrap().from_fn(double), [0, 2, 4]);
    assert_eq!(*building::boxed_slice(3).unwrap().from_fn(double), [0, 2, 4]);
    assert_eq!(building::vec(3).unwrap().from_fn(double), [0, 2, 4]);
    assert_eq!(building::vec(0).unwrap().repeat(String::new()), [""; 0]);
    let words = building::boxed_slice(2).unwrap().from_iter(["one", "two", "three"]).unwrap();
    assert_eq!(*words, ["one", "two"]);
}

#[test]
fn a_vector_can_go_on_growing() {
    let probe = Probe::new();
    let mut numbers = building::vec_in(3, &probe).unwrap().from_fn(|index| index);
    assert_eq!((numbers.len(), numbers.capacity(), probe.calls()), (3, 3, 1));
    numbers.extend(3..10);
    assert!(numbers.iter().copied().eq(0..10));
    drop(numbers);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn values_of_no_bytes_are_built_and_dropped_one_by_one() {
    thread_local!(static ALIVE: Cell<isize> = const { Cell::new(0) });
    struct Empty;
    impl Empty {
        fn new() -> Self {
            ALIVE.set(ALIVE.get() + 1);
            Self
        }
    }
    impl Drop for Empty {
        fn drop(&mut self) {
            ALIVE.set(ALIVE.get() - 1);
        }
    }
    let slice = building::boxed_slice(1000).unwrap().from_fn(|_| Empty::new());
    assert_eq!((slice.len(), ALIVE.get()), (1000, 1000));
    let vec = building::vec(1000).unwrap().from_fn(|_| Empty::new());
    let array = building::array::<_, 7>().from_fn(|_| Empty::new());
    assert_eq!((vec.len(), array.len(), ALIVE.get()), (1000, 7, 2007));
    drop((slice, vec, array));
    let failed = building::boxed_slice(1000).unwrap().try_from_fn(|index| match index {
        999 => Err("the last one"),
        _ => Ok(Empty::new()),
    });
    assert_eq!((failed.err(), ALIVE.get()), (Some("the last one"), 0));
    // There is memory for so many; nobody can wait for them.
    assert!(
        building::boxed_slice::<()>(usize::MAX).is_ok() && building::vec::<()>(usize::MAX).is_ok()
    );
}

/// It has to be freed what it served, and nothing else, also of size 0.
#[derive(Default)]
struct Strict {
    out: RefCell<Vec<Layout>>,
    served: Cell<usize>,
}

// SAFETY: the blocks are those of `Global`, which keeps the contract.
unsafe impl Allocator for &Strict {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.out.borrow_mut().push(layout);
        self.served.set(self.served.get() + 1);
        Global.allocate(layout)
    }

    unsafe fn deallocate(&self, pointer: NonNull<u8>, layout: Layout) {
        let mut out = self.out.borrow_mut();
        let index = out.iter().position(|its| *its == layout);
        out.swap_remove(index.expect("a block of this layout is out"));
        // SAFETY: the block came from `Global` in `allocate`.
        unsafe { Global.deallocate(pointer, layout) };
    }
}

#[test]
fn a_box_of_no_bytes_is_freed_to_an_allocator_that_served_it() {
    let strict = Strict::default();
    drop(building::boxed_slice_in(0, &strict).unwrap().repeat(1_u64));
    drop(building::boxed_slice_in(5, &strict).unwrap().repeat(()));
    drop(building::boxed_array_in::<u64, _, 0>(&strict).unwrap().repeat(1));
    drop(building::boxed_slice_in::<u64, _>(0, &strict).unwrap());
    assert_eq!((strict.served.get(), strict.out.borrow().len()), (4, 0));
    drop(building::vec_in(0, &strict).unwrap().repeat(1_u64));
    drop(building::vec_in(5, &strict).unwrap().repeat(()));
    assert_eq!((strict.served.get(), strict.out.borrow().len()), (4, 0));
}

#[test]
fn what_is_large_is_built_in_the_heap() {
    const BYTES: usize = 16 << 20;
    let build = || {
        let array = building::boxed_array::<u8, BYTES>().unwrap().from_fn(|index| index as u8);
        assert_eq!(array[BYTES - 1], 255);
        let array = building::boxed_array::<u64, { BYTES / 8 }>().unwrap().repeat(7);
        assert_eq!(array[BYTES / 8 - 1], 7);
        let array = building::boxed_array::<u8, BYTES>().unwrap().from_iter((0..=255).cycle());
        assert_eq!(array.unwrap()[BYTES - 1], 255);
        let fail = |index| if index < BYTES - 1 { Ok(1_u8) } else { Err(index) };
        assert!(building::boxed_array::<u8, BYTES>().unwrap().try_from_fn(fail).is_err());
    };
    let stack = 256 << 10;
    thread::Builder::new().stack_size(stack).spawn(build).unwrap().join().unwrap();
}

#[test]
fn what_is_built_lies_in_memory_that_suits_it() {
    #[repr(align(256))]
    #[derive(Clone, Debug)]
    struct Wide(u8);
    let probe = Probe::new();
    let slice = building::boxed_slice_in(3, &probe).unwrap().repeat(Wide(1));
    let vec = building::vec_in(3, &probe).unwrap().repeat(Wide(1));
    assert_eq!(probe.bytes_out(), 2 * 3 * 256);
    assert!(slice.as_ptr().is_aligned() && vec.as_ptr().is_aligned());
    assert_eq!(slice[2].0 + vec[2].0, 2);
}
