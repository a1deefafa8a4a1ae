//! The columns that both sides work on: Weisman and Klemp's (1982) sounding with another ground, moisture and wind in
//! each, on 40 levels whose first is the ground.

use std::fs;
use std::path::Path;

pub const LEVELS: usize = 40;
pub const COLUMNS: usize = 256 * 256;
/// The grid of HRRR over the United States.
pub const CELLS: usize = 1059 * 1799;

/// The fields of the composites, and between what they lie.
const COMPOSITES: [(&str, f32, f32); 8] = [
    ("mucape", 0.0, 5000.0),
    ("mucin", -200.0, 0.0),
    ("esrh", -100.0, 500.0),
    ("ebwd", 0.0, 40.0),
    ("sbcape", 0.0, 5000.0),
    ("lcl", 200.0, 3000.0),
    ("srh1", -100.0, 500.0),
    ("shear6", 0.0, 40.0),
];

/// Arrays by name: p, t, r, q, u, v, z as levels × columns, the fields of the composites as cells.
pub struct Columns(Vec<(&'static str, Vec<f32>)>);

impl Columns {
    pub fn new() -> Columns {
        let mut random = Random(1);
        let mut fields: Vec<(&'static str, Vec<f32>)> =
            ["p", "t", "r", "q", "u", "v", "z"].map(|name| (name, vec![0.0; LEVELS * COLUMNS])).into();
        for column in 0..COLUMNS {
            let levels = sounding(&mut random);
            for (level, numbers) in levels.iter().enumerate() {
                for ((_, field), number) in fields.iter_mut().zip(numbers) {
                    field[level * COLUMNS + column] = *number as f32;
                }
            }
        }
        for (name, low, high) in COMPOSITES {
            let numbers = (0..CELLS).map(|_| low + (high - low) * random.unit() as f32).collect();
            fields.push((name, numbers));
        }
        Columns(fields)
    }

    pub fn get(&self, name: &str) -> &[f32] {
        self.0.iter().find(|(known, _)| *known == name).map_or(&[], |(_, numbers)| numbers)
    }

    /// Where the other sides read them.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        for (name, numbers) in &self.0 {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            fs::write(folder.join(name), bytes)?;
        }
        fs::write(folder.join("shape"), format!("{LEVELS} {COLUMNS} {CELLS}"))
    }
}

/// p, t, r, q, u, v, z of each level.
fn sounding(random: &mut Random) -> [[f64; 7]; LEVELS] {
    let (warmth, moisture) = (random.between(-6.0, 6.0), random.between(0.008, 0.018));
    let (wind, turn) = (random.between(10.0, 40.0), random.between(0.0, 15.0));
    let mut exner = (random.between(900e2, 1010e2) / 1e5_f64).powf(KAPPA);
    let mut levels = [[0.0; 7]; LEVELS];
    let mut below = (0.0, potential_temperature(0.0) + warmth);
    for (k, level) in levels.iter_mut().enumerate() {
        let z = if k == 0 {
            0.0
        } else {
            30.0 * (16_000.0 / 30.0_f64).powf((k - 1) as f64 / (LEVELS - 2) as f64)
        };
        let theta = potential_temperature(z) + warmth * (-z / 1500.0).exp();
        exner -= 9.80665 / 1004.7 * (z - below.0) / (0.5 * (theta + below.1));
        below = (z, theta);
        let (p, t) = (1e5 * exner.powf(1.0 / KAPPA), theta * exner);
        let saturated = {
            let e = (611.2 * (17.67 * (t - 273.15) / (t - 29.65)).exp()).min(0.5 * p);
            0.622 * e / (p - e)
        };
        let humidity = if z < 12_000.0 { 1.0 - 0.75 * (z / 12_000.0_f64).powf(1.25) } else { 0.25 };
        let r = (humidity * saturated).min(moisture).max(1e-6);
        let u = wind * (z / 3000.0).tanh() + random.between(-1.0, 1.0);
        let v = turn * (z.min(6000.0) / 6000.0 * std::f64::consts::PI).sin() + random.between(-1.0, 1.0);
        *level = [p, t, r, r / (1.0 + r), u, v, z];
    }
    levels
}

const KAPPA: f64 = 2.0 / 7.0;

fn potential_temperature(z: f64) -> f64 {
    if z < 12_000.0 {
        300.0 + 43.0 * (z / 12_000.0).powf(1.25)
    } else {
        343.0 * (9.80665 * (z - 12_000.0) / (1004.7 * 213.0)).exp()
    }
}

/// The same numbers on every machine (SplitMix64).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) as f64 / 2.0_f64.powi(64)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}
