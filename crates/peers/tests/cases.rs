//! Every case does what the seed says, and every row can be judged.

use std::collections::{BTreeMap, BTreeSet};

use strategy::Role;
use workloads::{Case, Passes, Tally};

fn cases() -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    peers::visit(&mut |family, case| cases.push((family.to_owned(), case)));
    cases
}

#[test]
fn three_passes_give_the_answer_of_a_pass_three_times() {
    for (_, case) in cases() {
        assert_eq!(case.support, Ok(()), "{case:?}");
        let mut found = Tally::default();
        let three = &mut |passes: &mut Passes<'_>| {
            found = passes(3)?;
            Ok(())
        };
        case.run(three).unwrap_or_else(|failure| panic!("{case:?}: {failure}"));
        assert_eq!(found, case.answer().times(3), "{case:?}");
        assert!(case.answer().ops > 0 && case.answer().checksum != 0, "{case:?}: checks nothing");
    }
}

#[test]
fn no_case_breaks_the_contract_where_a_wrapper_can_see_it() {
    for (_, case) in cases() {
        let once = &mut |passes: &mut Passes<'_>| passes(1)?.verified(case.answer()).map(drop);
        case.inspect(once).unwrap_or_else(|failure| panic!("{case:?}: {failure}"));
    }
}

#[test]
fn every_row_can_be_judged() {
    let mut rows = BTreeMap::<_, Vec<_>>::new();
    for (family, case) in cases() {
        assert!(case.description.name.starts_with("peers-"), "{case:?}");
        let row = (family, case.description.name, case.parameter.clone());
        rows.entry(row).or_default().push(case.contender);
    }
    assert!(rows.len() >= 10, "only {} rows", rows.len());
    for (row, contenders) in rows {
        let names: BTreeSet<_> = contenders.iter().map(|contender| contender.name).collect();
        assert_eq!(names.len(), contenders.len(), "{row:?}: one name twice");
        for role in [Role::Reference, Role::SameAgain] {
            let count = contenders.iter().filter(|contender| contender.role == role).count();
            assert_eq!(count, 1, "{row:?}: {role:?}");
        }
        let ours = contenders.iter().filter(|contender| contender.role == Role::Ours).count();
        assert!(ours > 0, "{row:?}: none of ours");
        let limits = contenders.iter().filter(|contender| contender.role == Role::Limit).count();
        assert!(limits <= 1, "{row:?}: {limits} limits");
    }
}

/// A name stands for one contender: the page shows what it is once.
#[test]
fn a_name_says_the_same_everywhere() {
    let mut known = BTreeMap::new();
    for (_, case) in cases() {
        let contender = *known.entry(case.contender.name).or_insert(case.contender);
        assert_eq!(contender, case.contender);
    }
}
