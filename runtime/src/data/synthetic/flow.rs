//! The weather above the scale of a storm: what varies over days, the hodograph, and the waves it carries along.
//!
//! A synoptic quantity is a sum of three sinusoids in time with periods of 26 to 70 h and phases drawn from the seed.
//! The wind is `V(z, t) = c(t) + Us(t) · R(φ(t)) · (h(z) − h̄)`: `h` is a fixed hodograph of unit shear, half Weisman
//! and Klemp's (1982) `tanh(z / 3 km)` and half a quarter circle below 2 km with a straight line above, `h̄` its
//! pressure-weighted mean over 0–6 km. So `c(t)` *is* the 0–6 km mean wind; its integral in time is in closed form
//! and carries every wave without a step in time.

use super::arithmetic::{cos, exp, sin, tanh};
use super::draw::Draw;
use super::sounding::{Anomaly, Column};

/// Speed (m/s) at which right- and left-movers leave the mean wind: Bunkers et al. (2000, Wea. Forecasting 15, 61–79).
pub const DEVIATION: f64 = 7.5;

const HOUR: f64 = 3600.0;
/// The height (m) of the layer whose mean wind steers.
const STEERING_TOP: f64 = 6000.0;
/// kg/kg per K: warm air of a wave is moister.
const MOISTURE_PER_WARMTH: f64 = 0.000_25;

/// Everything about the flow that does not depend on where and when.
#[derive(Clone, Debug)]
pub struct Flow {
    column: Column,
    mean_x: Oscillation,
    mean_y: Oscillation,
    shear: Oscillation,
    direction: Oscillation,
    moisture: Oscillation,
    warmth: Oscillation,
    pressure: Oscillation,
    /// Three thermal waves and one of moisture.
    waves: [Wave; 4],
    /// h̄, and the unit vector from the 0–0.5 km mean to the 5.5–6 km mean of `h`.
    hodograph_mean: [f64; 2],
    hodograph_shear: [f64; 2],
}

/// The flow at one instant.
#[derive(Clone, Debug)]
pub struct Synoptic {
    /// Seconds since the first hour of the archive.
    pub time: f64,
    /// Mean wind of 0–6 km, along the grid (m/s).
    pub mean: [f64; 2],
    /// Where air that was at the origin at time 0 is now (m).
    pub drift: [f64; 2],
    /// Weisman and Klemp's Us (m/s) and the direction of the shear, radians from the x axis.
    pub shear: f64,
    pub direction: f64,
    /// Largest mixing ratio (kg/kg), warmth at 1000 hPa (K), night cooling (K), sea-level pressure (Pa).
    pub moisture: f64,
    pub warmth: f64,
    pub cooling: f64,
    pub pressure: f64,
    /// 0 at the coolest hour, 1 at 16 h local solar time.
    pub daylight: f64,
}

/// What the waves do at one point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Disturbance {
    /// Temperature at 1000 hPa (K).
    pub warmth: f64,
    /// Mixing ratio (kg/kg).
    pub moisture: f64,
    /// Wind along the grid (m/s).
    pub wind: [f64; 2],
    /// Cosine of the phase of the leading wave relative to the line where storms are born.
    pub line: f64,
}

#[derive(Clone, Copy, Debug)]
struct Oscillation {
    mean: f64,
    amplitude: f64,
    /// (weight, angular frequency in 1/s, phase)
    parts: [(f64, f64, f64); 3],
}

#[derive(Clone, Copy, Debug)]
struct Wave {
    /// Wave number vector (1/m).
    number: [f64; 2],
    phase: f64,
    amplitude: f64,
}

