//! The grid of a field (section 3): its shape, where it lies, how it is scanned, which way its winds point.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use serde::Serialize;

use super::octets::{signed, unsigned};
use super::{MOST_POINTS, Problem, corners};

/// A grid as the file describes it. Angles in degrees, lengths in metres.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grid {
    /// Number of the grid definition template (30 is Lambert conformal).
    pub template: u16,
    /// All points of the grid.
    pub points: u64,
    /// Columns and rows; absent for reduced and unknown grids.
    pub shape: Option<(usize, usize)>,
    pub kind: Kind,
    /// (latitude, longitude) of the first point of the file.
    pub first: Option<(f64, f64)>,
    /// Distance between columns and between rows, in degrees or metres as the kind has it.
    pub spacing: Option<(f64, f64)>,
    /// U and V along the grid's rows and columns, not east and north. Absent where the template does not say.
    pub winds_along_grid: Option<bool>,
    pub earth: Earth,
    /// Scanning mode (flag table 3.4). Bit 128: columns run westward; 64: rows run northward; 32: points of a
    /// column are neighbours; 16: every other row runs backward.
    pub scanning: Option<u8>,
    /// Corner points south-west, south-east, north-west, north-east as (latitude, longitude in [0, 360)).
    pub corners: Option<[(f64, f64); 4]>,
}

/// The projection, with what sets it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    LatitudeLongitude,
    /// The south pole of the rotated sphere, and the angle about it.
    Rotated {
        pole_latitude: f64,
        pole_longitude: f64,
        angle: f64,
    },
    Mercator {
        true_latitude: f64,
    },
    PolarStereographic {
        true_latitude: f64,
        longitude: f64,
        north: bool,
    },
    Lambert {
        longitude: f64,
        first: f64,
        second: f64,
    },
    Gaussian {
        parallels: u64,
    },
    /// NCEP's rotated grid of the RAP family, by its centre.
    RotatedNcep {
        latitude: f64,
        longitude: f64,
    },
    Unknown,
}

/// The figure of the Earth (code table 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Earth {
    /// A sphere of this radius in metres.
    Sphere(f64),
    /// Flattened: the code of table 3.2, and the half axes in metres.
    Spheroid {
        code: u8,
        major: f64,
        minor: f64,
    },
    Unknown,
}

impl Grid {
    pub(super) fn read(section: &[u8]) -> Result<Self, Problem> {
        let short = || Problem::Damaged("section 3 is too short".into());
        let points = unsigned(section, 6, 4).ok_or_else(short)?;
        let template = unsigned(section, 12, 2).ok_or_else(short)? as u16;
        let source = *section.get(5).ok_or_else(short)?;
        let list = *section.get(10).ok_or_else(short)?;
        if points > MOST_POINTS {
            return Err(Problem::Damaged(format!("a grid of {points} points")));
        }
        let mut grid = Grid::bare(template, points);
        // A grid from the centre's own catalogue has no template here; a list of row lengths means reduced rows.
        if source != 0 {
            return Ok(grid);
        }
        grid.earth = earth(section);
        grid.fill(section).ok_or_else(short)?;
        if list != 0 {
            grid.shape = None;
        }
        if let Some((columns, rows)) = grid.shape
            && columns as u64 * rows as u64 != points
        {
            return Err(Problem::Damaged(format!("a grid of {columns} x {rows} with {points} points")));
        }
        grid.corners = corners::corners(&grid);
        Ok(grid)
    }

    fn bare(template: u16, points: u64) -> Self {
        Grid {
            template,
            points,
            shape: None,
            kind: Kind::Unknown,
            first: None,
            spacing: None,
            winds_along_grid: None,
            earth: Earth::Unknown,
            scanning: None,
            corners: None,
        }
    }

