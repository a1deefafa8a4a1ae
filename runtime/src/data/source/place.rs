//! Where the points of a file lie, in which map, and how its rows are turned from east.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis};

use crate::data::grib::Grid;
use crate::data::grib::corners::{Points, plane_of};
use crate::data::grib::grid::{Earth, Kind};
use crate::data::netcdf::Attribute;

/// The points of a horizontal grid, row 0 in the north, column 0 in the west.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub height: usize,
    pub width: usize,
    /// Absent where a file does not say where its points lie.
    pub coordinates: Option<Coordinates>,
    pub mapping: Option<Mapping>,
    /// The angle in radians by which the columns are turned from north, positive to the east, (H, W); where the file
    /// gives it. Else it follows from the coordinates.
    pub angle: Option<Array2<f32>>,
}

/// Degrees north and east.
#[derive(Clone, Debug, PartialEq)]
pub enum Coordinates {
    /// Parallels and meridians.
    Regular { latitude: Vec<f64>, longitude: Vec<f64> },
    /// (H, W) each.
    Curved { latitude: Array2<f64>, longitude: Array2<f64> },
}

/// A map in CF's words: what the variable `crs` carries, and the axes of the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    pub attributes: BTreeMap<String, Attribute>,
    /// Metres of columns and rows, where known.
    pub axes: Option<(Vec<f64>, Vec<f64>)>,
}

impl Place {
    /// The place of a GRIB grid.
    pub fn of_grib(grid: &Grid) -> Option<Place> {
        let (width, height) = grid.shape?;
        let points = grid.points();
        let mapping = points.as_ref().and_then(|points| mapping(grid, points));
        let coordinates = points.map(|points| match grid.kind {
            Kind::LatitudeLongitude => {
                Coordinates::Regular { latitude: points.y.clone(), longitude: points.x.clone() }
            }
            _ => Coordinates::Curved { latitude: points.latitude, longitude: points.longitude },
        });
        let plane = plane_of(grid.kind, grid.earth);
        let angle = match (&coordinates, plane) {
            (Some(Coordinates::Curved { longitude, .. }), Some(plane)) => {
                Some(longitude.mapv(|longitude| plane.angle(longitude) as f32))
            }
            _ => None,
        };
        Some(Place { height, width, coordinates, mapping, angle })
    }

    /// Whether both have the same points, to a thousandth of a degree.
    pub fn same(&self, other: &Place) -> bool {
        let near = |one: f64, two: f64| {
            let apart = (one - two + 180.0).rem_euclid(360.0) - 180.0;
            apart.abs() < 1e-3
        };
        if (self.height, self.width) != (other.height, other.width) {
            return false;
        }
        let (Some(_), Some(_)) = (&self.coordinates, &other.coordinates) else { return true };
        let corners = [
            (0, 0),
            (0, self.width - 1),
            (self.height - 1, 0),
            (self.height - 1, self.width - 1),
            (self.height / 2, self.width / 2),
        ];
        corners.iter().all(|&(row, column)| match (self.at(row, column), other.at(row, column)) {
            (Some(one), Some(two)) => near(one.0, two.0) && near(one.1, two.1),
            _ => false,
        })
    }

    /// Latitude and longitude of a point.
    pub fn at(&self, row: usize, column: usize) -> Option<(f64, f64)> {
        match self.coordinates.as_ref()? {
            Coordinates::Regular { latitude, longitude } => {
                Some((*latitude.get(row)?, *longitude.get(column)?))
            }
            Coordinates::Curved { latitude, longitude } => {
                Some((*latitude.get((row, column))?, *longitude.get((row, column))?))
            }
        }
    }

    /// How far the points are apart on the map, in metres, if they are evenly, in rows as in columns.
    pub fn spacing(&self) -> Option<f64> {
        let (columns, rows) = self.mapping.as_ref()?.axes.as_ref()?;
        let step = columns.get(1)? - columns.first()?;
        let even = |axis: &[f64]| {
            axis.windows(2).all(|two| ((two[1] - two[0]).abs() / step.abs() - 1.0).abs() < 1e-3)
        };
        (step != 0.0 && rows.len() > 1 && even(columns) && even(rows)).then_some(step.abs())
    }

    /// Cosine and sine, (1, H, W) each, of the angle by which the columns are turned from north: winds (x, y) along
    /// the grid blow with x·cos + y·sin to the east and y·cos - x·sin to the north.
    pub fn rotation(&self) -> Option<(Array3<f32>, Array3<f32>)> {
        let angle = match (&self.angle, self.coordinates.as_ref()?) {
            (Some(angle), _) => angle.clone(),
            (None, Coordinates::Regular { .. }) => Array2::zeros((self.height, self.width)),
            (None, Coordinates::Curved { latitude, longitude }) => turned(latitude, longitude)?,
        };
        let part = |of: fn(f32) -> f32| angle.mapv(of).insert_axis(Axis(0));
        Some((part(f32::cos), part(f32::sin)))
    }
}

