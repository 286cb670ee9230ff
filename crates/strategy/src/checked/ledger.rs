//! The live blocks of a checked strategy, by address, and the first thing that was wrong.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::collections::BTreeMap;

use crate::AllocError;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The live blocks that have bytes, by address. No two of them overlap.
    live: BTreeMap<usize, Live>,
    /// How many blocks without bytes are live at an address: they may share one.
    empty: BTreeMap<usize, usize>,
    /// The first violation.
    pub(super) violation: Option<String>,
}

/// A live block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    /// The layout that was asked for.
    pub(super) asked: Layout,
    /// The bytes that were returned.
    pub(super) len: usize,
}

impl Ledger {
    /// Forgets all live blocks, as after a reset.
    pub(super) fn clear(&mut self) {
        self.live.clear();
        self.empty.clear();
    }

    /// Keeps the first violation, and refuses.
    pub(super) fn report(&mut self, seen: String) -> AllocError {
        self.violation.get_or_insert(seen);
        AllocError
    }

    /// Refuses once there has been a violation.
    pub(super) fn admit(&self) -> Result<(), AllocError> {
        if self.violation.is_some() { Err(AllocError) } else { Ok(()) }
    }

    /// Records a block that was just returned for `asked`, if nothing is wrong with it.
    pub(super) fn enter(&mut self, block: NonNull<[u8]>, asked: Layout) -> Result<(), AllocError> {
        self.admit()?;
        let (start, len) = (block.cast::<u8>().addr().get(), block.len());
        let (size, align) = (asked.size(), asked.align());
        if !start.is_multiple_of(align) {
            let seen =
                format!("returned {len} bytes at {start:#x}, not aligned to {align} as asked");
            return Err(self.report(seen));
        }
        if len < size {
            return Err(
                self.report(format!("returned {len} bytes at {start:#x}; {size} were asked"))
            );
        }
        if len == 0 {
            *self.empty.entry(start).or_insert(0) += 1;
            return Ok(());
        }
        let end = start.saturating_add(len);
        // Live blocks do not overlap, so the last one that starts before `end` ends last.
        if let Some((&other, live)) = self.live.range(..end).next_back()
            && other.saturating_add(live.len) > start
        {
            let seen = format!(
                "returned {len} bytes at {start:#x} which overlap the live block of {} bytes at {other:#x}",
                live.len
            );
            return Err(self.report(seen));
        }
        self.live.insert(start, Live { asked, len });
        Ok(())
    }

    /// Takes a block off the record that is freed or resized with `layout`: what is known about it.
    pub(super) fn leave(
        &mut self,
        pointer: NonNull<u8>,
        layout: Layout,
        what: &str,
    ) -> Result<Live, AllocError> {
        self.admit()?;
        let (start, size, align) = (pointer.addr().get(), layout.size(), layout.align());
        let with = format!("{what} a block at {start:#x} with {size} bytes aligned to {align}");
        if let Some(&live) = self.live.get(&start)
            && (size > 0 || live.asked.size() == 0)
        {
            let (asked, len) = (live.asked, live.len);
            if align != asked.align() || !(asked.size()..=len).contains(&size) {
                return Err(
                    self.report(format!("{with}; it was got with {asked:?}, {len} returned"))
                );
            }
            self.live.remove(&start);
            return Ok(live);
        }
        match self.empty.get_mut(&start) {
            Some(count) if size == 0 => {
                *count -= 1;
                if *count == 0 {
                    self.empty.remove(&start);
                }
                Ok(Live { asked: layout, len: 0 })
            }
            _ => Err(self.report(format!("{with}, which is not live"))),
        }
    }

    /// Puts a block back that [`leave`](Self::leave) took off: it was not resized after all.
    pub(super) fn stay(&mut self, pointer: NonNull<u8>, live: Live) {
        match live.len {
            0 => *self.empty.entry(pointer.addr().get()).or_insert(0) += 1,
            _ => drop(self.live.insert(pointer.addr().get(), live)),
        }
    }
}
