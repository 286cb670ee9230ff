#![doc = include_str!("../README.md")]

use strategy::{BuildError, FromGlobal, Plan, Profile, StaticGlobal, Strategy};

/// mimalloc, with the settings that the crate `mimalloc` builds it with.
///
/// It has no state of its own: all values serve the one heap of the process.
#[derive(Debug)]
pub struct Mimalloc;

impl StaticGlobal for Mimalloc {
    type Global = mimalloc::MiMalloc;
    const GLOBAL: &'static mimalloc::MiMalloc = &mimalloc::MiMalloc;
}

impl Strategy for Mimalloc {
    const NAME: &'static str = "mimalloc";
    const ABOUT: &'static str = "a free list in each page of blocks, and heaps of one thread each";
    const PROFILE: Profile = Profile::GENERAL;
    type Handle<'a> = FromGlobal<Self>;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    #[inline]
    fn handle(&self) -> FromGlobal<Self> {
        FromGlobal::new()
    }
}

#[cfg(test)]
mod tests {
    use core::alloc::Layout;

    use strategy::{Block, Plan, Strategy};

    use super::Mimalloc;

    #[test]
    fn a_block_keeps_its_stamp() {
        let mimalloc = Mimalloc::new(&Plan::default()).unwrap();
        let layout = Layout::from_size_align(100, 4096).unwrap();
        let block = Block::new(&mimalloc, layout, 7).unwrap();
        assert_eq!(block.stamp(), 7);
    }
}
