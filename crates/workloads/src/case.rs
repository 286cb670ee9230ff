//! A workload in the hands of one contender: all that a cell needs.

use std::fmt;
use std::hint;
use std::time::Instant;

use strategy::{Block, Checked, Fixed, Plan, Role, Strategy, Unsupported};

use crate::{Description, Failure, Measure, Stream, Tally, Workload};

/// Who does a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contender {
    /// The name: kebab-case.
    pub name: &'static str,
    /// One sentence for the page.
    pub about: &'static str,
    /// The part that it plays in the comparison.
    pub role: Role,
    /// What its time is to that of the reference, where that is known without measuring: 1 for a copy of the
    /// reference. A harness is tried on these.
    pub truth: Option<f64>,
}

impl Contender {
    /// A strategy as a contender. The truth about the reference is known, and about its second name.
    #[must_use]
    pub const fn of<S: Strategy>() -> Self {
        let truth = match S::ROLE {
            Role::Reference | Role::SameAgain => Some(1.0),
            _ => None,
        };
        Self { name: S::NAME, about: S::ABOUT, role: S::ROLE, truth }
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
    /// The threads that do the work at the same time.
    pub threads: usize,
    /// The bytes that the work keeps alive, as its plan announces them: live blocks times the middle of
    /// their sizes, and at least the largest block. An estimate: it decides how long a contender's caches
    /// need to come back, and no figure.
    pub live_bytes: u64,
    /// Where in this process the code is that this case is told from others by: of a strategy a function
    /// that allocates, writes, reads and frees a block, of any other contender that which runs it. The
    /// compiler makes one function of two with the same instructions, so two strategies with one address
    /// are one piece of code under two names. It differs from one process to the next.
    pub code: usize,
    /// Is worked out when it is asked for: every process of a run has all cases, and needs one answer.
    answer: Box<dyn Fn(Stream) -> Tally>,
    run: Box<Run>,
    inspect: Option<Box<Run>>,
}

/// Sets up, hands the passes over a stream to a measure, and tears down, as [`Workload::run`].
type Run = dyn Fn(Stream, &mut Measure<'_>) -> Result<(), Failure>;

impl Case {
    /// A case that `run` does, as [`Workload::run`] would; `answer` is what one pass must return. It is
    /// work for one thread that keeps nothing alive, unless it is [planned](Self::planned).
    pub fn new(
        description: Description,
        parameter: String,
        contender: Contender,
        answer: impl Fn(Stream) -> Tally + 'static,
        run: impl Fn(Stream, &mut Measure<'_>) -> Result<(), Failure> + 'static,
    ) -> Self {
        Self {
            description,
            parameter,
            contender,
            support: Ok(()),
            reserves_bytes: 0,
            threads: 1,
            live_bytes: 0,
            code: code_of_run(&run),
            answer: Box::new(answer),
            run: Box::new(run),
            inspect: None,
        }
    }

    /// The case of `workload` and the strategy `S`.
    pub fn of<W: Workload + Copy + 'static, S: Strategy + 'static>(workload: W) -> Self {
        let plan = workload.plan();
        let run = move |stream: Stream, measure: &mut Measure<'_>| {
            workload.run(&mut S::new(&workload.plan())?, stream, measure)
        };
        let inspect = move |stream: Stream, measure: &mut Measure<'_>| {
            let mut checked = Checked::<S>::new(&workload.plan())?;
            let result = workload.run(&mut checked, stream, measure);
            checked.violation().map_or(result, |violation| Err(Failure::Violation(violation)))
        };
        let contender = Contender::of::<S>();
        let case = Self::new(
            workload.description(),
            workload.parameter(),
            contender,
            move |stream| workload.answer(stream),
            run,
        );
        let support = S::PROFILE.serves(&plan);
        Self { support, inspect: Some(Box::new(inspect)), ..case }.planned(&plan).told_by::<S>()
    }

    /// This case, with the [`code`](Self::code) of the strategy `S`, which does its work.
    #[must_use]
    pub fn told_by<S: Strategy>(self) -> Self {
        Self { code: used::<S> as *const () as usize, ..self }
    }

    /// This case, with the threads and the live bytes of `plan`.
    #[must_use]
    pub fn planned(self, plan: &Plan) -> Self {
        Self { threads: plan.threads, live_bytes: live_bytes(plan), ..self }
    }

    /// This case, of a contender that is known to take `truth` times as long as the reference.
    #[must_use]
    pub fn known(mut self, truth: f64) -> Self {
        self.contender.truth = Some(truth);
        self
    }

    /// The same work under another name, made slower by so many percent: whenever passes have run, as many at a
    /// time as were asked for, the processor is kept busy for that part of the time that they took. It is no
    /// control any more, and its truth, if it was known, is that much larger.
    ///
    /// The clock is read to tell that time, so that what is asked for has to take much longer than reading it.
    #[must_use]
    pub fn slowed(self, name: &'static str, about: &'static str, percent: u32) -> Self {
        let factor = 1.0 + f64::from(percent) / 100.0;
        let truth = self.contender.truth.map(|truth| truth * factor);
        let run = self.run;
        let slow = move |stream: Stream, measure: &mut Measure<'_>| {
            run(stream, &mut |passes| {
                measure(&mut |count| {
                    let start = Instant::now();
                    let tally = passes(count)?;
                    let end = start.elapsed().mul_f64(factor);
                    while start.elapsed() < end {
                        hint::spin_loop();
                    }
                    Ok(tally)
                })
            })
        };
        let contender = Contender { name, about, role: Role::Contender, truth };
        Self { contender, run: Box::new(slow), ..self }
    }

