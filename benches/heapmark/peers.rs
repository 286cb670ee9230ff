//! Our strategies beside the crates that people use for the same work.

use harness::Matrix;

/// Adds the families to `matrix`.
pub fn add(matrix: &mut Matrix) {
    ::peers::visit(&mut |family, case| matrix.add_case(family, case));
}