/// The angle from the neighbours in the row: on a conformal map the error is of second order in the spacing, 1e-4 rad
/// at 80 km.
fn turned(latitude: &Array2<f64>, longitude: &Array2<f64>) -> Option<Array2<f32>> {
    let (height, width) = latitude.dim();
    if width < 2 {
        return None;
    }
    Some(Array2::from_shape_fn((height, width), |(row, column)| {
        let (left, right) = (column.saturating_sub(1), (column + 1).min(width - 1));
        let (phi, psi) = (latitude[(row, left)].to_radians(), latitude[(row, right)].to_radians());
        let across = (longitude[(row, right)] - longitude[(row, left)] + 180.0).rem_euclid(360.0) - 180.0;
        let across = across.to_radians();
        let here = latitude[(row, column)].to_radians();
        let east = across * here.cos();
        let north = psi - phi;
        (-north).atan2(east) as f32
    }))
}

/// CF's grid mapping of a GRIB grid (CF conventions 1.11, appendix F).
fn mapping(grid: &Grid, points: &Points) -> Option<Mapping> {
    let mut attributes = BTreeMap::new();
    let text = |text: &str| Attribute::Text(text.to_string());
    let one = |number: f64| Attribute::Numbers(vec![number]);
    let east = |degrees: f64| (degrees + 180.0).rem_euclid(360.0) - 180.0;
    match grid.earth {
        Earth::Sphere(radius) => drop(attributes.insert("earth_radius".to_string(), one(radius))),
        Earth::Spheroid { major, minor, .. } => {
            attributes.insert("semi_major_axis".to_string(), one(major));
            attributes.insert("semi_minor_axis".to_string(), one(minor));
        }
        Earth::Unknown => {}
    }
    let mut put = |name: &str, value: Attribute| drop(attributes.insert(name.to_string(), value));
    match grid.kind {
        Kind::LatitudeLongitude => put("grid_mapping_name", text("latitude_longitude")),
        Kind::Lambert { longitude, first, second } => {
            put("grid_mapping_name", text("lambert_conformal_conic"));
            let parallels = if first == second { vec![first] } else { vec![first, second] };
            put("standard_parallel", Attribute::Numbers(parallels));
            put("longitude_of_central_meridian", one(east(longitude)));
            put("latitude_of_projection_origin", one(first));
        }
        Kind::PolarStereographic { true_latitude, longitude, north } => {
            put("grid_mapping_name", text("polar_stereographic"));
            put("standard_parallel", one(true_latitude));
            put("straight_vertical_longitude_from_pole", one(east(longitude)));
            put("latitude_of_projection_origin", one(if north { 90.0 } else { -90.0 }));
        }
        Kind::Mercator { true_latitude } => {
            put("grid_mapping_name", text("mercator"));
            put("standard_parallel", one(true_latitude));
            put("longitude_of_projection_origin", one(0.0));
        }
        Kind::Rotated { pole_latitude, pole_longitude, .. } => {
            put("grid_mapping_name", text("rotated_latitude_longitude"));
            put("grid_north_pole_latitude", one(-pole_latitude));
            put("grid_north_pole_longitude", one(east(pole_longitude + 180.0)));
        }
        _ => return None,
    }
    // The plane's origin of a cone is the pole here, of CF's Lambert the central parallel.
    let metres = !matches!(grid.kind, Kind::LatitudeLongitude | Kind::Rotated { .. });
    let origin = match grid.kind {
        Kind::Lambert { longitude, first, .. } => {
            plane_of(grid.kind, grid.earth).map_or((0.0, 0.0), |plane| plane.forward(first, longitude))
        }
        _ => (0.0, 0.0),
    };
    let axes = metres.then(|| {
        let x = points.x.iter().map(|x| x - origin.0).collect();
        let y = points.y.iter().map(|y| y - origin.1).collect();
        (x, y)
    });
    Some(Mapping { attributes, axes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lambert() -> Grid {
        Grid {
            template: 30,
            points: 93 * 65,
            shape: Some((93, 65)),
            kind: Kind::Lambert { longitude: 265.0, first: 25.0, second: 25.0 },
            first: Some((12.19, 226.541)),
            spacing: Some((81_271.0, 81_271.0)),
            winds_along_grid: Some(true),
            earth: Earth::Sphere(6_371_229.0),
            scanning: Some(0x40),
            corners: None,
        }
    }

    /// On a Lambert map the angle is sin(first) times the distance in longitude from the central meridian.
    #[test]
    fn the_angle_of_lambert_from_its_neighbours() {
        let place = Place::of_grib(&lambert()).unwrap();
        let (_, sine) = place.rotation().unwrap();
        let (_, numeric) = Place { angle: None, ..place.clone() }.rotation().unwrap();
        for (row, column) in [(1, 1), (30, 46), (60, 90), (5, 80)] {
            let (_, longitude) = place.at(row, column).unwrap();
            let exact = (25f64.to_radians().sin() * (longitude - 265.0).to_radians()).sin();
            for (found, tolerance) in [(&sine, 1e-6), (&numeric, 2e-4)] {
                let found = f64::from(found[[0, row, column]]);
                assert!((found - exact).abs() < tolerance, "{row} {column}: {found} {exact}");
            }
        }
    }

    #[test]
    fn the_axes_begin_at_the_centre_of_the_projection() {
        let place = Place::of_grib(&lambert()).unwrap();
        let mapping = place.mapping.unwrap();
        let (x, y) = mapping.axes.unwrap();
        // Grid 211's lower left corner, in the plane of its projection.
        assert!(
            (x[0] + 4_226_106.0).abs() < 1_000.0 && (y[64] + 832_698.0).abs() < 1_000.0,
            "{} {}",
            x[0],
            y[64]
        );
        assert_eq!(mapping.attributes["latitude_of_projection_origin"].number(), Some(25.0));
    }
}
