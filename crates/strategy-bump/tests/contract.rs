//! The contract of every strategy, line by line.

use strategy_bump::Bump;

strategy::contract_tests!(Bump);
strategy::contract_backed_tests!(|_plan, probe| Ok(Bump::new_in(probe)));
