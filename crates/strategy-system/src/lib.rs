//! The C library's malloc (`std::alloc::System`) as a strategy, and the controls that are
//! made of it: the same under a second name, and the same in a process of one thread.

use strategy::{BuildError, FromGlobal, Plan, Profile, Role, StaticGlobal, Strategy};

/// The C library's malloc: what every ratio is taken to.
#[derive(Debug)]
pub struct System;

/// [`System`] under a second name: what it differs from the first by is noise.
#[derive(Debug)]
pub struct SystemAgain;

/// [`System`] in a process that never had a second thread, where glibc skips its locks.
#[derive(Debug)]
pub struct SystemSingleThread;

impl StaticGlobal for System {
    type Global = std::alloc::System;
    const GLOBAL: &'static std::alloc::System = &std::alloc::System;
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

impl Strategy for SystemAgain {
    const NAME: &'static str = "system-again";
    const ABOUT: &'static str = "system under a second name: its distance from system is the noise";
    const PROFILE: Profile = Profile::GENERAL;
    const ROLE: Role = Role::SameAgain;
    type Handle<'a> = FromGlobal<System>;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    #[inline]
    fn handle(&self) -> FromGlobal<System> {
        FromGlobal::new()
    }
}

impl Strategy for SystemSingleThread {
    const NAME: &'static str = "system-single-thread";
    const ABOUT: &'static str = "system in a process that never had a second thread";
    const PROFILE: Profile = Profile::GENERAL;
    const ROLE: Role = Role::SingleThread;
    type Handle<'a> = FromGlobal<System>;

    fn new(_plan: &Plan) -> Result<Self, BuildError> {
        Ok(Self)
    }

    #[inline]
    fn handle(&self) -> FromGlobal<System> {
        FromGlobal::new()
    }
}
