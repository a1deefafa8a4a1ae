//! Checks that look at more than one field or level of a point: supersaturation, superadiabatic layers, speed of the wind.
//!
//! A row is looked at as a whole first, without a branch that depends on a value; point by point only if something fails in it.

use multiversion::multiversion;
use ndarray::ArrayView2;

/// Temperatures in K between which saturation is computed; beyond them it is that of the nearer one.
const COLDEST: f32 = 150.0;
const WARMEST: f32 = 350.0;
/// Below this it is rounding of packed humidity.
const ROUNDED: f32 = 1e-5;
/// Ratio of vapour to its saturation beyond which air is not air.
const SUPERSATURATED: f32 = 2.0;
/// A fall of potential temperature from a level to the next higher one, in K at 1000 hPa, that no air keeps up.
const FALL: f32 = 10.0;

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

/// A row of a plane whose rows are contiguous.
fn row<'a>(plane: &'a ArrayView2<'_, f32>, row: usize) -> &'a [f32] {
    // Only planes that the caller has made standard come here; others are empty and thereby unjudged.
    plane.as_slice().map_or(&[], |all| {
        let width = plane.ncols();
        all.get(row * width..(row + 1) * width).unwrap_or(&[])
    })
}

/// Whether any of the tests holds; all are made.
#[inline(always)]
fn any(tests: impl Iterator<Item = bool>) -> bool {
    tests.fold(0, |any, one| any | u32::from(one)) != 0
}

/// Saturation pressure over water in Pa, to 1e-5 of it: the formula of `std.physics`, Bolton 1980, equation 10, whose power of
/// two is split into a whole one, made of the bits of the number, and the series of the rest. NaN of NaN.
#[inline(always)]
fn saturation(temperature: f32) -> f32 {
    /// Adding it leaves no places after the point.
    const WHOLE: f32 = 12_582_912.0;
    let celsius = temperature.clamp(COLDEST, WARMEST) - 273.15;
    let power = 17.67 * std::f32::consts::LOG2_E * celsius / (celsius + 243.5);
    let whole = power + WHOLE;
    let rest = power - (whole - WHOLE);
    let series = 1.0
        + rest
            * (std::f32::consts::LN_2
                + rest * (0.240_226_5 + rest * (0.055_504_11 + rest * (0.009_618_13 + rest * 0.001_333_36))));
    let exponent = whole.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127);
    611.2 * series * f32::from_bits(exponent << 23)
}

#[inline(always)]
fn is_supersaturated(temperature: f32, humidity: f32, pressure: f32) -> bool {
    (humidity - ROUNDED) * pressure > SUPERSATURATED * saturation(temperature) * (0.622 + 0.378 * humidity)
}

#[multiversion(targets("x86_64+avx2"))]
fn any_supersaturated(temperature: &[f32], humidity: &[f32], pressure: &[f32]) -> bool {
    let points = temperature.iter().zip(humidity).zip(pressure);
    any(points.map(|((&t, &q), &p)| is_supersaturated(t, q, p)))
}

/// Air above the ground with more than twice the vapour of saturation. The worst is the relative humidity over water.
pub(super) fn supersaturation(
    temperature: &ArrayView2<'_, f32>,
    humidity: &ArrayView2<'_, f32>,
    pressure: Pressure<'_>,
    ground: Option<&ArrayView2<'_, f32>>,
) -> Failed {
    let level = match pressure {
        Pressure::Level(pressure) => vec![pressure; temperature.ncols()],
        Pressure::Field(_) => Vec::new(),
    };
    let mut failed = Failed::default();
    for number in 0..temperature.nrows() {
        let pressure = match &pressure {
            Pressure::Level(_) => &level,
            Pressure::Field(field) => row(field, number),
        };
        let (t, q) = (row(temperature, number), row(humidity, number));
        if !any_supersaturated(t, q, pressure) {
            continue;
        }
        for (column, ((&t, &q), &p)) in t.iter().zip(q).zip(pressure).enumerate() {
            if is_supersaturated(t, q, p) && ground.is_none_or(|ground| p <= ground[(number, column)]) {
                failed.add(q * p / (0.622 + 0.378 * q) / saturation(t));
            }
        }
    }
    failed
}

