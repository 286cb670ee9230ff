//! One way of building with every place and source, and what a naive model says comes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use buffers::building::{self, Place, Short, Unbuilt};
use strategy::contract::Probe;

use crate::census::{Census, Items, Stop, Stopped, Value};

/// Where something is built.
#[derive(Clone, Copy, Debug)]
pub enum At {
    Array,
    BoxedArray,
    BoxedSlice,
    Vec,
}

pub const PLACES: [At; 4] = [At::Array, At::BoxedArray, At::BoxedSlice, At::Vec];

/// What it is built of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Fn,
    TryFn,
    Clones,
    /// An iterator that has so many, and says that it has so many.
    Items(usize, usize),
    /// As `Items`; into vectors only.
    AtMost(usize, usize),
}

/// What came of it: the numbers of the values that were built, or why there are none.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Built(Vec<usize>),
    Stopped,
    Short(Short),
    Panicked,
}

/// The lengths that arrays are built with.
pub const ARRAY_LENS: [usize; 6] = [0, 1, 2, 3, 5, 40];

/// Builds `len` values, and looks after all that is not in the outcome: each value is dropped once,
/// all memory is given back. For arrays `len` is one of [`ARRAY_LENS`].
pub fn build(at: At, of: Of, len: usize, stop: Stop) -> (Outcome, usize) {
    let probe = Probe::new();
    let census = Census::stopping(stop);
    let outcome = match at {
        At::BoxedSlice => {
            let unbuilt = building::boxed_slice_in(len, probe.clone()).unwrap();
            drive(unbuilt, of, &census, |built| built)
        }
        At::Vec => {
            let unbuilt = building::vec_in(len, probe.clone()).unwrap();
            if let Of::AtMost(available, said) = of {
                caught(&census, || {
                    let items = Items { census: &census, next: 0, available, said };
                    let built = unbuilt.at_most(items);
                    assert_eq!(census.alive(), built.len());
                    assert!(built.capacity() == len && (len == 0 || probe.calls() == 1));
                    Outcome::Built(numbers(&built))
                })
            } else {
                drive(unbuilt, of, &census, |built| built)
            }
        }
        At::Array | At::BoxedArray => match len {
            0 => sized::<0>(at, of, &census, &probe),
            1 => sized::<1>(at, of, &census, &probe),
            2 => sized::<2>(at, of, &census, &probe),
            3 => sized::<3>(at, of, &census, &probe),
            5 => sized::<5>(at, of, &census, &probe),
            40 => sized::<40>(at, of, &census, &probe),
            _ => panic!("there is no array of {len}"),
        },
    };
    assert_eq!(census.alive(), 0, "values were never dropped");
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    (outcome, census.calls())
}

fn sized<const N: usize>(at: At, of: Of, census: &Census, probe: &Probe) -> Outcome {
    match at {
        At::Array => drive(building::array::<_, N>(), of, census, |built| built),
        _ => {
            let unbuilt = building::boxed_array_in::<_, _, N>(probe.clone()).unwrap();
            drive(unbuilt, of, census, |built| &**built)
        }
    }
}

fn drive<'c, P: Place<Item = Value<'c>>>(
    unbuilt: Unbuilt<P>,
    of: Of,
    census: &'c Census,
    values: impl Fn(&P::Built) -> &[Value<'c>],
) -> Outcome {
    let make = |index| -> Result<_, Stopped> {
        census.call()?;
        Ok(census.value(index))
    };
    caught(census, || {
        let built = match of {
            Of::Fn => unbuilt.from_fn(|index| make(index).unwrap()),
            Of::TryFn => match unbuilt.try_from_fn(make) {
                Ok(built) => built,
                Err(Stopped) => return Outcome::Stopped,
            },
            Of::Clones => unbuilt.repeat(census.value(7)),
            Of::Items(available, said) => {
                match unbuilt.from_iter(Items { census, next: 0, available, said }) {
                    Ok(built) => built,
                    Err(short) => return Outcome::Short(short),
                }
            }
            Of::AtMost(..) => panic!("only a vector can be shorter"),
        };
        let values = values(&built);
        assert_eq!(census.alive(), values.len());
        Outcome::Built(numbers(values))
    })
}

fn numbers(values: &[Value<'_>]) -> Vec<usize> {
    values.iter().map(|value| value.number).collect()
}

fn caught(census: &Census, build: impl FnOnce() -> Outcome) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(build));
    assert_eq!(census.alive(), 0, "values were left behind");
    outcome.unwrap_or(Outcome::Panicked)
}

/// What should come of it, and of how many calls.
pub fn expected(of: Of, len: usize, stop: Stop) -> (Outcome, usize) {
    let (calls, built) = match of {
        Of::Fn | Of::TryFn => (len, Outcome::Built((0..len).collect())),
        Of::Clones => (len.saturating_sub(1), Outcome::Built(vec![7; len])),
        Of::Items(available, _) if available < len => {
            (available + 1, Outcome::Short(Short { wanted: len, got: available }))
        }
        Of::AtMost(available, _) if available < len => {
            (available + 1, Outcome::Built((0..available).collect()))
        }
        Of::Items(..) | Of::AtMost(..) => (len, Outcome::Built((0..len).collect())),
    };
    match stop {
        Stop::Panic(call) if call <= calls => (Outcome::Panicked, call),
        // What cannot return an error makes a panic of it.
        Stop::Error(call) if call <= calls && of != Of::TryFn => (Outcome::Panicked, call),
        Stop::Error(call) if call <= calls => (Outcome::Stopped, call),
        _ => (built, calls),
    }
}
