//! Statistics as JSON and back: `cargo test --package tracking --features serde --test serialized`.

use allocator_api2::boxed::Box;
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

/// The statistics with another histogram.
fn json_with_sizes(stats: &Stats, sizes: &str) -> String {
    let json = serde_json::to_string(stats).unwrap();
    json.replace(r#"{"8":1,"128":1}"#, sizes)
}
