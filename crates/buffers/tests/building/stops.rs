//! Stopped at every possible call, and at random ones.

use allocator_api2::vec::Vec as VecIn;
use buffers::OutOfMemory;
use buffers::building::{self, Short};
use proptest::prelude::*;
use strategy::contract::Probe;

use crate::census::{Census, Stop};
use crate::model::{ARRAY_LENS, At, Of, PLACES, build, expected};

#[test]
fn a_panic_or_an_error_at_every_call_loses_nothing_and_drops_nothing_twice() {
    let mut ways = 0;
    for at in PLACES {
        for len in ARRAY_LENS {
            let sources = [Of::Fn, Of::TryFn, Of::Clones, Of::Items(len, len), Of::Items(len, 0)];
            let short = (0..len).map(|available| Of::Items(available, len));
            let partial = (0..=len).map(|available| Of::AtMost(available, len));
            let partial = partial.filter(|_| matches!(at, At::Vec));
            for of in sources.into_iter().chain(short).chain(partial) {
                let stops = (1..=len + 1).flat_map(|call| [Stop::Panic(call), Stop::Error(call)]);
                for stop in stops.chain([Stop::Never]) {
                    let [got, model] = [build(at, of, len, stop), expected(of, len, stop)];
                    assert_eq!(got, model, "{at:?} of {of:?}, {len}, {stop:?}");
                    ways += 1;
                }
            }
        }
    }
    assert!(ways > 10_000, "only {ways} ways");
}

fn any_of() -> impl Strategy<Value = Of> {
    prop_oneof![
        Just(Of::Fn),
        Just(Of::TryFn),
        Just(Of::Clones),
        (0..300_usize, any::<usize>()).prop_map(|(available, said)| Of::Items(available, said)),
        (0..300_usize, any::<usize>()).prop_map(|(available, said)| Of::AtMost(available, said)),
    ]
}

fn any_stop() -> impl Strategy<Value = Stop> {
    prop_oneof![
        Just(Stop::Never),
        (1..300_usize).prop_map(Stop::Panic),
        (1..300_usize).prop_map(Stop::Error),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_ways_agree_with_the_model(
        at in prop::sample::select(&PLACES[..]),
        of in any_of(),
        len in 0..300_usize,
        array in prop::sample::select(&ARRAY_LENS[..]),
        stop in any_stop(),
    ) {
        let len = if matches!(at, At::Array | At::BoxedArray) { array } else { len };
        let at = if matches!(of, Of::AtMost(..)) { At::Vec } else { at };
        let len = if matches!(at, At::Vec) { len.min(300) } else { len };
        prop_assert_eq!(build(at, of, len, stop), expected(of, len, stop));
    }
}

#[test]
fn memory_that_is_refused_is_an_error() {
    let probe = Probe::new();
    probe.fail_from(1);
    let refused = OutOfMemory { bytes: 40, align: 8 };
    assert_eq!(building::boxed_array_in::<u64, _, 5>(&probe).unwrap_err(), refused);
    assert_eq!(building::boxed_slice_in::<u64, _>(5, &probe).unwrap_err(), refused);
    assert_eq!(building::vec_in::<u64, _>(5, &probe).unwrap_err(), refused);
    assert_eq!(probe.failed(), 3);
    probe.heal();

    // Everything is one request, the first. None after it is made, so none can fail.
    probe.fail_from(2);
    let slice = building::boxed_slice_in(5, &probe).unwrap().repeat(1_u64);
    assert_eq!(*slice, [1; 5]);
    assert_eq!((probe.calls(), probe.failed()), (4, 3));
    drop(slice);
    probe.heal();
    probe.fail_from(2);
    let vec = building::vec_in(5, &probe).unwrap().at_most([1_u64, 2]);
    assert_eq!((&*vec, vec.capacity(), probe.failed()), (&[1, 2][..], 5, 3));
    drop(vec);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}

#[test]
fn a_count_that_overflows_is_an_error() {
    for len in [usize::MAX, usize::MAX / 8 + 1, isize::MAX as usize / 8 + 1] {
        let bytes = len.saturating_mul(8);
        let refused = OutOfMemory { bytes, align: 8 };
        assert_eq!(building::boxed_slice::<u64>(len).unwrap_err(), refused);
        assert_eq!(building::vec::<u64>(len).unwrap_err(), refused);
    }
    let text = building::vec::<u64>(usize::MAX).unwrap_err().to_string();
    assert_eq!(text, format!("no memory for {} bytes aligned to 8", usize::MAX));
}

#[test]
fn an_iterator_that_is_too_short_says_by_how_much() {
    let short = building::array::<u8, 3>().from_iter([1, 2]).unwrap_err();
    assert_eq!(short, Short { wanted: 3, got: 2 });
    assert_eq!(short.to_string(), "the iterator ended after 2 of 3 values");
}

/// The sketch that this module is there for, with the cast in the place of the transmute, whose
/// outcome nothing promises.
fn sketch<T: Clone>(value: &T, count: usize) -> Vec<T> {
    let mut vec = Vec::with_capacity(count);
    for _ in 0..count {
        vec.push(std::mem::MaybeUninit::new(value.clone()));
    }
    let mut vec = std::mem::ManuallyDrop::new(vec);
    // SAFETY: the block and the counts are those of `vec`, which does not free it; `MaybeUninit<T>`
    // has the layout of `T`, and every one is initialized.
    unsafe { Vec::from_raw_parts(vec.as_mut_ptr().cast::<T>(), vec.len(), vec.capacity()) }
}

#[test]
fn the_sketch_never_drops_what_it_built_before_a_panic() {
    let alive_after = |build: &dyn Fn(&Census)| {
        let census = Census::stopping(Stop::Panic(4));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| build(&census))).unwrap_err();
        census.alive()
    };
    assert_eq!(alive_after(&|census| drop(sketch(&census.value(7), 5))), 3);
    let build = |census: &Census| drop(building::vec(5).unwrap().repeat(census.value(7)));
    assert_eq!(alive_after(&build), 0);
    // Without a panic it works, which is why it is taken for right.
    let census = Census::default();
    assert_eq!(sketch(&census.value(7), 5).len(), 5);
    assert_eq!(census.alive(), 0);
    assert_eq!(building::vec(3).unwrap().repeat(1), VecIn::from([1, 1, 1]));
}
