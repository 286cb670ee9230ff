//! An array that is built from a closure.

use std::alloc::Layout;
use std::ops::Deref;

use buffers::building;
use strategy::{Plan, Refused, escape, kept_apart};
use workloads::{Case, Contender, Description, Failure, Measure, Stream, Tally, stamp};

use crate::Visitor;
use crate::list::{SYSTEM, SYSTEM_AGAIN, layout, ours, standard};

const FAMILY: &str = "Peers: building in place";

/// The values of an array.
const VALUES: usize = 1000;

/// Arrays of a pass.
const ARRAYS: u64 = 10;

/// The index of an array that is compared as a whole. It comes before the clock starts.
const WHOLE: u64 = u64::MAX;

const BUILD: Description = Description {
    name: "peers-build",
    about: "Builds an array of 1000 numbers on the heap from a closure of the index, reads its ends, and drops it. \
            System collects an iterator into a `Vec`.",
    stands_for: "Tables, buffers of samples, what is decoded into a known number of values.",
    operation: "one array built, read and dropped",
};

const PUSHED: Contender = standard("vec-push", "a `Vec` with room for all, and a push for each");
const VECTOR: Contender = ours("build-vec", "`building::vec`: a vector built in place");
const SLICE: Contender =
    ours("build-slice", "`building::boxed_slice`: a boxed slice built in place");
const ARRAY: Contender =
    ours("build-array", "`building::boxed_array`: a boxed array built in place");

/// The value of an array at an index.
#[inline]
fn value(array: u64, index: usize) -> u64 {
    stamp(array).wrapping_add(index as u64)
}

/// Adds a contender: `built` makes the array with this number.
fn contender<B: Deref<Target: AsRef<[u64]>>>(
    visitor: &mut Visitor<'_>,
    contender: Contender,
    built: impl Fn(u64) -> Result<B, Failure> + Copy + 'static,
) {
    let ends = |first: u64, last: u64| first.wrapping_add(last);
    let answer = move |_: Stream| {
        (0..ARRAYS).map(|array| ends(value(array, 0), value(array, VALUES - 1))).collect()
    };
    let run = move |_: Stream, measure: &mut Measure<'_>| {
        let whole = built(WHOLE)?;
        assert!((*whole).as_ref().iter().copied().eq((0..VALUES).map(|index| value(WHOLE, index))));
        measure(&mut |passes| {
            let mut tally = Tally::default();
            for _ in 0..passes {
                for array in 0..ARRAYS {
                    let built = built(array)?;
                    let values = (*built).as_ref();
                    escape(values);
                    let [first, .., last] = values else { unreachable!("it has {VALUES}") };
                    tally.add(ends(*first, *last));
                }
            }
            Ok(tally)
        })
    };
    let case = Case::new(BUILD, VALUES.to_string(), contender, answer, run);
    visitor(FAMILY, case.planned(&Plan::of(array())));
}

/// What an array takes.
fn array() -> Layout {
    layout(VALUES * size_of::<u64>(), align_of::<u64>())
}

/// That there is no memory for an array.
fn refused<E>(_: E) -> Failure {
    Refused { layout: array() }.into()
}

/// A vector of the standard library. Each `COPY` is code of its own.
#[inline]
fn collected<const COPY: u32>(array: u64) -> Result<Vec<u64>, Failure> {
    kept_apart::<COPY>();
    Ok((0..VALUES).map(|index| value(array, index)).collect())
}

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    contender(visitor, SYSTEM, collected::<0>);
    contender(visitor, PUSHED, |array| {
        let mut values = Vec::with_capacity(VALUES);
        for index in 0..VALUES {
            values.push(value(array, index));
        }
        Ok(values)
    });
    contender(visitor, VECTOR, |array| {
        Ok(building::vec(VALUES).map_err(refused)?.from_fn(|index| value(array, index)))
    });
    contender(visitor, SLICE, |array| {
        Ok(building::boxed_slice(VALUES).map_err(refused)?.from_fn(|index| value(array, index)))
    });
    contender(visitor, ARRAY, |array| {
        let array_of = building::boxed_array::<u64, VALUES>().map_err(refused)?;
        Ok(array_of.from_fn(|index| value(array, index)))
    });
    contender(visitor, SYSTEM_AGAIN, collected::<1>);
}