    /// Reads the template; `None` if the section is too short for it.
    fn fill(&mut self, section: &[u8]) -> Option<()> {
        let word = |offset| unsigned(section, offset, 4);
        // Dividing gives the double nearest to the decimal number meant; multiplying by 1e-6 would not.
        let micro = |offset| Some(signed(section, offset, 4)? as f64 / 1e6);
        let milli = |offset| Some(unsigned(section, offset, 4)? as f64 / 1e3);
        let byte = |offset: usize| section.get(offset).copied();
        match self.template {
            0 | 1 | 40 | 32769 => {
                let (basic, parts) = angle_unit(section)?;
                let angle = |offset| Some(signed(section, offset, 4)? as f64 * basic / parts);
                self.shape = shape(word(30)?, word(34)?);
                self.first = Some((angle(46)?, angle(50)?));
                self.winds_along_grid = Some(byte(54)? & 0x08 != 0);
                self.spacing = Some((angle(63)?, angle(67)?));
                self.scanning = byte(71);
                self.kind = match self.template {
                    0 => Kind::LatitudeLongitude,
                    1 => Kind::Rotated {
                        pole_latitude: micro(72)?,
                        pole_longitude: micro(76)?,
                        angle: f64::from(f32::from_bits(word(80)? as u32)),
                    },
                    40 => {
                        self.spacing = None;
                        Kind::Gaussian { parallels: word(67)? }
                    }
                    _ => {
                        // Its increments are not in the unit of its angles, and NCEP does not say in which.
                        self.spacing = None;
                        Kind::RotatedNcep { latitude: angle(55)?, longitude: angle(59)? }
                    }
                };
            }
            10 => {
                self.shape = shape(word(30)?, word(34)?);
                self.first = Some((micro(38)?, micro(42)?));
                self.winds_along_grid = Some(byte(46)? & 0x08 != 0);
                self.kind = Kind::Mercator { true_latitude: micro(47)? };
                self.scanning = byte(59);
                self.spacing = Some((milli(64)?, milli(68)?));
            }
            20 | 30 => {
                self.shape = shape(word(30)?, word(34)?);
                self.first = Some((micro(38)?, micro(42)?));
                self.winds_along_grid = Some(byte(46)? & 0x08 != 0);
                self.spacing = Some((milli(55)?, milli(59)?));
                self.scanning = byte(64);
                self.kind = match self.template {
                    20 => Kind::PolarStereographic {
                        true_latitude: micro(47)?,
                        longitude: micro(51)?,
                        north: byte(63)? & 0x80 == 0,
                    },
                    _ => Kind::Lambert { longitude: micro(51)?, first: micro(65)?, second: micro(69)? },
                };
            }
            _ => {}
        }
        Some(())
    }

    /// `Lambert conformal (3.30)`.
    pub fn name(&self) -> String {
        let name = match self.kind {
            Kind::LatitudeLongitude => "latitude-longitude",
            Kind::Rotated { .. } => "rotated latitude-longitude",
            Kind::Mercator { .. } => "Mercator",
            Kind::PolarStereographic { .. } => "polar stereographic",
            Kind::Lambert { .. } => "Lambert conformal",
            Kind::Gaussian { .. } => "Gaussian",
            Kind::RotatedNcep { .. } => "rotated latitude-longitude of NCEP",
            Kind::Unknown => "unknown",
        };
        format!("{name} (template 3.{})", self.template)
    }

    /// A plane of (height, width) that takes the values as the file has them, row by row from one side to the other; nothing where
    /// the file has another order or the plane another shape, which [`Self::turn`] is for.
    pub(super) fn rows<'a>(&self, mut plane: ArrayViewMut2<'a, f32>) -> Option<Rows<'a>> {
        let ((columns, rows), scanning) = self.shape.zip(self.scanning)?;
        let plain = scanning & 0xb0 == 0 && plane.dim() == (rows, columns) && plane.is_standard_layout();
        if scanning & 0x40 != 0 {
            plane.invert_axis(Axis(0));
        }
        plain.then_some(Rows { plane, taken: 0 })
    }

    /// Values in the file's order, put into (height, width) with row 0 in the north and columns eastward.
    ///
    /// # Errors
    /// What the grid lacks for that; a plane of another shape.
    pub fn turn(&self, mut values: Vec<f32>, mut plane: ArrayViewMut2<'_, f32>) -> Result<(), String> {
        let (Some((columns, rows)), Some(scanning)) = (self.shape, self.scanning) else {
            return Err(format!("the grid {} has no rows and columns", self.name()));
        };
        if plane.dim() != (rows, columns) {
            return Err(format!(
                "its grid has {columns} x {rows} points, not {1} x {0}",
                plane.nrows(),
                plane.ncols()
            ));
        }
        let columns_first = scanning & 0x20 != 0;
        let shape = if columns_first { (columns, rows) } else { (rows, columns) };
        if scanning & 0x10 != 0 {
            values.chunks_exact_mut(shape.1).skip(1).step_by(2).for_each(<[f32]>::reverse);
        }
        let mut image =
            ArrayView2::from_shape(shape, &values).map_err(|_| "values do not fill the grid".to_owned())?;
        if columns_first {
            image = image.reversed_axes();
        }
        if scanning & 0x80 != 0 {
            image.invert_axis(Axis(1));
        }
        if scanning & 0x40 != 0 {
            image.invert_axis(Axis(0));
        }
        for (mut row, values) in plane.outer_iter_mut().zip(image.outer_iter()) {
            match (row.as_slice_mut(), values.as_slice()) {
                (Some(row), Some(values)) => row.copy_from_slice(values),
                _ => row.assign(&values),
            }
        }
        Ok(())
    }
}

