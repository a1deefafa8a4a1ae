//! Maps as indexed PNG images inside the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use ndarray::{Array2, ArrayView2, Axis};

use super::colour::{MISSING, REFLECTIVITY, hex, reflectivity_class, uniform};
use super::{MapField, MapRow, Panel, ReportError, ReportInput};
use crate::evaluate::table::score_text;

/// Pixels a map should have along its longer side, at least.
const PIXELS: usize = 420;
/// Palette index of missing cells.
const MISSING_INDEX: u8 = 255;
/// Palette index of values too small to paint.
const CLEAR_INDEX: u8 = 254;
/// Palette indices of values.
const SHADES: usize = 254;

/// All rows of maps.
pub fn maps(input: &ReportInput) -> Result<Markup, ReportError> {
    let south_first = (input.latitude.as_ref()).is_some_and(|latitude| {
        latitude.axis_iter(Axis(1)).next().is_some_and(|first| first.first() < first.last())
    });
    let rows = input.maps.iter().map(|row| map_row(row, south_first)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        @for row in rows { (row) }
        p.note {
            @match extent(input) {
                Some(extent) => { "Domain: " (extent) ". North is up." }
                None => "No coordinates were given: the first row of the grid is at the top."
            }
            " One cell of the grid is one square; nothing is smoothed. Grey cells are missing."
        }
    })
}

pub(super) fn map_row(row: &MapRow, south_first: bool) -> Result<Markup, ReportError> {
    let scale = Scale::of(row);
    let panels = (row.panels.iter())
        .map(|panel| {
            let image = image(panel.values.view(), &scale, south_first)?;
            Ok(html! {
                div.panel {
                    h4 { (panel.label) }
                    @match image {
                        Some(data) => img src=(data) alt=(alternative(row, panel));
                        None => p.empty { "This field has no cells." }
                    }
                }
            })
        })
        .collect::<Result<Vec<_>, ReportError>>()?;
    Ok(html! {
        figure.maps {
            figcaption { strong { (row.caption) } }
            div.panels { @for panel in panels { (panel) } }
            (scale.bar(&row.field))
        }
    })
}

/// How values become palette indices.
#[derive(Debug)]
enum Scale {
    Reflectivity,
    /// Smallest and largest finite value of the row; none if there is no finite value.
    Linear(Option<(f32, f32)>),
}

impl Scale {
    /// One scale for all panels of a row, so that they can be compared.
    fn of(row: &MapRow) -> Self {
        if row.field == MapField::Reflectivity {
            return Self::Reflectivity;
        }
        let finite =
            row.panels.iter().flat_map(|panel| &panel.values).copied().filter(|value| value.is_finite());
        Self::Linear(finite.fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((value.min(low), value.max(high)))
        }))
    }

    fn index(&self, value: f32) -> u8 {
        if !value.is_finite() {
            return MISSING_INDEX;
        }
        match self {
            Self::Reflectivity => reflectivity_class(value).map_or(CLEAR_INDEX, |class| class as u8),
            Self::Linear(range) => {
                let (low, high) = range.unwrap_or((value, value));
                let share = f64::from(value - low) / f64::from(high - low);
                // A constant field has share 0/0, which converts to 0.
                (share * (SHADES - 1) as f64).round() as u8
            }
        }
    }

    /// Red, green and blue of all 256 indices.
    fn palette(&self) -> Vec<u8> {
        let mut palette = vec![0; 256 * 3];
        for (index, color) in palette.chunks_exact_mut(3).enumerate().take(SHADES) {
            color.copy_from_slice(&match self {
                Self::Reflectivity => REFLECTIVITY.get(index).map_or([0; 3], |class| class.1),
                Self::Linear(_) => uniform(index as f64 / (SHADES - 1) as f64),
            });
        }
        palette[usize::from(MISSING_INDEX) * 3..].copy_from_slice(&MISSING);
        palette
    }

    /// The labelled colour bar.
    fn bar(&self, field: &MapField) -> Markup {
        let (name, swatches): (String, Vec<(String, String)>) = match (self, field) {
            (Self::Linear(None), _) => return html! { p.empty { "No finite value to paint." } },
            (Self::Linear(Some((low, high))), MapField::Continuous { units, label }) => {
                let steps = 16;
                let swatches = (0..=steps).map(|step| {
                    let share = f64::from(step) / f64::from(steps);
                    let value = f64::from(*low) + share * f64::from(high - low);
                    let text = if step % 4 == 0 { score_text(Some(value)) } else { String::new() };
                    (hex(uniform(share)), text)
                });
                (format!("{label} [{units}]"), swatches.collect())
            }
            _ => {
                let swatches = REFLECTIVITY.iter().map(|(from, color)| (hex(*color), format!("{from}")));
                ("reflectivity [dBZ], from the labelled value upwards".to_owned(), swatches.collect())
            }
        };
        html! {
            div.bar {
                div.swatches {
                    @if matches!(self, Self::Reflectivity) { span { i.clear {} b { "< 5" } } }
                    @for (color, text) in swatches { span { i style={ "background:" (color) } {} b { (text) } } }
                }
                div.unit { (name) }
            }
        }
    }
}

/// The field as a PNG in a `data:` address; `None` if it has no cells.
fn image(
    values: ArrayView2<'_, f32>,
    scale: &Scale,
    south_first: bool,
) -> Result<Option<String>, ReportError> {
    let bytes = encoded(values, scale, south_first)?;
    Ok(bytes.map(|bytes| format!("data:image/png;base64,{}", STANDARD.encode(bytes))))
}