impl Flow {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut draw = Draw::new(b"synoptic", seed, 0, 0);
        let mut oscillation = |mean: f64, amplitude: f64| {
            let mut part = |weight: f64, shortest: f64, longest: f64| {
                let period = draw.between(shortest, longest) * HOUR;
                (weight, std::f64::consts::TAU / period, draw.between(0.0, std::f64::consts::TAU))
            };
            let parts = [part(0.5, 50.0, 70.0), part(0.3, 36.0, 50.0), part(0.2, 26.0, 36.0)];
            Oscillation { mean, amplitude, parts }
        };
        let mean_x = oscillation(12.5, 5.0);
        let mean_y = oscillation(4.0, 7.0);
        let shear = oscillation(22.5, 12.5);
        let direction = oscillation(0.35, 0.6);
        let moisture = oscillation(0.0135, 0.0025);
        let warmth = oscillation(0.0, 2.0);
        let pressure = oscillation(101_200.0, 500.0);
        let mut wave = |length: f64, bearing: f64, amplitude: f64| {
            let length = length * draw.between(0.95, 1.05);
            let bearing = bearing + draw.between(-0.15, 0.15);
            let number = std::f64::consts::TAU / length;
            Wave {
                number: [number * cos(bearing), number * sin(bearing)],
                phase: draw.between(0.0, std::f64::consts::TAU),
                amplitude,
            }
        };
        let waves = [wave(330e3, 0.1, 2.2), wave(260e3, 0.9, 1.2), wave(395e3, -0.6, 1.2), wave(290e3, 0.5, 0.001)];
        let column = Column::new();
        let hodograph_mean = layer_mean(&column, 0.0, STEERING_TOP);
        let (low, high) = (layer_mean(&column, 0.0, 500.0), layer_mean(&column, 5500.0, STEERING_TOP));
        let length = ((high[0] - low[0]).powi(2) + (high[1] - low[1]).powi(2)).sqrt();
        let hodograph_shear = [(high[0] - low[0]) / length, (high[1] - low[1]) / length];
        Self {
            column,
            mean_x,
            mean_y,
            shear,
            direction,
            moisture,
            warmth,
            pressure,
            waves,
            hodograph_mean,
            hodograph_shear,
        }
    }

    /// The undisturbed column.
    #[must_use]
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// The flow at `time` seconds after the archive's first hour.
    #[must_use]
    pub fn at(&self, time: f64) -> Synoptic {
        // Solar time at 97.5° W is 6.5 h behind UTC; the warmest hour is 16 h.
        let daylight = 0.5 + 0.5 * cos(std::f64::consts::TAU * (time / HOUR - 6.5 - 16.0) / 24.0);
        Synoptic {
            time,
            mean: [self.mean_x.value(time), self.mean_y.value(time)],
            drift: self.drift(time),
            shear: self.shear.bounded(time),
            direction: self.direction.value(time),
            moisture: self.moisture.bounded(time),
            warmth: self.warmth.value(time),
            cooling: 8.0 * (1.0 - daylight),
            pressure: self.pressure.value(time),
            daylight,
        }
    }

    /// The waves at a point (m from the grid's centre).
    #[must_use]
    pub fn disturbance(&self, now: &Synoptic, x: f64, y: f64) -> Disturbance {
        let mut sum = Disturbance::default();
        for (index, wave) in self.waves.iter().enumerate() {
            let phase =
                wave.number[0] * (x - now.drift[0]) + wave.number[1] * (y - now.drift[1]) + wave.phase;
            let (sine, cosine) = (sin(phase), cos(phase));
            if index < 3 {
                sum.warmth += wave.amplitude * sine;
                // Along the crests, so that the disturbance has no divergence; 1 m/s for each K.
                let length = (wave.number[0].powi(2) + wave.number[1].powi(2)).sqrt();
                sum.wind[0] -= wave.amplitude * cosine * wave.number[1] / length;
                sum.wind[1] += wave.amplitude * cosine * wave.number[0] / length;
            } else {
                sum.moisture += wave.amplitude * sine;
            }
            if index == 0 {
                // On the warm side of the leading wave's front.
                sum.line = cos(phase - 0.9);
            }
        }
        sum.moisture += MOISTURE_PER_WARMTH * sum.warmth;
        sum
    }

    /// What the column at a point differs by from the undisturbed one.
    #[must_use]
    pub fn anomaly(&self, now: &Synoptic, here: &Disturbance) -> Anomaly {
        Anomaly {
            warmth: now.warmth + here.warmth,
            cooling: now.cooling,
            moisture: (now.moisture + here.moisture).clamp(0.009, 0.0175),
        }
    }

    /// Wind along the grid (m/s) at a height above the ground (m), without waves and storms.
    #[must_use]
    pub fn wind(&self, now: &Synoptic, height: f64) -> [f64; 2] {
        let h = hodograph(height);
        // Above the tropopause the shear is given back, to a half at 20 km.
        let fade = 1.0 - 0.5 * ((height - 12_000.0) / 8_000.0).clamp(0.0, 1.0);
        let relative = [(h[0] - self.hodograph_mean[0]) * fade, (h[1] - self.hodograph_mean[1]) * fade];
        let turned = turn(relative, now.direction);
        [now.mean[0] + now.shear * turned[0], now.mean[1] + now.shear * turned[1]]
    }

    /// Bunkers motion (m/s): the 0–6 km mean wind plus `side` times 7.5 m/s to the right of the 0–6 km shear
    /// (side 1: right-mover, −1: left-mover, 0: ordinary cell).
    #[must_use]
    pub fn motion(&self, time: f64, side: f64) -> [f64; 2] {
        let shear = turn(self.hodograph_shear, self.direction.value(time));
        [
            self.mean_x.value(time) + side * DEVIATION * shear[1],
            self.mean_y.value(time) - side * DEVIATION * shear[0],
        ]
    }

    /// Unit vector of the 0–6 km shear.
    #[must_use]
    pub fn shear_direction(&self, now: &Synoptic) -> [f64; 2] {
        turn(self.hodograph_shear, now.direction)
    }

    /// How far a storm of that side goes between two instants (m): the integral of [`Flow::motion`], the mean wind in
    /// closed form, the deviation by Simpson's rule every quarter of an hour (better than a metre).
    #[must_use]
    pub fn displacement(&self, from: f64, to: f64, side: f64) -> [f64; 2] {
        let (start, end) = (self.drift(from), self.drift(to));
        let mut sum = [end[0] - start[0], end[1] - start[1]];
        if side != 0.0 && to > from {
            let count = ((to - from) / 900.0).ceil().max(1.0);
            let step = (to - from) / count;
            for index in 0..count as usize {
                let begin = from + index as f64 * step;
                for (offset, weight) in [(0.0, 1.0), (0.5, 4.0), (1.0, 1.0)] {
                    let shear = turn(self.hodograph_shear, self.direction.value(begin + offset * step));
                    let share = side * DEVIATION * weight * step / 6.0;
                    sum[0] += share * shear[1];
                    sum[1] -= share * shear[0];
                }
            }
        }
        sum
    }

    fn drift(&self, time: f64) -> [f64; 2] {
        [self.mean_x.integral(time), self.mean_y.integral(time)]
    }
}

