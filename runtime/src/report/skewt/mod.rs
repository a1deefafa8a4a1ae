//! A sounding as forecasters draw it: skew-T log-p with a parcel, wind barbs, hodograph and the parameters, as one SVG.

use std::fmt::Write;

use crate::data::sounding::Sounding;
use crate::derive::ascent::Ascent;
use crate::derive::table::Summary;
use svg::{Anchor, Svg};

mod air;
mod axes;
mod hodograph;
mod panel;
mod profile;
mod svg;

const WIDTH: f64 = 1500.0;
const HEIGHT: f64 = 860.0;

/// The looks of all that is drawn. Red, green, blue and magenta differ in lightness too, and dashes tell lines apart
/// where colour does not.
const STYLE: &str = "
svg { background: #fff; font-family: 'Inter', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif; fill: #1b1f24; }
path { fill: none; stroke-linejoin: round; stroke-linecap: round; }
.paper { fill: #fff; }
.frame { fill: none; stroke: #1b1f24; stroke-width: 1.2; }
.isobar { stroke: #8a939c; stroke-width: 0.7; }
.isobar.fine { stroke: #d9dde1; stroke-width: 0.5; }
.isotherm { stroke: #c9ced3; stroke-width: 0.6; }
.isotherm.zero { stroke: #3b76c4; stroke-width: 1.1; stroke-dasharray: 6 3; }
.band { fill: #f5f7f9; }
.dry { stroke: #dcb08a; stroke-width: 0.6; }
.moist { stroke: #8fc1a0; stroke-width: 0.6; stroke-dasharray: 5 3; }
.ratio { stroke: #a68bc0; stroke-width: 0.7; stroke-dasharray: 1.5 3; }
.ratio-text { font-size: 9.5px; fill: #84659f; }
.temperature { stroke: #c8102e; stroke-width: 2.6; }
.density { stroke: #c8102e; stroke-width: 1; stroke-dasharray: 4 3; }
.dewpoint { stroke: #12803c; stroke-width: 2.6; }
.parcel { stroke: #1b1f24; stroke-width: 1.6; stroke-dasharray: 7 4; }
.cape { fill: #e8505b; fill-opacity: 0.22; }
.cin { fill: #3b76c4; fill-opacity: 0.22; }
.mark { stroke: #1b1f24; stroke-width: 1.8; }
.mark-text { font-size: 11px; font-weight: 600; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.inflow { stroke: #7a2fa0; stroke-width: 2; }
.inflow-text { font-size: 10px; fill: #7a2fa0; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.tick { font-size: 11px; fill: #3d464f; }
.height { font-size: 10.5px; fill: #b04a00; font-weight: 600; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.height-tick { stroke: #b04a00; stroke-width: 1.2; }
.barb { stroke: #1b1f24; stroke-width: 1.1; }
.flag { fill: #1b1f24; stroke: #1b1f24; stroke-width: 0.8; }
.calm { fill: none; stroke: #1b1f24; stroke-width: 1.1; }
.staff { stroke: #c9ced3; stroke-width: 0.8; }
.ring { fill: none; stroke: #d0d5da; stroke-width: 0.7; }
.ring-text { font-size: 9.5px; fill: #77818b; paint-order: stroke; stroke: #fff; stroke-width: 2.5px; }
.axis { stroke: #aab2ba; stroke-width: 0.8; }
.sweep { fill: #f2b134; fill-opacity: 0.22; }
.hodograph { stroke-width: 3; }
.low { stroke: #a3195b; } .middle { stroke: #d9480f; } .high { stroke: #2b8a3e; } .upper { stroke: #1864ab; } .top { stroke: #8a939c; }
.low-fill { fill: #a3195b; } .middle-fill { fill: #d9480f; } .high-fill { fill: #2b8a3e; } .upper-fill { fill: #1864ab; } .top-fill { fill: #8a939c; }
.dot { fill: #fff; stroke: #1b1f24; stroke-width: 1.2; }
.dot-text { font-size: 10px; font-weight: 600; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.mover { fill: none; stroke: #1b1f24; stroke-width: 1.6; }
.mover-text { font-size: 11px; font-weight: 700; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.title { font-size: 19px; font-weight: 700; }
.subtitle { font-size: 12.5px; fill: #5b6570; }
.head { font-size: 11px; font-weight: 700; fill: #5b6570; letter-spacing: 0.04em; }
.name { font-size: 12px; fill: #3d464f; }
.value { font-size: 12px; font-weight: 600; font-variant-numeric: tabular-nums; }
.unit { font-size: 10.5px; fill: #77818b; }
.rule { stroke: #d0d5da; stroke-width: 0.8; }
.note { font-size: 10px; fill: #77818b; }
";

/// The whole picture as the text of an SVG file. What `ascent` does not hold is not drawn.
pub fn draw(sounding: &Sounding, ascent: &Ascent) -> String {
    let axes = axes::Axes { left: 62.0, top: 66.0, width: 660.0, height: 730.0 };
    let parcel = air::mixed_parcel(sounding).map(|parcel| as_told(parcel, ascent));
    let mut svg = Svg::default();
    svg.rectangle("paper", (0.0, 0.0), (WIDTH, HEIGHT));
    heading(&mut svg, sounding);
    axes.draw(&mut svg, sounding);
    profile::draw(&mut svg, &axes, sounding, parcel.as_ref());
    profile::inflow(&mut svg, &axes, sounding, ascent);
    profile::barbs(&mut svg, &axes, sounding);
    let square = hodograph::Square { left: 806.0, top: 66.0, side: 470.0 };
    if sounding.winds {
        hodograph::draw(&mut svg, square, sounding, ascent);
    }
    let summary = Summary::new(ascent);
    if let Some(matrix) = &summary.parcels {
        panel::parcels(&mut svg, (806.0, 590.0), 470.0, matrix);
    }
    panel::sections(&mut svg, (1304.0, 76.0), 172.0, &summary, HEIGHT - 30.0);
    footer(&mut svg, sounding);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         role=\"img\" aria-labelledby=\"title\">"
    );
    let _ = writeln!(
        out,
        "<title id=\"title\">Skew-T log-p and hodograph: {}</title>",
        svg::escaped(&sounding.title)
    );
    let _ = writeln!(out, "<style>{STYLE}</style>");
    let _ = writeln!(
        out,
        "<defs><clipPath id=\"plot\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\
         <clipPath id=\"hodo\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath></defs>",
        axes.left, axes.top, axes.width, axes.height, square.left, square.top, square.side, square.side
    );
    out.push_str(&svg.text);
    out.push_str("</svg>\n");
    out
}

fn heading(svg: &mut Svg, sounding: &Sounding) {
    svg.words("title", (62.0, 34.0), Anchor::Start, &sounding.title);
    let words = sounding.whereabouts("%A %-d %B %Y, %H:%M UTC", 0);
    svg.words("subtitle", (62.0, 53.0), Anchor::Start, &words.join("   ·   "));
}

/// The marks are where the library has them, so that picture and table agree.
fn as_told(parcel: air::Parcel, ascent: &Ascent) -> air::Parcel {
    let condensation = ascent.value("mllcl_pressure").unwrap_or(parcel.condensation);
    let told = ascent.value("mllfc_pressure").zip(ascent.value("mlel_pressure"));
    air::Parcel { condensation, free: told.or(parcel.free), ..parcel }
}

fn footer(svg: &mut Svg, sounding: &Sounding) {
    let words = "red: temperature; green: dewpoint; fine dashes: virtual temperature; long dashes: parcel of the lowest \
                 100 hPa, virtual temperature; shaded: its CAPE and CIN";
    svg.words("note", (62.0, HEIGHT - 14.0), Anchor::Start, words);
    svg.words("note", (806.0, HEIGHT - 14.0), Anchor::Start, &sounding.notes.join("; "));
}
