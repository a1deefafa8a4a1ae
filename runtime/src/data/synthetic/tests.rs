//! What the world must be: physical, reproducible, and worth learning.

use jiff::Timestamp;
use ndarray::{Array3, Axis};

use super::footprint::NO_ECHO;
use super::sounding::{GAS_CONSTANT, GRAVITY, saturation, virtual_temperature};
use super::*;

const HOUR: f64 = 3600.0;
const SEED: u64 = 1;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(FIRST + 3600 * hour).unwrap()
}

fn world() -> Synthetic {
    Synthetic::new(SEED)
}

fn digest(fields: &[Array3<f32>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for value in fields.iter().flatten() {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Counts of hits, misses and false alarms of 35 dBZ.
#[derive(Default)]
struct Table([f64; 3]);

impl Table {
    fn add(&mut self, forecast: impl Iterator<Item = f64>, truth: &[f64]) {
        for (forecast, truth) in forecast.zip(truth) {
            match (forecast >= 35.0, *truth >= 35.0) {
                (true, true) => self.0[0] += 1.0,
                (false, true) => self.0[1] += 1.0,
                (true, false) => self.0[2] += 1.0,
                _ => {}
            }
        }
    }

    fn csi(&self) -> f64 {
        self.0[0] / self.0.iter().sum::<f64>()
    }
}

/// Persistence of storms must be poor and the foresight of every living cell good: that is the room for learning.
#[test]
fn persistence_is_poor_and_extrapolation_good() {
    for seed in [1, 2, 3] {
        let world = Synthetic::new(seed);
        let (mut persistence, mut oracle) =
            ([Table::default(), Table::default()], [Table::default(), Table::default()]);
        let (mut cells, mut empty, mut area) = (0, 0, 0);
        let hours: Vec<i64> = (0..64).map(|k| 2000 + 2 * k).collect();
        let echo = |time: f64| world.world.reflectivity(time, time);
        let mut next = echo(hours[0] as f64 * HOUR);
        for &hour in &hours {
            let time = hour as f64 * HOUR;
            let now = next.clone();
            let wet = now.iter().filter(|echo| **echo >= 35.0).count();
            area += wet;
            empty += usize::from(wet == 0);
            let alive = storm::cells(&world.world.flow, seed, time);
            cells += storm::storms(&world.world.flow, &alive, time)
                .iter()
                .filter(|storm| {
                    storm.position.iter().all(|part| part.abs() < 384e3)
                        && NO_ECHO + (storm.cell.peak - NO_ECHO) * storm.life >= 35.0
                })
                .count();
            for lead in [1, 2] {
                let then = time + lead as f64 * HOUR;
                next = echo(then);
                persistence[lead - 1].add(now.iter().copied(), &next);
                oracle[lead - 1].add(world.world.reflectivity(then, time).into_iter(), &next);
            }
        }
        let count = hours.len() as f64;
        println!(
            "seed {seed}: persistence CSI {:.3} {:.3}, oracle CSI {:.3} {:.3}; {:.1} storms of {:.0} points each, {empty} hours without",
            persistence[0].csi(),
            persistence[1].csi(),
            oracle[0].csi(),
            oracle[1].csi(),
            cells as f64 / count,
            area as f64 / cells as f64,
        );
        assert!((0.02..0.25).contains(&persistence[0].csi()));
        assert!(persistence[1].csi() < persistence[0].csi());
        assert!(oracle[0].csi() > 0.6 && oracle[1].csi() > 0.4);
        assert!((10.0..32.0).contains(&(cells as f64 / count)));
        assert!(empty < hours.len() / 20);
    }
}

/// An hour's persistence of temperature has an error that moving the waves would remove.
#[test]
fn persistence_of_temperature_errs() {
    let world = world();
    let fields: Vec<Array3<f32>> = (0..73).map(|k| world.read("TMP", at(3000 + k)).unwrap()).collect();
    for (level, pressure) in LEVELS.iter().enumerate() {
        let (mut sum, mut square, mut error, mut count) = (0.0, 0.0, 0.0, 0.0);
        for pair in fields.windows(2) {
            let (now, next) = (pair[0].index_axis(Axis(0), level), pair[1].index_axis(Axis(0), level));
            for (a, b) in now.iter().zip(next) {
                let (a, b) = (f64::from(*a), f64::from(*b));
                sum += a;
                square += a * a;
                error += (b - a) * (b - a);
                count += 1.0;
            }
        }
        let deviation = (square / count - (sum / count) * (sum / count)).max(0.0).sqrt();
        let error = f64::sqrt(error / count);
        println!(
            "{:4.0} hPa: T std {deviation:.2} K, hourly persistence RMSE {error:.2} K",
            pressure / 100.0
        );
        if *pressure >= 40_000.0 {
            assert!(error > 0.25 * deviation && error < deviation, "{pressure}: {error} {deviation}");
        }
    }
}

#[test]
fn air_is_physical() {
    let world = world();
    for hour in [0, 17, 1234, 1240, 5000, 40_000, 87_671] {
        let read = |name: &str| world.read(name, at(hour)).unwrap();
        let (t, q, z) = (read("TMP"), read("SPFH"), read("HGT"));
        let (t2m, p, sea) =
            (read("TMP:2 m above ground"), read("PRES:surface"), read("MSLMA:mean sea level"));
        for ((level, row, column), &humidity) in q.indexed_iter() {
            let (temperature, humidity) = (f64::from(t[(level, row, column)]), f64::from(humidity));
            assert!(humidity > 0.0 && humidity <= 1.02 * saturation(temperature, LEVELS[level]));
            assert!((185.0..315.0).contains(&temperature), "{temperature}");
            if level > 0 {
                let above = (level - 1, row, column);
                let (upper, upper_q) = (f64::from(t[above]), f64::from(q[above]));
                let mean =
                    (virtual_temperature(temperature, humidity) + virtual_temperature(upper, upper_q)) / 2.0;
                let thickness = f64::from(z[above] - z[(level, row, column)]);
                let expected = GAS_CONSTANT / GRAVITY * mean * (LEVELS[level] / LEVELS[level - 1]).ln();
                // f32 keeps 20 km to a millimetre or two.
                assert!((thickness - expected).abs() < 0.01, "{level}: {thickness} {expected}");
                let lapse = (temperature - upper) / thickness;
                // Dry adiabatic is 0.0098 K/m; the night's inversion and a cold pool may turn it round.
                assert!((-0.025..0.0102).contains(&lapse), "{hour} {level}: {lapse}");
            }
        }
        assert!(t2m.iter().all(|value| (273.0..315.0).contains(value)));
        assert!(p.iter().zip(&sea).all(|(p, sea)| (93_000.0..104_000.0).contains(p) && p <= sea));
        assert!(sea.iter().all(|value| (99_000.0..103_500.0).contains(value)));
        for field in FIELDS {
            assert!(read(field.from).iter().all(|value| value.is_finite()), "{}", field.from);
        }
        assert!(read("REFC:entire atmosphere").iter().all(|value| (-10.0..=62.0).contains(value)));
        for name in ["UGRD", "VGRD"] {
            assert!(read(name).iter().all(|value| value.abs() < 75.0));
        }
    }
}

/// The updraught of a parcel that meets no resistance is √(2 CAPE).
#[test]
fn updraughts_are_bounded_by_buoyancy() {
    let world = world();
    let mut strongest = 0.0_f32;
    for hour in (0..240).step_by(3) {
        let updraught = world.read("UPDRAFT:entire atmosphere", at(hour)).unwrap();
        let energy = world.read("CAPE:255-0 mb above ground", at(hour)).unwrap();
        for (w, cape) in updraught.iter().zip(&energy) {
            assert!(*w >= 0.0 && *w <= (2.0 * cape).sqrt() * 1.000_01, "{w} {cape}");
            strongest = strongest.max(*w);
        }
    }
    assert!(strongest > 20.0, "{strongest}");
}

/// The same bytes on every machine, in every order, in every instance. A change of this digest is a new archive:
/// change the version in [`Synthetic::identity`] with it.
#[test]
fn an_hour_has_one_digest() {
    let forward = world();
    let first: Vec<String> = (1000..1004).map(|hour| digest(&forward.hour(FIRST + 3600 * hour))).collect();
    let backward = world();
    let mut second: Vec<String> =
        (1000..1004).rev().map(|hour| digest(&backward.hour(FIRST + 3600 * hour))).collect();
    second.reverse();
    assert_eq!(first, second);
    assert_ne!(first[0], first[1]);
    assert_ne!(first[0], digest(&Synthetic::new(SEED + 1).hour(FIRST + 3_600_000)));
    assert_eq!(first[0], "a642c038adc5d2c0d47c071f1b5f2901720ad2499696a9d668dd08818ee7af85");
}

#[test]
fn errors_name_what_is_offered() {
    let world = world();
    let message = world.read("TMP:80 m above ground", at(0)).unwrap_err().to_string();
    assert!(message.contains("TMP:2 m above ground"), "{message}");
    let half = Timestamp::from_second(FIRST + 1800).unwrap();
    assert!(world.read("TMP", half).unwrap_err().to_string().contains("every 3600 s"));
    assert!(world.read("TMP", at(-1)).is_err());
    assert!(world.read("TMP", at(10 * 366 * 24)).is_err());
}
