//! Convective cells: where and when they are born, how long they live, where they are at a given time.
//!
//! A cell is a pure function of (seed, hour of birth, number): eighty candidates an hour, each with its own stream of
//! draws, spread over a square larger than the grid; a candidate lives if its draw is below a chance that grows with
//! the buoyant energy at its place, with daylight and near the leading wave's warm side. At a time one looks back over
//! the longest life and asks each cell for its state, so no hour depends on another having been computed.

use super::arithmetic::{exp, sin};
use super::draw::Draw;
use super::flow::Flow;

/// Half the side (m) of the square in which cells are born: a cell at 20 m/s crosses 430 km in its longest life.
pub const BIRTHPLACE: f64 = 664e3;
const CANDIDATES: u64 = 80;
/// Hours after which nothing of a cell is left: six of life and the rest of its cold pool.
const LONGEST: i64 = 8;
/// Shear (Us, m/s) from which cells split, and the age (s) at which they do.
const SPLITTING_SHEAR: f64 = 20.0;
const SPLITTING_AGE: f64 = 3600.0;
const HOUR: f64 = 3600.0;
/// Delay (s) of the anvil and of the cold pool behind the cell, and the cold pool's stay after its end.
const ANVIL_DELAY: f64 = 1500.0;
const POOL_DELAY: f64 = 2100.0;
const POOL_STAY: f64 = 5400.0;

/// Which way a cell leaves the mean wind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mover {
    Ordinary,
    Right,
    Left,
}

/// A cell for all its life. Times in seconds after the archive's first hour, lengths in metres.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub birth: f64,
    pub origin: [f64; 2],
    pub lifetime: f64,
    pub mover: Mover,
    /// Reflectivity of the core at maturity (dBZ).
    pub peak: f64,
    /// Largest updraught at maturity (m/s).
    pub updraught: f64,
    /// Width of the bell of reflectivity along and across the shear.
    pub widths: [f64; 2],
}

/// A cell at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    pub position: [f64; 2],
    /// Intensity 0 to 1 of the cell itself, its anvil and its cold pool.
    pub life: f64,
    pub anvil: f64,
    pub pool: f64,
    /// Where the middle of the cold pool is.
    pub pool_position: [f64; 2],
    /// Rotation −1 (anticyclonic, left-mover) to 1.
    pub rotation: f64,
    pub cell: Cell,
}

/// Every cell of which something is left at `time` or was within the hour before it.
#[must_use]
pub fn cells(flow: &Flow, seed: u64, time: f64) -> Vec<Cell> {
    let hour = (time / HOUR).floor() as i64;
    (hour - LONGEST - 1..=hour).flat_map(|birth_hour| births(flow, seed, birth_hour)).collect()
}

/// The states at `time` of those cells of which something is left.
#[must_use]
pub fn storms(flow: &Flow, cells: &[Cell], time: f64) -> Vec<Storm> {
    cells.iter().filter_map(|cell| cell.at(flow, time)).collect()
}

/// The cells born in one hour, in the order of their numbers; a splitting cell is its right- and its left-mover.
#[must_use]
pub fn births(flow: &Flow, seed: u64, hour: i64) -> Vec<Cell> {
    (0..CANDIDATES).flat_map(|number| candidate(flow, seed, hour, number)).collect()
}

fn candidate(flow: &Flow, seed: u64, hour: i64, number: u64) -> Vec<Cell> {
    let mut draw = Draw::new(b"cell    ", seed, hour, number);
    let birth = (hour as f64 + draw.unit()) * HOUR;
    let origin = [draw.between(-BIRTHPLACE, BIRTHPLACE), draw.between(-BIRTHPLACE, BIRTHPLACE)];
    let (threshold, vigour, size, slimness, length) =
        (draw.unit(), draw.unit(), draw.unit(), draw.unit(), draw.unit());
    let now = flow.at(birth);
    let here = flow.disturbance(&now, origin[0], origin[1]);
    // The costly buoyancy only where the draw leaves it any say.
    if threshold > chance(f64::INFINITY, now.daylight, here.line) {
        return Vec::new();
    }
    let energy = flow.column().buoyancy(&flow.anomaly(&now, &here));
    if threshold > chance(energy, now.daylight, here.line) {
        return Vec::new();
    }
    let updraught = (0.5 + 0.25 * vigour) * (2.0 * energy).sqrt();
    let peak = (45.0 + 0.33 * updraught + 5.0 * size).clamp(50.0, 62.0);
    let across = 20e3 + 8e3 * size;
    let widths = [across * (1.0 + 0.4 * slimness), across];
    let splits = now.shear >= SPLITTING_SHEAR;
    let lifetime = HOUR * if splits { 3.5 + 2.5 * length } else { 2.5 + 2.0 * length };
    let mover = if splits { Mover::Right } else { Mover::Ordinary };
    let cell = Cell { birth, origin, lifetime, mover, peak, updraught, widths };
    if !splits {
        return vec![cell];
    }
    let left = Cell {
        mover: Mover::Left,
        lifetime: 0.7 * lifetime,
        peak: (peak - 4.0).max(50.0),
        updraught: 0.75 * updraught,
        widths: [0.85 * widths[0], 0.85 * widths[1]],
        ..cell.clone()
    };
    vec![cell, left]
}

