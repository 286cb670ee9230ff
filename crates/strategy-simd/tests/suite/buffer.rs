//! The aligned buffer: its elements, and its memory.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use allocator_api2::alloc::Global;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use strategy::contract::Probe;
use strategy_simd::{AlignedBuffer, BufferError, SimdPool, VECTOR_ALIGN};

#[test]
fn buffers_of_any_length_agree_with_a_vector() {
    let mut random = generator(3);
    let backing = Probe::new();
    let pool = SimdPool::new_in(backing.clone());
    let around_a_vector = [0, 1, 15, 16, 17];
    let lengths = (0..500).map(|_| random.random_range(0..5000));
    let mut live = Vec::new();
    for length in around_a_vector.into_iter().chain(lengths) {
        let buffer =
            AlignedBuffer::<_, 64, _>::try_from_fn_in(length, |index| index as f32, &pool).unwrap();
        assert!(buffer.as_ptr().addr().is_multiple_of(VECTOR_ALIGN));
        live.push((buffer, (0..length).map(|index| index as f32).collect::<Vec<_>>()));
        let zeroed = AlignedBuffer::<u32, 64, _>::try_zeroed_in(length, &pool).unwrap();
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
    assert_eq!(backing.bytes_out(), 0);
}

#[test]
fn memory_is_freed_with_the_layout_that_it_was_allocated_with() {
    // The probe compares the layouts.
    let backing = Probe::new();
    for length in 0..200 {
        drop(AlignedBuffer::<u8, 64, _>::try_zeroed_in(length, backing.clone()).unwrap());
        drop(
            AlignedBuffer::<_, 64, _>::try_filled_in([7_u16; 3], length, backing.clone()).unwrap(),
        );
    }
    assert_eq!(backing.bytes_out(), 0);
}

#[test]
fn every_element_is_dropped_once() {
    let value = Rc::new(());
    let buffer = AlignedBuffer::<_>::filled(Rc::clone(&value), 100);
    assert_eq!(Rc::strong_count(&value), 101);
    let clone = buffer.clone();
    assert_eq!(Rc::strong_count(&value), 201);
    drop(buffer);
    drop(clone);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_panic_while_it_is_filled_drops_what_there_is_and_frees_the_memory() {
    let backing = Probe::new();
    let value = Rc::new(());
    for last in [0, 1, 50, 99] {
        let filled = catch_unwind(AssertUnwindSafe(|| {
            let element = |index| {
                assert!(index < last, "told to panic");
                Rc::clone(&value)
            };
            AlignedBuffer::<_, 64, _>::try_from_fn_in(100, element, backing.clone())
        }));
        assert!(filled.is_err());
        assert_eq!((Rc::strong_count(&value), backing.bytes_out()), (1, 0));
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
    let backing = Probe::new();
    let drops = Cell::new(0);
    let buffer =
        AlignedBuffer::<_, 64, _>::try_from_fn_in(10, |_| Counted(&drops), backing.clone())
            .unwrap();
    catch_unwind(AssertUnwindSafe(|| drop(buffer))).unwrap_err();
    assert_eq!((drops.get(), backing.bytes_out()), (10, 0));
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
    let backing = Probe::new();
    let buffer =
        AlignedBuffer::<_, 64, _>::try_from_fn_in(1000, |_| Nothing, backing.clone()).unwrap();
    assert_eq!((buffer.len(), backing.bytes_out(), DROPS.get()), (1000, 0, 0));
    drop(buffer);
    assert_eq!(DROPS.get(), 1000);
    let huge = AlignedBuffer::<[u64; 0]>::zeroed(usize::MAX);
    assert_eq!(huge.len(), usize::MAX);
}

#[test]
fn over_aligned_elements_are_aligned() {
    #[repr(align(256))]
    struct Wide;
    let buffer = AlignedBuffer::<_>::from_fn(3, |_| Wide);
    assert!(buffer.as_ptr().addr().is_multiple_of(256));
}

#[test]
fn a_size_that_overflows_is_an_error() {
    for len in
        [usize::MAX, usize::MAX / 8 + 2, isize::MAX as usize / 8 + 1, isize::MAX as usize / 8]
    {
        let error = AlignedBuffer::<u64>::try_zeroed_in(len, Global).unwrap_err();
        assert_eq!(error, BufferError::Overflow { len, element_bytes: 8 });
    }
    let error =
        AlignedBuffer::<u64>::try_from_fn_in(usize::MAX, |_| unreachable!(), Global).unwrap_err();
    let text = "18446744073709551615 elements of 8 bytes are more than a buffer can have";
    assert_eq!(error.to_string(), text);
    catch_unwind(|| AlignedBuffer::<_>::filled(0_u64, usize::MAX)).unwrap_err();
}

#[test]
fn a_refusal_of_the_allocator_is_an_error() {
    let backing = Probe::new();
    backing.fail_on(1);
    let error = AlignedBuffer::<f32, 64, _>::try_zeroed_in(100, backing.clone()).unwrap_err();
    assert_eq!(error.to_string(), "no memory for a buffer of 400 bytes aligned to 64");
    backing.fail_on(1);
    AlignedBuffer::<_, 64, _>::try_from_fn_in(100, |_| unreachable!(), backing.clone())
        .map(|_: AlignedBuffer<u8, 64, _>| ())
        .unwrap_err();
    assert_eq!(
        AlignedBuffer::<_, 64, _>::try_filled_in(1.5_f64, 3, backing.clone()).unwrap()[..],
        [1.5; 3]
    );
}

#[test]
fn a_buffer_is_sent_and_shared_between_threads() {
    let mut buffer = AlignedBuffer::<_>::from_fn(1000, |index| index as u64);
    let sum = std::thread::scope(|scope| {
        let (left, right) = buffer.split_at_mut(500);
        scope.spawn(move || left.fill(1));
        right.fill(2);
        right.iter().sum::<u64>()
    });
    let total = std::thread::spawn(move || buffer.iter().sum::<u64>()).join().unwrap();
    assert_eq!((sum, total), (1000, 1500));
}

#[test]
fn every_alignment_is_kept_through_growth() {
    fn grows<const ALIGN: usize>() {
        let probe = Probe::new();
        let mut buffer = AlignedBuffer::<u16, ALIGN, _>::new_in(probe.clone());
        assert!(buffer.as_ptr().addr().is_multiple_of(ALIGN));
        for value in 0..5000 {
            buffer.push(value);
            assert!(buffer.as_ptr().addr().is_multiple_of(ALIGN));
        }
        assert!(buffer.iter().copied().eq(0..5000));
        drop(buffer);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }
    grows::<1>();
    grows::<32>();
    grows::<64>();
    grows::<4096>();
    grows::<{ 2 << 20 }>();
}

#[test]
fn growth_and_the_end_use_the_layouts_that_memory_was_allocated_with() {
    let mut random = generator(5);
    for round in 0..50 {
        let probe = Probe::new();
        let (mut buffer, mut model) =
            (AlignedBuffer::<Rc<usize>, 64, _>::new_in(probe.clone()), Vec::new());
        for step in 0..200 {
            let value = Rc::new(step);
            match random.random_range(0..8) {
                0 | 1 => {
                    buffer.push(Rc::clone(&value));
                    model.push(value);
                }
                2 => assert_eq!(buffer.pop(), model.pop()),
                3 => {
                    let more = vec![value; random.random_range(0..20)];
                    buffer.extend_from_slice(&more);
                    model.extend(more);
                }
                4 => {
                    let len = random.random_range(0..100);
                    buffer.resize(len, Rc::clone(&value));
                    model.resize(len, value);
                }
                5 => {
                    let len = random.random_range(0..200);
                    buffer.truncate(len);
                    model.truncate(len);
                }
                6 => {
                    let more = random.random_range(0..50);
                    buffer.reserve(more);
                    assert!(buffer.capacity() >= buffer.len() + more);
                }
                _ => {
                    let more = (0..random.random_range(0..9)).map(Rc::new);
                    buffer.extend(more.clone());
                    model.extend(more);
                }
            }
            assert_eq!(buffer[..], model, "round {round}");
            assert!(buffer.len() <= buffer.capacity());
            assert_eq!(probe.bytes_out(), 8 * buffer.capacity());
        }
        buffer.clear();
        assert!(buffer.is_empty() && probe.bytes_out() > 0);
        assert!(model.iter().all(|value| Rc::strong_count(value) <= model.len()));
        drop(buffer);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }
}

#[test]
fn a_reserve_that_would_wrap_is_an_error_that_changes_nothing() {
    let probe = Probe::new();
    let mut buffer = AlignedBuffer::<u64, 64, _>::try_filled_in(7, 10, probe.clone()).unwrap();
    let calls = probe.calls();
    let most = isize::MAX as usize / 8;
    for additional in [usize::MAX, usize::MAX - 9, usize::MAX / 8, usize::MAX / 8 - 9, most - 9] {
        let error = buffer.try_reserve(additional).unwrap_err();
        assert!(matches!(error, BufferError::Overflow { .. }), "{additional}: {error}");
        catch_unwind(AssertUnwindSafe(|| buffer.reserve(additional))).unwrap_err();
        catch_unwind(AssertUnwindSafe(|| buffer.resize(usize::MAX, 1))).unwrap_err();
    }
    assert_eq!((buffer.len(), buffer.capacity(), probe.calls()), (10, 10, calls));
    assert_eq!(buffer[..], [7; 10]);

    let mut nothing = AlignedBuffer::<[u64; 0]>::zeroed(usize::MAX);
    assert!(nothing.try_reserve(1).is_err());
    catch_unwind(AssertUnwindSafe(|| nothing.push([]))).unwrap_err();
    assert_eq!(nothing.len(), usize::MAX);
}

#[test]
fn a_refused_reserve_changes_nothing() {
    let probe = Probe::new();
    let mut buffer = AlignedBuffer::<u8, 64, _>::try_filled_in(7, 100, probe.clone()).unwrap();
    probe.fail_on(1);
    let error = buffer.try_reserve(1).unwrap_err();
    assert_eq!(error.to_string(), "no memory for a buffer of 200 bytes aligned to 64");
    assert_eq!((&buffer[..], buffer.capacity()), (&[7; 100][..], 100));
    buffer.push(8);
    assert_eq!((buffer.len(), buffer.capacity(), buffer[100]), (101, 200, 8));
}

#[test]
fn a_clone_or_an_iterator_that_panics_leaks_nothing() {
    #[derive(Debug)]
    struct Fragile<'c>(Rc<()>, &'c Cell<usize>);
    impl Clone for Fragile<'_> {
        fn clone(&self) -> Self {
            self.1.set(self.1.get().checked_sub(1).expect("told to panic"));
            Self(Rc::clone(&self.0), self.1)
        }
    }

    let probe = Probe::new();
    let (value, clones) = (Rc::new(()), Cell::new(usize::MAX));
    let fragile = Fragile(Rc::clone(&value), &clones);
    for panics_after in 0..6 {
        let mut buffer = AlignedBuffer::<Fragile<'_>, 64, _>::new_in(probe.clone());
        buffer.push(fragile.clone());
        let source = vec![fragile.clone(); 8];
        let before = Rc::strong_count(&value);
        for way in 0..4 {
            clones.set(panics_after);
            let len = buffer.len();
            catch_unwind(AssertUnwindSafe(|| match way {
                0 => buffer.extend_from_slice(&source),
                1 => buffer.extend(source.iter().cloned()),
                2 => buffer.resize(len + 8, Fragile(Rc::clone(&value), &clones)),
                _ => drop(buffer.clone()),
            }))
            .unwrap_err();
            assert_eq!(buffer.len() - len, if way == 3 { 0 } else { panics_after });
        }
        assert_eq!(Rc::strong_count(&value), before + 3 * panics_after);
        clones.set(usize::MAX);
        drop((source, buffer));
        assert_eq!((Rc::strong_count(&value), probe.bytes_out()), (2, 0));
    }
    assert_eq!(probe.fault(), None);
}

#[test]
fn vectors_are_aligned_and_the_rest_is_the_tail() {
    let mut random = generator(6);
    for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33].into_iter().chain(200..220) {
        let mut buffer = AlignedBuffer::<f32>::from_fn(len, |index| index as f32);
        let more = random.random_range(0..50);
        buffer.extend((len..len + more).map(|index| index as f32));
        let (vectors, tail) = buffer.as_vectors::<16>();
        assert_eq!((vectors.len(), tail.len()), ((len + more) / 16, (len + more) % 16));
        assert!(vectors.iter().all(|vector| vector.as_ptr().addr().is_multiple_of(64)));
        let all = vectors.as_flattened().iter().chain(tail).copied();
        assert!(all.eq((0..len + more).map(|index| index as f32)));
        assert!(
            buffer
                .as_vectors::<8>()
                .0
                .iter()
                .all(|vector| vector.as_ptr().addr().is_multiple_of(32))
        );
        let (vectors, tail) = buffer.as_vectors_mut::<32>();
        vectors.iter_mut().for_each(|vector| vector.fill(1.0));
        tail.fill(2.0);
        let ones = (len + more) / 32 * 32;
        assert!(buffer[..ones].iter().all(|value| *value == 1.0));
        assert!(buffer[ones..].iter().all(|value| *value == 2.0));
    }
}

#[test]
fn elements_that_are_not_initialized_become_values() {
    let probe = Probe::new();
    let mut slots =
        AlignedBuffer::<MaybeUninit<Rc<()>>, 4096, _>::try_uninit_in(100, probe.clone()).unwrap();
    let value = Rc::new(());
    slots.iter_mut().for_each(|slot| {
        slot.write(Rc::clone(&value));
    });
    // SAFETY: all were written.
    let values = unsafe { slots.assume_init() };
    assert_eq!((values.len(), Rc::strong_count(&value)), (100, 101));
    drop(values);
    assert_eq!((Rc::strong_count(&value), probe.bytes_out(), probe.fault()), (1, 0, None));
    // Without a value there is nothing to drop.
    drop(AlignedBuffer::<MaybeUninit<Rc<()>>>::uninit(10));
    assert_eq!(AlignedBuffer::<MaybeUninit<u8>>::zeroed(3).len(), 3);
}

fn generator(seed: u64) -> Pcg64Mcg {
    println!("seed {seed}");
    Pcg64Mcg::seed_from_u64(seed)
}
