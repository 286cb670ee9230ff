//! Large blocks: where they start, that they ask for huge pages, and that they are fresh.

use allocator_api2::alloc::Allocator;
use strategy::contract::Probe;
use strategy_simd::{AlignedBuffer, HugePages, SimdPool, huge_pages};

use crate::pool::{MIB, give_back, layout, take};

#[test]
fn blocks_of_two_mebibytes_and_more_start_at_a_huge_page() {
    let pool = SimdPool::new();
    for size in [MIB + 1, 2 * MIB, 5 * MIB, 32 * MIB, 40 * MIB + 1, 64 * MIB] {
        let block = take(&pool, layout(size, 8));
        assert!(block.addr().get().is_multiple_of(2 * MIB), "{size}");
        give_back(&pool, block, layout(size, 8));
        let block = (&pool).allocate_zeroed(layout(size, 8)).unwrap().cast::<u8>();
        assert!(block.addr().get().is_multiple_of(2 * MIB), "{size}");
        give_back(&pool, block, layout(size, 8));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_was_asked_for_huge_pages_from_two_mebibytes_on() {
    println!("{:?}", huge_pages());
    if huge_pages() == HugePages::Never {
        return;
    }
    let pool = SimdPool::new();
    for size in [2 * MIB, 5 * MIB, 40 * MIB] {
        let block = take(&pool, layout(size, 8));
        assert!(asked(block.addr().get()) && asked(block.addr().get() + size / 2), "{size}");
        let zeroed = (&pool).allocate_zeroed(layout(size, 8)).unwrap();
        assert!(asked(zeroed.addr().get()), "{size} zeroed");
    }
}

/// Whether the mapping that `address` lies in has the flag `hg` (proc_pid_smaps(5)).
#[cfg(target_os = "linux")]
fn asked(address: usize) -> bool {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut is_here = false;
    for line in maps.lines() {
        let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        if let Some((Some(start), Some(end))) =
            range.map(|(start, end)| (number(start), number(end)))
        {
            is_here = (start..end).contains(&address);
        } else if let Some(flags) = line.strip_prefix("VmFlags:")
            && is_here
        {
            return flags.split_whitespace().any(|flag| flag == "hg");
        }
    }
    panic!("{address:#x} is in no mapping");
}

#[test]
fn blocks_beyond_the_classes_are_never_kept() {
    let probe = Probe::new();
    let pool = SimdPool::new_in(probe.clone());
    for _ in 0..3 {
        let calls = probe.calls();
        let mut buffer = AlignedBuffer::<u64, 64, _>::try_zeroed_in(5 * MIB, &pool).unwrap();
        assert_eq!(probe.calls(), calls + 1);
        // What the probe gets back, and fills with other bytes, is what comes next.
        assert!(buffer.iter().all(|word| *word == 0));
        buffer.fill(u64::MAX);
        let large = take(&pool, layout(40 * MIB, 64));
        give_back(&pool, large, layout(40 * MIB, 64));
        drop(buffer);
        assert_eq!((pool.reserved_bytes(), probe.bytes_out()), (0, 0));
    }
    assert_eq!(probe.fault(), None);
}

#[test]
fn contents_stay_as_a_block_grows_and_shrinks_over_all_kinds_of_blocks() {
    let probe = Probe::new();
    let pool = SimdPool::new_in(probe.clone());
    let sizes = [MIB, 3 * MIB, 31 * MIB, 33 * MIB, 40 * MIB, 32 * MIB, 2 * MIB, 34 * MIB, 100];
    let mut old = layout(1000, 8);
    let mut block = take(&pool, old);
    // SAFETY: the block has that many bytes.
    unsafe { block.write_bytes(7, old.size()) };
    for (step, size) in sizes.into_iter().enumerate() {
        let new = layout(size, 8 << (step % 3));
        let zeroed = step % 2 == 0;
        let grown = match (size >= old.size(), zeroed) {
            // SAFETY: the block is live with `old`, and `new` is not smaller.
            (true, true) => unsafe { (&pool).grow_zeroed(block, old, new) },
            // SAFETY: as above.
            (true, false) => unsafe { (&pool).grow(block, old, new) },
            // SAFETY: the block is live with `old`, and `new` is smaller.
            (false, _) => unsafe { (&pool).shrink(block, old, new) },
        };
        block = grown.unwrap().cast();
        let kept = std::ptr::NonNull::slice_from_raw_parts(block, old.size().min(size));
        // SAFETY: the block has these bytes, which are initialized.
        assert_eq!(unsafe { kept.as_ref() }, vec![7; kept.len()], "step {step}");
        if zeroed && size > old.size() {
            // SAFETY: the block has `size` bytes.
            let tail = unsafe { block.add(old.size()) };
            let tail = std::ptr::NonNull::slice_from_raw_parts(tail, size - old.size());
            // SAFETY: they were zeroed.
            assert_eq!(unsafe { tail.as_ref() }, vec![0; tail.len()], "step {step}");
        }
        // SAFETY: the block has that many bytes.
        unsafe { block.write_bytes(7, size) };
        old = new;
    }
    give_back(&pool, block, old);
    drop(pool);
    assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
}