/// Chance that a candidate becomes a cell.
fn chance(energy: f64, daylight: f64, line: f64) -> f64 {
    let buoyant = smooth((energy - 200.0) / 2000.0);
    let clustered = exp(2.2 * (line - 1.0));
    ((0.05 + 0.95 * buoyant) * (0.45 + 0.55 * daylight) * (0.10 + 0.90 * clustered)).min(1.0)
}

impl Cell {
    /// The cell at a time, if anything of it is left.
    #[must_use]
    pub fn at(&self, flow: &Flow, time: f64) -> Option<Storm> {
        let age = time - self.birth;
        if age < 0.0 || age > self.lifetime + POOL_STAY {
            return None;
        }
        let rotation = match self.mover {
            Mover::Ordinary => 0.0,
            Mover::Right => 1.0,
            Mover::Left => -1.0,
        } * smooth((age - SPLITTING_AGE + 900.0) / 1800.0);
        Some(Storm {
            position: self.position(flow, time),
            life: self.life(age),
            anvil: self.life(age - ANVIL_DELAY),
            pool: self.pool(age),
            pool_position: self.position(flow, (time - POOL_DELAY).max(self.birth)),
            rotation,
            cell: self.clone(),
        })
    }

    /// Where it is: with the mean wind until it splits, with its Bunkers motion afterwards.
    #[must_use]
    pub fn position(&self, flow: &Flow, time: f64) -> [f64; 2] {
        let side = match self.mover {
            Mover::Ordinary => 0.0,
            Mover::Right => 1.0,
            Mover::Left => -1.0,
        };
        let split = (self.birth + SPLITTING_AGE).min(time);
        let together = flow.displacement(self.birth, split, 0.0);
        let apart = flow.displacement(split, time, side);
        [self.origin[0] + together[0] + apart[0], self.origin[1] + together[1] + apart[1]]
    }

    /// Growth, maturity and decay between 0 and 1; a left-mover shows only once its parent has split.
    #[must_use]
    pub fn life(&self, age: f64) -> f64 {
        if age <= 0.0 || age >= self.lifetime {
            return 0.0;
        }
        let growth = (0.3 * self.lifetime).clamp(0.7 * HOUR, 1.2 * HOUR);
        let decay = 0.35 * self.lifetime;
        let shown = if self.mover == Mover::Left { smooth((age - SPLITTING_AGE) / 1200.0) } else { 1.0 };
        smooth(age / growth) * smooth((self.lifetime - age) / decay) * shown
    }

    /// Strength of the cold pool: follows the life with a delay and fades after the cell's end.
    fn pool(&self, age: f64) -> f64 {
        let delayed = age - POOL_DELAY;
        let growth = smooth(delayed / (1.2 * HOUR));
        let fading = smooth((self.lifetime + POOL_STAY - age) / (0.35 * self.lifetime + POOL_STAY));
        let shown = if self.mover == Mover::Left { 0.6 } else { 1.0 };
        growth * fading * shown
    }
}

/// 0 below 0, 1 above 1, half a wave between.
fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    0.5 + 0.5 * sin(std::f64::consts::PI * (x - 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_the_same_from_whatever_hour_one_asks() {
        let flow = Flow::new(5);
        let time = 1000.3 * HOUR;
        let all = storms(&flow, &cells(&flow, 5, time), time);
        assert!(!all.is_empty());
        for storm in &all {
            let again = storm.cell.at(&flow, time).expect("it is there");
            assert_eq!(&again, storm);
            assert!(storm.cell.birth <= time);
        }
    }

    #[test]
    fn the_left_mover_goes_left_and_is_weaker() {
        let flow = Flow::new(5);
        let mut pairs = 0;
        for hour in 0..200 {
            for pair in births(&flow, 5, hour).windows(2) {
                let (right, left) = (&pair[0], &pair[1]);
                if right.mover != Mover::Right || left.mover != Mover::Left || right.birth != left.birth {
                    continue;
                }
                pairs += 1;
                let time = right.birth + 2.0 * HOUR;
                let shear = flow.shear_direction(&flow.at(time));
                let (a, b) = (right.position(&flow, time), left.position(&flow, time));
                // Positive to the left of the shear; an hour apart at twice 7.5 m/s is 54 km.
                let across = (b[1] - a[1]) * shear[0] - (b[0] - a[0]) * shear[1];
                assert!((across - 54e3).abs() < 2e3, "{across}");
                assert!(left.updraught < right.updraught && left.lifetime < right.lifetime);
                assert_eq!(
                    right.position(&flow, right.birth + 3000.0),
                    left.position(&flow, left.birth + 3000.0)
                );
            }
        }
        assert!(pairs > 20, "{pairs}");
    }

    #[test]
    fn life_begins_and_ends_at_nothing() {
        let flow = Flow::new(1);
        for hour in 0..50 {
            for cell in births(&flow, 1, hour) {
                assert_eq!(cell.life(0.0), 0.0);
                assert_eq!(cell.life(cell.lifetime), 0.0);
                let most =
                    (0..100).map(|k| cell.life(cell.lifetime * f64::from(k) / 100.0)).fold(0.0, f64::max);
                assert!(most > 0.7, "{most} {cell:?}");
                assert!(cell.lifetime <= 6.0 * HOUR && cell.lifetime >= 1.7 * HOUR);
                assert!(cell.at(&flow, cell.birth - 1.0).is_none());
                assert!(cell.at(&flow, cell.birth + LONGEST as f64 * HOUR).is_none());
            }
        }
    }
}
