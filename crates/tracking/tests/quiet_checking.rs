//! Line 17 of the contract: `Checking` does not allocate through itself, print, or take its caller's
//! locks; not for a backtrace either.

use strategy::contract::{self, Reentry};
use tracking::Checking;

#[global_allocator]
static INSTALLED: Reentry<Checking> = Reentry::new(Checking::system().with_backtraces());

#[test]
fn line_17_global_allocator() {
    contract::assert_holds(contract::global_allocator(&INSTALLED));
    assert_eq!(INSTALLED.wrapped().check(), 0);
    assert_eq!(INSTALLED.reentered(), 0);
    let stats = INSTALLED.wrapped().stats();
    assert!(stats.allocations > 0 && stats.unseen_bytes == 0, "{stats}");
}
