//! All fields of one hour, drawn from the flow and its storms.

use ndarray::{Array2, Array3};

use super::arithmetic::{cos, exp, ln, sin};
use super::flow::{Disturbance, Flow, Synoptic, bell};
use super::sounding::{
    Anomaly, GAS_CONSTANT, GRAVITY, State, environment, night_shape, saturation, virtual_temperature,
};
use super::storm::{Cell, Storm, cells, storms};
use super::{FIELDS, LEVELS};
use crate::data::grid::Grid;

/// Reflectivity (dBZ) where there is no echo, as in HRRR.
pub const NO_ECHO: f64 = -10.0;
/// Distance in grid cells between the columns whose buoyant energy is computed; between them it is bilinear.
const NODE: usize = 4;
/// Footprints end where a bell has fallen below 4 · 10⁻⁴ (4 widths).
const REACH: f64 = 4.0;
/// Largest temperature deficit of a cold pool and excess of an updraught (K).
const POOL_COOLING: f64 = 6.0;
const CORE_WARMTH: f64 = 3.0;
/// Distance downshear (m) and widths of the anvil, and its reflectivity above [`NO_ECHO`].
const ANVIL: (f64, f64, f64, f64) = (35e3, 55e3, 32e3, 30.0);

/// The parts of the world that do not change.
#[derive(Clone, Debug)]
pub struct World {
    pub seed: u64,
    pub flow: Flow,
    pub grid: Grid,
    /// Height of the ground (m), (H, W).
    pub orography: Array2<f64>,
    levels: Vec<Level>,
    /// Cosine and sine of the grid's convergence, row after row.
    turning: Vec<[f64; 2]>,
}

/// One pressure level and how much of each disturbance reaches it.
#[derive(Clone, Debug)]
struct Level {
    state: State,
    core: f64,
    moist: f64,
    rotation: f64,
    divergence: f64,
    pool: f64,
    wave: f64,
}

/// What the storms do at every point of the grid, row after row.
#[derive(Debug)]
struct Footprint {
    reflectivity: Vec<f64>,
    updraught: Vec<f64>,
    core: Vec<f64>,
    moist: Vec<f64>,
    rotation: Vec<[f64; 2]>,
    divergence: Vec<[f64; 2]>,
    pool: Vec<f64>,
    outflow: Vec<[f64; 2]>,
}

impl World {
    #[must_use]
    pub fn new(seed: u64, grid: Grid) -> Self {
        let flow = Flow::new(seed);
        let levels = LEVELS
            .iter()
            .map(|&pressure| Level {
                state: flow.column().at(pressure),
                core: bell(pressure - 40_000.0, 17_000.0),
                moist: bell(pressure - 60_000.0, 18_000.0),
                rotation: bell(pressure - 60_000.0, 20_000.0),
                divergence: bell(pressure - 22_500.0, 6_000.0) - 0.5 * bell(pressure - 92_500.0, 7_000.0),
                pool: night_shape(pressure),
                wave: ((pressure - 5_000.0) / 20_000.0).clamp(0.0, 1.0),
            })
            .collect();
        let shape = (grid.plan.height, grid.plan.width);
        let orography = Array2::from_shape_fn(shape, |(row, column)| {
            let (x, y) = grid.position(row, column);
            let hills = 40.0 * sin(x / 30e3 + 0.4) * cos(y / 41e3) + 25.0 * sin((x + y) / 19e3);
            (180.0 - x / 2.4e3 + hills).max(0.0)
        });
        let turning = (0..shape.0 * shape.1)
            .map(|index| {
                let angle = grid.convergence(index / shape.1, index % shape.1);
                [cos(angle), sin(angle)]
            })
            .collect();
        Self { seed, flow, grid, orography, levels, turning }
    }

