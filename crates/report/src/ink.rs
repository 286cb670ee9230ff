//! The colours of plots, by name, on light and on dark paper.
//!
//! A plot is drawn in the light colours; afterwards each becomes a class, so that one drawing
//! follows the reader's choice, in the page and alone. Slate, violet and grey differ in
//! lightness as well as in hue, and every one of them stands beside a name.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour by what it is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// The background.
    Paper,
    /// Text.
    Text,
    /// Text that explains.
    Quiet,
    /// Lines of the axis.
    Grid,
    /// The line at the reference's median.
    Reference,
    /// What failed.
    Failed,
    /// Marks of a strategy written elsewhere.
    Peer,
    /// The same, for areas.
    PeerArea,
    /// Marks of a strategy written beside the benchmarks.
    Ours,
    /// The same, for areas.
    OursArea,
    /// Marks of a control.
    Control,
    /// The same, for areas.
    ControlArea,
}

/// All colours: what it is, its class, on light paper, on dark paper.
const INKS: [(Ink, &str, u32, u32); 12] = [
    (Ink::Paper, "paper", 0xfffffe, 0x14171b),
    (Ink::Text, "text", 0x1c2126, 0xe6e8ea),
    (Ink::Quiet, "quiet", 0x616a73, 0x9aa3ac),
    (Ink::Grid, "grid", 0xe3e6e9, 0x2b3138),
    (Ink::Reference, "reference", 0x9aa4ae, 0x6b7580),
    (Ink::Failed, "failed", 0xb3261e, 0xff8a80),
    (Ink::Peer, "peer", 0x33475b, 0xa9bfd6),
    (Ink::PeerArea, "peer-area", 0xccd6e0, 0x37475a),
    (Ink::Ours, "ours", 0x7a35a0, 0xd3a4ee),
    (Ink::OursArea, "ours-area", 0xe2cfee, 0x523469),
    (Ink::Control, "control", 0x868e96, 0x858e98),
    (Ink::ControlArea, "control-area", 0xe6e8eb, 0x30363d),
];

impl Ink {
    /// The colour that it is drawn in.
    pub(crate) fn colour(self) -> RGBColor {
        let (_, red, green, blue) = (self, self.light() >> 16, self.light() >> 8, self.light());
        RGBColor(red as u8, green as u8, blue as u8)
    }

    fn light(self) -> u32 {
        INKS.iter().find(|(ink, ..)| *ink == self).map_or(0, |(_, _, light, _)| *light)
    }
}

/// A drawing with its colours turned into classes.
pub(crate) fn classes_for_colours(svg: &str) -> String {
    // Attributes only: a quotation mark in a text is escaped.
    let mut classed = svg.to_owned();
    for (_, name, light, _) in INKS {
        for (attribute, prefix) in [("fill", "f"), ("stroke", "s")] {
            let drawn = format!("{attribute}=\"#{light:06X}\"");
            classed = classed.replace(&drawn, &format!("class=\"{prefix}-{name}\""));
        }
    }
    classed
}

/// The rules for the classes.
pub(crate) fn style() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (_, name, on_light, on_dark) in INKS {
        for (rules, colour) in [(&mut light, on_light), (&mut dark, on_dark)] {
            write!(rules, ".f-{name}{{fill:#{colour:06x}}}.s-{name}{{stroke:#{colour:06x}}}")
                .expect("a string takes what is written to it");
        }
    }
    format!("{light}@media screen and (prefers-color-scheme:dark){{{dark}}}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_inks_share_a_colour() {
        // They are told apart by it when classes are put in.
        let lights: BTreeSet<u32> = INKS.iter().map(|(_, _, light, _)| *light).collect();
        assert_eq!(lights.len(), INKS.len());
    }

    #[test]
    fn colours_become_classes() {
        let svg = r##"<rect fill="#1C2126" stroke="none"/><line stroke="#E3E6E9"/>"##;
        let classed = r#"<rect class="f-text" stroke="none"/><line class="s-grid"/>"#;
        assert_eq!(classes_for_colours(svg), classed);
    }
}
