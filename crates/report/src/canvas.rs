//! A sheet to draw on: plotters' SVG backend with quarter pixels, named colours, and a result
//! that follows light and dark.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::format;
use crate::ink::{Ink, classes_for_colours, style};

/// Steps in a pixel: plotters' coordinates are integers, and intervals are narrow.
const STEPS: f64 = 4.0;

/// plotters divides a font's size by this before it is written.
const FONT_FACTOR: f64 = 1.24;

/// The width of a character of the usual sans-serif fonts in units of the font's size, on
/// the high side. Without fonts there is nothing to measure a text with.
const CHARACTER_WIDTH: f64 = 0.58;

/// Why drawing does not fail.
const STRING: &str = "the SVG backend takes what is written to its string";

/// Which end of a text its position is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    /// The left.
    Start,
    /// The middle.
    Middle,
    /// The right.
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    /// Its size in pixels.
    pub(crate) size: f64,
    /// Whether it is bold.
    pub(crate) bold: bool,
    /// Its colour.
    pub(crate) ink: Ink,
    /// Which end of it is its position.
    pub(crate) anchor: Anchor,
}

/// A drawing, in the two forms that are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Svg {
    /// A file of its own, with its colours.
    pub(crate) alone: String,
    /// For a page that has [`style`].
    pub(crate) inlined: String,
}

/// Draws on a sheet of `width` by `height` pixels. `label` says in words what is to be seen.
pub(crate) fn drawing(
    (width, height): (f64, f64),
    label: &str,
    draw: impl FnOnce(&Canvas<'_>),
) -> Svg {
    let mut drawn = String::new();
    {
        let size = (step(width) as u32, step(height) as u32);
        let area = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
        draw(&Canvas { area });
    }
    // plotters opens with a line for the element itself, which says less than is needed here.
    let body = drawn.split_once('\n').map_or("", |(_, body)| body);
    let body = classes_for_colours(body).replace(" opacity=\"1\"", "");
    let label = escaped(&format::printable(label));
    let element = format!(
        "<svg class=\"plot\" role=\"img\" aria-label=\"{label}\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {} {}\"",
        step(width),
        step(height),
    );
    Svg {
        alone: format!(
            "{element} xmlns=\"http://www.w3.org/2000/svg\">\n<style>{}</style>\n{body}",
            style()
        ),
        inlined: format!("{element}>\n{body}"),
    }
}

/// The width in pixels that a text needs at most.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER_WIDTH
}

/// A sheet. Positions and lengths are pixels from the upper left corner.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl Canvas<'_> {
    /// A line.
    pub(crate) fn line(&self, from: (f64, f64), to: (f64, f64), width: f64, ink: Ink) {
        let style = ink.colour().stroke_width(step(width) as u32);
        self.area.draw(&PathElement::new(vec![point(from), point(to)], style)).expect(STRING);
    }

    /// A filled rectangle.
    pub(crate) fn area(&self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        self.area
            .draw(&Rectangle::new([point(from), point(to)], ink.colour().filled()))
            .expect(STRING);
    }

    /// A dot, a little transparent, so that dots on one another show.
    pub(crate) fn dot(&self, centre: (f64, f64), radius: f64, ink: Ink) {
        self.area
            .draw(&Circle::new(point(centre), step(radius), ink.colour().mix(0.6).filled()))
            .expect(STRING);
    }

    /// A text in the vertical middle of its position.
    pub(crate) fn text(&self, text: &str, at: (f64, f64), look: Type) {
        let style = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        let across = match look.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = FontDesc::new(FontFamily::SansSerif, look.size * STEPS * FONT_FACTOR, style);
        let colour = look.ink.colour();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(across, VPos::Center));
        self.area.draw(&Text::new(format::printable(text), point(at), style)).expect(STRING);
    }
}

/// A position in steps.
fn point((x, y): (f64, f64)) -> (i32, i32) {
    (step(x), step(y))
}

/// A length in steps.
fn step(pixels: f64) -> i32 {
    (pixels * STEPS).round() as i32
}

/// A text that can stand in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_the_lone_form_has_its_colours() {
        let svg = drawing((10.0, 5.0), "a \"b\" <c>", |canvas| {
            let look = Type { size: 12.0, bold: false, ink: Ink::Text, anchor: Anchor::End };
            canvas.text("<script>&\u{0}", (1.0, 2.0), look);
        });
        assert!(svg.alone.contains("&lt;script&gt;&amp;\u{fffd}"));
        assert!(svg.alone.contains("aria-label=\"a &quot;b&quot; &lt;c&gt;\""));
        assert!(svg.alone.contains("prefers-color-scheme"));
        assert!(!svg.inlined.contains("<style>"));
        assert!(svg.inlined.contains("font-size=\"48\""), "{}", svg.inlined);
    }
}
