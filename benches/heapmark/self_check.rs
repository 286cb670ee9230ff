//! Cells of which the answer is known, to measure the harness's own error rates: System under ten further names, and System
//! made slower by a calibrated part.

use harness::Matrix;
use strategy::Role;
use strategy_system::{System, SystemAgain, SystemCopy};
use workloads::{Case, Contender, Workload, hot};

/// How much slower, in per cent.
const SLOWED: [(u32, &str); 4] =
    [(1, "system-plus-1"), (2, "system-plus-2"), (5, "system-plus-5"), (10, "system-plus-10")];

/// Adds a row of each workload of the hot paths to `matrix`.
pub fn add(matrix: &mut Matrix) {
    hot::visit(&mut Rows { matrix });
}

/// Makes a row of each workload.
struct Rows<'m> {
    matrix: &'m mut Matrix,
}

impl hot::Visitor for Rows<'_> {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        self.matrix.add::<W, System>(hot::FAMILY, workload);
        self.matrix.add::<W, SystemAgain>(hot::FAMILY, workload);
        for (percent, name) in SLOWED {
            let about = "system, made slower by a known part";
            let contender = Contender { name, about, role: Role::Contender };
            let case = Case::of::<W, System>(workload).slowed(contender, percent);
            self.matrix.add_case(hot::FAMILY, case);
        }
        self.copy::<W, 0>(workload);
        self.copy::<W, 1>(workload);
        self.copy::<W, 2>(workload);
        self.copy::<W, 3>(workload);
        self.copy::<W, 4>(workload);
        self.copy::<W, 5>(workload);
        self.copy::<W, 6>(workload);
        self.copy::<W, 7>(workload);
        self.copy::<W, 8>(workload);
        self.copy::<W, 9>(workload);
    }
}

impl Rows<'_> {
    /// Adds System's copy number `N`.
    fn copy<W: Workload + Copy + 'static, const N: u32>(&mut self, workload: W) {
        let case = Case::of::<W, SystemCopy<N>>(workload).same_as_system();
        self.matrix.add_case(hot::FAMILY, case);
    }
}
