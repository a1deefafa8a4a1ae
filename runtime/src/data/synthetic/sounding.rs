//! The column of air: the analytic sounding of Weisman and Klemp (1982, Mon. Wea. Rev. 110, 504–520), saturation
//! (Bolton 1980, Mon. Wea. Rev. 108, 1046–1053), and the buoyant energy of a lifted parcel.

use super::arithmetic::{exp, ln, pow};

/// Gravity (m/s²), gas constant and heat capacity of dry air (J/kg/K), latent heat of vaporisation (J/kg).
pub const GRAVITY: f64 = 9.806_65;
pub const GAS_CONSTANT: f64 = 287.05;
const HEAT_CAPACITY: f64 = 1004.6;
const LATENT_HEAT: f64 = 2.501e6;
const KAPPA: f64 = GAS_CONSTANT / HEAT_CAPACITY;
/// Ratio of the gas constants of dry air and vapour.
const EPSILON: f64 = 0.622;

/// The sounding's tropopause: height (m), potential temperature (K), temperature (K); and its value at the ground.
const TROPOPAUSE: f64 = 12_000.0;
const THETA_TROPOPAUSE: f64 = 343.0;
const TEMPERATURE_TROPOPAUSE: f64 = 213.0;
const THETA_GROUND: f64 = 300.0;

/// Lowest pressure of the parcel's ascent and the step between its levels, in Pa.
const ASCENT_TOP: f64 = 10_000.0;
const ASCENT_STEP: f64 = 2_500.0;

/// The undisturbed column as a function of pressure: Weisman and Klemp's, with 1000 hPa at the ground.
#[derive(Clone, Debug)]
pub struct Column {
    /// From the ground upwards every 50 m: ln p, temperature (K), relative humidity (1).
    steps: Vec<[f64; 3]>,
    /// Every 25 hPa from 1000 to 100 hPa.
    ascent: Vec<State>,
}

/// The undisturbed air at one pressure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// Pa.
    pub pressure: f64,
    /// Height in metres above 1000 hPa.
    pub height: f64,
    /// K.
    pub temperature: f64,
    /// Relative humidity over water, 0 to 1, before the cap on the mixing ratio.
    pub humidity: f64,
}

/// What makes a place differ from the undisturbed column: these multiply [`warm_shape`] and [`night_shape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    /// K, the thermal wave and the synoptic warmth at 1000 hPa.
    pub warmth: f64,
    /// K, cooling of the night at the ground, not negative.
    pub cooling: f64,
    /// Largest mixing ratio (kg/kg).
    pub moisture: f64,
}

/// Height of a thermal wave: 1 at 1000 hPa, 0 from 150 hPa upwards.
#[must_use]
pub fn warm_shape(pressure: f64) -> f64 {
    pow(((pressure - 15_000.0) / 85_000.0).max(0.0), 0.7)
}

/// Depth of the night's cooling and of cold pools: e-folding over 6 000 Pa above 1000 hPa.
#[must_use]
pub fn night_shape(pressure: f64) -> f64 {
    exp(-(100_000.0 - pressure).max(0.0) / 6_000.0)
}

impl Column {
    /// Integrates `dπ/dz = −g / (c_p θ)` upwards from 1000 hPa at z = 0.
    #[must_use]
    pub fn new() -> Self {
        const STEP: f64 = 50.0;
        let mut exner = 1.0;
        let mut steps = Vec::new();
        for step in 0..480 {
            let height = f64::from(step) * STEP;
            let temperature = potential_temperature(height) * exner;
            steps.push([ln(exner) / KAPPA + ln(100_000.0), temperature, relative_humidity(height)]);
            exner -= GRAVITY * STEP / (HEAT_CAPACITY * potential_temperature(height + STEP / 2.0));
        }
        let mut column = Self { steps, ascent: Vec::new() };
        let mut pressure = 100_000.0;
        while pressure >= ASCENT_TOP {
            column.ascent.push(column.at(pressure));
            pressure -= ASCENT_STEP;
        }
        column
    }