impl Oscillation {
    fn value(&self, time: f64) -> f64 {
        let sum: f64 = self.parts.iter().map(|(weight, rate, phase)| weight * sin(rate * time + phase)).sum();
        self.mean + self.amplitude * sum
    }

    /// Spread towards its bounds `mean ± amplitude`, which a sum of sinusoids seldom reaches by itself.
    fn bounded(&self, time: f64) -> f64 {
        self.mean + self.amplitude * tanh(1.8 * (self.value(time) - self.mean) / self.amplitude)
    }

    /// Integral of [`Oscillation::value`], zero at nothing in particular: only differences mean something.
    fn integral(&self, time: f64) -> f64 {
        let sum: f64 =
            self.parts.iter().map(|(weight, rate, phase)| -weight / rate * cos(rate * time + phase)).sum();
        self.mean * time + self.amplitude * sum
    }
}

/// The unit hodograph at a height (m): it starts at the origin and ends near (1, 0.2).
fn hodograph(height: f64) -> [f64; 2] {
    const RADIUS: f64 = 0.4;
    let straight = tanh(height / 3000.0);
    let angle = std::f64::consts::FRAC_PI_2 * (height / 2000.0).clamp(0.0, 1.0);
    let line = ((height - 2000.0) / 4000.0).clamp(0.0, 1.0);
    let curved = [RADIUS * (1.0 - cos(angle)) + (1.0 - RADIUS) * line, RADIUS * sin(angle)];
    [0.5 * (straight + curved[0]), 0.5 * curved[1]]
}

