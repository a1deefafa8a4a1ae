//! The synthetic world at an hour on the grid of a file: its own fields, and what follows from them.
//!
//! The world's functions are asked at the points of the grid, band by band on all threads; nothing is interpolated but
//! the profile between the world's levels, which is linear in ln p. Heights between them are hydrostatic with the mean
//! virtual temperature, as the world's own. What the world lacks is made up plainly and said here: convective
//! inhibition, the energies of the other parcels, precipitation and the categories of the ground are functions of what
//! it has; there is no truth in them but that of being consistent.

use ndarray::Array3;
use rayon::prelude::*;

use super::inventory::SURFACE;
use crate::data::synthetic::arithmetic::{exp, ln, pow};
use crate::data::synthetic::hour::World;
use crate::data::synthetic::sounding::{GAS_CONSTANT, GRAVITY, saturation, virtual_temperature};
use crate::data::synthetic::{FIELDS, LEVELS};

/// Rows computed at a time.
const BAND: usize = 32;
/// Planes of the upper air: temperature, humidity, winds along the grid, height, vertical wind.
const UPPER: [&str; 6] = ["TMP", "SPFH", "UGRD", "VGRD", "HGT", "VVEL"];
const HEIGHT: usize = 4;

/// All fields of an hour, from south to north as in HRRR's files.
#[derive(Debug)]
pub struct Hour {
    /// For each parameter of [`UPPER`] its plane on each level of the world, then those of [`SURFACE`].
    planes: Vec<Vec<f32>>,
}

impl Hour {
    /// `time` in seconds after the world's first hour.
    pub fn of(world: &World, time: f64) -> Hour {
        let (height, width) = (world.grid.plan.height, world.grid.plan.width);
        let count = UPPER.len() * LEVELS.len() + SURFACE.len();
        let mut planes = vec![vec![0f32; height * width]; count];
        let bands = height.div_ceil(BAND);
        let mut parts: Vec<Vec<&mut [f32]>> = (0..bands).map(|_| Vec::with_capacity(count)).collect();
        for plane in &mut planes {
            // The world's first rows are the file's last.
            for (part, rows) in parts.iter_mut().zip(plane.rchunks_mut(BAND * width)) {
                part.push(rows);
            }
        }
        let cells = world.cells(time);
        parts.par_iter_mut().enumerate().for_each(|(band, part)| {
            let world = world.rows(band * BAND..(band + 1) * BAND);
            let fields = world.hour_of(time, &cells);
            let motion = world.flow.motion(time, 1.0);
            Band { world: &world, fields: &fields, motion }.fill(part, width);
        });
        Hour { planes }
    }

    /// A field of wrfsfc by its place in [`SURFACE`].
    pub fn surface(&self, line: usize) -> &[f32] {
        self.planes.get(UPPER.len() * LEVELS.len() + line).map_or(&[], Vec::as_slice)
    }

    /// A parameter on a pressure level (Pa).
    pub fn level(&self, parameter: &str, pressure: f64) -> Vec<f32> {
        let Some(field) = UPPER.iter().position(|name| *name == parameter) else { return Vec::new() };
        let plane = |field: usize, level: usize| &self.planes[field * LEVELS.len() + level];
        if let Some(level) = LEVELS.iter().position(|level| *level == pressure) {
            return plane(field, level).clone();
        }
        let below = LEVELS.iter().position(|level| *level > pressure).unwrap_or(LEVELS.len() - 1).max(1);
        let above = below - 1;
        let part = ln(pressure / LEVELS[below]) / ln(LEVELS[above] / LEVELS[below]);
        let mix = |field: usize, index: usize| {
            let (low, high) = (f64::from(plane(field, below)[index]), f64::from(plane(field, above)[index]));
            low + part * (high - low)
        };
        let points = plane(field, below).len();
        if field != HEIGHT {
            return (0..points).map(|index| mix(field, index) as f32).collect();
        }
        let thickness = GAS_CONSTANT / GRAVITY * ln(LEVELS[below] / pressure);
        (0..points)
            .map(|index| {
                let warm = |field: &dyn Fn(usize) -> f64| virtual_temperature(field(0), field(1));
                let low = warm(&|field| f64::from(plane(field, below)[index]));
                let here = warm(&|field| mix(field, index));
                (f64::from(plane(HEIGHT, below)[index]) + thickness * 0.5 * (low + here)) as f32
            })
            .collect()
    }
}

/// Some rows of the world.
struct Band<'a> {
    world: &'a World,
    fields: &'a [Array3<f32>],
    /// Of right-moving storms, along the grid (m/s).
    motion: [f64; 2],
}

