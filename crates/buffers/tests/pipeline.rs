//! The pipeline of the example, on real files: nothing but the one block that a file is read into.

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/pipeline.rs"]
mod pipeline;

use std::fs;
use std::path::{Path, PathBuf};

use allocator_api2::alloc::Global;
use buffers::SharedBuffer;
use pipeline::{Findings, lies_in, read, work};
use strategy::contract::Probe;
use tracking::Tracking;

/// Texts of this repository.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["README.md", "Cargo.toml", "src/lib.rs", "tests/pipeline.rs", "../../Cargo.lock"]
        .map(|file| folder.join(file))
        .to_vec()
}

#[test]
fn what_is_found_is_what_a_plain_program_finds() {
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let parts = text.split("\n\n").filter(|section| !section.trim_ascii().is_empty());
        let sections: Vec<Vec<&str>> =
            parts.map(|section| section.split_ascii_whitespace().collect()).collect();
        for threads in [1, 2, 7] {
            let file = read(&path, Global).unwrap();
            let found = work(&file, threads);
            assert_eq!(found.sections, sections.len(), "{}", path.display());
            assert_eq!(found.words, sections.iter().map(Vec::len).sum::<usize>());
            let longest = sections.iter().map(|words| words.iter().max_by_key(|word| word.len()));
            assert!(found.longest.iter().eq(longest.map(|word| word.unwrap())));
        }
    }
}

#[test]
fn one_block_is_all_that_is_allocated_for_contents() {
    for path in files() {
        let bytes = fs::metadata(&path).unwrap().len() as usize;
        let probe = Probe::new();
        let file = read(&path, probe.clone()).unwrap();
        let found = work(&file, 3);
        assert!(lies_in(&found, &file));
        assert_eq!((probe.calls(), probe.blocks_out()), (1, 1));
        assert_eq!(probe.bytes_out(), 4 * size_of::<usize>() + bytes, "the header and the file");
        drop(file);
        assert_eq!(probe.blocks_out(), 1, "what was found keeps the file alive");
        drop(found);
        assert_eq!((probe.bytes_out(), probe.fault()), (0, None));
    }
}

/// The same, as a program sees it that has `tracking` and no probe.
#[test]
fn tracking_counts_one_block_however_many_threads_work() {
    for path in files() {
        let memory = Tracking::system();
        let file = read(&path, &memory).unwrap();
        let region = memory.region_of_all_threads();
        let found = work(&file, 7);
        region.assert_nothing_happened();
        assert_eq!((memory.stats().allocations, memory.stats().live_blocks), (1, 1));
        drop((file, found));
        assert_eq!(memory.stats().live_bytes, 0);
    }
}

#[test]
fn a_copy_is_seen() {
    let file = SharedBuffer::from(b"one two");
    let copy = Findings { sections: 1, words: 2, longest: vec![SharedBuffer::from(b"one")] };
    assert!(!lies_in(&copy, &file));
    let part = Findings { longest: vec![file.slice(..3)], ..copy };
    assert!(lies_in(&part, &file));
}
