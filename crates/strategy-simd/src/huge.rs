//! Huge pages: whether the system offers them, and asking for them.
//!
//! A fresh block of 64 MiB is 16,384 page faults with pages of 4 KiB, and 32 with pages of 2 MiB.
//! Linux gives huge pages to memory that was advised with `MADV_HUGEPAGE` (madvise(2)), and calls
//! them transparent since nothing else changes.
//!
//! Blocks ask for them from 2 MiB on, the least that has a whole one inside. Taken fresh, a byte of
//! each page touched, and given back, a block of 1 MiB took 1,340 ns for each page of 4 KiB, as with
//! `malloc`. One of 2 MiB took 138 ns and `malloc` 1,310; one of 64 MiB, which has left the caches
//! when its pages are zeroed again, 360 and 1,590. A bare `mmap` with the same advice took 117 and 362.
//! (The least of many rounds on an AMD EPYC with Zen 4.)
//!
//! The price is the resident set. A block of 64 MiB of which one byte is touched has 2,060 KiB in it
//! instead of a few pages; one of 17 MiB that is touched everywhere, in a class of 32 MiB, has 18,440.

use core::ptr::NonNull;
#[cfg(target_os = "linux")]
use std::fs;

/// The size of a huge page: 2 MiB on x86-64, and on AArch64 with pages of 4 KiB.
pub(crate) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// What the system says about huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    /// All memory gets them, asked for or not.
    Always,
    /// Memory that asked for them gets them.
    OnRequest,
    /// There are none, or none of 2 MiB: large blocks are plain memory.
    Never,
}

/// Whether the large blocks of a [`SimdPool`](crate::SimdPool) are on huge pages: what the files
/// under `/sys/kernel/mm/transparent_hugepage` say now (Linux, "Transparent Hugepage Support").
/// Where they do not exist, it is [`HugePages::Never`].
///
/// A huge page that the system cannot find at the time is 512 small ones all the same.
#[must_use]
pub fn huge_pages() -> HugePages {
    #[cfg(target_os = "linux")]
    {
        let setting = |name: &str| {
            fs::read_to_string(format!("/sys/kernel/mm/transparent_hugepage/{name}")).ok()
        };
        let of_this_size = setting("hugepages-2048kB/enabled");
        let of_all_sizes = setting("enabled");
        let page_bytes = setting("hpage_pmd_size").and_then(|size| size.trim().parse().ok());
        huge_pages_by(of_this_size.as_deref(), of_all_sizes.as_deref(), page_bytes)
    }
    #[cfg(not(target_os = "linux"))]
    HugePages::Never
}

/// What the settings mean. The one of the size goes first, if there is one and it does not say
/// `inherit`.
#[cfg(target_os = "linux")]
fn huge_pages_by(
    of_this_size: Option<&str>,
    of_all_sizes: Option<&str>,
    page_bytes: Option<usize>,
) -> HugePages {
    if page_bytes != Some(HUGE_PAGE_BYTES) {
        return HugePages::Never;
    }
    let own = of_this_size.and_then(chosen).filter(|chosen| *chosen != "inherit");
    match own.or_else(|| of_all_sizes.and_then(chosen)) {
        Some("always") => HugePages::Always,
        Some("madvise") => HugePages::OnRequest,
        _ => HugePages::Never,
    }
}

/// The word in brackets: `always [madvise] never`.
#[cfg(target_os = "linux")]
fn chosen(setting: &str) -> Option<&str> {
    setting.split_once('[')?.1.split_once(']').map(|(chosen, _)| chosen)
}

/// Asks for huge pages for the whole ones inside of a block. Nothing happens if there is none inside,
/// or if the system has none: it is advice, and the memory is as good without.
///
/// The advice belongs to the addresses: where the owner of the memory keeps it when the block
/// is freed, the next user of these addresses has huge pages, too.
pub(crate) fn advise(block: NonNull<u8>, bytes: usize) {
    let (padding, huge_bytes) = whole_pages(block.addr().get(), bytes);
    if huge_bytes > 0 {
        request(block.map_addr(|start| start.saturating_add(padding)), huge_bytes);
    }
}

/// The bytes before the first huge page inside of a block, and the bytes of the huge pages inside.
fn whole_pages(start: usize, bytes: usize) -> (usize, usize) {
    let padding = start.wrapping_neg() % HUGE_PAGE_BYTES;
    (padding, bytes.saturating_sub(padding) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES)
}

#[cfg(all(target_os = "linux", not(miri)))]
fn request(pages: NonNull<u8>, bytes: usize) {
    // SAFETY: the call changes no byte and unmaps nothing: memory that is mapped stays readable
    // and writable with what is in it, and elsewhere the call fails.
    unsafe { libc::madvise(pages.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn request(_pages: NonNull<u8>, _bytes: usize) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_whole_huge_pages_inside_of_a_block_are_asked_for() {
        const HUGE: usize = HUGE_PAGE_BYTES;
        assert_eq!(whole_pages(5 * HUGE, HUGE), (0, HUGE));
        assert_eq!(whole_pages(5 * HUGE, 3 * HUGE - 1), (0, 2 * HUGE));
        assert_eq!(whole_pages(5 * HUGE + 1, 3 * HUGE), (HUGE - 1, 2 * HUGE));
        assert_eq!(whole_pages(5 * HUGE + 1, HUGE), (HUGE - 1, 0));
        assert_eq!(whole_pages(6 * HUGE - 64, 64), (64, 0));
        assert_eq!(whole_pages(5 * HUGE, HUGE - 1).1, 0);
        assert_eq!(whole_pages(64, 64).1, 0);
    }

    #[test]
    fn the_setting_of_the_size_goes_before_that_of_all_sizes() {
        let of_this_size = [
            Some("always [inherit] madvise never\n"),
            Some("[always] inherit madvise never\n"),
            Some("always inherit madvise [never]\n"),
            None,
        ];
        let found = of_this_size
            .map(|own| huge_pages_by(own, Some("always [madvise] never\n"), Some(HUGE_PAGE_BYTES)));
        use HugePages::{Always, Never, OnRequest};
        assert_eq!(found, [OnRequest, Always, Never, OnRequest]);
        assert_eq!(huge_pages_by(None, None, Some(HUGE_PAGE_BYTES)), Never);
        assert_eq!(huge_pages_by(None, Some("nonsense"), Some(HUGE_PAGE_BYTES)), Never);
        assert_eq!(huge_pages_by(None, Some("[always]"), Some(512 << 20)), Never);
        assert_eq!(huge_pages_by(None, Some("[always]"), None), Never);
    }
}
