//! Sites: where blocks were allocated, freed, or found to be damaged.
//!
//! A site is a stack of return addresses. Each distinct one is kept once, for the life of the process, in
//! memory of the C library, and found again by its hash. Addresses become names only when a
//! report is written.

use core::alloc::Layout;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use allocator_api2::alloc::System;
use allocator_api2::boxed::Box;

use crate::thread::{self, Task};

/// The most frames that are kept of a stack, from its innermost one.
const FRAMES: usize = 32;

/// The lists that sites are spread over.
const LISTS: usize = 1024;

/// All sites. Each pointer here and in `Site::next` is null or a site, which is never freed.
static SITES: [AtomicPtr<Site>; LISTS] = [const { AtomicPtr::new(ptr::null_mut()) }; LISTS];

/// A place in a program.
///
/// With backtraces it is a stack, without it stands for all blocks of one layout.
#[derive(Debug)]
pub(super) struct Site {
    stack: Stack,
    /// The layout, where there is no stack.
    pub(super) layout: Option<Layout>,
    /// For those that group leaks, under their lock.
    pub(super) leaked_blocks: AtomicUsize,
    pub(super) leaked_bytes: AtomicUsize,
    next: AtomicPtr<Self>,
}

/// Return addresses, the innermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stack {
    frames: [usize; FRAMES],
    len: usize,
}

/// A place that nothing is known about.
static UNKNOWN: Site = Site::new(Stack::EMPTY, None);

impl Site {
    const fn new(stack: Stack, layout: Option<Layout>) -> Self {
        Self {
            stack,
            layout,
            leaked_blocks: AtomicUsize::new(0),
            leaked_bytes: AtomicUsize::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The place that this function is called from, on behalf of a block of `layout`.
    ///
    /// While this thread writes a report it has no stack: that is where names are looked up, which
    /// allocates.
    pub(super) fn here(backtraces: bool, layout: Layout) -> &'static Self {
        let stack = match backtraces && !thread::is_busy(Task::Report) {
            true => Stack::here(),
            false => Stack::EMPTY,
        };
        let layout = (stack.len == 0).then_some(layout);
        find_or_add(stack, layout).unwrap_or(&UNKNOWN)
    }

    /// All sites, the unknown one included.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        SITES.iter().flat_map(of_list).chain([&UNKNOWN])
    }
}

/// The stack with names, a line for each frame and one for its place; a line that says so if there
/// is none.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stack.fmt(f)
    }
}

fn of_list(list: &AtomicPtr<Site>) -> impl Iterator<Item = &'static Site> {
    let load = |site: &AtomicPtr<Site>| {
        // SAFETY: null, or a site, which is never freed and only shared (the invariant of `SITES`).
        // Acquire, so that its fields are seen.
        unsafe { site.load(Ordering::Acquire).as_ref() }
    };
    core::iter::successors(load(list), move |site: &&Site| load(&site.next))
}

/// The site of a stack and a layout, a new one if need be: nothing if there is no memory for it.
fn find_or_add(stack: Stack, layout: Option<Layout>) -> Option<&'static Site> {
    let list = &SITES[stack.hash(layout) % LISTS];
    let mut first = list.load(Ordering::Relaxed);
    let find = || of_list(list).find(|site| site.stack == stack && site.layout == layout);
    if let Some(site) = find() {
        return Some(site);
    }
    let site: &'static Site = Box::leak(Box::try_new_in(Site::new(stack, layout), System).ok()?);
    loop {
        site.next.store(first, Ordering::Relaxed);
        let new = ptr::from_ref(site).cast_mut();
        // Release: who finds the site sees its fields, and those of all before it. Two threads may add
        // the same site at once; then there are two of it, and leaks are grouped less well.
        match list.compare_exchange(first, new, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return Some(site),
            Err(now) => first = now,
        }
    }
}

impl Stack {
    const EMPTY: Self = Self { frames: [0; FRAMES], len: 0 };

    /// FNV-1a, by words (Fowler, Noll, Vo; <http://www.isthe.com/chongo/tech/comp/fnv>).
    fn hash(&self, layout: Option<Layout>) -> usize {
        let layout = layout.map_or([0; 2], |layout| [layout.size(), layout.align()]);
        let words = self.frames[..self.len].iter().chain(&layout);
        let hash = words.fold(0xcbf2_9ce4_8422_2325_u64, |hash, word| {
            (hash ^ *word as u64).wrapping_mul(0x0100_0000_01b3)
        });
        (hash ^ hash >> 32) as usize
    }

    #[cfg(feature = "backtrace")]
    fn here() -> Self {
        let mut stack = Self::EMPTY;
        let frame = |frame: &backtrace::Frame| {
            stack.frames[stack.len] = frame.ip().addr();
            stack.len += 1;
            stack.len < FRAMES
        };
        // SAFETY: what is not synchronized is the debugger's interface of Windows, and there a lock is
        // taken. The unwinders of other systems may be used by several threads at once.
        #[cfg(not(windows))]
        unsafe {
            backtrace::trace_unsynchronized(frame);
        };
        #[cfg(windows)]
        backtrace::trace(frame);
        stack
    }