    /// Every field in the order of [`FIELDS`] at `time` seconds after the first hour.
    #[must_use]
    pub fn hour(&self, time: f64) -> Vec<Array3<f32>> {
        let now = self.flow.at(time);
        let waves = self.waves(&now);
        let anomalies: Vec<Anomaly> = waves.iter().map(|wave| self.flow.anomaly(&now, wave)).collect();
        let energy = self.energy(&now);
        let cells = cells(&self.flow, self.seed, time);
        let living = storms(&self.flow, &cells, time);
        let footprint = self.footprint(&now, &living, &energy);
        let mut fields = Fields::new(self);
        self.levels(&now, &waves, &anomalies, &footprint, &mut fields);
        self.surface(&now, &waves, &anomalies, &footprint, &mut fields);
        self.tracks(time, &cells, energy.len(), &mut fields);
        fields.set("REFC:entire atmosphere", &footprint.reflectivity);
        fields.set("UPDRAFT:entire atmosphere", &footprint.updraught);
        fields.set("CAPE:255-0 mb above ground", &energy);
        fields.set("HGT:surface", self.orography.as_slice().unwrap_or(&[]));
        fields.arrays
    }

    /// Composite reflectivity at `time` of the cells born until `newest`: with `newest` in the past, the forecast of
    /// somebody who knows every living cell and foresees no birth.
    #[must_use]
    pub fn reflectivity(&self, time: f64, newest: f64) -> Vec<f64> {
        let now = self.flow.at(time);
        let energy = vec![0.0; self.turning.len()];
        let mut known = cells(&self.flow, self.seed, time);
        known.retain(|cell| cell.birth <= newest);
        self.footprint(&now, &storms(&self.flow, &known, time), &energy).reflectivity
    }

    fn width(&self) -> usize {
        self.grid.plan.width
    }