/// What a point of the ground has.
struct Point {
    /// From the lowest level up: height above ground (m), wind along the grid (m/s), temperature, humidity.
    column: Vec<[f64; 5]>,
    temperature: f64,
    humidity: f64,
    wind: [f64; 2],
    pressure: f64,
    sea: f64,
    echo: f64,
    updraught: f64,
    rotation: [f64; 2],
    energy: f64,
    ground: f64,
}

impl Band<'_> {
    fn fill(&self, part: &mut [&mut [f32]], width: usize) {
        let count = part.first().map_or(0, |rows| rows.len());
        let height = count / width.max(1);
        let value = |name: &str| FIELDS.iter().position(|field| field.from == name);
        let get = |field: Option<usize>, level: usize, index: usize| {
            let plane = field.and_then(|field| self.fields[field].as_slice());
            plane.map_or(0.0, |values| f64::from(values[level * count + index]))
        };
        let upper = ["TMP", "SPFH", "UGRD", "VGRD", "HGT"].map(value);
        let ground = [
            "TMP:2 m above ground",
            "SPFH:2 m above ground",
            "UGRD:10 m above ground",
            "VGRD:10 m above ground",
            "PRES:surface",
            "MSLMA:mean sea level",
            "REFC:entire atmosphere",
            "UPDRAFT:entire atmosphere",
            "MXUPHL:5000-2000 m above ground",
            "MNUPHL:5000-2000 m above ground",
            "CAPE:255-0 mb above ground",
            "HGT:surface",
        ]
        .map(value);
        let names: Vec<String> = SURFACE.iter().map(|line| line.name()).collect();
        for index in 0..count {
            let turned = self.world.turning()[index];
            // The world's winds blow east and north, HRRR's along the grid.
            let along = |u: f64, v: f64| [u * turned[0] - v * turned[1], v * turned[0] + u * turned[1]];
            let place = (height - 1 - index / width) * width + index % width;
            let of = |which: usize| get(ground[which], 0, index);
            let mut point = Point {
                column: Vec::with_capacity(LEVELS.len()),
                temperature: of(0),
                humidity: of(1),
                wind: along(of(2), of(3)),
                pressure: of(4),
                sea: of(5),
                echo: of(6),
                updraught: of(7),
                rotation: [of(8), of(9)],
                energy: of(10),
                ground: of(11),
            };
            for (level, pressure) in LEVELS.iter().enumerate() {
                let [t, q, u, v, z] = upper.map(|field| get(field, level, index));
                let [x, y] = along(u, v);
                let lift = point.updraught
                    * exp(-0.5 * ((pressure - 45_000.0) / 20_000.0) * ((pressure - 45_000.0) / 20_000.0));
                let density = pressure / (GAS_CONSTANT * virtual_temperature(t, q));
                for (field, value) in [t, q, x, y, z, -density * GRAVITY * lift].into_iter().enumerate() {
                    part[field * LEVELS.len() + level][place] = value as f32;
                }
                point.column.push([z - point.ground, x, y, t, q]);
            }
            point.column.reverse();
            for (line, name) in names.iter().enumerate() {
                part[UPPER.len() * LEVELS.len() + line][place] = self.value(name, &point) as f32;
            }
        }
    }

    fn value(&self, name: &str, point: &Point) -> f64 {
        let p = point;
        let speed = (p.wind[0] * p.wind[0] + p.wind[1] * p.wind[1]).sqrt();
        let energy = |share: f64| share * p.energy;
        let inhibition = |depth: f64| -depth * exp(-p.energy / 700.0);
        // Marshall and Palmer: Z = 200 R^1.6, R in mm/h.
        let rain = if p.echo > 5.0 { pow(pow(10.0, p.echo / 10.0) / 200.0, 0.625) } else { 0.0 };
        match name {
            "REFC:entire atmosphere" => p.echo,
            "REFD:1000 m above ground" => (p.echo - 2.0).max(-10.0),
            "MAXREF:1000 m above ground" => (p.echo - 1.0).max(-10.0),
            "GUST:surface" => 1.4 * speed + 0.2 * p.updraught,
            "WIND:10 m above ground" => 1.15 * speed,
            "MAXUVV:100-1000 mb above ground" => p.updraught,
            "MAXDVV:100-1000 mb above ground" => -0.4 * p.updraught,
            "MSLMA:mean sea level" => p.sea,
            "MXUPHL:5000-2000 m above ground" => p.rotation[0],
            "MNUPHL:5000-2000 m above ground" => p.rotation[1],
            "MXUPHL:3000-0 m above ground" => 0.6 * p.rotation[0],
            "MNUPHL:3000-0 m above ground" => 0.6 * p.rotation[1],
            "MXUPHL:2000-0 m above ground" => 0.3 * p.rotation[0],
            "MNUPHL:2000-0 m above ground" => 0.3 * p.rotation[1],
            "PRES:surface" => p.pressure,
            "HGT:surface" => p.ground,
            "TMP:surface" => p.temperature + 1.5,
            "TMP:2 m above ground" => p.temperature,
            "POT:2 m above ground" => p.temperature * pow(100_000.0 / p.pressure, 0.2857),
            "SPFH:2 m above ground" => p.humidity,
            "DPT:2 m above ground" => dew_point(p.humidity, p.pressure).min(p.temperature),
            "RH:2 m above ground" => 100.0 * p.humidity / saturation(p.temperature, p.pressure),
            "UGRD:10 m above ground" => p.wind[0],
            "VGRD:10 m above ground" => p.wind[1],
            "PRATE:surface" => rain / 3600.0,
            "APCP:surface" => rain,
            "VGTYP:surface" => {
                if p.ground > 0.0 {
                    1.0 + (p.ground / 90.0).floor().min(18.0)
                } else {
                    17.0
                }
            }
            "LAND:surface" => f64::from(u8::from(p.ground > 0.0)),
            "CAPE:surface" => energy(0.92),
            "CAPE:90-0 mb above ground" => energy(0.8),
            "CAPE:180-0 mb above ground" => energy(0.9),
            "CAPE:255-0 mb above ground" => energy(1.0),
            "CAPE:0-3000 m above ground" => energy(0.08),
            "CIN:surface" => inhibition(90.0),
            "CIN:90-0 mb above ground" => inhibition(70.0),
            "CIN:180-0 mb above ground" => inhibition(55.0),
            "CIN:255-0 mb above ground" => inhibition(40.0),
            "PWAT:entire atmosphere (considered as a single layer)" => p.water(),
            "TCDC:entire atmosphere" => (100.0 * (p.echo + 10.0) / 30.0).clamp(0.0, 100.0),
            "HPBL:surface" => 200.0 + 0.4 * p.energy.sqrt() * speed,
            "HLCY:3000-0 m above ground" => p.helicity(3000.0, self.motion),
            "HLCY:1000-0 m above ground" => p.helicity(1000.0, self.motion),
            "USTM:0-6000 m above ground" => self.motion[0],
            "VSTM:0-6000 m above ground" => self.motion[1],
            "VUCSH:0-1000 m above ground" => p.shear(1000.0)[0],
            "VVCSH:0-1000 m above ground" => p.shear(1000.0)[1],
            "VUCSH:0-6000 m above ground" => p.shear(6000.0)[0],
            "VVCSH:0-6000 m above ground" => p.shear(6000.0)[1],
            _ => 0.0,
        }
    }
}

