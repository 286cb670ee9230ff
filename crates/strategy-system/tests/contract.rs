//! The contract of every strategy, line by line.

// The controls are the same code.
strategy::contract_tests!(strategy_system::System, shared);
