//! Copies of code that stay copies.

/// Keeps the code that this is compiled into apart from code that differs from it in `COPY` alone.
///
/// A compiler makes one function of two that have the same instructions, and whoever compares a thing with itself,
/// to see what chance makes of it, then measures one piece of code at one address twice. Here are no
/// instructions: the two differ in a comment of their assembly.
///
/// ```
/// fn sum<const COPY: u32>(numbers: &[u64]) -> u64 {
///     strategy::kept_apart::<COPY>();
///     numbers.iter().sum()
/// }
/// assert_eq!(sum::<0>(&[1, 2, 3]), sum::<1>(&[1, 2, 3]));
/// ```
///
/// On processors other than x86-64 and AArch64, and under Miri, `COPY` is written to the stack instead.
#[inline(always)]
pub fn kept_apart<const COPY: u32>() {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    // SAFETY: a comment has no instructions: it changes no register, no flag and no memory.
    unsafe {
        core::arch::asm!("/* copy {} */", const COPY, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    core::hint::black_box(COPY);
}
