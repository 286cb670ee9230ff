//! Loops over vectors: what alignment and the instruction set buy, against what one core can read.

use bytemuck::Pod;
use strategy::{Plan, escape, kept_apart};
use strategy_simd::AlignedBuffer;
use strategy_simd::kernels::{self, InstructionSet, Kernels};
use workloads::{COOKIE, Case, Contender, Description, Measure, Stream, Tally, stamp};

use crate::Visitor;
use crate::list::{LIMIT, SYSTEM, SYSTEM_AGAIN, ours};

const FAMILY: &str = "Peers: kernels";

/// The bytes of a buffer: one for the first level of cache, one for the last or for memory.
const SIZES: [usize; 2] = [4 << 10, 16 << 20];

/// The bytes of a cache line.
const LINE: usize = 64;

/// What a pass reads at the least, in bytes, so that calling the kernel once more costs little.
const PASS: usize = 1 << 20;

const DOT: Description = Description {
    name: "peers-simd-dot",
    about: "The dot product of two vectors of f32, each as long as the parameter says in bytes. Their values \
            are small integers, so that every order of summation gives the same. The limit only reads both.",
    stands_for: "Similarity search, filters, small dense layers.",
    operation: "one cache line of 64 bytes read",
};

const SUM: Description = Description {
    name: "peers-simd-sum",
    about: "The sum of all bytes of a buffer, which is as long as the parameter says. The limit only reads it.",
    stands_for: "Checksums, histograms, scans.",
    operation: "one cache line of 64 bytes read",
};

const BEST: Contender =
    ours("simd-kernels", "loops of strategy-simd in the best instruction set that there is");
const AVX2: Contender = ours("simd-kernels-avx2", "loops of strategy-simd in AVX2");
const PORTABLE: Contender =
    ours("simd-kernels-portable", "loops of strategy-simd in portable code");

/// An element of a vector: 1 or 2, without a period, so that what is left out or read twice is missed. With
/// these values sums of f32 are exact up to 2^24, which is more than the largest here.
fn element(vector: usize, index: usize) -> u8 {
    let mixed = stamp((index + vector * index) as u64).wrapping_mul(COOKIE);
    1 + (mixed >> 63) as u8
}

/// The sum of the products of the elements with the same index.
fn sum(vectors: usize, len: usize) -> u64 {
    let product = |index| -> u64 { (0..vectors).map(|v| u64::from(element(v, index))).product() };
    (0..len).map(product).sum()
}

/// What a kernel has to find in its vectors.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The sum of the products of the elements with the same index.
    sum: u64,
    /// The exclusive or of all words.
    words: u64,
}

/// Adds a contender to the rows of `description`, which is about so many `vectors`: `vector` makes one of
/// them, and `kernel` says what their sum is.
fn contender<V: AsRef<[T]> + 'static, T: Pod>(
    visitor: &mut Visitor<'_>,
    (description, vectors): (Description, usize),
    contender: Contender,
    vector: fn(usize, usize) -> V,
    kernel: impl Fn(&[V], Known) -> u64 + Copy + 'static,
) {
    for bytes in SIZES {
        let len = bytes / size_of::<T>();
        let calls = (PASS / (bytes * vectors)).max(1) as u64;
        let lines = (bytes * vectors / LINE) as u64;
        let all = move || (0..vectors).map(|number| vector(number, len)).collect::<Vec<V>>();
        let run = move |_: Stream, measure: &mut Measure<'_>| {
            let vectors = all();
            let words = vectors.iter().flat_map(|v| bytemuck::cast_slice::<T, [u8; 8]>(v.as_ref()));
            let words = words.fold(0, |all, word| all ^ u64::from_le_bytes(*word));
            let known = Known { sum: sum(vectors.len(), len), words };
            measure(&mut |passes| {
                let mut checksum = 0_u64;
                for _ in 0..passes * calls {
                    escape(&vectors);
                    checksum = checksum.wrapping_add(stamp(kernel(&vectors, known)));
                }
                Ok(Tally { ops: passes * calls * lines, checksum })
            })
        };
        let answer = move |_: Stream| {
            let checksum = stamp(sum(vectors, len)).wrapping_mul(calls);
            Tally { ops: calls * lines, checksum }
        };
        let case = Case::new(description, bytes.to_string(), contender, answer, run);
        visitor(FAMILY, case.planned(&Plan::sizes(bytes, bytes).live(vectors)));
    }
}

