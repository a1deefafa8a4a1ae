//! Where a patch lies and how large it is, expanded: depends on the grid alone.

use super::batch::Coordinates;
use super::{ModelError, fourier};

/// R²·π with the mean radius of the Earth in km. Aurora multiplies them in f64 before it turns to f32; the
/// shortest wavelengths of the expansion feel the last bit.
const RADIUS_SQUARED_PI: f32 = (6371.0 * 6371.0 * std::f64::consts::PI) as f32;
const RADIANS: f32 = (std::f64::consts::PI / 180.0) as f32;

/// Encodings of the L patches of a grid, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct GridEncoding {
    /// (L, D): latitude of the patch's middle, then longitude, D/2 features each.
    pub position: Vec<f32>,
    /// (L, D): square root of the area between the patch's outermost points.
    pub scale: Vec<f32>,
    pub patches: usize,
}

impl GridEncoding {
    /// Encodes the grid, whose rows and columns are multiples of `patch`, into `width` features each.
    pub fn new(
        latitude: &Coordinates,
        longitude: &Coordinates,
        patch: usize,
        width: usize,
    ) -> Result<GridEncoding, ModelError> {
        let sizes = root_areas(latitude, longitude, patch);
        GridEncoding::with_sizes(latitude, longitude, patch, width, &sizes)
    }

    /// The same with these roots of areas in km, one for each patch, in place of those worked out here.
    pub fn with_sizes(
        latitude: &Coordinates,
        longitude: &Coordinates,
        patch: usize,
        width: usize,
        sizes: &[f32],
    ) -> Result<GridEncoding, ModelError> {
        let mut middles = Vec::new();
        for_each_patch(latitude, longitude, patch, |north, east| middles.push([north.mean, east.mean]));
        let position = fourier::POSITION.expand(middles.as_flattened(), width / 2)?;
        if sizes.len() != middles.len() {
            let message = format!("{} sizes of patches for {} patches", sizes.len(), middles.len());
            return Err(ModelError::Batch(message));
        }
        let scale = fourier::SCALE.expand(sizes, width)?;
        Ok(GridEncoding { position, scale, patches: middles.len() })
    }
}

/// √(R²·π·(sin φ₁ − sin φ₀)·(λ₁ − λ₀)) in km for each patch, between its outermost points. The factor π is
/// Aurora's and is kept. All in f32 in Aurora's order: the shortest wavelength of the expansion, 1e-4 km, makes
/// every bit count.
pub fn root_areas(latitude: &Coordinates, longitude: &Coordinates, patch: usize) -> Vec<f32> {
    let mut sizes = Vec::new();
    for_each_patch(latitude, longitude, patch, |north, east| {
        let band = sine(north.greatest) - sine(north.least);
        let span = east.greatest * RADIANS - east.least * RADIANS;
        sizes.push((RADIUS_SQUARED_PI * band * span).sqrt());
    });
    sizes
}

fn for_each_patch(
    latitude: &Coordinates,
    longitude: &Coordinates,
    patch: usize,
    mut action: impl FnMut(Summary, Summary),
) {
    let regular = latitude.shape.len() == 1;
    let [height, columns] = match latitude.shape[..] {
        [rows, columns] => [rows, columns],
        _ => [latitude.values.len(), longitude.values.len()],
    };
    let latitude_at = |i: usize, j: usize| latitude.values[if regular { i } else { i * columns + j }];
    let longitude_at = |i: usize, j: usize| longitude.values[if regular { j } else { i * columns + j }];
    for row in 0..height / patch {
        for column in 0..columns / patch {
            let north = Summary::new(row * patch, column * patch, patch, latitude_at);
            let east = Summary::new(row * patch, column * patch, patch, longitude_at);
            action(north, east);
        }
    }
}

/// Sine of an angle in degrees: the angle in f32, the sine rounded once.
fn sine(degrees: f32) -> f32 {
    f64::from(degrees * RADIANS).sin() as f32
}

/// Mean, least and greatest value in a patch.
struct Summary {
    mean: f32,
    least: f32,
    greatest: f32,
}

impl Summary {
    fn new(row: usize, column: usize, patch: usize, at: impl Fn(usize, usize) -> f32) -> Summary {
        let (mut sum, mut least, mut greatest) = (0.0, f32::INFINITY, f32::NEG_INFINITY);
        for i in row..row + patch {
            for j in column..column + patch {
                let value = at(i, j);
                sum += value;
                least = value.min(least);
                greatest = value.max(greatest);
            }
        }
        Summary { mean: sum / (patch * patch) as f32, least, greatest }
    }
}
