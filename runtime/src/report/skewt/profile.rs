//! What was measured, and the parcel: temperature, dewpoint, areas of buoyancy, marks, wind barbs.

use super::air::{self, Parcel};
use super::axes::Axes;
use super::svg::{Anchor, Svg};
use crate::data::sounding::{KNOT, Sounding};
use crate::derive::ascent::Ascent;

pub fn draw(svg: &mut Svg, axes: &Axes, sounding: &Sounding, parcel: Option<&Parcel>) {
    let shown = || sounding.levels.iter().filter(|level| level.pressure > 9_000.0);
    svg.clipped("plot", |svg| {
        if let Some(parcel) = parcel {
            areas(svg, axes, parcel);
        }
        let density = |level: &crate::data::sounding::Level| {
            air::virtual_temperature(level.temperature, air::mixing_ratio(level.dewpoint, level.pressure))
        };
        svg.path("density", shown().map(|level| axes.at(density(level), level.pressure)));
        svg.path("dewpoint", shown().map(|level| axes.at(level.dewpoint, level.pressure)));
        svg.path("temperature", shown().map(|level| axes.at(level.temperature, level.pressure)));
        if let Some(parcel) = parcel {
            let path = parcel.path.iter().filter(|step| step.pressure > 9_000.0);
            svg.path("parcel", path.map(|step| axes.at(step.density, step.pressure)));
        }
    });
    if let Some(parcel) = parcel {
        marks(svg, axes, parcel);
    }
    if let Some(ground) = sounding.levels.first() {
        // In °F, as the surface is told in the plains.
        let fahrenheit = |kelvin: f64| format!("{:.0} °F", (kelvin - 273.15) * 1.8 + 32.0);
        for (kelvin, anchor, shift) in
            [(ground.temperature, Anchor::Start, 4.0), (ground.dewpoint, Anchor::End, -4.0)]
        {
            let (x, y) = axes.at(kelvin, ground.pressure);
            svg.words("mark-text", (x + shift, y + 14.0), anchor, &fahrenheit(kelvin));
        }
    }
}

/// CAPE between free convection and equilibrium, CIN below.
fn areas(svg: &mut Svg, axes: &Axes, parcel: &Parcel) {
    let Some((base, top)) = parcel.free else { return };
    for pair in parcel.path.windows(2) {
        let (below, above) = (pair[0], pair[1]);
        let (one, two) = (below.density - below.around, above.density - above.around);
        let inside = below.pressure <= base * 1.0001 && above.pressure >= top * 0.9999;
        let under = above.pressure >= base * 0.9999;
        // Where the curves cross within a step, the smaller part is not worth a corner of its own.
        let class = match one + two > 0.0 {
            true if inside || below.pressure > base && above.pressure < base => "cape",
            false if under => "cin",
            _ => continue,
        };
        svg.area(
            class,
            &[
                axes.at(below.density, below.pressure),
                axes.at(above.density, above.pressure),
                axes.at(above.around, above.pressure),
                axes.at(below.around, below.pressure),
            ],
        );
    }
}

fn marks(svg: &mut Svg, axes: &Axes, parcel: &Parcel) {
    let free = parcel.free;
    let marks = [
        (Some(parcel.condensation), "LCL"),
        (free.map(|(base, _)| base), "LFC"),
        (free.map(|(_, top)| top), "EL"),
    ];
    let mut last: Option<f64> = None;
    for (pressure, name) in marks {
        let Some(pressure) = pressure.filter(|pressure| axes.shows(*pressure)) else { continue };
        let Some(step) = parcel
            .path
            .iter()
            .min_by(|one, two| (one.pressure - pressure).abs().total_cmp(&(two.pressure - pressure).abs()))
        else {
            continue;
        };
        let warmest = step.density.max(step.around);
        let (x, y) = axes.at(warmest, pressure);
        let x = (x + 34.0).min(axes.right() - 74.0);
        svg.line("mark", (x, y), (x + 26.0, y));
        // Two that lie together are told one above the other.
        let lift = last.map_or(0.0, |last| if last - y < 13.0 { 13.0 - (last - y) } else { 0.0 });
        svg.words("mark-text", (x + 30.0, y + 4.0 - lift), Anchor::Start, name);
        last = Some(y - lift);
    }
}

/// The effective inflow layer, where the library tells its base and top.
pub fn inflow(svg: &mut Svg, axes: &Axes, sounding: &Sounding, ascent: &Ascent) {
    let height = |names: &[&str]| names.iter().find_map(|name| ascent.value(name));
    let (Some(base), Some(top)) = (
        height(&["inflow_base", "effective_base", "eff_base"]),
        height(&["inflow_top", "effective_top", "eff_top"]),
    ) else {
        return;
    };
    let level = |metres: f64| match metres <= 0.0 {
        true => sounding.levels.first().copied(),
        false => air::at_height(sounding, metres),
    };
    let (Some(low), Some(high)) = (level(base), level(top)) else { return };
    let x = axes.left + 62.0;
    let (from, to) = (axes.y(low.pressure), axes.y(high.pressure));
    svg.path("inflow", [(x + 8.0, from), (x, from), (x, to), (x + 8.0, to)]);
    svg.words("inflow-text", (x + 4.0, to - 4.0), Anchor::Start, "effective inflow");
}

/// Barbs at the right of the diagram, not closer than they can be told apart.
pub fn barbs(svg: &mut Svg, axes: &Axes, sounding: &Sounding) {
    const APART: f64 = 17.0;
    let x = axes.right() + 42.0;
    svg.line("staff", (x, axes.top), (x, axes.bottom()));
    if !sounding.winds {
        return;
    }
    let mut last = f64::INFINITY;
    for level in sounding.levels.iter().filter(|level| axes.shows(level.pressure)) {
        let y = axes.y(level.pressure);
        if last - y < APART {
            continue;
        }
        last = y;
        barb(svg, (x, y), level.u / KNOT, level.v / KNOT);
    }
}

/// A wind in knots: pennants of 50, feathers of 10 and 5, on the left of the shaft as one looks along it to the station.
fn barb(svg: &mut Svg, (x, y): (f64, f64), u: f64, v: f64) {
    const SHAFT: f64 = 27.0;
    const FEATHER: f64 = 10.0;
    let speed = u.hypot(v);
    let mut left = ((speed / 5.0).round() * 5.0) as i64;
    if left < 5 {
        svg.circle("calm", (x, y), 3.0);
        return;
    }
    // The shaft points to where the wind comes from; in the picture y goes down.
    let (ex, ey) = (-u / speed, v / speed);
    let at = |along: f64, out: f64| (x + ex * along - ey * out, y + ey * along + ex * out);
    svg.line("barb", (x, y), at(SHAFT, 0.0));
    let mut place = SHAFT;
    while left >= 50 {
        svg.area("flag", &[at(place, 0.0), at(place - 2.5, FEATHER), at(place - 5.0, 0.0)]);
        place -= 6.5;
        left -= 50;
    }
    if left == 5 && place == SHAFT {
        place -= 4.0; // a lone half feather does not stand at the end
    }
    while left >= 10 {
        svg.line("barb", at(place, 0.0), at(place + 3.5, FEATHER));
        place -= 4.0;
        left -= 10;
    }
    if left >= 5 {
        svg.line("barb", at(place, 0.0), at(place + 1.8, FEATHER / 2.0));
    }
}
