//! The paper of a skew-T: isobars, isotherms leaning by 45 degrees, adiabats and mixing ratio lines.

use super::air;
use super::svg::{Anchor, Svg};
use crate::data::sounding::Sounding;

/// Pressures at the ends, Pa.
const BOTTOM: f64 = 105_000.0;
const TOP: f64 = 10_000.0;
/// Temperatures at the ends of the lowest isobar, °C.
const COLD: f64 = -42.0;
const WARM: f64 = 48.0;

/// The plane of the diagram.
#[derive(Clone, Copy, Debug)]
pub struct Axes {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Axes {
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// The height in the picture of a pressure in Pa.
    pub fn y(&self, pressure: f64) -> f64 {
        self.bottom() - self.height * (BOTTOM / pressure).ln() / (BOTTOM / TOP).ln()
    }

    /// The place of a temperature in K at a pressure.
    pub fn at(&self, temperature: f64, pressure: f64) -> (f64, f64) {
        let y = self.y(pressure);
        let x = self.left + self.width * (temperature - 273.15 - COLD) / (WARM - COLD);
        (x + (self.bottom() - y), y)
    }

    /// Whether a pressure is on the paper.
    pub fn shows(&self, pressure: f64) -> bool {
        (TOP..=BOTTOM).contains(&pressure)
    }

    pub fn draw(&self, svg: &mut Svg, sounding: &Sounding) {
        svg.clipped("plot", |svg| {
            self.isotherms(svg);
            self.adiabats(svg);
            self.ratios(svg);
        });
        self.isobars(svg);
        svg.rectangle("frame", (self.left, self.top), (self.width, self.height));
        self.temperatures(svg);
        self.heights(svg, sounding);
    }

    fn isotherms(&self, svg: &mut Svg) {
        let line = |celsius: f64| [self.at(celsius + 273.15, BOTTOM), self.at(celsius + 273.15, TOP)];
        for step in (-130..50).step_by(20) {
            let ([a, b], [c, d]) = (line(f64::from(step)), line(f64::from(step + 10)));
            svg.area("band", &[a, b, d, c]);
        }
        for step in (-130..=50).step_by(10) {
            let class = if step == 0 { "isotherm zero" } else { "isotherm" };
            svg.path(class, line(f64::from(step)));
        }
    }

    fn adiabats(&self, svg: &mut Svg) {
        let pressures = || (0..=95).map(|step| BOTTOM - 1000.0 * f64::from(step));
        for theta in (-30..=220).step_by(10) {
            let theta = f64::from(theta) + 273.15;
            svg.path("dry", pressures().map(|p| self.at(air::dry(theta, p), p)));
        }
        for start in (-20..=40).step_by(5) {
            let start = f64::from(start) + 273.15;
            let mut last = (1e5, start);
            let mut points = vec![self.at(air::moist(start, 1e5, BOTTOM), BOTTOM), self.at(start, 1e5)];
            for p in pressures().filter(|p| *p < 1e5) {
                last = (p, air::moist(last.1, last.0, p));
                points.push(self.at(last.1, p));
            }
            svg.path("moist", points);
        }
    }

    /// From the bottom to 600 hPa, where they are named.
    fn ratios(&self, svg: &mut Svg) {
        const UPPER: f64 = 60_000.0;
        for grams in [1.0, 2.0, 4.0, 7.0, 10.0, 14.0, 20.0, 28.0] {
            let pressures = (0..=45).map(|step| BOTTOM - 1000.0 * f64::from(step));
            svg.path("ratio", pressures.map(|p| self.at(air::dewpoint(grams / 1000.0, p), p)));
            let (x, y) = self.at(air::dewpoint(grams / 1000.0, UPPER), UPPER);
            svg.words("ratio-text", (x + 1.0, y - 4.0), Anchor::Middle, &format!("{grams}"));
        }
    }

    fn isobars(&self, svg: &mut Svg) {
        for step in (10..=105).step_by(5) {
            let pressure = f64::from(step) * 1000.0;
            let y = self.y(pressure);
            let hectopascals = step * 10;
            let named = hectopascals % 100 == 0 || [850, 250, 150].contains(&hectopascals);
            let class = if named { "isobar" } else { "isobar fine" };
            svg.line(class, (self.left, y), (self.right(), y));
            if named {
                svg.words("tick", (self.left - 7.0, y + 4.0), Anchor::End, &format!("{hectopascals}"));
            }
        }
        svg.words("note", (self.left - 7.0, self.top - 6.0), Anchor::End, "hPa");
    }

    fn temperatures(&self, svg: &mut Svg) {
        for step in (-40..=40).step_by(10) {
            let (x, y) = self.at(f64::from(step) + 273.15, BOTTOM);
            svg.words("tick", (x, y + 16.0), Anchor::Middle, &minus(step));
        }
        svg.words("note", (self.right(), self.bottom() + 16.0), Anchor::End, "°C");
        // Isotherms that leave through the right side are named there.
        for step in (-120..=30).step_by(10) {
            let (x, _) = self.at(f64::from(step) + 273.15, BOTTOM);
            let up = self.right() - x;
            let y = self.bottom() - up;
            if up > 30.0 && y > self.top + 8.0 {
                svg.words("note", (self.right() - 3.0, y + 11.0), Anchor::End, &minus(step));
            }
        }
    }

    /// Kilometres above the ground, at the left side.
    fn heights(&self, svg: &mut Svg, sounding: &Sounding) {
        for kilometres in [0.0, 1.0, 3.0, 6.0, 9.0, 12.0, 15.0] {
            let level = match kilometres {
                0.0 => sounding.levels.first().copied(),
                _ => air::at_height(sounding, kilometres * 1000.0),
            };
            let Some(level) = level.filter(|level| self.shows(level.pressure)) else { continue };
            let y = self.y(level.pressure);
            svg.line("height-tick", (self.left, y), (self.left + 9.0, y));
            let text = if kilometres == 0.0 { "ground".to_string() } else { format!("{kilometres} km") };
            svg.words("height", (self.left + 12.0, y + 4.0), Anchor::Start, &text);
        }
    }
}

/// With a true minus.
fn minus(number: i32) -> String {
    if number < 0 { format!("−{}", -number) } else { number.to_string() }
}