/// Pressure-weighted mean of the hodograph over a layer, trapezoids of 50 m.
fn layer_mean(column: &Column, bottom: f64, top: f64) -> [f64; 2] {
    let count = ((top - bottom) / 50.0).round() as usize;
    let (mut sum, mut total) = ([0.0; 2], 0.0);
    for index in 0..=count {
        let height = bottom + index as f64 * 50.0;
        let edge = if index == 0 || index == count { 0.5 } else { 1.0 };
        let weight = edge * column.pressure(height);
        let h = hodograph(height);
        sum[0] += weight * h[0];
        sum[1] += weight * h[1];
        total += weight;
    }
    [sum[0] / total, sum[1] / total]
}

fn turn(vector: [f64; 2], angle: f64) -> [f64; 2] {
    let (sine, cosine) = (sin(angle), cos(angle));
    [vector[0] * cosine - vector[1] * sine, vector[0] * sine + vector[1] * cosine]
}

/// A bell of height 1: exp(−½ (distance / width)²).
#[must_use]
pub fn bell(distance: f64, width: f64) -> f64 {
    let ratio = distance / width;
    exp(-0.5 * ratio * ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bunkers' recipe applied to the wind profile itself, from samples every 250 m: the pressure-weighted 0–6 km
    /// mean, and 7.5 m/s across the shear between the means of 0–0.5 km and 5.5–6 km. 0.05 m/s is the coarser sum.
    #[test]
    fn storms_move_as_bunkers_says() {
        let flow = Flow::new(7);
        for hour in [0, 31, 500, 8000] {
            let time = f64::from(hour) * HOUR;
            let now = flow.at(time);
            let mean = |bottom: f64, top: f64| {
                let count = ((top - bottom) / 250.0) as usize;
                let (mut sum, mut total) = ([0.0; 2], 0.0);
                for index in 0..=count {
                    let height = bottom + index as f64 * 250.0;
                    let weight = flow.column().pressure(height) * if index % count == 0 { 0.5 } else { 1.0 };
                    let wind = flow.wind(&now, height);
                    sum = [sum[0] + weight * wind[0], sum[1] + weight * wind[1]];
                    total += weight;
                }
                [sum[0] / total, sum[1] / total]
            };
            let (steering, low, high) = (mean(0.0, 6000.0), mean(0.0, 500.0), mean(5500.0, 6000.0));
            let shear = [high[0] - low[0], high[1] - low[1]];
            let length = shear[0].hypot(shear[1]);
            for side in [-1.0, 0.0, 1.0] {
                let motion = flow.motion(time, side);
                let expected =
                    [steering[0] + side * 7.5 * shear[1] / length, steering[1] - side * 7.5 * shear[0] / length];
                for axis in 0..2 {
                    assert!((motion[axis] - expected[axis]).abs() < 0.05, "{hour} {side} {motion:?} {expected:?}");
                }
            }
        }
    }

    #[test]
    fn displacement_is_the_integral_of_motion() {
        let flow = Flow::new(3);
        let (from, to) = (100.0 * HOUR, 105.5 * HOUR);
        let mut sum = [0.0; 2];
        let count = 50_000;
        let step = (to - from) / f64::from(count);
        for index in 0..count {
            let motion = flow.motion(from + (f64::from(index) + 0.5) * step, 1.0);
            sum = [sum[0] + motion[0] * step, sum[1] + motion[1] * step];
        }
        let closed = flow.displacement(from, to, 1.0);
        assert!((closed[0] - sum[0]).abs() < 1.0 && (closed[1] - sum[1]).abs() < 1.0, "{closed:?} {sum:?}");
    }

    /// A thermal wave after an hour is the wave of now, moved by the mean wind.
    #[test]
    fn waves_go_with_the_mean_wind() {
        let flow = Flow::new(11);
        let (now, later) = (flow.at(50.0 * HOUR), flow.at(51.0 * HOUR));
        let moved = flow.displacement(now.time, later.time, 0.0);
        let here = flow.disturbance(&now, 10e3, -40e3);
        let there = flow.disturbance(&later, 10e3 + moved[0], -40e3 + moved[1]);
        assert!((here.warmth - there.warmth).abs() < 1e-9);
        let stayed = flow.disturbance(&later, 10e3, -40e3);
        assert!((here.warmth - stayed.warmth).abs() > 1e-2);
    }
}