    fn points(&self) -> impl Iterator<Item = (usize, f64, f64)> + '_ {
        (0..self.turning.len()).map(|index| {
            let (x, y) = self.grid.position(index / self.width(), index % self.width());
            (index, x, y)
        })
    }

    fn waves(&self, now: &Synoptic) -> Vec<Disturbance> {
        self.points().map(|(_, x, y)| self.flow.disturbance(now, x, y)).collect()
    }

    /// Buoyant energy of the undisturbed air (J/kg) at every point.
    fn energy(&self, now: &Synoptic) -> Vec<f64> {
        let (height, width) = (self.grid.plan.height, self.width());
        let (rows, columns) = (height / NODE + 2, width / NODE + 2);
        let nodes: Vec<f64> = (0..rows * columns)
            .map(|node| {
                let (x, y) = self.grid.position(node / columns * NODE, node % columns * NODE);
                let here = self.flow.disturbance(now, x, y);
                self.flow.column().buoyancy(&self.flow.anomaly(now, &here))
            })
            .collect();
        (0..height * width)
            .map(|index| {
                let (row, column) = (index / width, index % width);
                let (i, j) = (row / NODE, column / NODE);
                let (a, b) = ((row % NODE) as f64 / NODE as f64, (column % NODE) as f64 / NODE as f64);
                let at = |i: usize, j: usize| nodes[i * columns + j];
                (1.0 - a) * ((1.0 - b) * at(i, j) + b * at(i, j + 1))
                    + a * ((1.0 - b) * at(i + 1, j) + b * at(i + 1, j + 1))
            })
            .collect()
    }

    fn footprint(&self, now: &Synoptic, living: &[Storm], energy: &[f64]) -> Footprint {
        let count = energy.len();
        let mut print = Footprint {
            reflectivity: vec![NO_ECHO; count],
            updraught: vec![0.0; count],
            core: vec![0.0; count],
            moist: vec![0.0; count],
            rotation: vec![[0.0; 2]; count],
            divergence: vec![[0.0; 2]; count],
            pool: vec![0.0; count],
            outflow: vec![[0.0; 2]; count],
        };
        let shear = self.flow.shear_direction(now);
        for storm in living {
            self.core(storm, shear, energy, &mut print);
            self.anvil(storm, shear, &mut print);
            self.pool(storm, &mut print);
        }
        print
    }

    /// The cell itself: reflectivity, updraught, warmth, moisture, rotation and divergence.
    fn core(&self, storm: &Storm, shear: [f64; 2], energy: &[f64], print: &mut Footprint) {
        if storm.life <= 0.0 {
            return;
        }
        let [long, across] = storm.cell.widths;
        self.around(storm.position, long, |index, dx, dy| {
            let (along, side) = (dx * shear[0] + dy * shear[1], dy * shear[0] - dx * shear[1]);
            let shape = bell(1.0, 1.0 / ((along / long).powi(2) + (side / across).powi(2)).sqrt().max(1e-9));
            let echo = NO_ECHO + (storm.cell.peak - NO_ECHO) * storm.life * shape;
            print.reflectivity[index] = print.reflectivity[index].max(echo);
            let inner = shape * shape;
            let bound = (2.0 * energy[index]).sqrt();
            let updraught = (storm.cell.updraught * storm.life * inner).min(bound);
            print.updraught[index] = print.updraught[index].max(updraught);
            print.core[index] = print.core[index].max(storm.life * inner);
            print.moist[index] = print.moist[index].max(storm.life * shape);
            let distance = (dx * dx + dy * dy).sqrt();
            let swirl = whirl(distance, 0.6 * across);
            let (x, y) = (dx / distance.max(1.0), dy / distance.max(1.0));
            let speed = 8.0 * storm.rotation * storm.life * swirl;
            print.rotation[index][0] -= speed * y;
            print.rotation[index][1] += speed * x;
            let spread = 7.0 * storm.life * whirl(distance, across);
            print.divergence[index][0] += spread * x;
            print.divergence[index][1] += spread * y;
        });
    }

    /// Weak echo downshear.
    fn anvil(&self, storm: &Storm, shear: [f64; 2], print: &mut Footprint) {
        if storm.anvil <= 0.0 {
            return;
        }
        let (offset, long, across, echo) = ANVIL;
        let centre = [storm.position[0] + offset * shear[0], storm.position[1] + offset * shear[1]];
        self.around(centre, long, |index, dx, dy| {
            let (along, side) = (dx * shear[0] + dy * shear[1], dy * shear[0] - dx * shear[1]);
            let shape = exp(-0.5 * ((along / long).powi(2) + (side / across).powi(2)));
            let value = NO_ECHO + echo * storm.anvil * shape;
            print.reflectivity[index] = print.reflectivity[index].max(value);
        });
    }

    /// The cold pool and its outflow.
    fn pool(&self, storm: &Storm, print: &mut Footprint) {
        if storm.pool <= 0.0 {
            return;
        }
        let width = 1.1 * storm.cell.widths[1];
        self.around(storm.pool_position, width, |index, dx, dy| {
            let distance = (dx * dx + dy * dy).sqrt();
            print.pool[index] = print.pool[index].max(storm.pool * bell(distance, width));
            let speed = 9.0 * storm.pool * whirl(distance, width) / distance.max(1.0);
            print.outflow[index][0] += speed * dx;
            print.outflow[index][1] += speed * dy;
        });
    }

    /// Calls `visit(index, dx, dy)` for the points within [`REACH`] widths of a place.
    fn around(&self, place: [f64; 2], width: f64, mut visit: impl FnMut(usize, f64, f64)) {
        let plan = &self.grid.plan;
        let (column, row) = (
            place[0] / plan.spacing + (plan.width as f64 - 1.0) / 2.0,
            (plan.height as f64 - 1.0) / 2.0 - place[1] / plan.spacing,
        );
        let reach = REACH * width / plan.spacing;
        let range = |centre: f64, count: usize| {
            let first = (centre - reach).ceil().max(0.0) as usize;
            let end = ((centre + reach).floor() + 1.0).clamp(0.0, count as f64) as usize;
            first..end
        };
        for r in range(row, plan.height) {
            for c in range(column, plan.width) {
                let (dx, dy) = ((c as f64 - column) * plan.spacing, (row - r as f64) * plan.spacing);
                if dx * dx + dy * dy <= (REACH * width).powi(2) {
                    visit(r * plan.width + c, dx, dy);
                }
            }
        }
    }

    /// Temperature, humidity, height and wind on the pressure levels; height by the hypsometric equation with the
    /// mean virtual temperature of neighbouring levels, upwards from the sea-level pressure.
    fn levels(
        &self,
        now: &Synoptic,
        waves: &[Disturbance],
        anomalies: &[Anomaly],
        print: &Footprint,
        fields: &mut Fields,
    ) {
        let count = waves.len();
        let mut height: Vec<f64> = Vec::new();
        let mut below: Vec<f64> = Vec::new();
        for (number, level) in self.levels.iter().enumerate().rev() {
            let pressure = level.state.pressure;
            let wind = self.flow.wind(now, level.state.height);
            let mut out: [Vec<f64>; 5] = std::array::from_fn(|_| Vec::with_capacity(count));
            for index in 0..count {
                let (temperature, humidity) = self.air(level, &anomalies[index], print, index);
                let warmth = virtual_temperature(temperature, humidity);
                let thickness = if number + 1 == self.levels.len() {
                    let sea = sea_level_pressure(now, &waves[index], print.pool[index]);
                    GAS_CONSTANT / GRAVITY * warmth * ln(sea / pressure)
                } else {
                    let lower = self.levels[number + 1].state.pressure;
                    GAS_CONSTANT / GRAVITY * 0.5 * (warmth + below[index]) * ln(lower / pressure)
                };
                if height.len() < count {
                    height.push(thickness);
                    below.push(warmth);
                } else {
                    height[index] += thickness;
                    below[index] = warmth;
                }
                let mut local = wind;
                for (axis, part) in local.iter_mut().enumerate() {
                    *part += level.wave * waves[index].wind[axis]
                        + level.rotation * print.rotation[index][axis]
                        + level.divergence * print.divergence[index][axis]
                        + 0.8 * level.pool * print.outflow[index][axis];
                }
                let earth = self.earth(index, local);
                for (list, value) in
                    out.iter_mut().zip([temperature, earth[0], earth[1], humidity, height[index]])
                {
                    list.push(value);
                }
            }
            for (name, values) in ["TMP", "UGRD", "VGRD", "SPFH", "HGT"].into_iter().zip(&out) {
                fields.set_level(name, number, values);
            }
        }
    }

    /// Temperature (K) and specific humidity (kg/kg) at one point of one level.
    fn air(&self, level: &Level, anomaly: &Anomaly, print: &Footprint, index: usize) -> (f64, f64) {
        let (calm, _) = environment(&level.state, anomaly);
        let temperature = calm + CORE_WARMTH * level.core * print.core[index]
            - POOL_COOLING * level.pool * print.pool[index];
        let wet = level.moist * print.moist[index];
        let relative = level.state.humidity + (0.95 - level.state.humidity).max(0.0) * wet;
        let cap = anomaly.moisture / (1.0 + anomaly.moisture);
        (temperature, (relative * saturation(temperature, level.state.pressure)).min(cap))
    }

    /// Screen-level and pressure fields.
    fn surface(
        &self,
        now: &Synoptic,
        waves: &[Disturbance],
        anomalies: &[Anomaly],
        print: &Footprint,
        fields: &mut Fields,
    ) {
        let Some(lowest) = self.levels.last() else { return };
        let ground_wind = self.flow.wind(now, 10.0);
        let mut out: [Vec<f64>; 6] = std::array::from_fn(|_| Vec::with_capacity(waves.len()));
        for (index, ground) in self.orography.iter().enumerate() {
            let (temperature, humidity) = self.air(lowest, &anomalies[index], print, index);
            let sea = sea_level_pressure(now, &waves[index], print.pool[index]);
            let scale = GAS_CONSTANT * virtual_temperature(temperature, humidity) / GRAVITY;
            let pressure = sea * exp(-ground / scale);
            let screen = temperature + 0.0075 * (scale * ln(sea / lowest.state.pressure) - ground);
            let cap = anomalies[index].moisture / (1.0 + anomalies[index].moisture);
            let vapour = (0.95 * saturation(screen, pressure)).min(cap);
            let wind = [0, 1].map(|axis| {
                0.7 * (ground_wind[axis] + waves[index].wind[axis]) + print.outflow[index][axis]
            });
            let earth = self.earth(index, wind);
            for (list, value) in out.iter_mut().zip([screen, vapour, earth[0], earth[1], sea, pressure]) {
                list.push(value);
            }
        }
        let names = [
            "TMP:2 m above ground",
            "SPFH:2 m above ground",
            "UGRD:10 m above ground",
            "VGRD:10 m above ground",
            "MSLMA:mean sea level",
            "PRES:surface",
        ];
        for (name, values) in names.into_iter().zip(&out) {
            fields.set(name, values);
        }
    }

    /// Updraught helicity of 2–5 km: the extremes of the past hour, from its seven ten-minute instants.
    fn tracks(&self, time: f64, cells: &[Cell], count: usize, fields: &mut Fields) {
        let (mut most, mut least) = (vec![0.0_f64; count], vec![0.0_f64; count]);
        for instant in 0..=6 {
            let then = time - f64::from(instant) * 600.0;
            for storm in storms(&self.flow, cells, then) {
                let strength = 5.0 * storm.cell.updraught * storm.life * storm.rotation;
                let width = 0.5 * storm.cell.widths[1];
                self.around(storm.position, width, |index, dx, dy| {
                    let value = strength * bell((dx * dx + dy * dy).sqrt(), width);
                    most[index] = most[index].max(value);
                    least[index] = least[index].min(value);
                });
            }
        }
        fields.set("MXUPHL:5000-2000 m above ground", &most);
        fields.set("MNUPHL:5000-2000 m above ground", &least);
    }

    /// Wind along the grid to wind towards east and north.
    fn earth(&self, index: usize, wind: [f64; 2]) -> [f64; 2] {
        let [cosine, sine] = self.turning[index];
        [wind[0] * cosine + wind[1] * sine, wind[1] * cosine - wind[0] * sine]
    }
}

