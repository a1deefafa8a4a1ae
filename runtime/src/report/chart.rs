//! What all charts share: colours by role, axes, and the way an SVG enters the page.
//!
//! Charts are drawn in the colours of the light page. The style sheet knows these colours and replaces them on the
//! dark page, so each role must keep a colour of its own.

use maud::{Markup, PreEscaped, html};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use super::ReportError;

pub const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);
pub const MUTED: RGBColor = RGBColor(0x5b, 0x65, 0x70);
pub const GRID: RGBColor = RGBColor(0xe1, 0xe5, 0xe9);
/// Blue, vermilion, green and purple stay apart in all common kinds of colour blindness (Okabe and Ito 2008).
pub const MODEL: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub const PERSISTENCE: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
pub const OTHER: RGBColor = RGBColor(0x00, 0x9e, 0x73);
pub const VALIDATE: RGBColor = RGBColor(0xaa, 0x44, 0x99);

/// Size of a chart in its own units; the page scales it.
pub const SIZE: (u32, u32) = (480, 290);
/// Ends the drawing of an element early, with the reason.
pub type Drawn = Result<(), Box<dyn std::error::Error>>;

/// How one curve looks: never told apart by colour alone.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub color: RGBColor,
    pub class: &'static str,
    pub dashed: bool,
    pub square: bool,
}

/// The look of a forecast by name.
pub fn forecast_look(name: &str) -> Look {
    match name {
        "model" => Look { color: MODEL, class: "model", dashed: false, square: false },
        "persistence" => Look { color: PERSISTENCE, class: "persistence", dashed: true, square: true },
        _ => Look { color: OTHER, class: "other", dashed: false, square: true },
    }
}

/// The look of a split of the data.
pub fn split_look(name: &str) -> Look {
    match name {
        "validate" => Look { color: VALIDATE, class: "validate", dashed: true, square: true },
        _ => Look { color: OTHER, class: "train", dashed: false, square: false },
    }
}

/// Runs `draw` on an empty drawing of `size` and returns the SVG text.
pub fn svg(
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn,
) -> Result<String, ReportError> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&root).map_err(|error| ReportError::Chart(error.to_string()))?;
        root.present().map_err(|error| ReportError::Chart(error.to_string()))?;
    }
    Ok(text)
}

/// A chart in a figure, with a heading, the keys of its curves and a text for those who cannot see it.
pub fn figure(heading: &str, keys: &[(String, Look)], alternative: &str, svg: &str) -> Markup {
    html! {
        figure.chart {
            figcaption {
                strong { (heading) }
                span.keys { @for (name, look) in keys { (key(name, *look)) } }
            }
            // The drawing library escapes all text that enters the SVG.
            div role="img" aria-label=(alternative) { (PreEscaped(svg)) }
        }
    }
}

fn key(name: &str, look: Look) -> Markup {
    let dashes = if look.dashed { "5 3" } else { "none" };
    html! {
        span class={ "key " (look.class) } {
            svg.sample viewBox="0 0 28 12" width="28" height="12" aria-hidden="true" {
                line x1="0" y1="6" x2="28" y2="6" stroke="currentColor" stroke-width="2" stroke-dasharray=(dashes) {}
                @if look.square {
                    rect x="10" y="2" width="8" height="8" class="hollow" stroke="currentColor" stroke-width="2" {}
                } @else {
                    circle cx="14" cy="6" r="4" fill="currentColor" {}
                }
            }
            (name)
        }
    }
}

/// A font for the labels of charts.
pub fn font(size: i32, color: &RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(color)
}

/// Draws grid, axes and names of the axes.
pub fn mesh<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    names: (&str, &str),
    format_x: &dyn Fn(&f64) -> String,
    format_y: &dyn Fn(&f64) -> String,
) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    (chart.configure_mesh())
        .x_labels(7)
        .y_labels(6)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .label_style(font(13, &INK))
        .axis_desc_style(font(13, &MUTED))
        .x_desc(names.0)
        .y_desc(names.1)
        .x_label_formatter(&|value| format_x(value))
        .y_label_formatter(&|value| format_y(value))
        .draw()?;
    Ok(())
}

/// Draws one curve through `points`, with a mark on each if `marks`.
pub fn curve<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    points: &[(f64, f64)],
    look: Look,
    marks: bool,
) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let line = look.color.stroke_width(2);
    if look.dashed {
        chart.draw_series(DashedLineSeries::new(points.iter().copied(), 6, 4, line))?;
    } else {
        chart.draw_series(LineSeries::new(points.iter().copied(), line))?;
    }
    if marks && look.square {
        chart.draw_series(points.iter().map(|at| {
            EmptyElement::at(*at)
                + Rectangle::new([(-4, -4), (4, 4)], PAPER.filled())
                + Rectangle::new([(-4, -4), (4, 4)], look.color.stroke_width(2))
        }))?;
    } else if marks {
        chart.draw_series(points.iter().map(|at| Circle::new(*at, 4, look.color.filled())))?;
    }
    Ok(())
}

/// Whether a value can be drawn: an axis over hundreds of powers of ten has no use, and no end of labels.
pub fn drawable(value: f64) -> bool {
    value == 0.0 || (1e-30..1e30).contains(&value.abs())
}

/// The range of `values` with room above and below; never so narrow that two labels would be the same number.
pub fn padded(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let size = low.abs().max(high.abs());
    let room = if high > low { (0.06 * (high - low)).max(1e-6 * size) } else { 0.1 * size.max(1e-6) };
    (low - room, high + room)
}

/// A number on an axis, short.
pub fn tick(value: &f64) -> String {
    let size = value.abs();
    if size < 1e-12 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.0e}")
    } else {
        crate::evaluate::table::number(*value)
    }
}
