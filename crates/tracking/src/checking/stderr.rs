//! Standard error without locks, buffers of the standard library, or allocation.

use core::fmt;

/// Collects a line or so, and writes it with `write(2)`.
pub(super) struct Stderr {
    text: [u8; 512],
    len: usize,
}

impl Stderr {
    pub(super) const fn new() -> Self {
        Self { text: [0; 512], len: 0 }
    }

    /// Writes what is collected. What cannot be written is lost.
    pub(super) fn flush(&mut self) {
        let mut rest = &self.text[..self.len];
        while !rest.is_empty() {
            match write(rest) {
                0 => break,
                written => rest = &rest[written..],
            }
        }
        self.len = 0;
    }
}

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len == self.text.len() {
                self.flush();
            }
            self.text[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// How many bytes were written: 0 if none could be.
#[cfg(unix)]
fn write(text: &[u8]) -> usize {
    // SAFETY: `text` has that many bytes.
    let written = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    usize::try_from(written).unwrap_or(0)
}

#[cfg(not(unix))]
fn write(text: &[u8]) -> usize {
    std::io::Write::write(&mut std::io::stderr(), text).unwrap_or(0)
}
