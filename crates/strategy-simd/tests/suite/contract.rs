//! The contract of every strategy, line by line: as it comes, and with a bound at which memory goes
//! back all the time.

use allocator_api2::alloc::Allocator;
use strategy_simd::SimdPool;

strategy::contract_tests!(SimdPool);
strategy::contract_backed_tests!(|_plan, probe| Ok(SimdPool::new_in(probe)));

/// A pool that keeps little or nothing, as a strategy.
mod bounded {
    use allocator_api2::alloc::Global;
    use strategy::{BuildError, Plan, Profile, Stats, Strategy};

    use super::*;

    pub struct Bounded<const BYTES: usize, A: Allocator = Global>(SimdPool<A>);

    impl<const BYTES: usize, A: Allocator> Bounded<BYTES, A> {
        pub fn new_in(backing: A) -> Self {
            let pool = SimdPool::new_in(backing);
            pool.set_bound_bytes(BYTES);
            Self(pool)
        }
    }

    impl<const BYTES: usize, A: Allocator + Default> Strategy for Bounded<BYTES, A> {
        const NAME: &'static str = "simd-bounded";
        const ABOUT: &'static str = <SimdPool as Strategy>::ABOUT;
        const PROFILE: Profile = <SimdPool as Strategy>::PROFILE;
        type Handle<'a>
            = &'a SimdPool<A>
        where
            A: 'a;

        fn new(plan: &Plan) -> Result<Self, BuildError> {
            Self::PROFILE.serves(plan)?;
            Ok(Self::new_in(A::default()))
        }

        fn handle(&self) -> &SimdPool<A> {
            &self.0
        }

        fn stats(&self) -> Option<Stats> {
            Strategy::stats(&self.0)
        }
    }
}

mod nothing_kept {
    use super::bounded::Bounded;

    strategy::contract_tests!(Bounded<0>);
    strategy::contract_backed_tests!(|_plan, probe| Ok(Bounded::<0, _>::new_in(probe)));
}

mod little_kept {
    use super::bounded::Bounded;

    strategy::contract_tests!(Bounded<20_000>);
    strategy::contract_backed_tests!(|_plan, probe| Ok(Bounded::<20_000, _>::new_in(probe)));
}
