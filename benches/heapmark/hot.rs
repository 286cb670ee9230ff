//! The hot paths of one thread, on every strategy.

use harness::Matrix;
use strategy::Strategy;
use workloads::{Workload, hot};

/// Adds the family to `matrix`.
pub fn add(matrix: &mut Matrix) {
    hot::visit(&mut Rows { matrix });
}

/// Makes a row of each workload.
struct Rows<'m> {
    matrix: &'m mut Matrix,
}

impl hot::Visitor for Rows<'_> {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        registry::visit(&mut Row { matrix: self.matrix, workload });
    }
}

/// Makes a cell of each strategy.
struct Row<'m, W> {
    matrix: &'m mut Matrix,
    workload: W,
}

impl<W: Workload + Copy + 'static> registry::Visitor for Row<'_, W> {
    fn visit<S: Strategy + 'static>(&mut self) {
        self.matrix.add::<W, S>(hot::FAMILY, self.workload);
    }
}