/// A vector of the standard library.
fn plain<T: From<u8>>(vector: usize, len: usize) -> Vec<T> {
    (0..len).map(|index| element(vector, index).into()).collect()
}

/// An aligned buffer.
fn aligned<T: From<u8>>(vector: usize, len: usize) -> AlignedBuffer<T> {
    AlignedBuffer::from_fn(len, |index| element(vector, index).into())
}

/// An iterator of the standard library over the products. Each `COPY` is code of its own.
fn iterated_dot<const COPY: u32>(vectors: &[Vec<f32>], _: Known) -> u64 {
    kept_apart::<COPY>();
    exact(vectors[0].iter().zip(&vectors[1]).map(|(a, b)| a * b).sum::<f32>())
}

/// A sum that has to be a whole number.
fn exact(sum: impl Into<f64>) -> u64 {
    let sum = sum.into();
    if sum.fract() == 0.0 { sum as u64 } else { u64::MAX }
}

/// An iterator of the standard library over the bytes. Each `COPY` is code of its own.
fn iterated_sum<const COPY: u32>(vectors: &[Vec<u8>], _: Known) -> u64 {
    kept_apart::<COPY>();
    vectors[0].iter().map(|&byte| u64::from(byte)).sum()
}

/// Reads all vectors and does the least with them. What it finds is not the sum: an exclusive or of words
/// of elements without a period.
fn only_read<T: Pod>(vectors: &[AlignedBuffer<T>], known: Known) -> u64 {
    let words = vectors.iter().map(|vector| kernels::read(bytemuck::cast_slice(vector)));
    let words = words.fold(0, |all, word| all ^ word);
    if words == known.words { known.sum } else { !known.sum }
}

pub(crate) fn visit(visitor: &mut Visitor<'_>) {
    let best = kernels::active();
    let sets = InstructionSet::ALL.iter().filter_map(|&set| match set.to_string().as_str() {
        "avx2" => Some((AVX2, Kernels::of(set)?)),
        "portable" => Some((PORTABLE, Kernels::of(set)?)),
        _ => None,
    });
    let sets: Vec<_> = sets.collect();

    let dot = (DOT, 2);
    contender(visitor, dot, SYSTEM, plain, iterated_dot::<0>);
    #[cfg(feature = "others")]
    for (other, product) in crate::contenders::DOTS {
        contender(visitor, dot, other, aligned, move |v, _| exact(product(&v[0], &v[1])));
    }
    contender(visitor, dot, BEST, aligned, move |v, _| exact(best.dot(&v[0], &v[1])));
    for &(simd, kernels) in &sets {
        contender(visitor, dot, simd, aligned, move |v, _| exact(kernels.dot(&v[0], &v[1])));
    }
    contender(visitor, dot, SYSTEM_AGAIN, plain, iterated_dot::<1>);
    contender(visitor, dot, LIMIT, aligned::<f32>, only_read);

    let sum = (SUM, 1);
    contender(visitor, sum, SYSTEM, plain, iterated_sum::<0>);
    #[cfg(feature = "others")]
    for (other, total) in crate::contenders::SUMS {
        contender(visitor, sum, other, aligned, move |v, _| total(&v[0]));
    }
    contender(visitor, sum, BEST, aligned, move |v, _| best.sum_bytes(&v[0]));
    for &(simd, kernels) in &sets {
        contender(visitor, sum, simd, aligned, move |v, _| kernels.sum_bytes(&v[0]));
    }
    contender(visitor, sum, SYSTEM_AGAIN, plain, iterated_sum::<1>);
    contender(visitor, sum, LIMIT, aligned::<u8>, only_read);
}
