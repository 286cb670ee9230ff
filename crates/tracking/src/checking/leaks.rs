//! Leaks: blocks that are still live, grouped by where they were allocated.

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;

use super::engine::Engine;
use super::locks;
use super::site::Site;
use crate::grouped::Grouped;

/// The blocks that are live, in groups: of one site with backtraces, of one layout without.
///
/// Printed, it is the report: a line for each group that begins with `tracking: leak`, and the place, the
/// most bytes first.
#[derive(Clone, Debug, Default)]
pub struct Leaks {
    groups: Vec<Leak>,
}

/// Live blocks that were allocated at one place.
#[derive(Clone, Copy, Debug)]
pub struct Leak {
    /// How many there are.
    pub blocks: usize,
    /// How large they are together.
    pub bytes: usize,
    site: &'static Site,
}

impl Leaks {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups, the one with the most bytes first.
    pub fn iter(&self) -> impl Iterator<Item = &Leak> {
        self.groups.iter()
    }

    /// How many blocks there are in all groups.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.groups.iter().map(|leak| leak.blocks).sum()
    }

    /// How many bytes there are in all groups.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.groups.iter().map(|leak| leak.bytes).sum()
    }

    /// The live blocks of `engine` that were born at `since` or later, and before this call.
    pub(super) fn of(engine: &Engine, since: usize) -> Self {
        let births = since..engine.now();
        // Adding up allocates nothing, since it happens under locks. Sites are counted first, and
        // those that others add meanwhile are left out.
        let mut groups = Vec::with_capacity(Site::all().count());
        locks::with_groups(|| {
            for site in Site::all() {
                site.leaked_blocks.store(0, Relaxed);
                site.leaked_bytes.store(0, Relaxed);
            }
            engine.for_each_live(|record| {
                if births.contains(&record.birth) {
                    let site = record.allocated.site;
                    site.leaked_blocks.fetch_add(1, Relaxed);
                    site.leaked_bytes.fetch_add(record.layout().size(), Relaxed);
                }
            });
            for site in Site::all() {
                let (blocks, bytes) =
                    (site.leaked_blocks.load(Relaxed), site.leaked_bytes.load(Relaxed));
                if blocks > 0 && groups.len() < groups.capacity() {
                    groups.push(Leak { blocks, bytes, site });
                }
            }
        });
        groups.sort_unstable_by_key(|leak| core::cmp::Reverse((leak.bytes, leak.blocks)));
        Self { groups }
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.groups.iter().try_for_each(|leak| leak.fmt(f))
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, blocks) = (Grouped(self.bytes as u64), Grouped(self.blocks as u64));
        write!(f, "tracking: leak of {bytes} bytes in {blocks} blocks")?;
        match self.site.layout {
            Some(layout) => {
                writeln!(f, ", each of {} bytes (align {})", layout.size(), layout.align())
            }
            None => write!(f, "\n  allocated at\n{}", self.site),
        }
    }
}
