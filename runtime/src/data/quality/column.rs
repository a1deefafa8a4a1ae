//! Checks that look at more than one field or level of a point: supersaturation, superadiabatic layers, speed of the wind.

use std::sync::LazyLock;

use ndarray::ArrayView2;

/// Temperatures of the table of saturation, in K, and its steps per kelvin.
const COLDEST: f32 = 150.0;
const WARMEST: f32 = 350.0;
const STEPS: f32 = 4.0;
/// Below this it is rounding of packed humidity.
const ROUNDED: f32 = 1e-5;
/// Ratio of vapour to its saturation beyond which air is not air.
const SUPERSATURATED: f32 = 2.0;

/// Saturation pressure over water in Pa at every quarter of a kelvin; between them linear, to 1e-4 of it. The formula is
/// `std.physics`'s: Bolton 1980, equation 10.
static SATURATION: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let steps = ((WARMEST - COLDEST) * STEPS) as usize;
    let celsius = |step: usize| f64::from(COLDEST) + step as f64 / f64::from(STEPS) - 273.15;
    (0..=steps + 1)
        .map(|step| 611.2 * (17.67 * celsius(step) / (celsius(step) + 243.5)).exp())
        .map(|e| e as f32)
        .collect()
});

/// Points that fail, and the worst number of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Failed {
    pub points: u64,
    pub worst: f64,
}

impl Failed {
    fn add(&mut self, value: f32) {
        self.points += 1;
        self.worst = self.worst.max(f64::from(value));
    }
}

/// Pressure at the points of a plane.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pressure<'a> {
    Level(f32),
    Field(ArrayView2<'a, f32>),
}

impl Pressure<'_> {
    fn at(&self, row: usize, column: usize) -> f32 {
        match self {
            Pressure::Level(pressure) => *pressure,
            Pressure::Field(field) => field[(row, column)],
        }
    }
}

/// Rows of equally shaped planes, index by index; a plane of another shape ends it.
fn rows<'a>(plane: &'a ArrayView2<'_, f32>, row: usize) -> &'a [f32] {
    // Only planes that the caller has made standard come here; others are empty and thereby unjudged.
    plane.as_slice().map_or(&[], |all| {
        let width = plane.ncols();
        all.get(row * width..(row + 1) * width).unwrap_or(&[])
    })
}

/// Air above the ground with more than twice the vapour of saturation. The worst is the relative humidity over water.
pub(super) fn supersaturation(
    temperature: &ArrayView2<'_, f32>,
    humidity: &ArrayView2<'_, f32>,
    pressure: Pressure<'_>,
    ground: Option<&ArrayView2<'_, f32>>,
) -> Failed {
    let table = &*SATURATION;
    let mut failed = Failed::default();
    for row in 0..temperature.nrows() {
        let pairs = rows(temperature, row).iter().zip(rows(humidity, row)).enumerate();
        for (column, (&t, &q)) in pairs {
            let place = (t.clamp(COLDEST, WARMEST) - COLDEST) * STEPS;
            let step = place as usize;
            // Of NaN the step is 0, but the saturation NaN, for which the comparison fails.
            let (here, next) = (table[step], table[step + 1]);
            let saturation = here + (next - here) * (place - step as f32);
            let pressure = pressure.at(row, column);
            if (q - ROUNDED) * pressure > SUPERSATURATED * saturation * (0.622 + 0.378 * q)
                && ground.is_none_or(|ground| pressure <= ground[(row, column)])
            {
                failed.add(q * pressure / (0.622 + 0.378 * q) / saturation);
            }
        }
    }
    failed
}

/// A fall of potential temperature from a level to the next higher one, in K at 1000 hPa, that no air keeps up.
const FALL: f32 = 10.0;