    /// The column at a pressure, linear in ln p between its steps; above 40 hPa it stays as there.
    #[must_use]
    pub fn at(&self, pressure: f64) -> State {
        let level = ln(pressure);
        let above = self.steps.partition_point(|step| step[0] > level).clamp(1, self.steps.len() - 1);
        let (low, high) = (self.steps[above - 1], self.steps[above]);
        let weight = (low[0] - level) / (low[0] - high[0]);
        let between = |part: usize| low[part] + weight * (high[part] - low[part]);
        // The stratosphere is dry: the troposphere's 25 % would be a hundred times too much vapour there.
        let stratosphere = pow((pressure / 15_000.0).min(1.0), 4.0);
        State {
            pressure,
            height: 50.0 * (above as f64 - 1.0 + weight),
            temperature: between(1),
            humidity: between(2) * stratosphere,
        }
    }

    /// Pressure (Pa) at a height (m) of the undisturbed column, up to 23 km.
    #[must_use]
    pub fn pressure(&self, height: f64) -> f64 {
        let place = (height / 50.0).clamp(0.0, (self.steps.len() - 2) as f64);
        let below = place as usize;
        let weight = place - below as f64;
        exp(self.steps[below][0] + weight * (self.steps[below + 1][0] - self.steps[below][0]))
    }

    /// Convective available potential energy (J/kg) of the most unstable of the parcels of 1000, 925 and 850 hPa:
    /// reversible to its condensation level, pseudo-adiabatic above, positive buoyancy summed up to 100 hPa.
    #[must_use]
    pub fn buoyancy(&self, anomaly: &Anomaly) -> f64 {
        let air = |state: &State| environment(state, anomaly);
        let (mut start, mut best) = (0, f64::MIN);
        for index in [0, 3, 6] {
            let (temperature, vapour) = air(&self.ascent[index]);
            let moist = equivalent(temperature, vapour, self.ascent[index].pressure);
            if moist > best {
                (start, best) = (index, moist);
            }
        }
        let mut pressure = self.ascent[start].pressure;
        let (mut temperature, vapour) = air(&self.ascent[start]);
        let condensation = condensation_pressure(temperature, vapour, pressure);
        let mut energy = 0.0;
        let mut below = 0.0;
        for state in &self.ascent[start + 1..] {
            let dry_end = condensation.clamp(state.pressure, pressure);
            temperature *= pow(dry_end / pressure, KAPPA);
            temperature = moist_ascent(temperature, dry_end, state.pressure);
            let parcel = if state.pressure < condensation {
                virtual_temperature(temperature, saturation(temperature, state.pressure))
            } else {
                virtual_temperature(temperature, vapour)
            };
            let (outside, outside_vapour) = air(state);
            let excess = parcel - virtual_temperature(outside, outside_vapour);
            energy += GAS_CONSTANT * (excess.max(0.0) + f64::max(below, 0.0)) / 2.0 * ln(pressure / state.pressure);
            below = excess;
            pressure = state.pressure;
        }
        energy
    }
}

impl Default for Column {
    fn default() -> Self {
        Self::new()
    }
}

/// Temperature (K) and specific humidity (kg/kg) of the undisturbed column under an anomaly.
#[must_use]
pub fn environment(state: &State, anomaly: &Anomaly) -> (f64, f64) {
    let temperature = state.temperature + anomaly.warmth * warm_shape(state.pressure)
        - anomaly.cooling * night_shape(state.pressure);
    let cap = anomaly.moisture / (1.0 + anomaly.moisture);
    (temperature, (state.humidity * saturation(temperature, state.pressure)).min(cap))
}

/// Specific humidity at saturation over water (kg/kg); Bolton's equation 10, the vapour pressure at most half of p.
#[must_use]
pub fn saturation(temperature: f64, pressure: f64) -> f64 {
    let vapour = 611.2 * exp(17.67 * (temperature - 273.15) / (temperature - 29.65));
    let vapour = vapour.min(0.5 * pressure);
    EPSILON * vapour / (pressure - (1.0 - EPSILON) * vapour)
}

/// T (1 + 0.608 q).
#[must_use]
pub fn virtual_temperature(temperature: f64, humidity: f64) -> f64 {
    temperature * (1.0 + 0.608 * humidity)
}

/// Pressure at which a parcel saturates, by Bolton's equation 22 and Poisson's equation.
fn condensation_pressure(temperature: f64, humidity: f64, pressure: f64) -> f64 {
    let vapour = humidity * pressure / (EPSILON + (1.0 - EPSILON) * humidity);
    let dew = ln(vapour / 611.2);
    let dew = 273.15 + 243.5 * dew / (17.67 - dew);
    let dew = dew.min(temperature);
    let condensed = 1.0 / (1.0 / (dew - 56.0) + ln(temperature / dew) / 800.0) + 56.0;
    pressure * pow(condensed / temperature, 1.0 / KAPPA)
}