    #[cfg(not(feature = "backtrace"))]
    fn here() -> Self {
        Self::EMPTY
    }
}

#[cfg(feature = "backtrace")]
impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len == 0 {
            return f.write_str("      (no backtrace: see Checking::with_backtraces)\n");
        }
        let mut shown = 0;
        for frame in &self.frames[..self.len] {
            // Written when the names are looked up: `f` may look up some as well.
            let mut lines = String::new();
            let (mut named, mut last) = (false, false);
            look_up(*frame, |symbol| {
                named = true;
                let name = symbol.name();
                let starts_with =
                    |starts: &[&[u8]]| name.as_ref().is_some_and(|name| starts_with(name, starts));
                last |= starts_with(&OUTSIDE);
                let inside = shown == 0 && starts_with(&INSIDE);
                if !last && !inside {
                    let _ = line(&mut lines, shown, name, symbol.filename(), symbol.lineno());
                    shown += 1;
                }
            });
            f.write_str(&lines)?;
            if last {
                break;
            }
            if !named {
                writeln!(f, "  {shown:>3}: {frame:#x}")?;
                shown += 1;
            }
        }
        Ok(())
    }
}

/// Calls `each` with the functions that `frame` is in, unless this thread is looking up others: what is
/// found on the way, where memory is allocated, may be printed, and the cache of names knows
/// of one user at a time.
#[cfg(feature = "backtrace")]
fn look_up(frame: usize, each: impl FnMut(&backtrace::Symbol)) {
    if let Some(_busy) = thread::Busy::begin(Task::LookUp) {
        backtrace::resolve(ptr::without_provenance_mut(frame), each);
    }
}

#[cfg(feature = "backtrace")]
fn line(
    f: &mut impl fmt::Write,
    number: usize,
    name: Option<backtrace::SymbolName<'_>>,
    file: Option<&std::path::Path>,
    line: Option<u32>,
) -> fmt::Result {
    match name {
        // Without the hash that tells crates of one name apart.
        Some(name) => writeln!(f, "  {number:>3}: {name:#}")?,
        None => writeln!(f, "  {number:>3}: ?")?,
    }
    match (file, line) {
        (Some(file), Some(line)) => writeln!(f, "         at {}:{line}", file.display()),
        _ => Ok(()),
    }
}

/// Functions between a program and the inner allocator, which are left out at the inner end of a stack.
#[cfg(feature = "backtrace")]
const INSIDE: [&[u8]; 10] = [
    b"tracking::",
    b"backtrace::",
    b"alloc::",
    b"allocator_api2::",
    b"std::alloc::",
    b"core::",
    b"__rust",
    b"__rustc",
    b"__rg_",
    b"_Unwind",
];

/// Functions that call a program or a thread of it, where a stack ends.
#[cfg(feature = "backtrace")]
const OUTSIDE: [&[u8]; 2] = [b"std::sys::backtrace::__rust_begin_short", b"__libc_start"];

/// Whether a function's name starts with one of `starts`, from its first letter that is none of `<`, `&`
/// and space. It does not allocate.
#[cfg(feature = "backtrace")]
fn starts_with(name: &backtrace::SymbolName<'_>, starts: &[&[u8]]) -> bool {
    struct Start {
        text: [u8; 48],
        len: usize,
    }
    impl fmt::Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                if self.len < self.text.len() && !(self.len == 0 && b"<& ".contains(&byte)) {
                    self.text[self.len] = byte;
                    self.len += 1;
                }
            }
            Ok(())
        }
    }
    let mut start = Start { text: [0; 48], len: 0 };
    let _ = fmt::Write::write_fmt(&mut start, format_args!("{name:#}"));
    starts.iter().any(|expected| start.text.starts_with(expected))
}

#[cfg(not(feature = "backtrace"))]
impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("      (no backtrace: the feature `backtrace` is off)\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_site_is_one_of_all() {
        assert!(Site::all().any(|site| ptr::eq(site, &UNKNOWN)));
    }

    #[cfg(feature = "backtrace")]
    #[test]
    fn no_name_is_looked_up_while_one_is_or_while_lines_are_written() {
        use crate::thread::Busy;

        /// Demands of who writes that it may be interrupted by another report.
        struct Idle(String);
        impl fmt::Write for Idle {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                assert!(!thread::is_busy(Task::LookUp));
                self.0.push_str(text);
                Ok(())
            }
        }

        let site = Site::new(Stack::here(), None);
        let mut named = Idle(String::new());
        fmt::write(&mut named, format_args!("{site}")).unwrap();
        assert!(named.0.contains("         at "), "{}", named.0);
        let _busy = Busy::begin(Task::LookUp);
        let bare = site.to_string();
        assert_eq!(bare.lines().count(), site.stack.len, "{bare}");
        assert!(bare.lines().all(|line| line.contains(": 0x")), "{bare}");
    }
}
