//! Values that are counted, and calls that stop on command.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// Counts values and calls.
#[derive(Debug, Default)]
pub struct Census {
    made: Cell<usize>,
    alive: RefCell<BTreeSet<usize>>,
    dropped_twice: Cell<bool>,
    calls: Cell<usize>,
    stop: Cell<Stop>,
}

/// What happens in which call, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    #[default]
    Never,
    Panic(usize),
    Error(usize),
}

/// The error of a call that is told to fail.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped;

impl Census {
    pub fn stopping(stop: Stop) -> Self {
        Self { stop: Cell::new(stop), ..Self::default() }
    }

    /// The values that are not dropped. A value that was dropped twice is a panic.
    pub fn alive(&self) -> usize {
        assert!(!self.dropped_twice.get(), "a value was dropped twice");
        self.alive.borrow().len()
    }

    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    /// A call, which may have to stop.
    pub fn call(&self) -> Result<(), Stopped> {
        self.calls.set(self.calls.get() + 1);
        match self.stop.get() {
            Stop::Panic(call) if call == self.calls.get() => panic!("told to"),
            Stop::Error(call) if call == self.calls.get() => Err(Stopped),
            _ => Ok(()),
        }
    }

    pub fn value(&self, number: usize) -> Value<'_> {
        let id = self.made.get();
        self.made.set(id + 1);
        self.alive.borrow_mut().insert(id);
        Value { number, id, census: self }
    }
}

/// A value that is counted. Cloning it is a call.
#[derive(Debug)]
pub struct Value<'c> {
    pub number: usize,
    id: usize,
    census: &'c Census,
}

impl Clone for Value<'_> {
    fn clone(&self) -> Self {
        self.census.call().expect("a clone returns no error");
        self.census.value(self.number)
    }
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        if !self.census.alive.borrow_mut().remove(&self.id) {
            self.census.dropped_twice.set(true);
        }
    }
}

/// An iterator over `0..available`; asking it for a value is a call. What it says of its length
/// is wrong.
pub struct Items<'c> {
    pub census: &'c Census,
    pub next: usize,
    pub available: usize,
    pub said: usize,
}

impl<'c> Iterator for Items<'c> {
    type Item = Value<'c>;

    fn next(&mut self) -> Option<Value<'c>> {
        self.census.call().expect("an iterator returns no error");
        if self.next == self.available {
            return None;
        }
        self.next += 1;
        Some(self.census.value(self.next - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.said, Some(self.said))
    }
}
