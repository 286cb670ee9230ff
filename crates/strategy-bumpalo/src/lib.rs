#![doc = include_str!("../README.md")]

use bumpalo::Bump;
use strategy::{
    BuildError, Frees, Plan, Profile, Reset, Sizes, Stats, Strategy, Threads, Unsupported,
};

/// The bumpalo arena, empty at first, as `Bump::new()` makes it.
#[derive(Debug, Default)]
pub struct Bumpalo {
    arena: Bump,
}

impl Strategy for Bumpalo {
    const NAME: &'static str = "bumpalo";
    const ABOUT: &'static str = "a bump arena: a cursor moves down a chunk, all is freed at once";
    const PROFILE: Profile = Profile {
        sizes: Sizes::Any,
        max_align: Profile::ANY_ALIGN,
        frees: Frees::Together,
        // It keeps the newest, which is the largest unless a larger one came before: where the
        // system refused a larger one, bumpalo takes a smaller one.
        reset: Reset::KeepsLargestChunk,
        threads: Threads::Owner,
    };
    type Handle<'a> = &'a Bump;

    fn new(plan: &Plan) -> Result<Self, BuildError> {
        Self::PROFILE.serves(plan)?;
        Ok(Self::default())
    }

    #[inline]
    fn handle(&self) -> &Bump {
        &self.arena
    }

    #[inline]
    fn reset(&mut self) -> Result<(), Unsupported> {
        self.arena.reset();
        Ok(())
    }

    fn stats(&self) -> Option<Stats> {
        // SAFETY: nothing allocates while the iterator lives, and the bytes are not read.
        let chunks = unsafe { self.arena.iter_allocated_chunks_raw() };
        Some(Stats {
            reserved_bytes: self.arena.allocated_bytes_including_metadata(),
            live_bytes: chunks.map(|(_start, bytes)| bytes).sum(),
        })
    }
}

#[cfg(test)]
mod tests {
    use strategy::{Block, Fixed, Plan, Strategy};

    use super::Bumpalo;

    #[test]
    fn a_reset_makes_the_chunk_reusable_and_keeps_it() {
        let mut bumpalo = Bumpalo::new(&Plan::default().freed_together()).unwrap();
        for stamp in 0..8 {
            let block = Block::new(&bumpalo, Fixed::<32, 8>, stamp).unwrap();
            assert_eq!(block.stamp(), stamp);
            core::mem::forget(block);
        }
        let before = bumpalo.stats().unwrap();
        assert_eq!(before.live_bytes, 8 * 32);
        assert!(before.reserved_bytes > before.live_bytes);

        bumpalo.reset().unwrap();
        let after = bumpalo.stats().unwrap();
        assert_eq!(after.live_bytes, 0);
        assert_eq!(after.reserved_bytes, before.reserved_bytes, "one chunk, and it is kept");
    }
}
