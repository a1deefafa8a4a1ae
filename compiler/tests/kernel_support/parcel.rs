//! A surface parcel's CAPE as one walk, written by hand: dry to its condensation level (Bolton 1980), from there along the
//! pseudo-adiabat by Runge and Kutta's fourth order in ln p, and the area between it and the air in closed form
//! on each layer (piecewise linear in ln p, with exact zero crossings).

use aurora_compiler::kernel::ir::*;
use ndarray::Array2;

use super::Random;

const GAS: f64 = 287.047;
const HEAT: f64 = 1005.7;
const RATIO: f64 = 0.62197;
const KAPPA: f64 = 0.2854;

/// What both builders can do.
trait Arithmetic {
    fn number(&mut self, number: f64) -> Value;
    fn two(&mut self, op: Binary, left: Value, right: Value) -> Value;
    fn one(&mut self, op: Unary, value: Value) -> Value;

    fn add(&mut self, left: Value, right: Value) -> Value {
        self.two(Binary::Add, left, right)
    }
    fn sub(&mut self, left: Value, right: Value) -> Value {
        self.two(Binary::Sub, left, right)
    }
    fn mul(&mut self, left: Value, right: Value) -> Value {
        self.two(Binary::Mul, left, right)
    }
    fn div(&mut self, left: Value, right: Value) -> Value {
        self.two(Binary::Div, left, right)
    }
    fn times(&mut self, value: Value, number: f64) -> Value {
        let number = self.number(number);
        self.mul(value, number)
    }
    fn plus(&mut self, value: Value, number: f64) -> Value {
        let number = self.number(number);
        self.add(value, number)
    }

    /// `from` after a step along a slope.
    fn along(&mut self, from: Value, step: Value, slope: Value) -> Value {
        let part = self.mul(step, slope);
        self.add(from, part)
    }

    /// Saturation mixing ratio (Bolton's equation 10), with the vapour pressure at most half of the pressure.
    fn saturation(&mut self, t: Value, p: Value) -> Value {
        let (celsius, above) = (self.plus(t, -273.15), self.plus(t, -29.65));
        let upper = self.times(celsius, 17.67);
        let power = self.div(upper, above);
        let power = self.one(Unary::Exp, power);
        let e = self.times(power, 611.2);
        let most = self.times(p, 0.5);
        let e = self.two(Binary::Min, e, most);
        let dry = self.sub(p, e);
        let share = self.div(e, dry);
        self.times(share, RATIO)
    }

    /// Virtual temperature.
    fn virtual_temperature(&mut self, t: Value, r: Value) -> Value {
        let heavy = self.times(r, 1.0 / RATIO);
        let (upper, lower) = (self.plus(heavy, 1.0), self.plus(r, 1.0));
        let share = self.div(upper, lower);
        self.mul(t, share)
    }

    /// dT/dln p along the pseudo-adiabat.
    fn rate(&mut self, t: Value, p: Value) -> Value {
        let r = self.saturation(t, p);
        let latent = self.times(t, -2315.0);
        let latent = self.plus(latent, 2.501e6 + 2315.0 * 273.15);
        let moist = self.mul(latent, r);
        let gas = self.times(t, GAS);
        let upper = self.add(gas, moist);
        let warm = self.mul(gas, t);
        let square = self.mul(latent, moist);
        let square = self.times(square, RATIO);
        let heat = self.div(square, warm);
        let lower = self.plus(heat, HEAT);
        self.div(upper, lower)
    }
}

macro_rules! arithmetic {
    ($builder:ty) => {
        impl Arithmetic for $builder {
            fn number(&mut self, number: f64) -> Value {
                self.constant(number)
            }
            fn two(&mut self, op: Binary, left: Value, right: Value) -> Value {
                self.binary(op, left, right)
            }
            fn one(&mut self, op: Unary, value: Value) -> Value {
                self.unary(op, value)
            }
        }
    };
}

arithmetic!(Builder);
arithmetic!(BodyBuilder);

/// The kernel, of temperature `t` in K, mixing ratio `r` in kg/kg and pressure `p` in Pa on so many levels from the ground up.
pub fn cape(levels: usize) -> Kernel {
    let column = Domain::Column(levels);
    let mut b = Builder::new("sbcape");
    let [t, r, p] = ["t", "r", "p"].map(|name| b.input(name, column));
    let ground = |b: &mut Builder, value| b.reduce(Reduce::Sum, value, None, Some(0..1));
    let [t0, r0, p0] = [t, r, p].map(|value| ground(&mut b, value));
    // The condensation level.
    let least = b.constant(1e-8);
    let wet = b.binary(Binary::Max, r0, least);
    let (upper, lower) = (b.mul(wet, p0), b.plus(wet, RATIO));
    let e = b.div(upper, lower);
    let e = b.times(e, 1.0 / 611.2);
    let l = b.one(Unary::Log, e);
    let (upper, turned) = (b.times(l, 243.5), b.times(l, -1.0));
    let lower = b.plus(turned, 17.67);
    let dew = b.div(upper, lower);
    let dew = b.plus(dew, 273.15);
    let dew = b.binary(Binary::Min, dew, t0);
    let (below, warmth, one) = (b.plus(dew, -56.0), b.div(t0, dew), b.constant(1.0));
    let (first, second) = (b.div(one, below), b.one(Unary::Log, warmth));
    let second = b.times(second, 1.0 / 800.0);
    let sum = b.add(first, second);
    let lcl_t = b.div(one, sum);
    let lcl_t = b.plus(lcl_t, 56.0);
    let cooled = b.div(lcl_t, t0);
    let exponent = b.constant(1.0 / KAPPA);
    let cooled = b.binary(Binary::Pow, cooled, exponent);
    let lcl_p = b.mul(p0, cooled);
    let around = b.virtual_temperature(t, r);
    let dry = b.virtual_temperature(t0, r0);
    let warm = ground(&mut b, around);
    let start = b.sub(dry, warm);
    let zero = b.constant(0.0);
    let body = step();
    let starts = vec![lcl_t, start, zero];
    let walk = b.scan(false, starts, vec![p, around, t0, r0, p0, lcl_p], None, body, 2);
    let cape = b.reduce(Reduce::Sum, walk, None, Some(levels - 1..levels));
    b.output("cape", cape);
    b.finish()
}

