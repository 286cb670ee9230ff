//! A file is read once and parsed into parts of the one buffer that it was read into. Threads work
//! on the parts, and what they find are parts of it as well: no contents are copied on the way.
//!
//! ```sh
//! cargo run -p buffers --example pipeline -- Cargo.lock
//! ```
//!
//! Without an argument it reads the README of this crate.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use allocator_api2::alloc::{Allocator, Layout};
use buffers::{OutOfMemory, SharedBuffer, UniqueBuffer};
use tracking::Tracking;

/// What was found in a file. The words are parts of the buffer that it was read into.
pub struct Findings<A: Allocator> {
    /// The sections: what empty lines separate.
    pub sections: usize,
    /// The words of all sections, of which blanks are no part.
    pub words: usize,
    /// The longest word of each section, in the order of the sections.
    pub longest: Vec<SharedBuffer<A>>,
}

/// Reads a whole file, straight into the memory that is shared later.
pub fn read<A: Allocator>(path: &Path, allocator: A) -> io::Result<SharedBuffer<A>> {
    let mut file = File::open(path)?;
    let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let too_much = |_| OutOfMemory { bytes, align: 1 };
    let contents = Layout::from_size_align(bytes, 1).map_err(too_much)?;
    let mut buffer = UniqueBuffer::try_zeroed_in(contents, allocator)?;
    file.read_exact(&mut buffer)?;
    Ok(buffer.freeze())
}

/// Parses a file that was read, lets `threads` work on its sections, and joins what they find.
pub fn work<A>(file: &SharedBuffer<A>, threads: usize) -> Findings<A>
where
    A: Allocator + Send,
{
    let sections = sections(file);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for share in sections.chunks(sections.len().div_ceil(threads).max(1)) {
            let sender = sender.clone();
            // The thread owns its sections, and could outlive everybody else who does.
            let share: Vec<SharedBuffer<A>> = share.to_vec();
            scope.spawn(move || {
                for section in share {
                    // The receiver is there until all threads have ended.
                    sender.send(look_at(&section)).expect("somebody receives");
                }
            });
        }
    });
    drop(sender);

    let mut found: Vec<_> = receiver.into_iter().collect();
    found.sort_unstable_by_key(|(_, longest)| longest.as_ptr());
    let words = found.iter().map(|(words, _)| words).sum();
    let longest = found.into_iter().map(|(_, longest)| longest).collect();
    Findings { sections: sections.len(), words, longest }
}

/// The sections of a file, each a further owner of its buffer.
fn sections<A: Allocator>(file: &SharedBuffer<A>) -> Vec<SharedBuffer<A>> {
    let mut sections = Vec::new();
    let mut rest = file.clone();
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\n\n").unwrap_or(rest.len());
        let section = rest.slice(..end);
        if !section.trim_ascii().is_empty() {
            sections.push(section);
        }
        rest = rest.slice((end + 2).min(rest.len())..);
    }
    sections
}

/// The number of words of a section, and the longest of them.
fn look_at<A: Allocator>(section: &SharedBuffer<A>) -> (usize, SharedBuffer<A>) {
    let words = section.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let longest = words.clone().max_by_key(|word| word.len()).unwrap_or_default();
    // What the standard library has found becomes an owner.
    let longest = section.slice_of(longest).expect("a word of the section lies in it");
    (words.count(), longest)
}

/// Whether all that was found lies in the buffer of the file.
pub fn lies_in<A: Allocator>(findings: &Findings<A>, file: &SharedBuffer<A>) -> bool {
    let file = file.as_ptr_range();
    findings
        .longest
        .iter()
        .map(|word| word.as_ptr_range())
        .all(|word| file.start <= word.start && word.end <= file.end)
}

fn main() -> Result<(), Box<dyn Error>> {
    let readme = || Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let path = env::args_os().nth(1).map_or_else(readme, PathBuf::from);
    // Counts the blocks for contents, of which there is one.
    let memory = Tracking::system();
    let file = read(&path, &memory).map_err(|error| format!("{}: {error}", path.display()))?;

    let findings = work(&file, thread::available_parallelism().map_or(1, NonZero::get));
    assert!(lies_in(&findings, &file), "a word was copied");
    let Findings { sections, words, longest } = findings;
    println!("{}: {} bytes, {sections} sections, {words} words", path.display(), file.len());
    if let Some(word) = longest.iter().max_by_key(|word| word.len()) {
        println!("the longest word: {}", word.escape_ascii());
    }

    let stats = memory.stats();
    println!("blocks for contents: {}, of {} bytes", stats.allocations, stats.allocated_bytes);

    // When nobody else has a part of it any more, it can be written again without a copy.
    drop(longest);
    println!("it can be written again: {}", file.try_into_unique().is_ok());
    assert_eq!(memory.stats().allocations, 1, "contents were copied");
    Ok(())
}
