//! The chain of chunks: which one is carved from, and which are given back.

use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use strategy::memcheck;

use crate::Bump;
use crate::arithmetic::CHUNK_ALIGN;
use crate::chunk::{FOOTER, Footer};

impl<A: Allocator> Bump<A> {
    /// Goes on in a chunk of which all is free: puts it in front of the chain if it is not there,
    /// and the cursor to its upper end.
    ///
    /// `footer` is that of a chunk of this arena.
    pub(crate) fn make_newest(&self, footer: NonNull<Footer>) {
        self.used_in_older.set(self.used_bytes());
        // SAFETY: the footer of a chunk of this arena is initialized and not given back.
        let chunk = unsafe { footer.as_ref() };
        debug_assert!(chunk.start.addr().get().is_multiple_of(CHUNK_ALIGN));
        debug_assert_eq!(
            footer.addr().get() - chunk.start.addr().get(),
            chunk.layout.size() - FOOTER
        );
        self.newest.set(Some(footer));
        self.chunk_start.set(chunk.start.addr().get());
        self.top.set(footer.addr().get());
        self.cursor.set(footer.cast());
        memcheck::unused(chunk.start, chunk.layout.size() - FOOTER);
    }

    /// Gives back the chunks of a scope's arena, of which nothing is used any more, but the
    /// largest, which becomes the newest of `outer` if it is larger than that.
    #[cold]
    pub(crate) fn leave_the_largest_to(&mut self, outer: &Self) {
        self.keep_the_largest();
        if self.newest_bytes() > outer.newest_bytes()
            && let Some(footer) = self.newest.take()
        {
            // SAFETY: the footer was of the chain until now, so it is initialized and not given
            // back.
            unsafe { footer.as_ref() }.older.set(outer.newest.get());
            outer.make_newest(footer);
        }
    }

    /// Gives back all chunks but the largest (of equally large ones the newest), of which all is free
    /// then.
    #[cold]
    pub(crate) fn keep_the_largest(&mut self) {
        let Some(newest) = self.newest.get() else { return };
        // The largest chunk, and the one that leads to it.
        let (mut largest, mut newer_than_largest) = (newest, None);
        let mut largest_bytes = 0;
        let (mut next, mut newer) = (Some(newest), None);
        while let Some(footer) = next {
            // SAFETY: a footer of the chain is initialized, and no chunk is given back in this
            // loop.
            let chunk = unsafe { footer.as_ref() };
            if chunk.layout.size() > largest_bytes {
                (largest, largest_bytes) = (footer, chunk.layout.size());
                newer_than_largest = newer;
            }
            (next, newer) = (chunk.older.get(), Some(footer));
        }
        // The arena lets go of the others before the first of them is given back: a backing
        // allocator that panics then leaves chunks that are lost, but none in the chain that is gone.
        // SAFETY: `largest` is a footer of the chain, so it is initialized and not given back.
        let older = unsafe { largest.as_ref() }.older.take();
        let others = match newer_than_largest {
            Some(newer) => {
                // SAFETY: as above.
                unsafe { newer.as_ref() }.older.set(older);
                Some(newest)
            }
            None => older,
        };
        self.make_newest(largest);
        self.used_in_older.set(0);
        // SAFETY: `others` is the chain without `largest`, and the arena has let go of it.
        unsafe { self.give_back(others) };
    }

    /// Gives back the chunks of `chain`.
    ///
    /// # Safety
    ///
    /// They are chunks of this arena, which nothing uses from now on, and are not in its chain any
    /// more.
    pub(crate) unsafe fn give_back(&mut self, chain: Option<NonNull<Footer>>) {
        let mut next = chain;
        while let Some(footer) = next {
            // SAFETY: a footer of the chain is initialized, and this one is not given back yet.
            next = unsafe { footer.as_ref() }.older.get();
            // SAFETY: every chunk came from the source (the invariant of `newest`), and is not
            // used from now on (the caller's duty; `next` is read already).
            unsafe { self.source().give_back(footer) };
        }
    }
}
