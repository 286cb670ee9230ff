//! The kernels of every instruction set that this processor has, against plain loops.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use strategy_simd::kernels::{self, InstructionSet, Kernels};

fn all() -> impl Iterator<Item = Kernels> {
    InstructionSet::ALL.iter().filter_map(|set| Kernels::of(*set))
}

/// The number of partial sums of `dot`, and whether it is fused.
fn order(kernels: Kernels) -> (usize, bool) {
    match kernels.instruction_set().to_string().as_str() {
        "avx512" | "avx2" => (64, true),
        "portable" => (32, false),
        other => panic!("{other} is new"),
    }
}

/// Lengths around all sizes of vectors and blocks, and random ones.
fn lengths(random: &mut Pcg64Mcg) -> Vec<usize> {
    let around = (0..11).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]);
    let random = (0..200).map(|_| random.random_range(0..3000));
    [0].into_iter().chain(around).chain(random).collect()
}

fn generator(seed: u64) -> Pcg64Mcg {
    println!("seed {seed}");
    Pcg64Mcg::seed_from_u64(seed)
}

/// `len` elements, with `offset` others before them and some behind.
fn within<T: Clone>(len: usize, offset: usize, others: T, element: impl FnMut() -> T) -> Vec<T> {
    let mut all = vec![others.clone(); offset];
    all.extend(std::iter::repeat_with(element).take(len));
    all.resize(all.len() + 200, others);
    all
}

/// What the documentation of `dot` says, one element after the other.
fn dot_by_the_book(a: &[f32], b: &[f32], (partials, fused): (usize, bool)) -> f32 {
    let mut sums = vec![0.0_f32; partials];
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        let sum = &mut sums[index % partials];
        *sum = if fused { a.mul_add(*b, *sum) } else { *sum + a * b };
    }
    while sums.len() > 1 {
        let upper = sums.split_off(sums.len() / 2);
        sums.iter_mut().zip(upper).for_each(|(sum, upper)| *sum += upper);
    }
    sums[0]
}

#[test]
fn a_dot_product_is_summed_in_the_order_that_is_documented_and_within_its_error() {
    let mut random = generator(1);
    for len in lengths(&mut random) {
        let (at_a, at_b) = (random.random_range(0..20), random.random_range(0..20));
        let scale = random.random_range(-20..20);
        let mut number = || random.random_range(-1.0_f32..1.0) * 2.0_f32.powi(scale);
        // Whoever reads beyond the slices gets a NaN.
        let a = within(len, at_a, f32::NAN, &mut number);
        let b = within(len, at_b, f32::NAN, &mut number);
        let (a, b) = (&a[at_a..][..len], &b[at_b..][..len]);
        // The products are exact, and the sum is as good as exact beside single precision.
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        let (exact, of_sizes) = products
            .fold((0.0, 0.0), |(sum, sizes), product| (sum + product, sizes + product.abs()));
        for kernels in all() {
            let (partials, fused) = order(kernels);
            let dot = kernels.dot(a, b);
            let expected = dot_by_the_book(a, b, (partials, fused));
            assert_eq!(dot.to_bits(), expected.to_bits(), "{kernels:?}, {len} floats");
            let roundings = len.div_ceil(partials) as f64 + f64::from(partials.ilog2()) + 1.0;
            let relative = roundings * 2.0_f64.powi(-24);
            let bound = relative / (1.0 - relative) * of_sizes;
            assert!((f64::from(dot) - exact).abs() <= bound, "{kernels:?}, {len} floats");
        }
    }
}

#[test]
fn a_dot_product_of_small_integers_is_exact_with_every_instruction_set() {
    let mut random = generator(2);
    for len in lengths(&mut random) {
        let mut number = || f32::from(random.random_range(-30_i8..=30));
        let a = within(len, 1, f32::NAN, &mut number);
        let b = within(len, 2, f32::NAN, &mut number);
        let (a, b) = (&a[1..][..len], &b[2..][..len]);
        let exact: i64 = a.iter().zip(b).map(|(a, b)| *a as i64 * *b as i64).sum();
        for kernels in all() {
            assert_eq!(kernels.dot(a, b) as i64, exact, "{kernels:?}, {len} floats");
        }
        assert_eq!(kernels::dot(a, b) as i64, exact);
    }
}

#[test]
fn saxpy_rounds_as_documented_and_writes_nothing_else() {
    let mut random = generator(3);
    for len in lengths(&mut random) {
        let (at_x, at_y) = (random.random_range(0..20), random.random_range(0..20));
        let mut number = || random.random_range(-1.0_f32..1.0);
        let factor = number();
        let x = within(len, at_x, f32::NAN, &mut number);
        let y = within(len, at_y, 1234.5, &mut number);
        for kernels in all() {
            let (mut result, mut expected) = (y.clone(), y.clone());
            kernels.saxpy(factor, &x[at_x..][..len], &mut result[at_y..][..len]);
            for (x, y) in x[at_x..][..len].iter().zip(&mut expected[at_y..]) {
                *y = if order(kernels).1 { factor.mul_add(*x, *y) } else { factor * x + *y };
            }
            assert_eq!(result, expected, "{kernels:?}, {len} floats");
        }
        let mut active = y.clone();
        kernels::saxpy(0.0, &x[at_x..][..len], &mut active[at_y..][..len]);
        assert_eq!(active, y);
    }
}

#[test]
fn bytes_are_summed_and_read_in_full_and_no_others() {
    let mut random = generator(4);
    let mut lengths = lengths(&mut random);
    // Longer than what sums of 16 bits can take.
    lengths.extend([40_000, 70_001]);
    for len in lengths {
        let offset = random.random_range(0..130);
        let most = if len % 2 == 0 { 255 } else { random.random::<u8>() };
        let bytes = within(len, offset, 0xFF, || random.random_range(most / 2..=most));
        let bytes = &bytes[offset..][..len];
        let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
        let all_words = bytes.chunks(8).fold(0, |all, bytes| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            all ^ u64::from_le_bytes(word)
        });
        for kernels in all() {
            assert_eq!(kernels.sum_bytes(bytes), sum, "{kernels:?}, {len} bytes at {offset}");
            assert_eq!(kernels.read(bytes), all_words, "{kernels:?}, {len} bytes at {offset}");
        }
        assert_eq!((kernels::sum_bytes(bytes), kernels::read(bytes)), (sum, all_words));
    }
}

#[test]
fn bytes_of_255_do_not_overflow() {
    let bytes = vec![255; 3 << 20];
    for kernels in all() {
        for len in [bytes.len(), bytes.len() - 1, (1 << 20) + 1, 128 * 128, 128 * 129, 128 * 257] {
            assert_eq!(kernels.sum_bytes(&bytes[..len]), 255 * len as u64, "{kernels:?}");
        }
    }
}

#[test]
fn slices_of_different_lengths_are_a_panic_that_changes_nothing() {
    let x = [1.0; 20];
    for kernels in all() {
        catch_unwind(|| kernels.dot(&x, &x[1..])).unwrap_err();
        let mut y = [2.0; 19];
        catch_unwind(AssertUnwindSafe(|| kernels.saxpy(3.0, &x, &mut y))).unwrap_err();
        assert_eq!(y, [2.0; 19]);
    }
}

#[test]
fn the_active_kernels_are_the_first_that_the_processor_has() {
    assert_eq!(Some(kernels::active()), all().next());
    let last = all().last().unwrap().instruction_set();
    assert_eq!((last, last.to_string().as_str()), (InstructionSet::Portable, "portable"));
}
