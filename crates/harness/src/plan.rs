//! How the samples of a row are cut into turns, and whether its contenders fit into memory together.

use std::fs;

use report::record::Settings;

use crate::protocol::TurnPlan;

/// Milliseconds that are measured in a turn, if nothing else is asked for. Turns of 5 ms were no better.
const TURN_MS: f64 = 2.0;

/// Nanoseconds that are not measured at the beginning of a turn, whatever the work: first-level caches and branch
/// predictors are back by then.
const SETTLE_NS: u64 = 300_000;

/// Nanoseconds a byte, for work that keeps more alive than the core's own cache holds: what other
/// contenders have pushed out comes back from memory, a line of 64 bytes in some 15 ns.
const SETTLE_NS_PER_BYTE: f64 = 0.25;

/// The part of the core's own cache that a live set may take and still count as held there.
const HELD_PART: u64 = 2;

/// The second-level cache of a core in bytes, if the system does not tell.
const USUAL_CACHE: u64 = 512 << 10;

/// How a row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowPlan {
    /// How samples are cut into turns.
    pub(crate) turns: TurnPlan,
    /// Whether more is alive than the core's own cache holds, so that what is measured is how a
    /// contender works after others have had the core.
    pub(crate) is_beyond_cache: bool,
}

/// The plan of a row that keeps `live_bytes` alive, on a core with `cache_bytes` of its own.
pub(crate) fn of(settings: &Settings, live_bytes: u64, cache_bytes: u64) -> RowPlan {
    let samples = settings.sample_size as usize;
    let sample_ns = settings.measurement_time_s * 1e9 / samples as f64;
    let is_beyond_cache = live_bytes > cache_bytes / HELD_PART;
    let needed_ns = if is_beyond_cache {
        SETTLE_NS.max((live_bytes as f64 * SETTLE_NS_PER_BYTE) as u64)
    } else {
        SETTLE_NS
    };
    let settle_ns = settings.settle_ms.map_or(needed_ns, |ms| (ms * 1e6) as u64);
    let turn_ns = match settings.turn_ms {
        Some(ms) => ms * 1e6,
        // At least half of a turn is measured. Longer turns were tried and lost: fewer of them fit between two
        // episodes of noise, and on an AMD EPYC the ratios of `churn` were the same at 2, 12 and 24 ms.
        None => f64::max(TURN_MS * 1e6, settle_ns as f64),
    };
    let pieces_of_sample = whole(sample_ns / turn_ns);
    let pieces_in_turn = if pieces_of_sample > 1 { 1 } else { whole(turn_ns / sample_ns) };
    RowPlan {
        turns: TurnPlan {
            samples,
            pieces_of_sample,
            pieces_in_turn: pieces_in_turn.min(samples),
            settle_ns,
        },
        is_beyond_cache,
    }
}

/// The nearest whole number, 1 at the least.
fn whole(quotient: f64) -> usize {
    quotient.round().max(1.0) as usize
}

/// Seconds that a turn of a contender takes whose passes take `pass_ns`.
pub(crate) fn turn_s(settings: &Settings, plan: TurnPlan, pass_ns: u64) -> f64 {
    let pass_s = pass_ns as f64 / 1e9;
    let pieces = plan.samples * plan.pieces_of_sample;
    let piece_s = f64::max(settings.measurement_time_s / pieces as f64, pass_s);
    // A part that ends with a whole pass is half of one longer than it has to be.
    let settle_s = f64::max(plan.settle_ns as f64 / 1e9 + pass_s / 2.0, pass_s);
    settle_s + piece_s * plan.pieces_in_turn as f64
}

/// The second-level cache of a core in bytes.
pub(crate) fn cache_bytes() -> u64 {
    let text = fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size");
    let bytes = text.ok().and_then(|text| {
        let text = text.trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let shift = match unit {
            "K" => 10,
            "M" => 20,
            _ => return None,
        };
        Some(number.parse::<u64>().ok()? << shift)
    });
    bytes.unwrap_or(USUAL_CACHE)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings of a run in turns, with these samples over this time.
    pub(crate) fn settings(sample_size: u32, measurement_time_s: f64) -> Settings {
        Settings {
            filter: None,
            exact: false,
            rounds: 16,
            quick: false,
            sample_size,
            measurement_time_s,
            warm_up_time_s: 0.01,
            cell_timeout_s: 30.0,
            turns: true,
            turn_ms: None,
            settle_ms: None,
            states: 4,
            state: None,
            least_difference: 0.03,
        }
    }

    const CACHE: u64 = 1 << 20;

    #[test]
    fn a_small_live_set_has_short_turns_and_a_short_unmeasured_part() {
        for live_bytes in [0, 64, CACHE / 2] {
            let plan = of(&settings(25, 0.05), live_bytes, CACHE);
            assert!(!plan.is_beyond_cache, "{live_bytes}");
            assert_eq!(plan.turns.settle_ns, SETTLE_NS);
            assert_eq!((plan.turns.pieces_of_sample, plan.turns.pieces_in_turn), (1, 1));
        }
    }

    #[test]
    fn the_unmeasured_part_and_the_turn_grow_with_a_live_set_beyond_the_cache() {
        let churn = of(&settings(25, 0.05), 5 << 20, CACHE);
        let larger = of(&settings(25, 0.05), 20 << 20, CACHE);
        assert!(churn.is_beyond_cache && larger.is_beyond_cache);
        assert!(churn.turns.settle_ns >= 1_000_000, "{churn:?}");
        assert_eq!(larger.turns.settle_ns / churn.turns.settle_ns, 4);
        // At least half of a turn is measured.
        for plan in [churn, larger] {
            let measured_ns = plan.turns.pieces_in_turn as u64 * 2_000_000;
            assert!(measured_ns >= plan.turns.settle_ns, "{plan:?}");
        }
        // The same live set on a core with a larger cache is held there.
        assert!(!of(&settings(25, 0.05), 5 << 20, 10 << 20).is_beyond_cache);
    }

    #[test]
    fn long_samples_have_several_turns_and_short_ones_share_one() {
        let long = of(&settings(10, 0.5), 64, CACHE).turns;
        assert_eq!((long.pieces_of_sample, long.pieces_in_turn, long.turns()), (25, 1, 250));
        let short = of(&settings(100, 0.05), 64, CACHE).turns;
        assert_eq!((short.pieces_of_sample, short.pieces_in_turn, short.turns()), (1, 4, 25));
    }

    #[test]
    fn what_is_asked_for_stands() {
        let asked = Settings { turn_ms: Some(4.0), settle_ms: Some(0.5), ..settings(25, 0.05) };
        let turns = of(&asked, 5 << 20, CACHE).turns;
        assert_eq!((turns.settle_ns, turns.pieces_in_turn), (500_000, 2));
    }

    #[test]
    fn an_announcement_knows_how_long_passes_take() {
        let settings = settings(100_000, 0.05);
        let plan = of(&settings, 64, CACHE).turns;
        let all_s = turn_s(&settings, plan, 1_000_000) * plan.turns() as f64;
        assert!(all_s > 100.0, "{all_s}");
    }
}