/// A plane that is filled with the values of a file in turn.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    plane: ArrayViewMut2<'a, f32>,
    taken: usize,
}

impl Rows<'_> {
    /// Takes the next values; those beyond the plane are lost.
    pub(super) fn take(&mut self, mut values: &[f32]) {
        let columns = self.plane.ncols();
        while !values.is_empty() && self.taken < self.plane.len() {
            let mut row = self.plane.row_mut(self.taken / columns);
            let Some(room) = row.as_slice_mut().map(|row| &mut row[self.taken % columns..]) else { return };
            let (now, later) = values.split_at(room.len().min(values.len()));
            room[..now.len()].copy_from_slice(now);
            self.taken += now.len();
            values = later;
        }
    }
}

fn shape(columns: u64, rows: u64) -> Option<(usize, usize)> {
    let known = |count: u64| count != 0xffff_ffff && count > 0;
    (known(columns) && known(rows)).then_some((columns as usize, rows as usize))
}

/// Angles are whole multiples of basic angle / subdivisions, or of a millionth of a degree: the two numbers.
fn angle_unit(section: &[u8]) -> Option<(f64, f64)> {
    let (basic, parts) = (unsigned(section, 38, 4)?, unsigned(section, 42, 4)?);
    let plain = basic == 0 || basic == 0xffff_ffff || parts == 0 || parts == 0xffff_ffff;
    Some(if plain { (1.0, 1e6) } else { (basic as f64, parts as f64) })
}

fn earth(section: &[u8]) -> Earth {
    match section.get(14) {
        Some(0) => Earth::Sphere(6_367_470.0),
        Some(1) => super::octets::scaled(section, 15).map_or(Earth::Unknown, Earth::Sphere),
        Some(6) => Earth::Sphere(6_371_229.0),
        Some(8) => Earth::Sphere(6_371_200.0),
        Some(&code @ (2..=5 | 7 | 9)) => {
            // 3 is in kilometres, 7 in metres.
            let told = |unit: f64| {
                let axis = |offset| super::octets::scaled(section, offset).map(|axis| axis * unit);
                axis(20).zip(axis(25))
            };
            let axes = match code {
                2 => Some((6_378_160.0, 6_356_775.0)),
                3 => told(1000.0),
                4 => Some((6_378_137.0, 6_356_752.314)),
                5 => Some((6_378_137.0, 6_356_752.314_245)),
                7 => told(1.0),
                _ => Some((6_377_563.396, 6_356_256.909)),
            };
            match axes {
                Some((major, minor)) if minor > 1e6 && major >= minor && major < 1e7 => {
                    Earth::Spheroid { code, major, minor }
                }
                _ => Earth::Unknown,
            }
        }
        _ => Earth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(scanning: u8) -> Vec<f32> {
        let mut grid = Grid::bare(0, 6);
        grid.shape = Some((3, 2));
        grid.scanning = Some(scanning);
        let mut plane = ndarray::Array2::zeros((2, 3));
        grid.turn(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], plane.view_mut()).unwrap();
        plane.into_raw_vec_and_offset().0
    }

    #[test]
    fn every_scan_comes_out_north_up() {
        assert_eq!(scanned(0x00), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(scanned(0x40), [3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
        assert_eq!(scanned(0x80), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        assert_eq!(scanned(0x10), [0.0, 1.0, 2.0, 5.0, 4.0, 3.0]);
        assert_eq!(scanned(0x20), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(scanned(0x60), [1.0, 3.0, 5.0, 0.0, 2.0, 4.0]);
    }
}