/// The fields of an hour while they are filled.
struct Fields {
    arrays: Vec<Array3<f32>>,
}

impl Fields {
    fn new(world: &World) -> Self {
        let (height, width) = (world.grid.plan.height, world.grid.plan.width);
        let arrays = FIELDS
            .iter()
            .map(|field| Array3::zeros((if field.levels { LEVELS.len() } else { 1 }, height, width)))
            .collect();
        Self { arrays }
    }

    fn set(&mut self, name: &str, values: &[f64]) {
        self.set_level(name, 0, values);
    }

    fn set_level(&mut self, name: &str, level: usize, values: &[f64]) {
        let Some(position) = FIELDS.iter().position(|field| field.from == name) else { return };
        let mut plane = self.arrays[position].index_axis_mut(ndarray::Axis(0), level);
        for (cell, value) in plane.iter_mut().zip(values) {
            *cell = *value as f32;
        }
    }
}

/// Pa: lower under warm columns so that the wave nearly vanishes at 500 hPa, higher in cold pools.
fn sea_level_pressure(now: &Synoptic, wave: &Disturbance, pool: f64) -> f64 {
    now.pressure - 140.0 * (wave.warmth + now.warmth) + 150.0 * pool
}

/// A speed that is 1 at `width` and falls to 0 at the middle and far away.
fn whirl(distance: f64, width: f64) -> f64 {
    let ratio = distance / width;
    ratio * exp(0.5 * (1.0 - ratio * ratio))
}
