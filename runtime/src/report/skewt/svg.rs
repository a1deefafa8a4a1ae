//! Just enough of SVG: elements with numbers to a tenth of a unit, text that is escaped.

use std::fmt::Write;

/// The text of a picture, element after element.
#[derive(Debug, Default)]
pub struct Svg {
    pub text: String,
}

/// Where a text hangs from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// A line through points, broken where one is not a number. `class` names its look in the style sheet.
    pub fn path(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        let mut up = true;
        for (x, y) in points {
            if !(x.is_finite() && y.is_finite()) {
                up = true;
                continue;
            }
            let _ = write!(path, "{}{x:.1} {y:.1}", if up { "M" } else { "L" });
            up = false;
        }
        if !path.is_empty() {
            let _ = writeln!(self.text, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }

    /// A filled area with these corners.
    pub fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        if points.len() < 3 || points.iter().any(|(x, y)| !(x.is_finite() && y.is_finite())) {
            return;
        }
        let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.text, "<polygon class=\"{class}\" points=\"{}\"/>", list.join(" "));
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, [from, to]);
    }

    pub fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        if x.is_finite() && y.is_finite() {
            let _ = writeln!(
                self.text,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"
            );
        }
    }

    pub fn rectangle(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let _ = writeln!(
            self.text,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    pub fn words(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        if x.is_finite() && y.is_finite() {
            let _ = writeln!(
                self.text,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
                escaped(text)
            );
        }
    }

    /// What `fill` draws, within a rectangle that was declared as a clip path of this name.
    pub fn clipped(&mut self, clip: &str, fill: impl FnOnce(&mut Svg)) {
        let _ = writeln!(self.text, "<g clip-path=\"url(#{clip})\">");
        fill(self);
        self.text.push_str("</g>\n");
    }
}

/// Text in which nothing is taken for markup; control characters, which no XML may hold, are left out.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_nothing_is() {
        let mut svg = Svg::default();
        svg.path("a", [(0.0, 0.0), (1.0, 1.0), (f64::NAN, 2.0), (3.0, 3.0)]);
        assert_eq!(svg.text, "<path class=\"a\" d=\"M0.0 0.0L1.0 1.0M3.0 3.0\"/>\n");
    }

    #[test]
    fn names_of_stations_are_no_markup() {
        assert_eq!(escaped("<b>&\"\u{7}"), "&lt;b&gt;&amp;&quot;");
    }
}
