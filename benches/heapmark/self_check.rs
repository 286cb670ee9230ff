//! System against what differs from it by nothing, or by a part that is known: on these the harness itself is
//! tried.

use harness::Matrix;
use strategy_system::{System, SystemAgain, SystemCopy};
use workloads::{Case, Workload, hot};

/// Adds all rows of the hot paths to `matrix`: System, its second name, ten more copies of it, and System made
/// slower.
pub fn add(matrix: &mut Matrix) {
    hot::visit(&mut Rows { matrix });
}

/// Makes a row of each workload.
struct Rows<'m> {
    matrix: &'m mut Matrix,
}

impl hot::Visitor for Rows<'_> {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        let mut add = |case| self.matrix.add_case(hot::FAMILY, case);
        add(Case::of::<W, System>(workload));
        add(Case::of::<W, SystemAgain>(workload));
        for copy in [
            Case::of::<W, SystemCopy<0>>,
            Case::of::<W, SystemCopy<1>>,
            Case::of::<W, SystemCopy<2>>,
            Case::of::<W, SystemCopy<3>>,
            Case::of::<W, SystemCopy<4>>,
            Case::of::<W, SystemCopy<5>>,
            Case::of::<W, SystemCopy<6>>,
            Case::of::<W, SystemCopy<7>>,
            Case::of::<W, SystemCopy<8>>,
            Case::of::<W, SystemCopy<9>>,
        ] {
            add(copy(workload).known(1.0));
        }
        for (name, about, percent) in [
            ("system-plus-1", "system, made slower by 1 %", 1),
            ("system-plus-2", "system, made slower by 2 %", 2),
            ("system-plus-5", "system, made slower by 5 %", 5),
            ("system-plus-10", "system, made slower by 10 %", 10),
        ] {
            add(Case::of::<W, System>(workload).slowed(name, about, percent));
        }
    }
}
