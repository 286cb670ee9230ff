#![doc = include_str!("../README.md")]

mod controls;

use controls::SYSTEM;
pub use controls::{Copied, SystemAgain, SystemCopy, SystemSingleThread};

use strategy::{BuildError, FromGlobal, Plan, Profile, Role, StaticGlobal, Strategy};

/// The C library's malloc: what every ratio is taken to.
#[derive(Debug)]
pub struct System;

impl StaticGlobal for System {
    type Global = Copied<SYSTEM>;
    const GLOBAL: &'static Self::Global = &Copied;
}

impl Strategy for System {
    const NAME: &'static str = "system";
    const ABOUT: &'static str = "the C library's malloc";
    const PROFILE: Profile = Profile::GENERAL;
    const ROLE: Role = Role::Reference;
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

    use super::{System, SystemAgain, SystemCopy, SystemSingleThread};

    fn keeps_its_stamp<S: Strategy>() {
        let strategy = S::new(&Plan::default()).unwrap();
        let layout = Layout::from_size_align(100, 4096).unwrap();
        let block = Block::new(&strategy, layout, 7).unwrap();
        assert_eq!(block.stamp(), 7, "{}", S::NAME);
    }

    #[test]
    fn a_block_keeps_its_stamp() {
        keeps_its_stamp::<System>();
        keeps_its_stamp::<SystemAgain>();
        keeps_its_stamp::<SystemSingleThread>();
        keeps_its_stamp::<SystemCopy<0>>();
    }
}
