//! Every strategy of the registry, held to every line of the contract that binds it.

use registry::Visitor;
use strategy::{Strategy, contract};

/// Collects what does not hold.
#[derive(Default)]
struct Suite {
    strategies: usize,
    findings: Vec<String>,
}

impl Suite {
    fn add<S: Strategy>(&mut self, findings: Vec<contract::Finding>) {
        self.findings.extend(findings.iter().map(|finding| format!("{}: {finding}", S::NAME)));
    }
}

impl Visitor for Suite {
    fn visit<S: Strategy + 'static>(&mut self) {
        self.strategies += 1;
        self.add::<S>(contract::check::<S>());
    }

    fn visit_shared<S: Strategy + Sync + 'static>(&mut self) {
        self.visit::<S>();
        self.add::<S>(contract::check_shared::<S>());
    }
}

#[test]
fn every_strategy_keeps_the_contract() {
    let mut suite = Suite::default();
    registry::visit(&mut suite);
    assert!(suite.strategies >= 9, "only {} strategies are registered", suite.strategies);
    assert!(suite.findings.is_empty(), "\n{}", suite.findings.join("\n"));
}
