//! The contract of every strategy, line by line.

strategy::contract_tests!(strategy_mimalloc::Mimalloc, shared);
