//! How figures are written on the page: the same way everywhere, so that they can be compared.

use crate::record::Interval;

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

/// A word for a small number, for the start of a sentence.
pub(crate) fn number(count: usize) -> String {
    const WORDS: [&str; 7] = ["No", "One", "Two", "Three", "Four", "Five", "Six"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// A list in a sentence: `a, b and c`.
pub(crate) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

/// A text for the start of a sentence.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Seconds for people: no more digits than one reads.
pub(crate) fn seconds(value: f64) -> String {
    if value < 9.95 {
        format!("{value:.1} s")
    } else {
        format!("{} s", thousands(&format!("{value:.0}")))
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

/// No text from a failed program stands on the page with more bytes than this.
const MOST_BYTES: usize = 4096;

/// The beginning of a text, [`printable`]. What is left out is said.
pub(crate) fn beginning(text: &str) -> String {
    let end = text.floor_char_boundary(MOST_BYTES);
    match text.len() - end {
        0 => printable(text),
        rest => format!(
            "{} … ({} more bytes are in cells.jsonl)",
            printable(&text[..end]),
            count(rest as u64)
        ),
    }
}

/// The end of a text, [`printable`]. What is left out is said.
pub(crate) fn end(text: &str) -> String {
    let start = text.ceil_char_boundary(text.len().saturating_sub(MOST_BYTES));
    match start {
        0 => printable(text),
        before => {
            format!(
                "({} bytes before this are in cells.jsonl) …\n{}",
                count(before as u64),
                printable(&text[start..])
            )
        }
    }
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
    fn long_texts_are_cut_between_characters_and_say_so() {
        let long = format!("first {} last", "ä".repeat(5000));
        let (beginning, end) = (beginning(&long), end(&long));
        assert!(
            beginning.starts_with("first ä")
                && beginning.ends_with("more bytes are in cells.jsonl)")
        );
        assert!(end.starts_with("(5,9") && end.ends_with("ä last"), "{}", &end[..60]);
        assert!(beginning.len() < 4200 && end.len() < 4200);
        assert_eq!(super::beginning("short"), "short");
        assert_eq!(super::end("short"), "short");
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
