//! How figures are written on the page: the same way everywhere, so that they can be compared.

use crate::record::{Interval, Verdict};

/// A time in nanoseconds without its unit: about three digits, thousands set apart.
pub(crate) fn ns(value: f64) -> String {
    let digits = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", thousands(whole)),
        None => thousands(&text),
    }
}

/// A ratio without its sign: two digits behind the point where it is near 1.
pub(crate) fn ratio(value: f64) -> String {
    let digits = match value.abs() {
        v if v < 0.0995 => 3,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// A ratio with its sign, as in `0.31×`.
pub(crate) fn times(value: f64) -> String {
    format!("{}×", ratio(value))
}

/// The ends of an interval in the way of `number`, as in `[0.30, 0.32]`.
pub(crate) fn ends(interval: &Interval, number: fn(f64) -> String) -> String {
    format!("[{}, {}]", number(interval.lo), number(interval.hi))
}

/// A count with its thousands set apart.
pub(crate) fn count(value: u64) -> String {
    thousands(&value.to_string())
}

/// A share in percent, with a digit more where it is small.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let share = 100.0 * part as f64 / whole as f64;
    match part {
        0 => "0 %".to_owned(),
        _ if share < 0.01 => "under 0.01 %".to_owned(),
        _ if share < 9.95 => format!("{share:.2} %"),
        _ => format!("{share:.0} %"),
    }
}

/// A moment for people: `2026-03-01T12:00:00Z` is `2026-03-01 12:00:00 UTC`.
pub(crate) fn moment(rfc3339: &str) -> String {
    match rfc3339.strip_suffix('Z') {
        Some(text) => format!("{} UTC", text.replacen('T', " ", 1)),
        None => rfc3339.to_owned(),
    }
}

/// The mark of a verdict: its shape says what its colour says.
pub(crate) fn mark(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Faster) => "▼",
        Some(Verdict::Slower) => "▲",
        Some(Verdict::Same) => "=",
        Some(Verdict::Undecided) => "?",
        None => "",
    }
}

/// The word of a verdict, which is its class on the page as well.
pub(crate) fn word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Faster) => "faster",
        Some(Verdict::Slower) => "slower",
        Some(Verdict::Same) => "same",
        Some(Verdict::Undecided) => "undecided",
        None => "none",
    }
}

/// Text from a failed program with what cannot stand in HTML or SVG, and what a terminal would obey, made visible.
pub fn printable(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
        c => c,
    };
    text.replace("\r\n", "\n").chars().map(visible).collect()
}

/// Text on one line, cut to `limit` characters with an ellipsis.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let line = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let mut cut: String = line.chars().take(limit.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// A decimal number with its thousands set apart.
fn thousands(digits: &str) -> String {
    let start = digits.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let (sign, digits) = digits.split_at(start);
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_about_three_digits() {
        let texts = [0.0, 0.523, 9.996, 81.44, 99.96, 1830.4, 61_240.0].map(ns);
        assert_eq!(texts, ["0.00", "0.52", "10.0", "81.4", "100", "1,830", "61,240"]);
    }

    #[test]
    fn ratios_keep_two_digits_near_one() {
        let texts = [0.0123, 0.0996, 0.31, 1.0, 9.996, 40.04, 123.4].map(times);
        assert_eq!(texts, ["0.012×", "0.10×", "0.31×", "1.00×", "10.0×", "40.0×", "123×"]);
    }

    #[test]
    fn shortened_text_is_one_line_without_control_characters() {
        assert_eq!(shortened("a\n\u{1b}[1mb  c", 40), "a \u{fffd}[1mb c");
        assert_eq!(shortened("häufig genug", 7), "häufig…");
    }

    #[test]
    fn percentages_do_not_round_something_to_nothing() {
        assert_eq!(percent(0, 10), "0 %");
        assert_eq!(percent(1, 1_000_000), "under 0.01 %");
        assert_eq!(percent(5, 100), "5.00 %");
        assert_eq!(percent(1, 2), "50 %");
        assert_eq!(percent(0, 0), "0 %");
    }
}
