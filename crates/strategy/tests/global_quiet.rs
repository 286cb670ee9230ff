//! Line 17 on a global allocator that keeps it.

use std::alloc::System;

use strategy::contract::{self, Reentry};

#[global_allocator]
static INSTALLED: Reentry<System> = Reentry::new(System);

#[test]
fn the_system_allocator_keeps_line_17() {
    contract::assert_holds(contract::global_allocator(&INSTALLED));
    assert!(INSTALLED.calls() > 0);
    assert_eq!(INSTALLED.reentered(), 0);
}
