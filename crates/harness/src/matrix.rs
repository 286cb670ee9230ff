//! The cells of a comparison: every workload and parameter with every strategy.

use report::record::{StrategyInfo, WorkloadInfo};
use strategy::{Checked, Role, Strategy, Unsupported};
use workloads::{Failure, Measure, Passes, Tally, Workload};

/// All cells, a row for each workload and parameter.
#[derive(Debug, Default)]
pub struct Matrix {
    pub(crate) workloads: Vec<WorkloadInfo>,
    pub(crate) strategies: Vec<StrategyInfo>,
    pub(crate) rows: Vec<Row>,
}

/// One workload with one parameter.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: &'static str,
    pub(crate) parameter: String,
    pub(crate) cells: Vec<Cell>,
}

/// Builds a strategy and runs a workload on it.
type Run = dyn Fn(&mut Measure<'_>) -> Result<(), Failure>;

/// One workload, parameter and strategy.
pub(crate) struct Cell {
    pub(crate) id: String,
    pub(crate) strategy: &'static str,
    pub(crate) role: Role,
    /// Whether the strategy's profile covers what the workload demands.
    pub(crate) support: Result<(), Unsupported>,
    /// What one pass must return.
    pub(crate) answer: Tally,
    run: Box<Run>,
    inspect: Box<dyn Fn() -> Result<(), Failure>>,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Matrix {
    /// Adds the cell of `workload` and the strategy `S` to the workload's row. Workloads and
    /// strategies are shown in the order in which they are first added.
    pub fn add<W: Workload + Copy + 'static, S: Strategy + 'static>(
        &mut self,
        family: &str,
        workload: W,
    ) {
        let description = workload.description();
        if !self.workloads.iter().any(|known| known.name == description.name) {
            self.workloads.push(WorkloadInfo {
                name: description.name.into(),
                family: family.into(),
                about: description.about.into(),
                stands_for: description.stands_for.into(),
                operation: description.operation.into(),
            });
        }
        if !self.strategies.iter().any(|known| known.name == S::NAME) {
            self.strategies.push(StrategyInfo {
                name: S::NAME.into(),
                role: role_name(S::ROLE).into(),
                about: S::ABOUT.into(),
            });
        }
        let cell = Cell::new::<W, S>(workload);
        let parameter = workload.parameter();
        let known = |row: &&mut Row| row.workload == description.name && row.parameter == parameter;
        match self.rows.iter_mut().find(known) {
            Some(row) => row.cells.push(cell),
            None => {
                self.rows.push(Row { workload: description.name, parameter, cells: vec![cell] })
            }
        }
    }

    /// The cell with this id.
    pub(crate) fn cell(&self, id: &str) -> Option<&Cell> {
        self.cells().find(|cell| cell.id == id)
    }

    /// All cells, row by row.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.rows.iter().flat_map(|row| &row.cells)
    }

    /// Keeps the cells that `selected` names, and in their rows the reference and its second
    /// name, to which they are compared.
    pub(crate) fn select(&mut self, selected: impl Fn(&str) -> bool) {
        for row in &mut self.rows {
            if row.cells.iter().any(|cell| selected(&cell.id)) {
                row.cells.retain(|cell| {
                    selected(&cell.id) || matches!(cell.role, Role::Reference | Role::SameAgain)
                });
            } else {
                row.cells.clear();
            }
        }
        self.rows.retain(|row| !row.cells.is_empty());
        self.workloads.retain(|info| self.rows.iter().any(|row| row.workload == info.name));
        let cells = || self.rows.iter().flat_map(|row| &row.cells);
        self.strategies.retain(|info| cells().any(|cell| cell.strategy == info.name));
    }
}

impl Cell {
    fn new<W: Workload + Copy + 'static, S: Strategy + 'static>(workload: W) -> Self {
        let answer = workload.answer();
        let inspect = move || {
            let mut checked = Checked::<S>::new(&workload.plan())?;
            let once = &mut |passes: &mut Passes<'_>| verified(passes, 1, answer).map(drop);
            let result = workload.run(&mut checked, once);
            match checked.violation() {
                Some(violation) => Err(Failure::Violation(violation)),
                None => result,
            }
        };
        Self {
            id: format!("{}/{}/{}", workload.description().name, S::NAME, workload.parameter()),
            strategy: S::NAME,
            role: S::ROLE,
            support: S::PROFILE.serves(&workload.plan()),
            answer,
            run: Box::new(move |measure| workload.run(&mut S::new(&workload.plan())?, measure)),
            inspect: Box::new(inspect),
        }
    }

    /// Builds the strategy and hands the workload's passes to `measure`.
    pub(crate) fn run(&self, measure: &mut Measure<'_>) -> Result<(), Failure> {
        (self.run)(measure)
    }

    /// Runs one pass under a wrapper that checks every call of the strategy.
    pub(crate) fn inspect(&self) -> Result<(), Failure> {
        (self.inspect)()
    }
}

/// Runs `count` passes and verifies what they did.
pub(crate) fn verified(
    passes: &mut Passes<'_>,
    count: u64,
    answer: Tally,
) -> Result<Tally, Failure> {
    passes(count)?.verified(answer.times(count))
}

/// A role as `run.json` spells it.
fn role_name(role: Role) -> &'static str {
    match role {
        Role::Contender => "contender",
        Role::Ours => "ours",
        Role::Reference => "reference",
        Role::SameAgain => "same-again",
        Role::Floor => "floor",
        Role::SingleThread => "single-thread",
    }
}
