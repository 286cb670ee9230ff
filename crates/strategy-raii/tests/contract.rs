//! The contract of every strategy, line by line.

mod raii {
    strategy::contract_tests!(strategy_raii::Raii, shared);
}

mod buffer_pool {
    use strategy_raii::BufferPool;

    strategy::contract_tests!(BufferPool);
    strategy::contract_backed_tests!(BufferPool::for_plan_in);
}

mod shared_buffer_pool {
    use strategy_raii::SharedBufferPool;

    strategy::contract_tests!(SharedBufferPool, shared);
    strategy::contract_backed_tests!(SharedBufferPool::for_plan_in);
}
