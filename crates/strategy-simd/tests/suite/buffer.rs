//! The aligned buffer: its elements, and its memory.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use strategy_simd::{AlignedBuffer, BufferError, SimdPool, VECTOR_ALIGN};

use crate::backing::Backing;

#[test]
fn buffers_of_any_length_agree_with_a_vector() {
    let seed = 3;
    println!("seed {seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let backing = Backing::default();
    let pool = SimdPool::new_in(&backing);
    let around_a_vector = [0, 1, 15, 16, 17];
    let lengths = (0..500).map(|_| random.random_range(0..5000));
    let mut live = Vec::new();
    for length in around_a_vector.into_iter().chain(lengths) {
        let buffer = AlignedBuffer::try_from_fn_in(length, |index| index as f32, &pool).unwrap();
        assert!(buffer.as_ptr().addr().is_multiple_of(VECTOR_ALIGN));
        live.push((buffer, (0..length).map(|index| index as f32).collect::<Vec<_>>()));
        let zeroed = AlignedBuffer::<u32, _>::try_zeroed_in(length, &pool).unwrap();
        assert_eq!(zeroed[..], vec![0; length]);
        if length % 3 > 0 {
            let (mut buffer, mut model) = live.swap_remove(length % live.len());
            buffer.reverse();
            model.reverse();
            assert_eq!(buffer[..], model);
            assert_eq!(buffer.clone(), buffer);
        }
    }
    assert!(live.iter().all(|(buffer, model)| buffer[..] == model[..]));
    drop(live);
    assert_eq!(pool.live_bytes(), 0);
    drop(pool);
    assert_eq!(backing.bytes(), 0);
}

#[test]
fn memory_is_freed_with_the_layout_that_it_was_allocated_with() {
    // `Backing` compares the layouts.
    let backing = Backing::default();
    for length in 0..200 {
        drop(AlignedBuffer::<u8, _>::try_zeroed_in(length, &backing).unwrap());
        drop(AlignedBuffer::try_filled_in([7_u16; 3], length, &backing).unwrap());
    }
    assert_eq!(backing.bytes(), 0);
}

#[test]
fn every_element_is_dropped_once() {
    let value = Rc::new(());
    let buffer = AlignedBuffer::filled(Rc::clone(&value), 100);
    assert_eq!(Rc::strong_count(&value), 101);
    let clone = buffer.clone();
    assert_eq!(Rc::strong_count(&value), 201);
    drop(buffer);
    drop(clone);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_panic_while_it_is_filled_drops_what_there_is_and_frees_the_memory() {
    let backing = Backing::default();
    let value = Rc::new(());
    for last in [0, 1, 50, 99] {
        let filled = catch_unwind(AssertUnwindSafe(|| {
            let element = |index| {
                assert!(index < last, "told to panic");
                Rc::clone(&value)
            };
            AlignedBuffer::try_from_fn_in(100, element, &backing)
        }));
        assert!(filled.is_err());
        assert_eq!((Rc::strong_count(&value), backing.bytes()), (1, 0));
    }
}

#[test]
fn a_panic_in_an_elements_drop_drops_the_others_and_frees_the_memory() {
    struct Counted<'c>(&'c Cell<usize>);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert_ne!(self.0.get(), 3, "told to panic");
        }
    }
    let backing = Backing::default();
    let drops = Cell::new(0);
    let buffer = AlignedBuffer::try_from_fn_in(10, |_| Counted(&drops), &backing).unwrap();
    catch_unwind(AssertUnwindSafe(|| drop(buffer))).unwrap_err();
    assert_eq!((drops.get(), backing.bytes()), (10, 0));
}

#[test]
fn elements_without_size_take_no_memory_and_are_counted() {
    thread_local!(static DROPS: Cell<usize> = const { Cell::new(0) });
    #[derive(Clone)]
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }
    let backing = Backing::default();
    let buffer = AlignedBuffer::try_from_fn_in(1000, |_| Nothing, &backing).unwrap();
    assert_eq!((buffer.len(), backing.bytes(), DROPS.get()), (1000, 0, 0));
    drop(buffer);
    assert_eq!(DROPS.get(), 1000);
    let huge = AlignedBuffer::<[u64; 0]>::zeroed(usize::MAX);
    assert_eq!(huge.len(), usize::MAX);
}

#[test]
fn over_aligned_elements_are_aligned() {
    #[repr(align(256))]
    struct Wide;
    let buffer = AlignedBuffer::from_fn(3, |_| Wide);
    assert!(buffer.as_ptr().addr().is_multiple_of(256));
}

#[test]
fn a_size_that_overflows_is_an_error() {
    for len in
        [usize::MAX, usize::MAX / 8 + 2, isize::MAX as usize / 8 + 1, isize::MAX as usize / 8]
    {
        let error = AlignedBuffer::<u64>::try_zeroed(len).unwrap_err();
        assert_eq!(error, BufferError::Overflow { len, element_bytes: 8 });
    }
    let error = AlignedBuffer::<u64>::try_from_fn(usize::MAX, |_| unreachable!()).unwrap_err();
    let text = "18446744073709551615 elements of 8 bytes are more than a buffer can have";
    assert_eq!(error.to_string(), text);
    catch_unwind(|| AlignedBuffer::filled(0_u64, usize::MAX)).unwrap_err();
}

#[test]
fn a_refusal_of_the_allocator_is_an_error() {
    let backing = Backing::default();
    backing.refuse_after(0);
    let error = AlignedBuffer::<f32, _>::try_zeroed_in(100, &backing).unwrap_err();
    assert_eq!(error.to_string(), "no memory for a buffer of 400 bytes aligned to 64");
    backing.refuse_after(0);
    AlignedBuffer::try_from_fn_in(100, |_| unreachable!(), &backing)
        .map(|_: AlignedBuffer<u8, _>| ())
        .unwrap_err();
    assert_eq!(AlignedBuffer::try_filled_in(1.5_f64, 3, &backing).unwrap()[..], [1.5; 3]);
}

#[test]
fn a_buffer_is_sent_and_shared_between_threads() {
    let mut buffer = AlignedBuffer::from_fn(1000, |index| index as u64);
    let sum = std::thread::scope(|scope| {
        let (left, right) = buffer.split_at_mut(500);
        scope.spawn(move || left.fill(1));
        right.fill(2);
        right.iter().sum::<u64>()
    });
    let total = std::thread::spawn(move || buffer.iter().sum::<u64>()).join().unwrap();
    assert_eq!((sum, total), (1000, 1500));
}
