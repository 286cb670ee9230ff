//! Groups of rounds by the start state of their processes, in words.

use crate::format;
use crate::record::{Cell, StateGroup, Status};

/// The groups of a cell, if its rounds fall into any.
pub(crate) fn groups(cell: &Cell) -> Option<&[StateGroup]> {
    let told = cell.status == Status::Measured && cell.state_groups.len() > 1;
    told.then_some(&cell.state_groups)
}

/// As in `two states: 57.0 ns and 71.0 ns`.
pub(crate) fn in_short(groups: &[StateGroup]) -> String {
    let times = groups.iter().map(|group| format!("{} ns", format::ns(group.ns_per_op)));
    let number = format::number(groups.len()).to_lowercase();
    format!("{number} states: {}", format::listed(&times.collect::<Vec<_>>()))
}

/// As in `two states: 57.0 ns (start states 0, 3) and 71.0 ns (start states 1, 2)`.
pub(crate) fn in_full(groups: &[StateGroup]) -> String {
    let number = format::number(groups.len()).to_lowercase();
    let parts: Vec<String> = groups.iter().map(part).collect();
    format!("{number} states: {}", format::listed(&parts))
}

fn part(group: &StateGroup) -> String {
    let states: Vec<String> = group.states.iter().map(u32::to_string).collect();
    let word = if states.len() == 1 { "state" } else { "states" };
    format!("{} ns (start {word} {})", format::ns(group.ns_per_op), states.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_told_with_their_start_states() {
        let group = |states: &[u32], ns_per_op| StateGroup { states: states.to_vec(), ns_per_op };
        let two = [group(&[0, 3], 57.0), group(&[1, 2], 71.0)];
        assert_eq!(in_short(&two), "two states: 57.0 ns and 71.0 ns");
        assert_eq!(
            in_full(&two),
            "two states: 57.0 ns (start states 0, 3) and 71.0 ns (start states 1, 2)"
        );
        let three = [group(&[0], 1.0), group(&[1], 2.0), group(&[2, 3], 3.0)];
        assert_eq!(in_short(&three), "three states: 1.00 ns, 2.00 ns and 3.00 ns");
    }
}
