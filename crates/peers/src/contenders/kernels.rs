//! Kernels of others.

use ndarray::ArrayView1;
use numkong::ReduceMoments;
use simsimd::SpatialSimilarity;
use workloads::Contender;

use crate::list::other;

const SIMSIMD: Contender = other("simsimd", "kernels in C, chosen by what the processor has");
const NUMKONG: Contender = other(
    "numkong",
    "simsimd's successor, which adds in wider numbers; its sum of bytes has that of the squares with it",
);
const NDARRAY: Contender = other("ndarray", "arrays of any dimension; unrolled loops");

/// A dot product.
type Dot = fn(&[f32], &[f32]) -> f64;

/// Dot products of f32.
pub(crate) const DOTS: [(Contender, Dot); 3] = [
    (SIMSIMD, |a, b| <f32 as SpatialSimilarity>::dot(a, b).expect("they are of one length")),
    (NUMKONG, |a, b| <f32 as numkong::Dot>::dot(a, b).expect("they are of one length")),
    (NDARRAY, |a, b| ArrayView1::from(a).dot(&ArrayView1::from(b)).into()),
];

/// A sum of bytes.
type Sum = fn(&[u8]) -> u64;

/// Sums of bytes.
pub(crate) const SUMS: [(Contender, Sum); 2] = [
    (NUMKONG, |bytes| u8::reduce_moments(bytes, 1).0),
    (NDARRAY, |bytes| ArrayView1::from(bytes).fold(0, |sum, &byte| sum + u64::from(byte))),
];
