//! Numbers as people read them.

use core::fmt;

/// A number with a comma between groups of three digits. It is written without allocating.
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 20 digits and 6 commas, from the right.
        let mut text = [0; 26];
        let (mut start, mut rest) = (text.len(), self.0);
        for digit in 0.. {
            if digit > 0 && digit % 3 == 0 {
                start -= 1;
                text[start] = b',';
            }
            start -= 1;
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        f.pad(core::str::from_utf8(&text[start..]).expect("digits and commas are text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(Grouped(number).to_string(), text);
        }
        assert_eq!(format!("{:>6}", Grouped(1000)), " 1,000");
    }
}
