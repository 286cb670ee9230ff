//! The contract of every strategy, kept by strategies made of the allocators of this crate.

use strategy::contract::Probe;
use strategy::{BuildError, FromGlobal, Plan, Profile, StaticGlobal, Stats, Strategy};
use tracking::{Checking, Tracking};

/// Makes a strategy of an allocator that is a value.
macro_rules! owned {
    ($name:ident, $allocator:ty, $kebab:literal, $new:expr) => {
        struct $name($allocator);

        impl Strategy for $name {
            const NAME: &'static str = $kebab;
            const ABOUT: &'static str = "a tracked allocator";
            const PROFILE: Profile = Profile::GENERAL;
            type Handle<'a> = &'a $allocator;

            fn new(_plan: &Plan) -> Result<Self, BuildError> {
                Ok(Self($new))
            }

            fn handle(&self) -> &$allocator {
                &self.0
            }

            /// What is in quarantine is not counted as reserved: it comes back.
            fn stats(&self) -> Option<Stats> {
                let live_bytes = self.0.stats().live_bytes as usize;
                Some(Stats { reserved_bytes: live_bytes, live_bytes })
            }
        }
    };
}

owned!(Counted, Tracking, "counted", Tracking::system());
owned!(Checked, Checking, "checked", Checking::system().with_quarantine(1 << 20));
owned!(
    CheckedProbe,
    Checking<Probe>,
    "checked-probe",
    Checking::new(Probe::new()).with_quarantine(1 << 20)
);

impl CheckedProbe {
    fn for_plan_in(_plan: &Plan, probe: Probe) -> Result<Self, BuildError> {
        Ok(Self(Checking::new(probe).with_quarantine(1 << 20)))
    }
}

/// Makes a strategy of an allocator that is a static, by its `GlobalAlloc`.
macro_rules! global {
    ($name:ident, $allocator:ty, $kebab:literal, $new:expr) => {
        struct $name;

        impl StaticGlobal for $name {
            type Global = $allocator;
            const GLOBAL: &'static $allocator = {
                static GLOBAL: $allocator = $new;
                &GLOBAL
            };
        }

        impl Strategy for $name {
            const NAME: &'static str = $kebab;
            const ABOUT: &'static str = "a tracked global allocator";
            const PROFILE: Profile = Profile::GENERAL;
            type Handle<'a> = FromGlobal<Self>;

            fn new(_plan: &Plan) -> Result<Self, BuildError> {
                Ok(Self)
            }

            fn handle(&self) -> FromGlobal<Self> {
                FromGlobal::new()
            }
        }
    };
}

global!(CountedGlobal, Tracking, "counted-global", Tracking::system());
global!(CheckedGlobal, Checking, "checked-global", Checking::system());

mod counted {
    strategy::contract_tests!(super::Counted, shared);
}

mod checking {
    strategy::contract_tests!(super::Checked, shared);
}

mod checked_probe {
    use super::CheckedProbe;

    strategy::contract_tests!(CheckedProbe);
    strategy::contract_backed_tests!(CheckedProbe::for_plan_in);
}

mod counted_global {
    strategy::contract_tests!(super::CountedGlobal, shared);
}

mod checked_global {
    strategy::contract_tests!(super::CheckedGlobal, shared);
}