/// A measure that orders parcels by their moist entropy: θ exp(L q / (c_p T)).
fn equivalent(temperature: f64, humidity: f64, pressure: f64) -> f64 {
    temperature * pow(100_000.0 / pressure, KAPPA) * exp(LATENT_HEAT * humidity / (HEAT_CAPACITY * temperature))
}

/// Temperature of a saturated parcel taken from one pressure to a lower one, by one midpoint step.
fn moist_ascent(temperature: f64, from: f64, to: f64) -> f64 {
    if from <= to {
        return temperature;
    }
    let middle = (from + to) / 2.0;
    let half = temperature + moist_lapse(temperature, from) * (middle - from);
    temperature + moist_lapse(half, middle) * (to - from)
}

/// dT/dp (K/Pa) along a pseudo-adiabat.
fn moist_lapse(temperature: f64, pressure: f64) -> f64 {
    let mixing = saturation(temperature, pressure);
    let mixing = mixing / (1.0 - mixing);
    let heating = LATENT_HEAT * mixing / (GAS_CONSTANT * temperature);
    let damping = LATENT_HEAT * LATENT_HEAT * mixing * EPSILON
        / (HEAT_CAPACITY * GAS_CONSTANT * temperature * temperature);
    KAPPA * temperature / pressure * (1.0 + heating) / (1.0 + damping)
}

/// Weisman and Klemp's equation 1.
fn potential_temperature(height: f64) -> f64 {
    if height <= TROPOPAUSE {
        THETA_GROUND + (THETA_TROPOPAUSE - THETA_GROUND) * pow(height / TROPOPAUSE, 1.25)
    } else {
        THETA_TROPOPAUSE * exp(GRAVITY * (height - TROPOPAUSE) / (HEAT_CAPACITY * TEMPERATURE_TROPOPAUSE))
    }
}

/// Weisman and Klemp's equation 2.
fn relative_humidity(height: f64) -> f64 {
    if height <= TROPOPAUSE { 1.0 - 0.75 * pow(height / TROPOPAUSE, 1.25) } else { 0.25 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm(moisture: f64) -> Anomaly {
        Anomaly { warmth: 0.0, cooling: 0.0, moisture }
    }

    /// Weisman and Klemp give about 1000 J/kg for 11 g/kg and 3500 J/kg for 16 g/kg (their table 1: 11 → 995,
    /// 14 → 2223, 16 → 3135 J/kg), without virtual temperature; a fifth either way allows for that.
    #[test]
    fn buoyant_energy_is_that_of_the_paper() {
        let column = Column::new();
        for (moisture, paper) in [(0.011, 995.0), (0.014, 2223.0), (0.016, 3135.0)] {
            let energy = column.buoyancy(&calm(moisture));
            println!("mixing ratio {moisture}: {energy:.0} J/kg, the paper {paper}");
            assert!((energy / paper - 1.0).abs() < 0.2, "{moisture}: {energy} {paper}");
        }
    }

    #[test]
    fn the_column_is_the_sounding() {
        let column = Column::new();
        let ground = column.at(100_000.0);
        assert!((ground.temperature - 300.0).abs() < 1e-9 && ground.height.abs() < 1e-9);
        let tropopause = column.at(20_000.0);
        assert!((tropopause.height - 12_100.0).abs() < 400.0, "{tropopause:?}");
        // The paper gives 213 K at 12 km rounded; integrated from the ground it is 215 K there and 219 K at 21 km.
        assert!((column.at(5_000.0).temperature - 213.0).abs() < 7.0, "{:?}", column.at(5_000.0));
    }

    #[test]
    fn cooler_and_drier_air_has_less_energy() {
        let column = Column::new();
        let base = column.buoyancy(&calm(0.014));
        assert!(column.buoyancy(&Anomaly { warmth: -2.0, ..calm(0.014) }) != base);
        assert!(column.buoyancy(&calm(0.012)) < base);
        assert!(column.buoyancy(&Anomaly { cooling: 8.0, ..calm(0.014) }) < base);
    }
}
