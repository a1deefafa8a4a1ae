//! From packed bytes to values (sections 5, 6 and 7).
//!
//! Every packing stores whole numbers X and gives Y = (R + X·2^E)·10^-D. Plain bits (5.0), floats (5.4) and
//! the complex forms (5.2, 5.3) are decoded here, because only with the counts known beforehand can a damaged
//! file be refused before memory is asked for; the compressed streams go to libraries written in Rust.
//!
//! A constant field (no bits, no groups) is R itself, unscaled: so do the centres' encoders write it, and so do
//! the common decoders read it, whatever D says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bitvec::view::BitView;
use gribberish::templates::data_representation::{
    CCSDSDataRepresentationTemplate, DataRepresentationTemplate,
};
use multiversion::multiversion;
use serde::Serialize;

use super::complex::{self, Groups};
use super::octets::{bits, float, signed, unsigned};
use super::{MOST_POINTS, Problem};

/// How the values of a field are packed (section 5).
#[derive(Clone, Debug, Serialize)]
pub struct Packing {
    /// Number of the template (0 simple, 2 complex, 3 complex with differences, 40 JPEG 2000, 41 PNG, 42 CCSDS).
    pub template: u16,
    /// Number of values in the data section: grid points less those the bitmap leaves out.
    pub values: u64,
    /// R.
    pub reference: f64,
    /// E.
    pub binary_scale: i32,
    /// D.
    pub decimal_scale: i32,
    /// Bits per value, or per group reference.
    pub bits: u32,
    #[serde(skip)]
    section: Vec<u8>,
}

impl Packing {
    pub(super) fn read(section: &[u8]) -> Result<Self, Problem> {
        let short = || Problem::Damaged("section 5 is too short".into());
        let template = unsigned(section, 9, 2).ok_or_else(short)? as u16;
        let values = unsigned(section, 5, 4).ok_or_else(short)?;
        if values > MOST_POINTS {
            return Err(Problem::Damaged(format!("{values} values in one field")));
        }
        let mut packing = Packing {
            template,
            values,
            reference: 0.0,
            binary_scale: 0,
            decimal_scale: 0,
            bits: 0,
            section: section.to_vec(),
        };
        if matches!(template, 0 | 2 | 3 | 40 | 41 | 42) {
            packing.reference = f64::from(float(section, 11).ok_or_else(short)?);
            packing.binary_scale = signed(section, 15, 2).ok_or_else(short)? as i32;
            packing.decimal_scale = signed(section, 17, 2).ok_or_else(short)? as i32;
            packing.bits = u32::from(*section.get(19).ok_or_else(short)?);
        }
        Ok(packing)
    }

    /// The distance between neighbouring values, 2^E·10^-D: no two values can be told apart below it. `None`
    /// for floats and unknown templates.
    pub fn quantum(&self) -> Option<f64> {
        matches!(self.template, 0 | 2 | 3 | 40 | 41 | 42)
            .then(|| 2f64.powi(self.binary_scale) * 10f64.powi(-self.decimal_scale))
    }

    /// `5.3 complex, 2nd differences`.
    pub fn name(&self) -> String {
        let order = self.section.get(47).copied().unwrap_or(0);
        let what = match self.template {
            0 if self.bits == 0 => "constant",
            0 => "simple",
            2 => "complex",
            3 if order == 1 => "complex, 1st differences",
            3 => "complex, 2nd differences",
            4 => "IEEE floats",
            40 => "JPEG 2000",
            41 => "PNG",
            42 => "CCSDS",
            50 | 51 | 53 => "spherical harmonics",
            61 => "logarithmic",
            200 => "run lengths",
            _ => "unknown",
        };
        format!("5.{} {what}", self.template)
    }

    /// The value of all points, if no bits are spent on them.
    pub(super) fn constant(&self) -> Option<f64> {
        let constant = match self.template {
            0 | 40 | 41 | 42 => self.bits == 0,
            2 | 3 => Groups::read(&self.section, self.values).is_ok_and(|groups| groups.none()),
            _ => false,
        };
        constant.then_some(self.reference)
    }

