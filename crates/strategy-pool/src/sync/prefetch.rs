//! Fetching memory that is about to be written.

use core::ptr::NonNull;

/// Begins to fetch the cache line of `address`, to be written by this processor. It changes nothing
/// that a program could see.
///
/// It is the instruction itself, since the compiler makes of its own prefetch for writing one for
/// reading where it is not told that the processor has this one, and the line would then be asked for
/// twice. A processor of this architecture that has it not does nothing.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(super) fn for_writing(address: NonNull<u8>) {
    // SAFETY: the instruction is a hint: it does not fault, whatever the address, and changes neither
    // memory nor registers.
    unsafe {
        core::arch::asm!(
            "prefetchw [{}]",
            in(reg) address.as_ptr(),
            options(readonly, nostack, preserves_flags),
        );
    }
}

/// Does nothing: no such instruction was measured on this architecture.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
pub(super) fn for_writing(_address: NonNull<u8>) {}
