//! A count that overflows ends the process, in a process of its own.
//!
//! The bug is that of crates whose count wraps around after 2^63 clones were leaked with
//! `mem::forget`: it comes to zero, and the next drop frees what others use. A test does not live
//! to leak so many, so it sets the count to what it would be then.
#![cfg(all(unix, not(loom)))]

use std::env;
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::process::{Command, Stdio};

use super::*;
use crate::shared::LocalCount;

/// Set for the child.
const CHILD: &str = "BUFFERS_OVERFLOW";

/// What `abort` ends a process with.
const SIGABRT: i32 = 6;

const MOST: usize = isize::MAX as usize;

/// Runs the test of this name once more in a process of its own, which goes through `leak` and is
/// to abort in it.
fn aborts(test: &str, leak: fn()) {
    if env::var_os(CHILD).is_some() {
        // A panic that somebody catches would be no end.
        let _ = catch_unwind(leak);
        return;
    }
    let child = Command::new(env::current_exe().unwrap())
        .args([&format!("{}::{test}", module_path!().split_once("::").unwrap().1), "--exact"])
        .env(CHILD, "1")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert_eq!(child.unwrap().signal(), Some(SIGABRT));
}

/// A buffer of which so many clones were leaked that it has `owners`.
fn leaked<C: Count>(owners: usize) -> CountedBuffer<C> {
    let buffer = CountedBuffer::<C>::from(b"contents");
    buffer.count().unwrap().forge(owners);
    buffer
}

#[test]
fn an_atomic_count_aborts_rather_than_overflow() {
    aborts("an_atomic_count_aborts_rather_than_overflow", || {
        mem::forget(leaked::<AtomicCount>(MOST + 1).clone());
    });
}

#[test]
fn a_local_count_aborts_rather_than_overflow() {
    aborts("a_local_count_aborts_rather_than_overflow", || {
        mem::forget(leaked::<LocalCount>(MOST + 1).clone());
    });
}

#[test]
fn a_slice_aborts_as_well() {
    aborts("a_slice_aborts_as_well", || {
        mem::forget(leaked::<AtomicCount>(MOST + 1).slice(1..2));
    });
}

/// As many owners as a count can have are counted.
#[test]
fn the_greatest_count_is_reached_and_left_again() {
    fn reach<C: Count>() {
        let buffer = leaked::<C>(MOST - 1);
        drop(buffer.clone());
        drop(buffer.slice(2..));
        assert!(!buffer.is_unique());
        // Now the leaked ones are gone.
        buffer.count().unwrap().forge(1);
        assert!(buffer.is_unique());
    }
    reach::<AtomicCount>();
    reach::<LocalCount>();
}