    /// Whether the values are packed in groups, which are unpacked one after another.
    fn has_groups(&self) -> bool {
        matches!(self.template, 2 | 3) && self.constant().is_none()
    }

    /// From whole numbers to values.
    pub(super) fn scale(&self) -> Scale {
        Scale {
            reference: self.reference,
            binary: 2f64.powi(self.binary_scale),
            decimal: 10f64.powi(-self.decimal_scale),
        }
    }

    fn scaled<N: Number>(&self, whole: impl Iterator<Item = f64>) -> Vec<N> {
        let scale = self.scale();
        whole.map(|x| scale.of(x)).collect()
    }
}

/// Y = (R + X·2^E)·10^-D, in double precision whatever is kept of it.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    reference: f64,
    binary: f64,
    decimal: f64,
}

impl Scale {
    #[inline(always)]
    pub(super) fn of<N: Number>(&self, x: f64) -> N {
        N::rounded((x * self.binary + self.reference) * self.decimal)
    }
}

/// What values are kept in.
pub trait Number: Copy + Send + Sync {
    const MISSING: Self;
    /// The nearest to a value.
    fn rounded(value: f64) -> Self;
    /// Whole numbers brought to scale.
    fn scaled(scale: Scale, whole: &[i64], values: &mut [Self]);
}

impl Number for f64 {
    const MISSING: f64 = f64::NAN;
    #[inline(always)]
    fn rounded(value: f64) -> f64 {
        value
    }

    fn scaled(scale: Scale, whole: &[i64], values: &mut [f64]) {
        values.iter_mut().zip(whole).for_each(|(value, whole)| *value = scale.of(*whole as f64));
    }
}

impl Number for f32 {
    const MISSING: f32 = f32::NAN;
    #[inline(always)]
    fn rounded(value: f64) -> f32 {
        value as f32
    }

