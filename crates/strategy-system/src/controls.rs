//! The controls: the C library's malloc again, to show what a difference of nothing looks like.

use strategy::{BuildError, FromGlobal, Plan, Profile, Role, Strategy};

use crate::System;

/// [`System`] under a second name: what it differs from the first by is noise.
#[derive(Debug)]
pub struct SystemAgain;

/// [`System`] in a process that never had a second thread, where glibc skips its locks.
///
/// The code is the same. The harness runs it in such a process because of its role.
#[derive(Debug)]
pub struct SystemSingleThread;

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
