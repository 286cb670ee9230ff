#![doc = include_str!("../README.md")]

use strategy::{BuildError, FromGlobal, Plan, Profile, StaticGlobal, Strategy};

/// jemalloc, with the settings that `tikv-jemallocator` builds it with.
///
/// It has no state of its own: all values serve the one heap of the process.
#[derive(Debug)]
pub struct Jemalloc;

impl StaticGlobal for Jemalloc {
    type Global = tikv_jemallocator::Jemalloc;
    const GLOBAL: &'static tikv_jemallocator::Jemalloc = &tikv_jemallocator::Jemalloc;
}

impl Strategy for Jemalloc {
    const NAME: &'static str = "jemalloc";
    const ABOUT: &'static str = "size classes in slabs, a cache of free blocks for each thread";
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

    use strategy::{Allocator, Block, Plan, Strategy};

    use super::Jemalloc;

    #[test]
    fn a_block_keeps_its_stamp() {
        let jemalloc = Jemalloc::new(&Plan::default()).unwrap();
        let layout = Layout::from_size_align(100, 4096).unwrap();
        let block = Block::new(&jemalloc, layout, 7).unwrap();
        assert_eq!(block.stamp(), 7);
    }

    #[test]
    fn it_is_not_the_c_library_under_another_name() {
        // 100 bytes are a block of 112 in jemalloc's size classes and of 120 in glibc's malloc.
        let layout = Layout::from_size_align(100, 8).unwrap();
        let handle = Jemalloc.handle();
        let pointer = handle.allocate(layout).unwrap().cast::<u8>();
        // SAFETY: `pointer` came from jemalloc in the line above and is freed below.
        let usable = unsafe { tikv_jemallocator::usable_size(pointer.as_ptr()) };
        // SAFETY: got from `handle` with `layout` above, not freed before.
        unsafe { handle.deallocate(pointer, layout) };
        assert_eq!(usable, 112);
    }
}
