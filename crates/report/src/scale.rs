//! The axis of a plot: where a value lies, and where the ticks are.

/// Axes end between these, in nanoseconds, whatever the values are: below and above, steps and powers of
/// ten run out of what a float can hold. Nothing that was measured comes near them.
const ENDS: (f64, f64) = (1e-9, 1e18);

/// No axis has more ticks.
const MOST_TICKS: usize = 12;

/// Decades that a logarithmic axis labels without leaving one out.
const DECADES: f64 = 10.0;

/// An axis from its left end, 0, to its right end, 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    /// Whether it is logarithmic. Otherwise it starts at zero.
    pub(crate) log: bool,
    /// The values that are labelled.
    pub(crate) ticks: Vec<f64>,
    from: f64,
    to: f64,
}

impl Scale {
    /// A linear axis from zero to a little beyond `most`.
    pub(crate) fn linear(most: f64) -> Self {
        let to = if most > 0.0 { most.clamp(ENDS.0, ENDS.1) * 1.02 } else { 1.0 };
        let rough = to / 6.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let ticks = (0..).map(|index| f64::from(index) * step).take_while(|tick| *tick <= to);
        Self { log: false, ticks: ticks.take(MOST_TICKS).collect(), from: 0.0, to }
    }

    /// A logarithmic axis around `least` and `most`, both above zero.
    pub(crate) fn log(least: f64, most: f64) -> Self {
        let least = least.clamp(ENDS.0, ENDS.1);
        let (from, to) = (least / 1.12, most.clamp(least, ENDS.1) * 1.12);
        let decades = (to / from).log10();
        let factors: &[f64] = match decades {
            d if d < 2.6 => &[1.0, 2.0, 5.0],
            d if d < 4.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = from.log10().floor() as i32..=to.log10().ceil() as i32;
        let stride = (decades / DECADES).ceil().max(1.0) as usize;
        let ticks = powers
            .step_by(stride)
            .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
            .filter(|tick| (from..=to).contains(tick));
        Self { log: true, ticks: ticks.take(MOST_TICKS).collect(), from, to }
    }

    /// Where a value lies; a little below 0 or above 1 when it is off the axis.
    pub(crate) fn position(&self, value: f64) -> f64 {
        self.exact(value).clamp(-0.01, 1.01)
    }

    fn exact(&self, value: f64) -> f64 {
        if self.log {
            // What is not above zero has no place on the axis; its left end is the nearest.
            let value = value.max(self.from);
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        }
    }

    /// A tick as it is labelled: no more digits than the ticks need.
    pub(crate) fn label(&self, tick: f64) -> String {
        if tick > 1e9 || (tick != 0.0 && tick < 0.001) {
            return format!("{tick:.1e}").replace(".0e", "e");
        }
        if tick >= 1.0 && tick.fract() == 0.0 {
            let text = crate::format::count(tick as u64);
            return text;
        }
        let text = format!("{tick:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_starts_at_zero_and_holds_the_most() {
        for most in [0.031, 0.5, 5.32, 81.0, 1830.0, 61_240.0] {
            let scale = Scale::linear(most);
            assert_eq!(scale.position(0.0), 0.0);
            assert!(scale.position(most) <= 1.0);
            assert!((4..=8).contains(&scale.ticks.len()), "{most}: {:?}", scale.ticks);
        }
    }

    #[test]
    fn a_logarithmic_axis_holds_both_ends_and_has_ticks() {
        for (least, most) in [(0.5, 40.0), (1.0, 30_000.0), (0.01, 5_000_000.0), (3.0, 70.0)] {
            let scale = Scale::log(least, most);
            assert!(scale.position(least) >= 0.0 && scale.position(most) <= 1.0);
            assert!((3..=10).contains(&scale.ticks.len()), "{least}: {:?}", scale.ticks);
        }
    }

    #[test]
    fn values_that_nobody_measures_still_make_an_axis() {
        for most in [5e-324, 1e-300, 1e-9, 1e15, 1.7e308, f64::INFINITY] {
            let scale = Scale::linear(most);
            assert!((1..=MOST_TICKS).contains(&scale.ticks.len()), "{most}: {:?}", scale.ticks);
            assert!((-0.02..=1.02).contains(&scale.position(most)), "{most}");
            for least in [5e-324, 1e-9, 1.0, 1e15].into_iter().filter(|least| *least <= most) {
                let scale = Scale::log(least, most);
                assert!(scale.ticks.len() <= MOST_TICKS, "{least}, {most}: {:?}", scale.ticks);
                let ends = [scale.position(least), scale.position(most)];
                assert!(
                    ends.iter().all(|end| (-0.02..=1.02).contains(end)),
                    "{least}, {most}: {ends:?}"
                );
            }
        }
    }

    #[test]
    fn no_values_at_all_still_make_an_axis() {
        assert_eq!(Scale::linear(0.0).position(0.0), 0.0);
    }

    #[test]
    fn labels_have_no_digits_to_spare() {
        let scale = Scale::linear(1.0);
        let labels =
            [0.0, 5e-10, 0.05, 0.2, 1.0, 2.5, 20_000.0, 1e15].map(|tick| scale.label(tick));
        assert_eq!(labels, ["0", "5e-10", "0.05", "0.2", "1", "2.5", "20,000", "1e15"]);
    }
}