    fn scaled(scale: Scale, whole: &[i64], values: &mut [f32]) {
        single(scale, whole, values);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn single(scale: Scale, whole: &[i64], values: &mut [f32]) {
    values.iter_mut().zip(whole).for_each(|(value, whole)| *value = scale.of(*whole as f64));
}

/// The values of the data section (without its 5 bytes of header): exactly `packing.values` of them, missing
/// ones (complex packing has its own marks) as NaN.
pub(super) fn unpack<N: Number>(packing: &Packing, data: &[u8]) -> Result<Vec<N>, Problem> {
    if !packing.has_groups() {
        return at_once(packing, data);
    }
    let mut values = Vec::new();
    unpack_by(packing, data, &mut |part| {
        if values.is_empty() {
            values.reserve_exact(packing.values as usize);
        }
        values.extend_from_slice(part);
    })?;
    Ok(values)
}

/// The same, part by part: `give` has them in turn, and none if the data contradict their description.
pub(super) fn unpack_by<N: Number>(
    packing: &Packing,
    data: &[u8],
    give: &mut dyn FnMut(&[N]),
) -> Result<(), Problem> {
    if !packing.has_groups() {
        return at_once(packing, data).map(|values| give(&values));
    }
    let groups = Groups::read(&packing.section, packing.values)?;
    complex::unpack(&groups, packing.scale(), data, give)
}

fn at_once<N: Number>(packing: &Packing, data: &[u8]) -> Result<Vec<N>, Problem> {
    let count = packing.values as usize;
    if let Some(value) = packing.constant() {
        return Ok(vec![N::rounded(value); count]);
    }
    let values = match packing.template {
        0 => simple(packing, data)?,
        4 => floats(packing, data)?,
        40 => guarded("JPEG 2000", || jpeg2000(packing, data))?,
        41 => guarded("PNG", || png(packing, data))?,
        42 => guarded("CCSDS", || ccsds(packing, data))?,
        _ => return Err(Problem::Unsupported(format!("packing {}", packing.name()))),
    };
    match values.len() == count {
        true => Ok(values),
        false => Err(Problem::Damaged(format!("{} values where {count} are announced", values.len()))),
    }
}

/// Spreads values over the grid: a set bit takes the next value, an unset one is missing (NaN).
pub(super) fn spread<N: Number>(values: &[N], bitmap: &[u8], points: u64) -> Result<Vec<N>, Problem> {
    let points = points as usize;
    let present = |point: &usize| bitmap.get(point / 8).is_some_and(|byte| byte >> (7 - point % 8) & 1 == 1);
    let set = (0..points).filter(present).count();
    if set != values.len() {
        return Err(Problem::Damaged(format!("{} values for {set} points of the bitmap", values.len())));
    }
    let mut next = values.iter().copied();
    Ok((0..points)
        .map(|point| if present(&point) { next.next().unwrap_or(N::MISSING) } else { N::MISSING })
        .collect())
}

fn simple<N: Number>(packing: &Packing, data: &[u8]) -> Result<Vec<N>, Problem> {
    let (count, width) = (packing.values as usize, packing.bits);
    if width > 32 {
        return Err(Problem::Damaged(format!("{width} bits per value")));
    }
    enough(data, packing.values * u64::from(width))?;
    let scale = packing.scale();
    Ok((0..count).map(|index| scale.of(f64::from(bits(data, index * width as usize, width)))).collect())
}

fn floats<N: Number>(packing: &Packing, data: &[u8]) -> Result<Vec<N>, Problem> {
    let precision = packing.section.get(11).copied().unwrap_or(0);
    let width = match precision {
        1 => 4,
        2 => 8,
        other => return Err(Problem::Unsupported(format!("floats of precision {other}"))),
    };
    enough(data, packing.values * width * 8)?;
    let raw = data.chunks_exact(width as usize).take(packing.values as usize);
    Ok(raw
        .map(|chunk| match unsigned(chunk, 0, chunk.len()) {
            Some(word) if width == 4 => N::rounded(f64::from(f32::from_bits(word as u32))),
            Some(word) => N::rounded(f64::from_bits(word)),
            None => N::MISSING,
        })
        .collect())
}

pub(super) fn enough(data: &[u8], bits: u64) -> Result<(), Problem> {
    match bits.div_ceil(8) <= data.len() as u64 {
        true => Ok(()),
        false => Err(Problem::Damaged(format!(
            "{} bytes of data where {} are needed",
            data.len(),
            bits.div_ceil(8)
        ))),
    }
}

/// The libraries for compressed streams are not written for hostile input throughout: a panic inside one (an
/// index past the end, an overflow) is a statement about the file, so it becomes the error that names it.
fn guarded<T>(stream: &str, decode: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Problem::Damaged(format!("the {stream} stream cannot be decoded"))))
}

fn jpeg2000<N: Number>(packing: &Packing, data: &[u8]) -> Result<Vec<N>, Problem> {
    let broken = |why: &dyn std::fmt::Display| Problem::Damaged(format!("the JPEG 2000 stream: {why}"));
    let settings = hayro_jpeg2000::DecodeSettings { strict: true, ..Default::default() };
    let image = hayro_jpeg2000::Image::new(data, &settings).map_err(|error| broken(&error))?;
    dimensions("JPEG 2000", image.width(), image.height(), packing)?;
    // Samples come as f32, which holds whole numbers exactly up to 24 bits.
    if packing.bits > 24 {
        return Err(Problem::Unsupported(format!("JPEG 2000 of {} bits", packing.bits)));
    }
    let mut context = hayro_jpeg2000::DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|error| broken(&error))?;
    let [component] = decoded.components() else {
        return Err(broken(&"more than one component"));
    };
    Ok(packing.scaled(component.samples().iter().map(|&sample| f64::from(sample))))
}

