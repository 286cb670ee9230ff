//! The contract of every strategy, line by line.

use strategy_noop::Noop;

strategy::contract_tests!(Noop);
strategy::contract_backed_tests!(Noop::new_in);