/// Points above the ground where it falls so. The worst is the fall.
pub(super) fn superadiabatic(
    lower: (&ArrayView2<'_, f32>, f32),
    upper: (&ArrayView2<'_, f32>, f32),
    ground: Option<&ArrayView2<'_, f32>>,
) -> Failed {
    let exner = |pressure: f32| (1e5 / pressure).powf(0.2857);
    let (below, above) = (exner(lower.1), exner(upper.1));
    let mut failed = Failed::default();
    for row in 0..lower.0.nrows() {
        for (column, (&low, &high)) in rows(lower.0, row).iter().zip(rows(upper.0, row)).enumerate() {
            let fall = low * below - high * above;
            if fall > FALL && ground.is_none_or(|ground| lower.1 <= ground[(row, column)]) {
                failed.add(fall);
            }
        }
    }
    failed
}

/// Points where the wind, given by its two components or by its speed alone, is faster than the limit. The worst is the speed.
pub(super) fn windy(along: &ArrayView2<'_, f32>, across: Option<&ArrayView2<'_, f32>>, limit: f32) -> Failed {
    let mut failed = Failed::default();
    for row in 0..along.nrows() {
        match across {
            Some(across) => {
                for (&u, &v) in rows(along, row).iter().zip(rows(across, row)) {
                    let square = u * u + v * v;
                    if square > limit * limit && square < f32::INFINITY {
                        failed.add(square.sqrt());
                    }
                }
            }
            None => {
                for &speed in rows(along, row) {
                    if speed > limit && speed < f32::INFINITY {
                        failed.add(speed);
                    }
                }
            }
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    /// At 10 °C Bolton's saturation is 12.272 hPa: 7.67 g/kg at 1000 hPa.
    #[test]
    fn twice_the_vapour_is_too_much() {
        let plane = |value: f32| Array2::from_elem((2, 3), value);
        let judged = |q: f32, ground: Option<f32>| {
            let ground = ground.map(plane);
            let ground = ground.as_ref().map(|plane| plane.view());
            supersaturation(&plane(283.15).view(), &plane(q).view(), Pressure::Level(1e5), ground.as_ref())
        };
        assert_eq!(judged(0.0151, None).points, 0);
        let found = judged(0.0156, None);
        assert_eq!(found.points, 6);
        assert!((found.worst - 2.025).abs() < 0.01, "{found:?}");
        assert_eq!(judged(0.0156, Some(101_000.0)).points, 6);
        assert_eq!(judged(0.0156, Some(99_000.0)).points, 0, "below the ground nothing is air");
        assert_eq!(judged(f32::NAN, None).points, 0);
        let cold = supersaturation(&plane(f32::NAN).view(), &plane(0.01).view(), Pressure::Level(1e5), None);
        assert_eq!(cold.points, 0);
    }

    #[test]
    fn a_layer_that_cools_too_fast() {
        let plane = |value: f32| Array2::from_elem((2, 3), value);
        // From 1000 to 900 hPa dry air cools by a factor of 0.9^0.2857 = 0.9704: 300 K to 291.1 K.
        let fall = |high: f32| superadiabatic((&plane(300.0).view(), 1e5), (&plane(high).view(), 9e4), None);
        assert_eq!(fall(291.1).points, 0);
        assert_eq!(fall(282.0).points, 0);
        assert_eq!(fall(281.0).points, 6);
        assert!((fall(281.0).worst - 10.4).abs() < 0.1);
    }

    #[test]
    fn winds_have_an_end() {
        let plane = |value: f32| Array2::from_elem((2, 3), value);
        assert_eq!(windy(&plane(90.0).view(), Some(&plane(-119.9).view()), 150.0).points, 0);
        assert_eq!(windy(&plane(90.0).view(), Some(&plane(-120.1).view()), 150.0).points, 6);
        assert_eq!(windy(&plane(f32::NAN).view(), Some(&plane(500.0).view()), 150.0).points, 0);
        assert_eq!(windy(&plane(76.0).view(), None, 75.0).worst, 76.0);
    }
}
