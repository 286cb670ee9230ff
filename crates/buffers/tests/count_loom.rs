//! Loom explores every order in which owners of a shared buffer are added and dropped on two or
//! three threads, and what a weaker memory model than this machine's makes of it.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p buffers --release --test count_loom
//! ```
//!
//! The contents have a cell of loom's beside them: reading them reads it, writing and freeing them
//! writes it, and two uses that nothing orders are a failure. A block that is not freed is one too.
#![cfg(loom)]

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::Arc;

use allocator_api2::alloc::{AllocError, Allocator};
use buffers::{SharedBuffer, UniqueBuffer};
use loom::cell::UnsafeCell;
use loom::thread;
use strategy::contract::Probe;

/// What loom knows about the contents of a buffer. The `Arc` is not loom's, so it orders nothing
/// there.
#[derive(Clone, Default)]
struct Contents(Arc<UnsafeCell<()>>);

// SAFETY: loom checks every use of the cell.
unsafe impl Send for Contents {}

impl Contents {
    fn read(&self) {
        self.0.with(|_| ());
    }

    fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

/// A backing allocator that says to loom when it is given the block back.
#[derive(Clone, Default)]
struct Watched {
    probe: Probe,
    contents: Contents,
}

// SAFETY: every call is the probe's.
unsafe impl Allocator for Watched {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.probe.allocate(layout)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        self.contents.write();
        // SAFETY: the caller's duties are the same.
        unsafe { self.probe.deallocate(block, layout) };
    }
}

/// Runs `scene` in every order, with a buffer whose block has to be freed when it is over.
fn explore(scene: fn(SharedBuffer<Watched>, &Contents)) {
    loom::model(move || {
        let watched = Watched::default();
        let buffer = SharedBuffer::copied_in(b"contents", watched.clone());
        scene(buffer, &watched.contents);
        assert_eq!((watched.probe.blocks_out(), watched.probe.fault()), (0, None));
    });
}

/// Reads an owner's contents and drops it, on a thread of its own.
fn read_and_drop(owner: SharedBuffer<Watched>, contents: &Contents) -> thread::JoinHandle<()> {
    let contents = contents.clone();
    thread::spawn(move || {
        assert_eq!(owner, b"contents"[8 - owner.len()..]);
        contents.read();
        drop(owner);
    })
}

fn join<const THREADS: usize>(threads: [thread::JoinHandle<()>; THREADS]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn the_last_of_three_owners_frees_when_all_have_read() {
    explore(|buffer, contents| {
        let threads = [buffer.clone(), buffer.slice(3..)].map(|it| read_and_drop(it, contents));
        contents.read();
        drop(buffer);
        join(threads);
    });
}

#[test]
fn owners_are_added_while_others_are_dropped() {
    explore(|buffer, contents| {
        let other = buffer.clone();
        let (again, seen) = (contents.clone(), contents.clone());
        let cloning = thread::spawn(move || {
            let clone = other.clone();
            drop(other);
            again.read();
            drop(clone.slice(1..));
            again.read();
            drop(clone);
        });
        let clone = buffer.clone();
        drop(buffer);
        seen.read();
        drop(clone);
        join([cloning]);
    });
}

#[test]
fn two_threads_clone_one_owner_that_they_borrow() {
    explore(|buffer, contents| {
        // Not loom's, so that the count of the buffer is all that orders; loom's threads have no
        // scope.
        let shared = Arc::new(buffer);
        let threads = [(); 2].map(|()| {
            let (shared, contents) = (Arc::clone(&shared), contents.clone());
            thread::spawn(move || {
                let own = SharedBuffer::clone(&shared);
                contents.read();
                drop(own);
            })
        });
        join(threads);
        assert!(shared.is_unique());
    });
}

#[test]
fn the_only_owner_writes_when_the_others_have_read() {
    explore(|mut buffer, contents| {
        let thread = read_and_drop(buffer.clone(), contents);
        if let Some(bytes) = buffer.get_mut() {
            contents.write();
            bytes.fill(0);
        }
        join([thread]);
        assert!(buffer.get_mut().is_some());
    });
}

#[test]
fn the_only_owner_becomes_unique_when_the_others_have_read() {
    explore(|buffer, contents| {
        let thread = read_and_drop(buffer.slice(2..), contents);
        let buffer = match buffer.try_into_unique() {
            Ok(mut unique) => {
                contents.write();
                unique.fill(0);
                unique.freeze()
            }
            Err(shared) => shared,
        };
        join([thread]);
        assert!(buffer.is_unique());
    });
}

#[test]
fn of_two_that_try_to_become_unique_at_most_one_does_and_one_frees() {
    explore(|buffer, contents| {
        let attempt = |owner: SharedBuffer<Watched>, contents: Contents| {
            if let Ok(unique) = owner.try_into_unique() {
                contents.write();
                drop(unique);
            }
        };
        let (other, seen) = (buffer.clone(), contents.clone());
        let thread = thread::spawn(move || attempt(other, seen));
        attempt(buffer, contents.clone());
        join([thread]);
    });
}

#[test]
fn what_was_frozen_is_thawed_and_frozen_again_from_thread_to_thread() {
    explore(|buffer, contents| {
        let mut unique: UniqueBuffer<_> = buffer.try_into_unique().unwrap();
        contents.write();
        unique.copy_from_slice(b"CONTENTS");
        let (frozen, seen) = (unique.freeze(), contents.clone());
        let thread = {
            let frozen = frozen.clone();
            thread::spawn(move || {
                seen.read();
                assert_eq!(frozen, b"CONTENTS");
                frozen.try_into_unique().map(UniqueBuffer::freeze)
            })
        };
        contents.read();
        drop(frozen);
        // It could become unique or not; it is the last owner by now.
        let (Ok(last) | Err(last)) = thread.join().unwrap();
        contents.write();
        assert!(last.is_unique());
    });
}
