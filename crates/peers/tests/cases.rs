//! Every case does what the seed says, and every row can be judged.

use std::collections::{BTreeMap, BTreeSet};

use strategy::Role;
use workloads::{Case, Passes, Stream, Tally};

fn cases() -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    peers::visit(&mut |family, case| cases.push((family.to_owned(), case)));
    cases
}

#[test]
fn passes_give_their_streams_answer_as_often() {
    for (_, case) in cases() {
        assert_eq!(case.support, Ok(()), "{case:?}");
        // One pass over another stream is enough: what differs is what is drawn.
        for (stream, passes) in [(Stream::FIRST, 3), (Stream::numbered(5), 1)] {
            let mut found = Tally::default();
            let measure = &mut |run: &mut Passes<'_>| {
                found = run(passes)?;
                Ok(())
            };
            case.run(stream, measure).unwrap_or_else(|failure| panic!("{case:?}: {failure}"));
            let answer = case.answer(stream);
            assert_eq!(found, answer.times(passes), "{case:?}, {stream:?}");
            assert!(answer.ops > 0 && answer.checksum != 0, "{case:?}: checks nothing");
            assert_eq!(answer.ops, case.answer(Stream::FIRST).ops, "{case:?}, {stream:?}");
        }
    }
}

#[test]
fn no_case_breaks_the_contract_where_a_wrapper_can_see_it() {
    for (_, case) in cases() {
        let stream = Stream::numbered(1);
        let once =
            &mut |passes: &mut Passes<'_>| passes(1)?.verified(case.answer(stream)).map(drop);
        case.inspect(stream, once).unwrap_or_else(|failure| panic!("{case:?}: {failure}"));
    }
}

#[test]
fn a_case_says_how_much_it_keeps_alive_and_on_how_many_threads() {
    for (family, case) in cases() {
        let word = size_of::<u64>() as u64;
        assert!((word..1 << 30).contains(&case.live_bytes), "{case:?}: {}", case.live_bytes);
        let threads =
            if family == "Peers: two threads" || case.description.name.ends_with("-threads") {
                2
            } else {
                1
            };
        assert_eq!(case.threads, threads, "{case:?}");
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

/// In the profile of the benches it also says that the compiler has not made one of the two.
#[test]
fn what_stands_for_system_again_is_a_copy_of_its_own() {
    let mut codes = BTreeMap::<_, Vec<_>>::new();
    for (_, case) in cases() {
        if [Role::Reference, Role::SameAgain].contains(&case.contender.role) {
            let row = (case.description.name, case.parameter.clone());
            codes.entry(row).or_default().push(case.code);
        }
    }
    for (row, codes) in codes {
        let [reference, again] = codes[..] else { panic!("{row:?}: {codes:?}") };
        assert_ne!(reference, again, "{row:?}: one piece of code under two names");
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
