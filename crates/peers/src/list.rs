//! Rows: the same work for several contenders.

use std::alloc::Layout;

use strategy::{Plan, Role, Strategy};
use strategy_system::{System, SystemAgain};
use workloads::{Case, Contender, Description, Failure, Measure, Stream, Tally, Workload};

use crate::Visitor;

/// System as a contender, for work that needs no strategy.
pub(crate) const SYSTEM: Contender = Contender::of::<System>();

/// System under its second name. What stands for it is System's code as a copy of its own, by
/// [`kept_apart`](strategy::kept_apart).
pub(crate) const SYSTEM_AGAIN: Contender = Contender::of::<SystemAgain>();

/// The least code, for work that needs no strategy.
pub(crate) const LIMIT: Contender = Contender::of::<strategy_limit::Mapped>();

/// What a contender of ours is.
pub(crate) const fn ours(name: &'static str, about: &'static str) -> Contender {
    Contender { name, about, role: Role::Ours, truth: None }
}

/// What a contender of the standard library is.
pub(crate) const fn standard(name: &'static str, about: &'static str) -> Contender {
    Contender { name, about, role: Role::Contender, truth: None }
}

/// What a contender of others is.
#[cfg(feature = "others")]
pub(crate) const fn other(name: &'static str, about: &'static str) -> Contender {
    Contender { name, about, role: Role::Contender, truth: None }
}

/// Makes a strategy for all sizes of a type that names a global allocator: its name, its role, and what
/// it is.
macro_rules! by_global {
    ($type:ident, $name:literal, $role:expr, $about:literal) => {
        impl strategy::Strategy for $type {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const PROFILE: strategy::Profile = strategy::Profile::GENERAL;
            const ROLE: strategy::Role = $role;
            type Handle<'a> = strategy::FromGlobal<Self>;

            fn new(_plan: &strategy::Plan) -> Result<Self, strategy::BuildError> {
                Ok(Self)
            }

            #[inline]
            fn handle(&self) -> strategy::FromGlobal<Self> {
                strategy::FromGlobal::new()
            }
        }
    };
}
pub(crate) use by_global;

/// A workload under a name of this family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<W>(pub(crate) &'static str, pub(crate) W);

impl<W: Workload> Workload for Named<W> {
    fn description(&self) -> Description {
        Description { name: self.0, ..self.1.description() }
    }

    fn parameter(&self) -> String {
        self.1.parameter()
    }

    fn plan(&self) -> Plan {
        self.1.plan()
    }

    fn answer(&self, stream: Stream) -> Tally {
        self.1.answer(stream)
    }

    fn run<S: Strategy>(
        &self,
        strategy: &mut S,
        stream: Stream,
        measure: &mut Measure<'_>,
    ) -> Result<(), Failure> {
        self.1.run(strategy, stream, measure)
    }
}

/// A row that is being made: work, and where its cases go.
pub(crate) struct Row<'v, 'f, W> {
    pub(crate) family: &'static str,
    pub(crate) work: W,
    pub(crate) visitor: &'v mut Visitor<'f>,
}

impl<W: Workload + Copy + 'static> Row<'_, '_, W> {
    /// Adds a strategy.
    pub(crate) fn strategy<S: Strategy + 'static>(&mut self) {
        (self.visitor)(self.family, Case::of::<W, S>(self.work));
    }

    /// Adds a contender that is no strategy and does the same in its own way.
    pub(crate) fn contender(
        &mut self,
        contender: Contender,
        run: impl Fn(Stream, &mut Measure<'_>) -> Result<(), Failure> + 'static,
    ) {
        let work = self.work;
        let case = Case::new(
            work.description(),
            work.parameter(),
            contender,
            move |stream| work.answer(stream),
            run,
        );
        (self.visitor)(self.family, case.planned(&work.plan()));
    }

    /// Adds the general-purpose allocators, System first: ratios are taken to it.
    pub(crate) fn general_purpose(&mut self) {
        self.strategy::<System>();
        #[cfg(feature = "others")]
        {
            self.strategy::<strategy_jemalloc::Jemalloc>();
            self.strategy::<strategy_mimalloc::Mimalloc>();
            (self.visitor)(
                self.family,
                crate::contenders::reserving(Case::of::<W, crate::contenders::Snmalloc>(self.work)),
            );
        }
    }

    /// Adds System under its second name, which tells the row's noise.
    pub(crate) fn again(&mut self) {
        self.strategy::<SystemAgain>();
    }
}

/// `size` bytes at `align`.
pub(crate) fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("the layouts of the workloads are small")
}
