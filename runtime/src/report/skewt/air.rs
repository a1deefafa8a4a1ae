//! The curves of the diagram: adiabats, mixing ratio lines and the way of a parcel. Pa, K, kg/kg.
//!
//! They are drawn, not reckoned with: the parameters come from the library. Vapour pressure is Bolton's (1980, equation
//! 10), condensation his equation 15, the moist slope that of the AMS Glossary's pseudo-adiabat by steps of RK4.

use crate::data::sounding::{Level, Sounding};

const KAPPA: f64 = 0.2857;
const DRY_AIR: f64 = 287.05;
const HEAT_CAPACITY: f64 = 1004.7;
const RATIO: f64 = 0.622;
/// Depth of the layer whose mean air is lifted, Pa.
const MIXED: f64 = 10_000.0;

/// Vapour pressure at saturation over water.
pub fn saturation(temperature: f64) -> f64 {
    611.2 * (17.67 * (temperature - 273.15) / (temperature - 29.65)).exp()
}

/// Mixing ratio of air with this dewpoint.
pub fn mixing_ratio(dewpoint: f64, pressure: f64) -> f64 {
    let vapour = saturation(dewpoint).min(0.5 * pressure);
    RATIO * vapour / (pressure - vapour)
}

/// The dewpoint of air with this mixing ratio.
pub fn dewpoint(ratio: f64, pressure: f64) -> f64 {
    let l = ((ratio * pressure / (RATIO + ratio)).max(0.01) / 611.2).ln();
    273.15 + 243.5 * l / (17.67 - l)
}

pub fn virtual_temperature(temperature: f64, ratio: f64) -> f64 {
    temperature * (1.0 + ratio / RATIO) / (1.0 + ratio)
}

/// A dry adiabat's temperature at a pressure.
pub fn dry(theta: f64, pressure: f64) -> f64 {
    theta * (pressure / 1e5).powf(KAPPA)
}

/// Change of temperature with ln p where vapour condenses and falls out.
fn moist_slope(temperature: f64, pressure: f64) -> f64 {
    let heat = 2.501e6 - 2315.0 * (temperature - 273.15);
    let ratio = mixing_ratio(temperature, pressure);
    (DRY_AIR * temperature + heat * ratio)
        / (HEAT_CAPACITY + heat * heat * ratio * RATIO / (DRY_AIR * temperature * temperature))
}

/// From one pressure to another along the pseudo-adiabat.
pub fn moist(temperature: f64, from: f64, to: f64) -> f64 {
    let steps = ((from / to).ln().abs() / 0.02).ceil().clamp(1.0, 400.0);
    let h = (to / from).ln() / steps;
    let (mut temperature, mut log) = (temperature, from.ln());
    for _ in 0..steps as usize {
        let slope = |t: f64, x: f64| moist_slope(t, x.exp());
        let a = slope(temperature, log);
        let b = slope(temperature + a * h / 2.0, log + h / 2.0);
        let c = slope(temperature + b * h / 2.0, log + h / 2.0);
        let d = slope(temperature + c * h, log + h);
        temperature += h * (a + 2.0 * b + 2.0 * c + d) / 6.0;
        log += h;
    }
    temperature
}

/// A parcel on its way up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parcel {
    /// Pressure, temperature and virtual temperature of the parcel, and virtual temperature of the air around it.
    pub path: Vec<Step>,
    /// Pressure at which it becomes cloud.
    pub condensation: f64,
    /// The buoyant layer with the largest area: pressures of its base and its top.
    pub free: Option<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    pub pressure: f64,
    pub temperature: f64,
    pub density: f64,
    pub around: f64,
}

impl Step {
    fn buoyancy(&self) -> f64 {
        self.density - self.around
    }
}

/// The parcel with the mean potential temperature and mixing ratio of the lowest 100 hPa.
pub fn mixed_parcel(sounding: &Sounding) -> Option<Parcel> {
    let ground = sounding.levels.first()?;
    let (mut theta, mut ratio, mut weight) = (0.0, 0.0, 0.0);
    for step in 0..=100 {
        let pressure = ground.pressure - MIXED * f64::from(step) / 100.0;
        let here = at(sounding, pressure)?;
        theta += here.temperature * (1e5 / pressure).powf(KAPPA);
        ratio += mixing_ratio(here.dewpoint, pressure);
        weight += 1.0;
    }
    let (theta, ratio) = (theta / weight, ratio / weight);
    let temperature = dry(theta, ground.pressure);
    let moist_at = dewpoint(ratio, ground.pressure).min(temperature);
    let condensed = 56.0 + 1.0 / (1.0 / (moist_at - 56.0) + (temperature / moist_at).ln() / 800.0);
    let condensation = ground.pressure * (condensed / temperature).powf(1.0 / KAPPA);
    Some(lift(sounding, theta, ratio, (condensation, condensed)))
}

