//! Loops over buffers that run as fast as memory can be read: [`dot`], [`saxpy`], [`sum_bytes`] and
//! [`read`].
//!
//! Each exists once for every [`InstructionSet`], and the functions of this module use the best
//! one that the processor has, [`active`]. Any slice will do; one that starts at a multiple of 64
//! bytes, as an [`AlignedBuffer`](crate::AlignedBuffer) does, is faster, since no load then
//! crosses a cache line.
//!
//! ```
//! use strategy_simd::{AlignedBuffer, kernels};
//!
//! let a = AlignedBuffer::<f32>::from_fn(1000, |index| index as f32);
//! let b = AlignedBuffer::<f32>::filled(2.0, 1000);
//! assert_eq!(kernels::dot(&a, &b), 999_000.0);
//! println!("with {}", kernels::active().instruction_set());
//! ```

use core::fmt;
use std::sync::LazyLock;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

/// The vectors that a kernel accumulates in. A fused multiply-add takes 4 cycles and two start in
/// each (Fog, "Instruction tables", Zen 4), so eight are under way at a time.
#[cfg(target_arch = "x86_64")]
const ACCUMULATORS: usize = 8;

/// The instruction sets that there are kernels for, the fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX-512 F, BW, VL and VNNI: Ice Lake, Zen 4 and later.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the program is compiled for.
    Portable,
}

impl InstructionSet {
    /// All of this architecture, the fastest first.
    pub const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Portable,
    ];

    fn is_detected(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                // Its kernels use AVX2 and FMA as well, which a virtual machine may hide.
                Self::Avx2.is_detected()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Portable => true,
        }
    }
}

impl fmt::Display for InstructionSet {
    /// Its name in results: `avx512`, `avx2` or `portable`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}

/// The kernels of one instruction set, which the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// The processor has it: `is_detected` said so.
    set: InstructionSet,
}

/// The kernels of the first of [`InstructionSet::ALL`] that the processor has. It is detected once.
#[inline]
#[must_use]
pub fn active() -> Kernels {
    static ACTIVE: LazyLock<Kernels> = LazyLock::new(|| {
        let mut sets = InstructionSet::ALL.iter();
        sets.find_map(|set| Kernels::of(*set)).expect("`Portable` is always there")
    });
    *ACTIVE
}

/// The sum of `a[i] * b[i]`.
///
/// # Order and error
///
/// The products are added to `P` partial sums: that of index `i` to the sum `i mod P`, in the order
/// of the indices. Then the upper half of the partial sums is added to the lower half until one
/// is left. `P` is 64 with AVX-512 and AVX2, where multiplication and addition are fused, and 32 in
/// portable code, where they are not. The result depends on nothing else: not on the addresses,
/// for example. So it is the same with AVX-512 and AVX2, and differs in portable code within the
/// error.
///
/// A product passes through at most `k = ceil(n / P) + log2(P) + 1` roundings, so if nothing
/// overflows or underflows, the error is at most `γ Σ |a[i] * b[i]|` with `γ = k u / (1 - k u)` and
/// `u = 2^-24` (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, sections
/// 3.1 and 4.2). Without rounding, as for small integers, it is exact.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    active().dot(a, b)
}

/// Adds `a * x[i]` to each `y[i]`.
///
/// With AVX-512 and AVX2 the result is that of a fused multiply-add, rounded once; in portable code
/// the product is rounded before it is added.
///
/// # Panics
///
/// If the lengths differ; `y` is unchanged then.
#[inline]
pub fn saxpy(a: f32, x: &[f32], y: &mut [f32]) {
    active().saxpy(a, x, y);
}

/// The sum of all bytes. It is exact: a slice cannot be long enough to overflow it.
#[inline]
#[must_use]
pub fn sum_bytes(bytes: &[u8]) -> u64 {
    active().sum_bytes(bytes)
}

/// Reads all bytes and does the least with them: the exclusive or of all words of 8 bytes, little
/// endian, the last one filled up with zeros.
///
/// This is what one core can read, the limit that other loops can be compared with.
///
/// ```
/// let words = [1_u64, 2, 4].map(u64::to_le_bytes);
/// assert_eq!(strategy_simd::kernels::read(words.as_flattened()), 7);
/// ```
#[inline]
#[must_use]
pub fn read(bytes: &[u8]) -> u64 {
    active().read(bytes)
}

/// Calls an item of the module of the instruction set.
macro_rules! dispatch {
    ($kernels:ident.$item:ident($($argument:ident),*)) => {
        match $kernels.set {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX-512 F, BW, VL and VNNI (the invariant of `set`).
            InstructionSet::Avx512 => unsafe { avx512::$item($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2 and FMA (the invariant of `set`).
            InstructionSet::Avx2 => unsafe { avx2::$item($($argument),*) },
            InstructionSet::Portable => portable::$item($($argument),*),
        }
    };
}

impl Kernels {
    /// Those of `set`, or `None` if the processor does not have it.
    #[must_use]
    pub fn of(set: InstructionSet) -> Option<Self> {
        set.is_detected().then_some(Self { set })
    }

    /// What they use.
    #[must_use]
    pub const fn instruction_set(self) -> InstructionSet {
        self.set
    }

    /// See [`dot`].
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    #[inline]
    #[must_use]
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "a dot product of slices of different lengths");
        dispatch!(self.dot(a, b))
    }

    /// See [`saxpy`].
    ///
    /// # Panics
    ///
    /// If the lengths differ; `y` is unchanged then.
    #[inline]
    pub fn saxpy(self, a: f32, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len(), "a sum of slices of different lengths");
        dispatch!(self.saxpy(a, x, y));
    }

    /// See [`sum_bytes`].
    #[inline]
    #[must_use]
    pub fn sum_bytes(self, bytes: &[u8]) -> u64 {
        dispatch!(self.sum_bytes(bytes))
    }

    /// See [`read`].
    #[inline]
    #[must_use]
    pub fn read(self, bytes: &[u8]) -> u64 {
        dispatch!(self.read(bytes))
    }
}

/// Folds the upper half onto the lower half until one is left. `N` is a power of two.
#[inline(always)]
fn fold<T: Copy, const N: usize>(mut values: [T; N], both: impl Fn(T, T) -> T) -> T {
    const { assert!(N.is_power_of_two()) };
    let mut half = N / 2;
    while half > 0 {
        for index in 0..half {
            values[index] = both(values[index], values[index + half]);
        }
        half /= 2;
    }
    values[0]
}

/// A block that starts with `rest` and goes on with zeros. `rest` is shorter than a block.
#[inline]
fn padded<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut block = [T::default(); N];
    block[..rest.len()].copy_from_slice(rest);
    block
}
