//! The contract of every strategy, line by line.

strategy::contract_tests!(strategy_system::System, shared);

/// The copies are System, called through an allocator of their own.
mod copies {
    strategy::contract_tests!(strategy_system::SystemAgain, shared);
}
