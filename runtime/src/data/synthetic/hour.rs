//! All fields of one hour, drawn from the flow and its storms.

use std::ops::Range;

use ndarray::{Array2, Array3, s};

use super::arithmetic::{cos, exp, ln, sin};
use super::flow::{Disturbance, Flow, Synoptic, bell};
use super::footprint::Footprint;
use super::sounding::{
    Anomaly, GAS_CONSTANT, GRAVITY, State, environment, night_shape, saturation, virtual_temperature,
};
use super::storm::{BIRTHPLACE, Cell, Storm, cells, storms};
use super::{FIELDS, LEVELS};
use crate::data::grid::Grid;

/// Distance in grid cells between the columns whose buoyant energy is computed; between them it is bilinear.
const NODE: usize = 4;
/// Largest temperature deficit of a cold pool and excess of an updraught (K).
const POOL_COOLING: f64 = 6.0;
const CORE_WARMTH: f64 = 3.0;
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
    /// Where the storms of the middle stand (m): there, and on a larger grid in the squares around it too.
    squares: Vec<[f64; 2]>,
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
        let squares = squares(&grid);
        Self { seed, flow, grid, orography, levels, turning, squares }
    }

    /// Some rows of the world, from the north, as a world of their own; the first is a multiple of four, by which
    /// buoyant energies stay where they are.
    #[must_use]
    pub fn rows(&self, rows: Range<usize>) -> World {
        let (height, width) = (self.grid.plan.height, self.width());
        let last = height.min(rows.end);
        let first = (rows.start / NODE * NODE).min(last);
        let band = |map: &Array2<f64>| map.slice(s![first..last, ..]).to_owned();
        let mut plan = self.grid.plan.clone();
        plan.height = last - first;
        plan.southwest = None;
        let (west, south) = self.grid.origin;
        let origin = (west, south + (height - last) as f64 * plan.spacing);
        let (latitude, longitude) = (band(&self.grid.latitude), band(&self.grid.longitude));
        World {
            seed: self.seed,
            flow: self.flow.clone(),
            grid: Grid { plan, origin, latitude, longitude },
            orography: self.orography.slice(s![first..last, ..]).to_owned(),
            levels: self.levels.clone(),
            turning: self.turning[first * width..last * width].to_vec(),
            squares: self.squares.clone(),
        }
    }

    /// Cosine and sine of the angle by which the columns of the grid are turned from north, row after row.
    #[must_use]
    pub fn turning(&self) -> &[[f64; 2]] {
        &self.turning
    }

    /// Storms wherever they stand.
    fn everywhere(&self, storms: Vec<Storm>) -> Vec<Storm> {
        let moved = |storm: &Storm, by: &[f64; 2]| {
            let add = |place: [f64; 2]| [place[0] + by[0], place[1] + by[1]];
            Storm { position: add(storm.position), pool_position: add(storm.pool_position), ..storm.clone() }
        };
        self.squares.iter().flat_map(|by| storms.iter().map(move |storm| moved(storm, by))).collect()
    }

    /// Every field in the order of [`FIELDS`] at `time` seconds after the first hour.
    #[must_use]
    pub fn hour(&self, time: f64) -> Vec<Array3<f32>> {
        self.hour_of(time, &self.cells(time))
    }

    /// The cells of which something is left at `time`, or was within the hour before it.
    #[must_use]
    pub fn cells(&self, time: f64) -> Vec<Cell> {
        cells(&self.flow, self.seed, time)
    }

    /// As [`World::hour`], with its cells.
    #[must_use]
    pub fn hour_of(&self, time: f64, cells: &[Cell]) -> Vec<Array3<f32>> {
        let now = self.flow.at(time);
        let waves = self.waves(&now);
        let anomalies: Vec<Anomaly> = waves.iter().map(|wave| self.flow.anomaly(&now, wave)).collect();
        let energy = self.energy(&now);
        let living = self.everywhere(storms(&self.flow, cells, time));
        let footprint = self.footprint(&now, &living, &energy);
        let mut fields = Fields::new(self);
        self.levels(&now, &waves, &anomalies, &footprint, &mut fields);
        self.surface(&now, &waves, &anomalies, &footprint, &mut fields);
        self.tracks(time, cells, energy.len(), &mut fields);
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
        let living = self.everywhere(storms(&self.flow, &known, time));
        self.footprint(&now, &living, &energy).reflectivity
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
            let wind = [0, 1]
                .map(|axis| 0.7 * (ground_wind[axis] + waves[index].wind[axis]) + print.outflow[index][axis]);
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
            for storm in self.everywhere(storms(&self.flow, cells, then)) {
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

/// The middles (m) of the squares that a grid reaches: storms are born in the middle one, and stand in all.
fn squares(grid: &Grid) -> Vec<[f64; 2]> {
    let side = 2.0 * BIRTHPLACE;
    let (west, south) = grid.origin;
    let reach = |start: f64, count: usize| {
        let end = start + (count as f64 - 1.0) * grid.plan.spacing;
        let number = |place: f64| (place.abs() / side - 0.5).ceil().max(0.0) * place.signum();
        number(start) as i32..=number(end) as i32
    };
    let (across, up) = (reach(west, grid.plan.width), reach(south, grid.plan.height));
    let mut list: Vec<[f64; 2]> =
        up.flat_map(|j| across.clone().map(move |i| [f64::from(i) * side, f64::from(j) * side])).collect();
    // A grid in one of the outer squares only has that one.
    if list.is_empty() {
        list.push([0.0; 2]);
    }
    list
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