/// States: the saturated parcel's temperature, its excess over the air, the area so far.
fn step() -> Body {
    let mut b = BodyBuilder::new();
    let [ascended, excess, area] = [0, 1, 2].map(|state| b.state(state));
    let (p, below) = (b.here(0), b.before(0));
    let (air, t0, r0, p0, lcl_p) = (b.here(1), b.here(2), b.here(3), b.here(4), b.here(5));
    // From the level below, or from the condensation level if that is further up.
    let from = b.binary(Binary::Min, below, lcl_p);
    let above = b.compare(Compare::Lt, p, lcl_p);
    let share = b.div(p, from);
    let h = b.one(Unary::Log, share);
    let middle = b.mul(p, from);
    let middle = b.one(Unary::Sqrt, middle);
    let half = b.times(h, 0.5);
    let k1 = b.rate(ascended, from);
    let t = b.along(ascended, half, k1);
    let k2 = b.rate(t, middle);
    let t = b.along(ascended, half, k2);
    let k3 = b.rate(t, middle);
    let t = b.along(ascended, h, k3);
    let k4 = b.rate(t, p);
    let (ends, inner) = (b.add(k1, k4), b.add(k2, k3));
    let inner = b.times(inner, 2.0);
    let sum = b.add(ends, inner);
    let sixth = b.times(h, 1.0 / 6.0);
    let risen = b.along(ascended, sixth, sum);
    let ascended = b.select(above, risen, ascended);
    let saturated = b.saturation(ascended, p);
    let moist = b.virtual_temperature(ascended, saturated);
    let share = b.div(p, p0);
    let share = b.one(Unary::Log, share);
    let share = b.times(share, KAPPA);
    let share = b.one(Unary::Exp, share);
    let t = b.mul(t0, share);
    let dry = b.virtual_temperature(t, r0);
    let parcel = b.select(above, moist, dry);
    let now = b.sub(parcel, air);
    let zero = b.constant(0.0);
    let [up, down] = [Binary::Max, Binary::Min].map(|op| [excess, now].map(|x| b.binary(op, x, zero)));
    let (up, down) = (b.add(up[0], up[1]), b.add(down[0], down[1]));
    let span = b.sub(up, down);
    let span = b.plus(span, 1e-6);
    let square = b.mul(up, up);
    let mean = b.div(square, span);
    // The logarithm of the quotient: a difference of logarithms would lose five digits.
    let thickness = b.div(below, p);
    let thickness = b.one(Unary::Log, thickness);
    let layer = b.mul(mean, thickness);
    let layer = b.times(layer, 0.5 * GAS);
    let area = b.add(area, layer);
    b.finish(vec![ascended, now, area])
}

/// Warm and moist columns: temperature, mixing ratio and pressure, (levels, cells), numbers that f32 has.
pub fn soundings(random: &mut Random, levels: usize, cells: usize) -> Vec<Array2<f64>> {
    let mut unit = || (random.bits() >> 40) as f64 / (1u64 << 24) as f64;
    let [mut t, mut r, mut p] = [(); 3].map(|()| Array2::zeros((levels, cells)));
    for cell in 0..cells {
        let (warm, lapse, moist) = (296.0 + 10.0 * unit(), 6.3e-3 + 1.2e-3 * unit(), 0.012 + 0.006 * unit());
        let ground = 95_000.0 + 6000.0 * unit();
        for level in 0..levels {
            let z = 16_000.0 * (level as f64 / (levels - 1) as f64).powf(1.3);
            let noise = 0.4 * (unit() - 0.5);
            t[[level, cell]] = (warm - lapse * z).max(208.0) + noise;
            r[[level, cell]] = moist * (-z / 2600.0).exp() * (0.9 + 0.1 * unit()) + 1e-6;
            p[[level, cell]] = ground * (-z / 7900.0).exp() * (1.0 + 2e-3 * unit());
        }
    }
    vec![t, r, p].into_iter().map(|array| array.mapv(|x: f64| f64::from(x as f32))).collect()
}