#[multiversion(targets("x86_64+avx2"))]
fn any_falls(lower: &[f32], upper: &[f32], below: f32, above: f32) -> bool {
    any(lower.iter().zip(upper).map(|(&low, &high)| low * below - high * above > FALL))
}

/// Points above the ground where potential temperature falls so. The worst is the fall.
pub(super) fn superadiabatic(
    lower: (&ArrayView2<'_, f32>, f32),
    upper: (&ArrayView2<'_, f32>, f32),
    ground: Option<&ArrayView2<'_, f32>>,
) -> Failed {
    let exner = |pressure: f32| (1e5 / pressure).powf(0.2857);
    let (below, above) = (exner(lower.1), exner(upper.1));
    let mut failed = Failed::default();
    for number in 0..lower.0.nrows() {
        let (low, high) = (row(lower.0, number), row(upper.0, number));
        if !any_falls(low, high, below, above) {
            continue;
        }
        for (column, (&low, &high)) in low.iter().zip(high).enumerate() {
            let fall = low * below - high * above;
            if fall > FALL && ground.is_none_or(|ground| lower.1 <= ground[(number, column)]) {
                failed.add(fall);
            }
        }
    }
    failed
}

/// Whether any of these winds, one of whose components may be missing, is faster than the limit.
#[multiversion(targets("x86_64+avx2"))]
fn any_faster(along: &[f32], across: Option<&[f32]>, limit: f32) -> bool {
    match across {
        Some(across) => any(along.iter().zip(across).map(|(&u, &v)| u * u + v * v > limit * limit)),
        None => any(along.iter().map(|&speed| speed > limit)),
    }
}

/// Points where the wind, given by its two components or by its speed alone, is faster than the limit. The worst is the speed.
pub(super) fn windy(along: &ArrayView2<'_, f32>, across: Option<&ArrayView2<'_, f32>>, limit: f32) -> Failed {
    let mut failed = Failed::default();
    for number in 0..along.nrows() {
        let (along, across) = (row(along, number), across.map(|across| row(across, number)));
        if !any_faster(along, across, limit) {
            continue;
        }
        for (column, &u) in along.iter().enumerate() {
            let speed = match across {
                Some(across) => across.get(column).map_or(0.0, |v| (u * u + v * v).sqrt()),
                None => u,
            };
            if speed > limit && speed < f32::INFINITY {
                failed.add(speed);
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
    fn saturation_is_that_of_the_formula() {
        for step in 0..=20_000 {
            let kelvin = COLDEST + (WARMEST - COLDEST) * step as f32 / 20_000.0;
            let celsius = f64::from(kelvin) - 273.15;
            let exact = 611.2 * (17.67 * celsius / (celsius + 243.5)).exp();
            assert!((f64::from(saturation(kelvin)) / exact - 1.0).abs() < 1e-5, "{kelvin}");
        }
        assert!(saturation(f32::NAN).is_nan());
        assert_eq!(saturation(20.0), saturation(COLDEST));
    }

    /// One point that fails, wherever it lies in its row, whatever is missing beside it.
    #[test]
    fn a_single_point_is_found() {
        for width in [1, 7, 64, 101] {
            for place in 0..width {
                let mut fast = Array2::from_elem((3, width), f32::NAN);
                fast[(1, place)] = 160.0;
                let still = Array2::zeros((3, width));
                assert_eq!(
                    windy(&fast.view(), Some(&still.view()), 150.0),
                    Failed { points: 1, worst: 160.0 }
                );
                assert_eq!(windy(&fast.view(), None, 150.0).points, 1);
            }
        }
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
