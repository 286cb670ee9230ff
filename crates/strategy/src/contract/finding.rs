//! What the suite reports: the lines of the contract, and a line that was broken.

use std::error::Error;
use std::fmt;

/// One line of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the contract.
    pub number: usize,
    /// Its name: that of the function that tests it.
    pub name: &'static str,
    /// What it promises.
    pub sentence: &'static str,
    /// Whom it binds.
    pub binds: Binds,
}

/// Whom a line of the contract binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binds {
    /// Every strategy.
    All,
    /// Strategies that several threads may use at once.
    Shared,
    /// Strategies that take their memory from a backing allocator which the suite can supply.
    Backed,
    /// What is installed as a program's `#[global_allocator]`.
    Global,
}

/// A line of the contract that a strategy broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line.
    pub line: &'static Line,
    /// The name of the strategy.
    pub strategy: &'static str,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, strategy, seen } = self;
        write!(f, "contract line {} ({}), {strategy}: {seen}", line.number, line.sentence)
    }
}

impl Error for Finding {}

/// A broken line before it is known whose: the number of the line, and what was seen.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) line: usize,
    pub(super) seen: String,
}

impl Violation {
    pub(super) fn new(line: usize, seen: impl Into<String>) -> Self {
        Self { line, seen: seen.into() }
    }

    /// With where it was seen, in brackets.
    pub(super) fn at(self, place: impl fmt::Display) -> Self {
        Self { seen: format!("{} [{place}]", self.seen), ..self }
    }

    /// As a breach of `line`, if it is one of `lines`: for a test in which these follow from that.
    pub(super) fn means(self, line: usize, lines: &[usize]) -> Self {
        if lines.contains(&self.line) { Self { line, ..self } } else { self }
    }
}

/// Nothing, or the first violation.
pub(super) type Outcome<T = ()> = Result<T, Violation>;

/// Returns from the function with a violation of a line unless a condition holds.
macro_rules! hold {
    ($line:expr, $condition:expr, $($seen:tt)+) => {
        if !$condition {
            return Err($crate::contract::finding::Violation::new($line, format!($($seen)+)));
        }
    };
}
pub(super) use hold;