    /// What one pass over `stream` must return.
    #[must_use]
    pub fn answer(&self, stream: Stream) -> Tally {
        (self.answer)(stream)
    }

    /// Sets up, hands the passes over `stream` to `measure`, and tears down.
    ///
    /// # Errors
    ///
    /// The first [`Failure`] of a pass, of the set-up, or of `measure`.
    pub fn run(&self, stream: Stream, measure: &mut Measure<'_>) -> Result<(), Failure> {
        (self.run)(stream, measure)
    }

    /// As [`run`](Self::run), a strategy under a wrapper that checks every call of it. What it finds
    /// comes before a wrong answer that it explains. A contender that is no strategy has no wrapper, and is
    /// only run.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`Failure::Violation`].
    pub fn inspect(&self, stream: Stream, measure: &mut Measure<'_>) -> Result<(), Failure> {
        self.inspect.as_ref().unwrap_or(&self.run)(stream, measure)
    }
}

/// The bytes that work of this plan keeps alive, by [`Case::live_bytes`].
fn live_bytes(plan: &Plan) -> u64 {
    let middle = plan.min_size.midpoint(plan.max_size);
    plan.live_blocks.saturating_mul(middle).max(plan.max_size) as u64
}

/// Allocates, writes, reads and frees a block. It is not called: its address says whether the code of a
/// strategy is its own, since all that a workload does with the strategy is made of the same parts.
fn used<S: Strategy>(strategy: &S) -> Result<u64, Failure> {
    Ok(Block::new(strategy, Fixed::<64, 8>, 0)?.stamp())
}

/// The address of the code of `run`.
fn code_of_run<R>(_: &R) -> usize
where
    R: Fn(Stream, &mut Measure<'_>) -> Result<(), Failure>,
{
    /// Calls it: a function of its own for each type.
    fn call<R>(run: &R, stream: Stream, measure: &mut Measure<'_>) -> Result<(), Failure>
    where
        R: Fn(Stream, &mut Measure<'_>) -> Result<(), Failure>,
    {
        run(stream, measure)
    }
    call::<R> as *const () as usize
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
