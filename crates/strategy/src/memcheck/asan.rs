//! AddressSanitizer: bytes that may not be touched are poisoned
//! ("AddressSanitizerManualPoisoning", LLVM's sanitizer wiki; `sanitizer/asan_interface.h`).
//!
//! It keeps one byte for eight, and says of those how many of the first ones may be touched. So bytes that share
//! their eight with others that are in use are not always poisoned, and nothing that is in use ever is.
//! It has no notion of a byte that was never written, nor of blocks inside of a block: it names the
//! place of an access and not where the block was allocated or freed, and does not look for leaks.

use core::ffi::c_void;
use core::ptr::NonNull;

unsafe extern "C" {
    /// Bytes may not be touched. Changes the tool's own memory only.
    safe fn __asan_poison_memory_region(start: *const c_void, bytes: usize);

    /// Bytes may be touched. Changes the tool's own memory only.
    safe fn __asan_unpoison_memory_region(start: *const c_void, bytes: usize);

    /// What instrumented code calls before it reads a byte: reports it, and ends the program, if it
    /// is poisoned. Reads the tool's own memory only.
    safe fn __asan_load1(byte: *const c_void);
}

#[derive(Debug, Default)]
pub(super) struct Blocks;

impl Blocks {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) fn allocated(&self, block: NonNull<u8>, bytes: usize) {
        opened(block, bytes);
    }

    /// A block that is not out is poisoned already: its owner could not have read it, so that is what is
    /// reported.
    pub(super) fn freed(&self, block: NonNull<u8>, bytes: usize) {
        __asan_load1(block.as_ptr().cast());
        unused(block, bytes);
    }

    pub(super) fn resized(
        &self,
        old: NonNull<u8>,
        old_bytes: usize,
        block: NonNull<u8>,
        bytes: usize,
    ) {
        unused(old, old_bytes);
        opened(block, bytes);
    }

    pub(super) fn all_freed(&self) {}

    pub(super) fn never_freed(&self) {}

    pub(super) fn ended(&self) {}
}

pub(super) fn taken(start: NonNull<u8>, bytes: usize) {
    unused(start, bytes);
}

pub(super) fn unused(start: NonNull<u8>, bytes: usize) {
    __asan_poison_memory_region(start.as_ptr().cast(), bytes);
}

pub(super) fn opened(start: NonNull<u8>, bytes: usize) {
    __asan_unpoison_memory_region(start.as_ptr().cast(), bytes);
}

pub(super) fn written(_start: NonNull<u8>, _bytes: usize) {}

pub(super) fn record_made(record: NonNull<u8>, bytes: usize) {
    opened(record, bytes);
}

pub(super) fn record_gone(_record: NonNull<u8>, _bytes: usize) {}

pub(super) fn returned(start: NonNull<u8>, bytes: usize) {
    opened(start, bytes);
}

pub(super) fn report_leaks() {}
