//! The hodograph: the wind's tip from the ground up, coloured by height, with the motion of storms.

use super::air;
use super::svg::{Anchor, Svg};
use crate::data::sounding::{KNOT, Sounding};
use crate::derive::ascent::Ascent;

/// Where it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Square {
    pub left: f64,
    pub top: f64,
    pub side: f64,
}

/// Heights in metres at which the colour changes, with the name of the look.
const LAYERS: [(f64, f64, &str); 5] = [
    (0.0, 1000.0, "low"),
    (1000.0, 3000.0, "middle"),
    (3000.0, 6000.0, "high"),
    (6000.0, 9000.0, "upper"),
    (9000.0, 12_000.0, "top"),
];

/// Knots to the picture.
struct Plane {
    square: Square,
    centre: (f64, f64),
    /// Units of the picture for a knot.
    scale: f64,
}

impl Plane {
    fn at(&self, (u, v): (f64, f64)) -> (f64, f64) {
        let middle = (self.square.left + self.square.side / 2.0, self.square.top + self.square.side / 2.0);
        (middle.0 + (u - self.centre.0) * self.scale, middle.1 - (v - self.centre.1) * self.scale)
    }
}

pub fn draw(svg: &mut Svg, square: Square, sounding: &Sounding, ascent: &Ascent) {
    let curve = |from: f64, to: f64| -> Vec<(f64, f64)> {
        let steps = ((to - from) / 100.0).ceil() as usize;
        let wind = |step: usize| {
            let metres = (from + 100.0 * step as f64).min(to);
            air::at_height(sounding, metres).map(|level| (level.u / KNOT, level.v / KNOT))
        };
        (0..=steps).filter_map(wind).collect()
    };
    let all = curve(0.0, 12_000.0);
    let movers = movers(ascent);
    let plane = fit(square, all.iter().copied().chain(movers.iter().map(|(.., at)| *at)));
    svg.clipped("hodo", |svg| {
        rings(svg, &plane);
        if let Some((.., right)) = movers.iter().find(|(name, ..)| *name == "RM") {
            // What SRH measures, the area swept out over the lowest 3 km as the storm sees it.
            let mut swept = vec![plane.at(*right)];
            swept.extend(curve(0.0, 3000.0).into_iter().map(|at| plane.at(at)));
            svg.area("sweep", &swept);
        }
        for (from, to, look) in LAYERS {
            svg.path(&format!("hodograph {look}"), curve(from, to).into_iter().map(|at| plane.at(at)));
        }
    });
    svg.rectangle("frame", (square.left, square.top), (square.side, square.side));
    for kilometres in [0.0, 1.0, 3.0, 6.0, 9.0, 12.0] {
        let Some(level) = air::at_height(sounding, kilometres * 1000.0) else { continue };
        let (x, y) = plane.at((level.u / KNOT, level.v / KNOT));
        svg.circle("dot", (x, y), 3.2);
        let text = if kilometres == 0.0 { "0".to_string() } else { format!("{kilometres}") };
        svg.words("dot-text", (x + 6.0, y - 5.0), Anchor::Start, &text);
    }
    for (name, _, at) in &movers {
        let (x, y) = plane.at(*at);
        svg.circle("mover", (x, y), 4.6);
        svg.line("mover", (x - 4.6, y), (x + 4.6, y));
        svg.line("mover", (x, y - 4.6), (x, y + 4.6));
        svg.words("mover-text", (x + 8.0, y + 12.0), Anchor::Start, name);
    }
    key(svg, square);
}

/// Storm motions that the library gives: short name, name of the parameter, wind in knots.
fn movers(ascent: &Ascent) -> Vec<(&'static str, String, (f64, f64))> {
    let mut found = Vec::new();
    for parameter in &ascent.parameters {
        let name = &parameter.plan.name;
        let Some(stem) = name.strip_suffix("_u") else { continue };
        let short = match stem {
            "right_mover" | "bunkers_right" | "right" | "rm" => "RM",
            "left_mover" | "bunkers_left" | "left" | "lm" => "LM",
            "mean_wind" | "bunkers_mean" | "mean_wind6" | "mw" => "MW",
            _ => continue,
        };
        if let (Some(u), Some(v)) = (ascent.value(name), ascent.value(&format!("{stem}_v"))) {
            found.push((short, stem.to_string(), (u / KNOT, v / KNOT)));
        }
    }
    found
}

/// All points with a margin, and the origin if it is near.
fn fit(square: Square, points: impl Iterator<Item = (f64, f64)>) -> Plane {
    let (mut low, mut high) = ((0.0f64, 0.0f64), (0.0f64, 0.0f64));
    for (u, v) in points {
        low = (low.0.min(u), low.1.min(v));
        high = (high.0.max(u), high.1.max(v));
    }
    let span = (high.0 - low.0).max(high.1 - low.1).max(30.0) * 1.18;
    let centre = ((low.0 + high.0) / 2.0, (low.1 + high.1) / 2.0);
    Plane { square, centre, scale: square.side / span }
}

fn rings(svg: &mut Svg, plane: &Plane) {
    let span = plane.square.side / plane.scale;
    let every = if span > 160.0 { 20.0 } else { 10.0 };
    let far = plane.centre.0.hypot(plane.centre.1) + span;
    let origin = plane.at((0.0, 0.0));
    let (left, top, side) = (plane.square.left, plane.square.top, plane.square.side);
    svg.line("axis", (left, origin.1), (left + side, origin.1));
    svg.line("axis", (origin.0, top), (origin.0, top + side));
    let mut speed = every;
    while speed < far {
        svg.circle("ring", origin, speed * plane.scale);
        // Named on the axis that has more room.
        let right = plane.at((speed, 0.0));
        if right.0 < left + side - 8.0 {
            svg.words("ring-text", (right.0 - 2.0, right.1 + 11.0), Anchor::End, &format!("{speed:.0}"));
        }
        speed += every;
    }
}

/// The colours of the layers, below the square.
fn key(svg: &mut Svg, square: Square) {
    let y = square.top + square.side + 15.0;
    let mut x = square.left;
    for (from, to, look) in LAYERS {
        svg.line(&format!("hodograph {look}"), (x, y - 4.0), (x + 14.0, y - 4.0));
        let text = format!("{:.0}–{:.0} km", from / 1000.0, to / 1000.0);
        svg.words("note", (x + 19.0, y), Anchor::Start, &text);
        x += 68.0;
    }
    svg.words("note", (square.left + square.side, y), Anchor::End, "rings: kt");
}
