//! The guide's counting functions print, and so they cannot be called by an allocator.

use std::process::{Command, Stdio};
use std::time::Duration;

use wait_timeout::ChildExt;

#[test]
fn an_allocator_that_prints_does_not_get_through_main() {
    let mut sketch = Command::new(env!("CARGO_BIN_EXE_printing"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ended = sketch.wait_timeout(Duration::from_secs(3)).unwrap();
    if ended.is_none() {
        sketch.kill().unwrap();
        sketch.wait().unwrap();
    }
    assert!(!ended.is_some_and(|status| status.success()), "{ended:?}");
}
