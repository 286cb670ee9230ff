//! The contract of every strategy, line by line.

use strategy_bump::Bump;

strategy::contract_tests!(Bump);
strategy::contract_backed_tests!(|_plan, probe| Ok(Bump::new_in(probe)));

/// Every block is larger than what the newest chunk has left, or nearly so.
mod chunks_of_their_own {
    use strategy_bump::Bump;

    strategy::contract_backed_tests!(|_plan, probe| {
        Ok(Bump::builder().first_chunk(0).growth_factor(0).build_in(probe))
    });
}

/// The limit is not reached, but counted.
mod limited {
    use strategy_bump::Bump;

    strategy::contract_backed_tests!(|_plan, probe| Ok(Bump::builder()
        .limit(1 << 40)
        .build_in(probe)));
}