impl Point {
    /// Wind along the grid at a height above ground, linear between the levels and the wind of 10 m.
    fn at(&self, height: f64) -> [f64; 2] {
        let mut below = [10.0, self.wind[0], self.wind[1]];
        for [z, x, y, ..] in &self.column {
            if *z <= below[0] {
                continue;
            }
            if *z >= height {
                let part = ((height - below[0]) / (z - below[0])).clamp(0.0, 1.0);
                return [below[1] + part * (x - below[1]), below[2] + part * (y - below[2])];
            }
            below = [*z, *x, *y];
        }
        [below[1], below[2]]
    }

    /// Storm-relative helicity (m²/s²), Davies-Jones et al. 1990, in steps of 250 m.
    fn helicity(&self, top: f64, motion: [f64; 2]) -> f64 {
        let steps = (top / 250.0).round() as usize;
        let mut sum = 0.0;
        let mut below = self.at(10.0);
        for step in 1..=steps {
            let wind = self.at(step as f64 * 250.0);
            sum += (wind[0] - motion[0]) * (below[1] - motion[1])
                - (below[0] - motion[0]) * (wind[1] - motion[1]);
            below = wind;
        }
        sum
    }

    /// The difference of winds (m/s) between a height and 10 m.
    fn shear(&self, top: f64) -> [f64; 2] {
        let high = self.at(top);
        [high[0] - self.wind[0], high[1] - self.wind[1]]
    }

    /// Water vapour of the column (kg/m²), trapezoids between the levels.
    fn water(&self) -> f64 {
        let upward = LEVELS.iter().rev().zip(&self.column);
        let pairs = upward.clone().zip(upward.skip(1));
        pairs.map(|((p, low), (above, high))| 0.5 * (low[4] + high[4]) * (p - above) / GRAVITY).sum()
    }
}

/// Bolton 1980, equation 11.
fn dew_point(humidity: f64, pressure: f64) -> f64 {
    let vapour = (humidity * pressure / (0.622 + 0.378 * humidity)).max(1e-3);
    let part = ln(vapour / 611.2);
    273.15 + 243.5 * part / (17.67 - part)
}