/// A field as a PNG, row 0 at the top, one cell of the grid a square, in the colours that `field` has; `None` if it has no cells.
///
/// # Errors
/// [`ReportError::Map`] if it cannot be encoded.
pub fn picture(values: ArrayView2<'_, f32>, field: &MapField) -> Result<Option<Vec<u8>>, ReportError> {
    let panel = Panel { label: String::new(), values: values.to_owned() };
    let row = MapRow { caption: String::new(), panels: vec![panel], field: field.clone() };
    encoded(values, &Scale::of(&row), false)
}

fn encoded(
    values: ArrayView2<'_, f32>,
    scale: &Scale,
    south_first: bool,
) -> Result<Option<Vec<u8>>, ReportError> {
    let (rows, columns) = values.dim();
    if rows == 0 || columns == 0 {
        return Ok(None);
    }
    let factor = PIXELS.div_ceil(rows.max(columns)).clamp(1, 16);
    let pixels = Array2::from_shape_fn((rows * factor, columns * factor), |(row, column)| {
        let row = row / factor;
        scale.index(values[(if south_first { rows - 1 - row } else { row }, column / factor)])
    });
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.ncols() as u32, pixels.nrows() as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(scale.palette());
    let opacity: Vec<u8> =
        (0..=u8::MAX).map(|index| if index == CLEAR_INDEX { 0 } else { u8::MAX }).collect();
    encoder.set_trns(opacity);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels.into_raw_vec_and_offset().0)?;
    writer.finish()?;
    Ok(Some(bytes))
}

/// What the map shows, in words.
fn alternative(row: &MapRow, panel: &Panel) -> String {
    let finite: Vec<f32> = panel.values.iter().copied().filter(|value| value.is_finite()).collect();
    let (rows, columns) = panel.values.dim();
    let (what, units) = match &row.field {
        MapField::Reflectivity => ("Reflectivity", "dBZ"),
        MapField::Continuous { units, label } => (label.as_str(), units.as_str()),
    };
    let mut text = format!("{what}, {}, {}: {rows} by {columns} cells", panel.label, row.caption);
    if finite.is_empty() {
        return text + ", all missing.";
    }
    let (low, high) =
        finite.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    text += &format!(", from {low:.1} to {high:.1} {units}");
    if row.field == MapField::Reflectivity {
        let strong = finite.iter().filter(|value| **value >= 35.0).count();
        text += &format!(", {strong} cells at or above 35 dBZ");
    }
    match rows * columns - finite.len() {
        0 => text + ".",
        missing => text + &format!(", {missing} missing."),
    }
}

/// Southernmost to northernmost and westernmost to easternmost cell, in words.
fn extent(input: &ReportInput) -> Option<String> {
    let range = |field: &Array2<f64>| {
        let finite = field.iter().copied().filter(|value| value.is_finite());
        let range =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        (range.0 <= range.1).then_some(range)
    };
    let (south, north) = range(input.latitude.as_ref()?)?;
    let (west, east) = range(input.longitude.as_ref()?)?;
    let latitude = |value: f64| format!("{:.1}° {}", value.abs(), if value < 0.0 { "S" } else { "N" });
    let longitude = |value: f64| {
        let value = if value > 180.0 { value - 360.0 } else { value };
        format!("{:.1}° {}", value.abs(), if value < 0.0 { "W" } else { "E" })
    };
    Some(format!("{} to {}, {} to {}", latitude(south), latitude(north), longitude(west), longitude(east)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(data: &str) -> (u32, u32, Vec<u8>) {
        let bytes = STANDARD.decode(data.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn cells_are_painted_where_they_lie() {
        let values = ndarray::array![[50.0, 0.0, 20.0], [f32::NAN, 80.0, 5.0]];
        let (width, height, pixels) =
            decode(&image(values.view(), &Scale::Reflectivity, false).unwrap().unwrap());
        assert_eq!((width, height), (48, 32));
        let at = |row: usize, column: usize| &pixels[(row * 48 + column) * 4..][..4];
        assert_eq!(at(0, 0), [0xfd, 0, 0, 255]);
        assert_eq!(at(15, 16)[3], 0, "below 5 dBZ nothing is painted");
        assert_eq!(at(16, 0), [0x9a, 0xa0, 0xa6, 255]);
        assert_eq!(at(31, 47), [0x04, 0xe9, 0xe7, 255]);
        let (_, _, flipped) = decode(&image(values.view(), &Scale::Reflectivity, true).unwrap().unwrap());
        assert_eq!(flipped[(16 * 48) * 4..][..4], [0xfd, 0, 0, 255], "the first row is the southernmost");
    }

    #[test]
    fn constant_and_missing_fields_are_painted() {
        let scale = |values: Array2<f32>| {
            let field = MapField::Continuous { units: "K".into(), label: "temperature".into() };
            let panel = Panel { label: "truth".into(), values };
            Scale::of(&MapRow { caption: String::new(), panels: vec![panel], field })
        };
        assert_eq!(scale(Array2::from_elem((2, 2), 3.0)).index(3.0), 0);
        assert_eq!(scale(Array2::from_elem((2, 2), f32::NAN)).index(f32::NAN), MISSING_INDEX);
        assert_eq!(scale(ndarray::array![[1.0, 3.0]]).index(3.0), 253);
        assert!(image(Array2::zeros((0, 3)).view(), &Scale::Reflectivity, false).unwrap().is_none());
    }
}
