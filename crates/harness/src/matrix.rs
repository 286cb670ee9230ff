//! The cells of a comparison: every workload and parameter with every contender.

use report::record::{StrategyInfo, WorkloadInfo};
use strategy::{Role, Strategy};
use workloads::{Case, Failure, Passes, Stream, Tally, Workload};

/// All cells, a row for each workload and parameter.
#[derive(Debug, Default)]
pub struct Matrix {
    /// The cells that were added.
    count: usize,
    /// The place of the one cell that is made, or absent for all.
    only: Option<usize>,
    found: Option<Cell>,
    /// The first contradiction among the cells.
    contradiction: Option<String>,
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

/// One workload, parameter and contender.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) id: String,
    /// Its place among all cells of the program.
    pub(crate) index: usize,
    pub(crate) case: Case,
}

impl Matrix {
    /// Adds the cell of `workload` and the strategy `S`, as [`add_case`](Self::add_case) does.
    pub fn add<W: Workload + Copy + 'static, S: Strategy + 'static>(
        &mut self,
        family: &str,
        workload: W,
    ) {
        match self.only {
            Some(index) if index != self.count => self.count += 1,
            _ => self.add_case(family, Case::of::<W, S>(workload)),
        }
    }

    /// Adds a cell to its workload's row. Workloads and contenders are shown in the order in which
    /// they are first added.
    pub fn add_case(&mut self, family: &str, case: Case) {
        let index = self.count;
        self.count += 1;
        if let Some(only) = self.only {
            if index == only {
                self.found = Some(Cell { id: String::new(), index, case });
            }
            return;
        }
        let (workload, contender) = (case.description, case.contender);
        if !self.workloads.iter().any(|known| known.name == workload.name) {
            self.workloads.push(WorkloadInfo {
                name: workload.name.into(),
                family: family.into(),
                about: workload.about.into(),
                stands_for: workload.stands_for.into(),
                operation: workload.operation.into(),
            });
        }
        let info = StrategyInfo {
            name: contender.name.into(),
            role: role_name(contender.role).into(),
            about: contender.about.into(),
        };
        match self.strategies.iter().find(|known| known.name == info.name) {
            Some(known) if *known != info => self.contradict(format!(
                "two contenders have the name `{}`: \"{}\" and \"{}\"; rename one",
                info.name, known.about, info.about
            )),
            Some(_) => {}
            None => self.strategies.push(info),
        }
        let parameter = case.parameter.clone();
        let id = format!("{}/{}/{parameter}", workload.name, contender.name);
        if self.cell(&id).is_some() {
            self.contradict(format!("there are two cells {id}; rename a contender or a workload"));
        }
        let cell = Cell { id, index, case };
        let known = |row: &&mut Row| row.workload == workload.name && row.parameter == parameter;
        match self.rows.iter_mut().find(known) {
            Some(row) => row.cells.push(cell),
            None => self.rows.push(Row { workload: workload.name, parameter, cells: vec![cell] }),
        }
    }

    /// A matrix in which only the cell in this place is made, and nothing is kept that has a name.
    pub(crate) fn only(index: usize) -> Self {
        Self { only: Some(index), ..Self::default() }
    }

    /// The one cell that was made.
    pub(crate) fn into_only(self) -> Option<Cell> {
        self.found
    }

    fn contradict(&mut self, line: String) {
        self.contradiction.get_or_insert(line);
    }

    /// What makes this no matrix, if anything does: a name that stands for two things, or a control that is no copy.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(contradiction) = &self.contradiction {
            return Err(contradiction.clone());
        }
        for row in &self.rows {
            let code = |role| row.cells.iter().find(|c| c.role() == role).map(|c| c.case.code);
            let reference = code(Role::Reference);
            if reference.is_some() && reference == code(Role::SameAgain) {
                return Err(format!(
                    "in the row {} {} the compiler has made one function of the reference and its second name, whose distance \
                     would not show what the place of code in memory does; let them differ by \
                     `strategy::kept_apart`",
                    row.workload, row.parameter
                ));
            }
        }
        Ok(())
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
                    let role = cell.case.contender.role;
                    selected(&cell.id) || matches!(role, Role::Reference | Role::SameAgain)
                });
            } else {
                row.cells.clear();
            }
        }
        self.rows.retain(|row| !row.cells.is_empty());
        self.workloads.retain(|info| self.rows.iter().any(|row| row.workload == info.name));
        let cells = || self.rows.iter().flat_map(|row| &row.cells);
        self.strategies.retain(|info| cells().any(|cell| cell.case.contender.name == info.name));
    }
}

impl Cell {
    /// What the contender is called.
    pub(crate) fn strategy(&self) -> &'static str {
        self.case.contender.name
    }

    /// The part that the contender plays.
    pub(crate) fn role(&self) -> Role {
        self.case.contender.role
    }

    /// Runs one pass for its answer, with every check that there is.
    pub(crate) fn inspect(&self, stream: Stream) -> Result<(), Failure> {
        let answer = self.case.answer(stream);
        self.case.inspect(stream, &mut |passes| verified(passes, 1, answer).map(drop))
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
        Role::Limit => "limit",
        Role::SingleThread => "single-thread",
    }
}