/// One whole number per pixel, over all its samples: grey of 1 to 16 bits, RGB of 24, RGBA of 32.
fn png<N: Number>(packing: &Packing, data: &[u8]) -> Result<Vec<N>, Problem> {
    let broken = |error: png::DecodingError| Problem::Damaged(format!("the PNG stream: {error}"));
    let mut decoder = png::Decoder::new(std::io::Cursor::new(data));
    decoder.set_limits(png::Limits { bytes: (MOST_POINTS as usize) * 4 });
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width, reader.info().height);
    dimensions("PNG", width, height, packing)?;
    let (color, depth) = reader.output_color_type();
    let pixel = depth as u32 * color.samples() as u32;
    let line = reader.output_line_size(width);
    let (Some(size), Some(line), 1..=32) = (reader.output_buffer_size(), line, pixel) else {
        return Err(Problem::Unsupported(format!("PNG of {pixel} bits per pixel")));
    };
    let mut image = vec![0; size];
    reader.next_frame(&mut image).map_err(broken)?;
    let rows = image.chunks_exact(line);
    Ok(packing.scaled(rows.flat_map(|row| {
        (0..width as usize).map(move |column| f64::from(bits(row, column * pixel as usize, pixel)))
    })))
}

fn dimensions(stream: &str, width: u32, height: u32, packing: &Packing) -> Result<(), Problem> {
    match u64::from(width) * u64::from(height) == packing.values {
        true => Ok(()),
        false => Err(Problem::Damaged(format!(
            "a {stream} image of {width} x {height} where {} values are announced",
            packing.values
        ))),
    }
}

fn ccsds<N: Number>(packing: &Packing, data: &[u8]) -> Result<Vec<N>, Problem> {
    let block = packing.section.get(22).copied().unwrap_or(0);
    if !matches!(block, 8 | 16 | 32 | 64) || packing.section.len() < 25 || packing.bits > 32 {
        return Err(Problem::Damaged(format!("CCSDS blocks of {block}, {} bits", packing.bits)));
    }
    // The best any block can do is one bit for 4096 samples of zeros; far beyond that the count is a lie.
    if packing.values > (data.len() as u64).saturating_mul(1 << 16) {
        return Err(Problem::Damaged(format!("{} values in {} bytes", packing.values, data.len())));
    }
    CCSDSDataRepresentationTemplate::new(packing.section.clone())
        .unpack(data.view_bits())
        .map(|values| values.into_iter().map(N::rounded).collect())
        .map_err(|error| Problem::Damaged(format!("the CCSDS stream: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packing(values: u32, reference: f32, binary: i16, decimal: i16, width: u8) -> Packing {
        let magnitude = |value: i16| if value < 0 { 0x8000 | value.unsigned_abs() } else { value as u16 };
        let mut section = vec![0, 0, 0, 21, 5];
        section.extend(values.to_be_bytes());
        section.extend([0, 0]);
        section.extend(reference.to_be_bytes());
        section.extend(magnitude(binary).to_be_bytes());
        section.extend(magnitude(decimal).to_be_bytes());
        section.extend([width, 0]);
        Packing::read(&section).unwrap()
    }

    #[test]
    fn simple_packing_by_hand() {
        // 3, 7, 0, 5 in three bits each: 011 111 000 101; R = 10, E = 1, D = 1.
        let packing = packing(4, 10.0, 1, 1, 3);
        let values: Vec<f64> = unpack(&packing, &[0b0111_1100, 0b0101_0000]).unwrap();
        assert_eq!(values, [1.6, 2.4000000000000004, 1.0, 2.0]);
        assert_eq!(packing.quantum(), Some(0.2));
    }

    #[test]
    fn constant_is_the_reference_unscaled() {
        assert_eq!(unpack::<f64>(&packing(3, 5.0, 0, 2, 0), &[]).unwrap(), [5.0; 3]);
    }

    #[test]
    fn too_little_data_is_refused() {
        let error = unpack::<f64>(&packing(100, 0.0, 0, 0, 12), &[0; 149]).unwrap_err();
        assert_eq!(error.to_string(), "damaged: 149 bytes of data where 150 are needed");
    }

    #[test]
    fn bitmap_places_values() {
        let values = spread(&[1.0, 2.0], &[0b0101_0000], 5).unwrap();
        assert_eq!(format!("{values:?}"), "[NaN, 1.0, NaN, 2.0, NaN]");
        assert!(spread(&[1.0], &[0b0101_0000], 5).is_err());
    }
}
