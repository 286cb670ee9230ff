//! What is printed: no panic if nobody reads it, and nothing that a terminal would obey by accident.

use std::env;
use std::io::{self, Write};

/// Prints to standard output. A reader that went away, as behind `head`, or a full device is no fault of a run.
/// Control characters, which may come from a cell that failed, are made visible.
pub(crate) fn say(text: &str) {
    pass_on(report::printable(text).as_bytes());
}

/// Prints a line to standard error, as [`say`] does.
pub(crate) fn complain(line: &str) {
    let line = format!("{}\n", report::printable(line));
    let _nobody_listens = io::stderr().write_all(line.as_bytes());
}

/// Prints to standard output what is meant for it byte by byte.
pub(crate) fn pass_on(bytes: &[u8]) {
    let mut output = io::stdout().lock();
    let _nobody_listens = output.write_all(bytes).and_then(|()| output.flush());
}

/// Whether colours and moving bars may be printed to a stream that is a terminal or not.
///
/// Sources: <https://no-color.org> for `NO_COLOR`, terminfo for the terminal named `dumb`.
pub(crate) fn takes_escapes(is_terminal: bool) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    is_terminal && !is_set("NO_COLOR") && env::var_os("TERM").is_some_and(|term| term != "dumb")
}
