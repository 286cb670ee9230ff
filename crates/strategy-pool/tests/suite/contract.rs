//! Every strategy of this crate is held to every line of the contract.

mod pool {
    use strategy_pool::BlockPool;

    strategy::contract_tests!(BlockPool);
    strategy::contract_backed_tests!(BlockPool::for_plan_in);
}

mod size_class_pool {
    use strategy_pool::SizeClassPool;

    strategy::contract_tests!(SizeClassPool);
    strategy::contract_backed_tests!(SizeClassPool::for_plan_in);
}

mod guide_pool {
    use strategy_pool::GuidePool;

    strategy::contract_tests!(GuidePool);
    strategy::contract_backed_tests!(GuidePool::for_plan_in);
}
