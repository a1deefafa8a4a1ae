//! What the storms of an instant do to each point of the grid below, in and above them.

use super::arithmetic::exp;
use super::flow::{Synoptic, bell};
use super::hour::World;
use super::storm::Storm;

/// Reflectivity (dBZ) where there is no echo, as in HRRR.
pub const NO_ECHO: f64 = -10.0;
/// Footprints end where a bell has fallen below 4 · 10⁻⁴ (4 widths).
const REACH: f64 = 4.0;
/// Distance downshear (m) and widths of the anvil, and its reflectivity above [`NO_ECHO`].
const ANVIL: (f64, f64, f64, f64) = (35e3, 55e3, 32e3, 30.0);

/// What the storms do at every point of the grid, row after row.
#[derive(Debug)]
pub(super) struct Footprint {
    pub reflectivity: Vec<f64>,
    pub updraught: Vec<f64>,
    pub core: Vec<f64>,
    pub moist: Vec<f64>,
    pub rotation: Vec<[f64; 2]>,
    pub divergence: Vec<[f64; 2]>,
    pub pool: Vec<f64>,
    pub outflow: Vec<[f64; 2]>,
}

impl World {
    /// Sums or maxima over the storms; `energy` (J/kg) bounds the updraughts.
    pub(super) fn footprint(&self, now: &Synoptic, living: &[Storm], energy: &[f64]) -> Footprint {
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
    pub(super) fn around(&self, place: [f64; 2], width: f64, mut visit: impl FnMut(usize, f64, f64)) {
        let plan = &self.grid.plan;
        let (west, south) = self.grid.origin;
        let (column, row) = (
            place[0] / plan.spacing - west / plan.spacing,
            plan.height as f64 - 1.0 + south / plan.spacing - place[1] / plan.spacing,
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
}

/// A speed that is 1 at `width` and falls to 0 at the middle and far away.
fn whirl(distance: f64, width: f64) -> f64 {
    let ratio = distance / width;
    ratio * exp(0.5 * (1.0 - ratio * ratio))
}
