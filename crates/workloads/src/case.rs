//! A workload in the hands of one contender: all that a cell needs.

use std::fmt;

use strategy::{Checked, Role, Strategy, Unsupported};

use crate::{Description, Failure, Measure, Tally, Workload};

/// Who does a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    /// The name: kebab-case.
    pub name: &'static str,
    /// One sentence for the page.
    pub about: &'static str,
    /// The part that it plays in the comparison.
    pub role: Role,
}

impl Contender {
    /// A strategy as a contender.
    #[must_use]
    pub const fn of<S: Strategy>() -> Self {
        Self { name: S::NAME, about: S::ABOUT, role: S::ROLE }
    }
}

/// A workload in the hands of one contender.
///
/// Most cases are a [`Workload`] on a [`Strategy`] ([`Case::of`]). What is no allocator, such as a
/// slab with keys, does the same work in its own way ([`Case::new`]).
pub struct Case {
    /// What the work is.
    pub description: Description,
    /// As [`Workload::parameter`].
    pub parameter: String,
    /// Who does it.
    pub contender: Contender,
    /// Whether the contender can do it.
    pub support: Result<(), Unsupported>,
    /// The address space in bytes that the contender reserves without using it, beyond what its
    /// memory takes. A process's bound on memory has to leave that much more.
    pub reserves_bytes: u64,
    /// Is worked out when it is asked for: every process of a run has all cases, and needs one answer.
    answer: Box<dyn Fn() -> Tally>,
    run: Box<Run>,
    inspect: Option<Box<Run>>,
}

/// Sets up, hands the passes to a measure, and tears down, as [`Workload::run`].
type Run = dyn Fn(&mut Measure<'_>) -> Result<(), Failure>;

impl Case {
    /// A case that `run` does, as [`Workload::run`] would; `answer` is what one pass must return.
    pub fn new(
        description: Description,
        parameter: String,
        contender: Contender,
        answer: impl Fn() -> Tally + 'static,
        run: impl Fn(&mut Measure<'_>) -> Result<(), Failure> + 'static,
    ) -> Self {
        Self {
            description,
            parameter,
            contender,
            support: Ok(()),
            reserves_bytes: 0,
            answer: Box::new(answer),
            run: Box::new(run),
            inspect: None,
        }
    }

    /// The case of `workload` and the strategy `S`.
    pub fn of<W: Workload + Copy + 'static, S: Strategy + 'static>(workload: W) -> Self {
        let run =
            move |measure: &mut Measure<'_>| workload.run(&mut S::new(&workload.plan())?, measure);
        let inspect = move |measure: &mut Measure<'_>| {
            let mut checked = Checked::<S>::new(&workload.plan())?;
            let result = workload.run(&mut checked, measure);
            checked.violation().map_or(result, |violation| Err(Failure::Violation(violation)))
        };
        let contender = Contender::of::<S>();
        let case = Self::new(
            workload.description(),
            workload.parameter(),
            contender,
            move || workload.answer(),
            run,
        );
        let support = S::PROFILE.serves(&workload.plan());
        Self { support, inspect: Some(Box::new(inspect)), ..case }
    }

    /// What one pass must return.
    #[must_use]
    pub fn answer(&self) -> Tally {
        (self.answer)()
    }

    /// Sets up, hands the passes to `measure`, and tears down.
    ///
    /// # Errors
    ///
    /// The first [`Failure`] of a pass, of the set-up, or of `measure`.
    pub fn run(&self, measure: &mut Measure<'_>) -> Result<(), Failure> {
        (self.run)(measure)
    }

    /// As [`run`](Self::run), a strategy under a wrapper that checks every call of it. What it finds
    /// comes before a wrong answer that it explains. A contender that is no strategy has no wrapper, and is
    /// only run.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`Failure::Violation`].
    pub fn inspect(&self, measure: &mut Measure<'_>) -> Result<(), Failure> {
        self.inspect.as_ref().unwrap_or(&self.run)(measure)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("workload", &self.description.name)
            .field("contender", &self.contender.name)
            .field("parameter", &self.parameter)
            .finish_non_exhaustive()
    }
}
