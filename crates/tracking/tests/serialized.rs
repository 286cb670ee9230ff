//! Statistics as JSON and back: `cargo test --package tracking --features serde --test serialized`.

use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use tracking::{Change, Stats, Tracking};

#[test]
fn statistics_come_back_as_they_were() {
    let tracking = Tracking::system();
    let region = tracking.region();
    let blocks = (Box::new_in([0_u8; 100], &tracking), Box::new_in(1_u64, &tracking));
    let stats = tracking.stats();
    let json = serde_json::to_string(&stats).unwrap();
    assert!(json.contains(r#""live_bytes":108"#), "{json}");
    assert!(json.contains(r#""sizes":{"8":1,"128":1}"#), "{json}");
    assert_eq!(serde_json::from_str::<Stats>(&json).unwrap(), stats);
    let change = region.change();
    let json = serde_json::to_string(&change).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), change);
    let wrong = json_with_sizes(&stats, r#"{"100":1}"#);
    let error = serde_json::from_str::<Stats>(&wrong).unwrap_err();
    assert!(error.to_string().contains("powers of two"), "{error}");
    drop(blocks);
}

/// A figure that is left out comes back as 0, so none of them is 0 here.
#[test]
fn no_figure_is_left_out() {
    let tracking = Tracking::system();
    let region = tracking.region();
    let mut numbers = Vec::with_capacity_in(1, &tracking);
    numbers.extend([1_u64, 2, 3]);
    drop(Box::new_in([0_u8; 100], &tracking));
    assert!(numbers.try_reserve(1 << 59).is_err());
    let (stats, change) = (tracking.stats(), region.change());
    let counted = [stats.live_bytes, stats.live_blocks, stats.peak_bytes, stats.allocations];
    let moved = [stats.frees, stats.reallocations, stats.failures, stats.allocated_bytes];
    assert!(![counted, moved].concat().contains(&0) && stats.freed_bytes > 0, "{stats:?}");
    let json = serde_json::to_string(&stats).unwrap();
    assert_eq!(serde_json::from_str::<Stats>(&json).unwrap(), stats);
    let json = serde_json::to_string(&change).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), change);

    let tracking = Tracking::new(&tracking);
    // Memory that was allocated past it.
    let older = Box::leak(Box::new_in([0_u8; 100], *tracking.inner()));
    // SAFETY: the box is of the inner allocator, which takes back what the wrapper is given.
    drop(unsafe { Box::from_raw_in(older, &tracking) });
    let stats = tracking.stats();
    assert_eq!((stats.unseen_bytes, stats.unseen_blocks), (100, 1));
    let json = serde_json::to_string(&stats).unwrap();
    assert_eq!(serde_json::from_str::<Stats>(&json).unwrap(), stats);
}

/// The statistics with another histogram.
fn json_with_sizes(stats: &Stats, sizes: &str) -> String {
    let json = serde_json::to_string(stats).unwrap();
    json.replace(r#"{"8":1,"128":1}"#, sizes)
}
