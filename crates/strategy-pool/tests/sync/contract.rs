//! The contract of every strategy, line by line.

use strategy_pool::SyncPool;

strategy::contract_tests!(SyncPool, shared);
strategy::contract_backed_tests!(SyncPool::for_plan_in);