/// In steps of 5 hPa, and through its condensation.
fn lift(sounding: &Sounding, theta: f64, ratio: f64, (base, cloud): (f64, f64)) -> Parcel {
    let (Some(ground), Some(top)) = (sounding.levels.first(), sounding.levels.last()) else {
        return Parcel::default();
    };
    let mut pressures: Vec<f64> = (0..)
        .map(|step| ground.pressure - 500.0 * f64::from(step))
        .take_while(|p| *p > top.pressure)
        .collect();
    pressures.extend([base, top.pressure].into_iter().filter(|p| *p < ground.pressure && *p >= top.pressure));
    pressures.sort_by(|one, two| two.total_cmp(one));
    pressures.dedup();
    let (mut path, mut last): (Vec<Step>, (f64, f64)) = (Vec::new(), (base, cloud));
    for pressure in pressures {
        let (temperature, vapour) = if pressure >= base {
            (dry(theta, pressure), ratio)
        } else {
            let temperature = moist(last.1, last.0, pressure);
            last = (pressure, temperature);
            (temperature, mixing_ratio(temperature, pressure))
        };
        let Some(air) = at(sounding, pressure) else { continue };
        path.push(Step {
            pressure,
            temperature,
            density: virtual_temperature(temperature, vapour),
            around: virtual_temperature(air.temperature, mixing_ratio(air.dewpoint, pressure)),
        });
    }
    let free = largest(&path, base);
    Parcel { path, condensation: base, free }
}

/// Base and top of the layer above the condensation level in which the parcel is warmer, with the largest area.
fn largest(path: &[Step], base: f64) -> Option<(f64, f64)> {
    let mut best: Option<(f64, f64, f64)> = None;
    let mut open: Option<(f64, f64)> = None;
    for pair in path.windows(2) {
        let (below, above) = (pair[0], pair[1]);
        if below.pressure > base {
            continue;
        }
        let (one, two) = (below.buoyancy(), above.buoyancy());
        let thickness = (below.pressure / above.pressure).ln();
        let crossing = || {
            let part = one / (one - two);
            below.pressure * (above.pressure / below.pressure).powf(part)
        };
        if one <= 0.0 && two > 0.0 {
            open = Some((crossing(), 0.0));
        } else if one > 0.0 && open.is_none() {
            open = Some((below.pressure, 0.0));
        }
        if let Some((start, area)) = open {
            let area = area + DRY_AIR * thickness * (one.max(0.0) + two.max(0.0)) / 2.0;
            let closed = one > 0.0 && two <= 0.0;
            let top = if closed { crossing() } else { above.pressure };
            if best.is_none_or(|(.., most)| area > most) && area > 0.0 {
                best = Some((start, top, area));
            }
            open = if closed { None } else { Some((start, area)) };
        }
    }
    best.map(|(base, top, _)| (base, top))
}

/// The air at a pressure, all of it linear in ln p; nothing outside the sounding.
pub fn at(sounding: &Sounding, pressure: f64) -> Option<Level> {
    between(sounding, |level| level.pressure.ln(), pressure.ln(), true)
}

/// The air at a height above the ground, linear in height.
pub fn at_height(sounding: &Sounding, metres: f64) -> Option<Level> {
    let ground = sounding.levels.first()?.height;
    between(sounding, |level| level.height, metres + ground, false)
}

fn between(sounding: &Sounding, along: impl Fn(&Level) -> f64, wanted: f64, falling: bool) -> Option<Level> {
    let pair = sounding.levels.windows(2).find(|pair| {
        let (low, high) = (along(&pair[0]), along(&pair[1]));
        if falling { low >= wanted && wanted >= high } else { low <= wanted && wanted <= high }
    })?;
    let (low, high) = (along(&pair[0]), along(&pair[1]));
    let part = if high == low { 0.0 } else { (wanted - low) / (high - low) };
    let mix = |of: fn(&Level) -> f64| of(&pair[0]) + part * (of(&pair[1]) - of(&pair[0]));
    Some(Level {
        pressure: mix(|level| level.pressure.ln()).exp(),
        height: mix(|level| level.height),
        temperature: mix(|level| level.temperature),
        dewpoint: mix(|level| level.dewpoint),
        u: mix(|level| level.u),
        v: mix(|level| level.v),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 °C at 1000 hPa comes to -8.48 °C at 500 hPa by MetPy 1.7.1, whose saturation vapour pressure is another.
    #[test]
    fn a_moist_adiabat() {
        let top = moist(293.15, 1e5, 5e4) - 273.15;
        assert!((top + 8.48).abs() < 0.5, "{top}");
        assert!((moist(moist(293.15, 1e5, 5e4), 5e4, 1e5) - 293.15).abs() < 1e-6);
    }

    #[test]
    fn dewpoint_and_mixing_ratio_undo_each_other() {
        for temperature in [230.0, 273.15, 300.0] {
            let ratio = mixing_ratio(temperature, 9e4);
            assert!((dewpoint(ratio, 9e4) - temperature).abs() < 1e-6);
        }
    }
}
