//! Line 17 of the contract: `Tracking` does not allocate through itself, print, or take its caller's
//! locks.

use strategy::contract::{self, Reentry};
use tracking::Tracking;

#[global_allocator]
static INSTALLED: Reentry<Tracking> = Reentry::new(Tracking::system());

#[test]
fn line_17_global_allocator() {
    contract::assert_holds(contract::global_allocator(&INSTALLED));
    assert_eq!(INSTALLED.reentered(), 0);
    let stats = INSTALLED.wrapped().stats();
    assert!(stats.allocations > 0 && stats.unseen_bytes == 0, "{stats}");
}
