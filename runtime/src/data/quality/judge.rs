//! All checks over all fields of one time. What a field is, the plan says: its quantity, its support, its period, its range.

use std::collections::BTreeSet;

use aurora_compiler::plan::data::{DataPlan, SupportPlan};
use ndarray::{ArrayView2, Axis, CowArray, Ix3};
use rayon::prelude::*;

use super::column::{self, Failed, Pressure};
use super::scan::{Scan, centre_and_spread, same, scan};
use super::{Check, Fields, Finding};

/// Quantities that differ from place to place in any air, so that one value everywhere is no weather; pressure, height and
/// humidity do with exceptions. Rain, clouds, buoyant energy, helicity and echoes may be nowhere; classes and fractions are none of
/// the air's.
const OF_ANY_AIR: [&str; 12] = [
    "temperature",
    "pressure_velocity",
    "geopotential",
    "eastward_wind",
    "northward_wind",
    "x_wind",
    "y_wind",
    "wind_speed",
    "vertical_wind",
    "relative_humidity",
    "precipitable_water",
    "density",
];
/// Humidity above this is a few steps of its packing.
const STRATOSPHERE: f64 = 20_000.0;
/// What stays for a day and may.
const SLOW: [&str; 3] = ["category", "fraction", "length"];
/// Fastest winds in m/s: aloft and at the ground.
const ALOFT: f32 = 150.0;
const GROUND: f32 = 75.0;
/// Robust spreads that a median may move in one step, and the factor by which a spread may change.
const MOVES: f64 = 5.0;
const SPREADS: f64 = 20.0;
/// A grid with fewer points can be the same everywhere by chance.
const FEW: u64 = 16;
/// What stands for `missing`, by its size; both signs count.
const SENTINELS: [f32; 14] = [
    999.0,
    999.9,
    9999.0,
    9999.9,
    99999.0,
    32767.0,
    32768.0,
    999_999.0,
    1e15,
    1e20,
    9.999e20,
    1e30,
    // NetCDF's own.
    9.969_21e36,
    f32::MAX,
];

/// A field as its checks need it.
#[derive(Clone, Debug)]
struct Judged {
    name: String,
    quantity: String,
    support: SupportPlan,
    /// Over a period.
    period: bool,
    range: (f32, f32),
    levels: Vec<Option<f64>>,
}

/// Fields that are judged together.
#[derive(Clone, Debug)]
enum Pair {
    /// Temperature, humidity and, without levels of pressure, pressure.
    Air {
        temperature: usize,
        humidity: usize,
        pressure: Option<usize>,
    },
    /// Two neighbouring levels of pressure of a temperature, as indices and pressures, the lower first.
    Layer {
        temperature: usize,
        lower: (usize, f32),
        upper: (usize, f32),
    },
    Wind {
        along: usize,
        across: Option<usize>,
        limit: f32,
    },
}

/// All checks of a plan.
#[derive(Clone, Debug)]
pub struct Judge {
    fields: Vec<Judged>,
    pairs: Vec<Pair>,
    /// Pressure at the ground.
    ground: Option<usize>,
    rejects: BTreeSet<Check>,
}

/// A plane with its field's index and its level's.
type Plane<'a> = (usize, usize, ArrayView2<'a, f32>);

impl Judge {
    #[must_use]
    pub fn new(plan: &DataPlan) -> Judge {
        let levels = |support: &SupportPlan| match support {
            SupportPlan::Levels(set) => plan
                .levels
                .get(set)
                .map_or_else(Vec::new, |levels| levels.values.iter().copied().map(Some).collect()),
            _ => vec![None],
        };
        let float = |range: (Option<f64>, Option<f64>)| {
            // As f32, so that a value that was exactly on the edge stays on it.
            (
                range.0.map_or(f32::NEG_INFINITY, |low| low as f32),
                range.1.map_or(f32::INFINITY, |high| high as f32),
            )
        };
        let read = plan.fields.iter().map(|field| Judged {
            name: field.name.clone(),
            quantity: field.quantity.clone(),
            support: field.support.clone(),
            period: field.cell.is_some(),
            range: float(field.range),
            levels: levels(&field.support),
        });
        let derived = plan.derived.iter().map(|field| Judged {
            name: field.name.clone(),
            quantity: field.quantity.clone(),
            support: field.support.clone(),
            period: false,
            range: float(field.range),
            levels: levels(&field.support),
        });
        let fields: Vec<Judged> = read.chain(derived).collect();
        let from = |index: usize| plan.fields.get(index).map_or("", |field| field.from.as_str());
        let ground = (0..plan.fields.len()).find(|&index| {
            let field = &fields[index];
            let told = ["PRES:surface", "sp", "134", "PSFC"].contains(&from(index)) || field.name == "sp";
            field.quantity == "pressure" && field.support == SupportPlan::Surface && told
        });
        let pairs = pairs(plan, &fields, ground);
        let rejects = plan.repair.reject.iter().filter_map(|word| Check::of_word(word)).collect();
        Judge { fields, pairs, ground, rejects }
    }

    /// What is wrong with the fields that are given, of a time and, where it is known, the one before. In the order of the plan:
    /// field by field, level by level, then what concerns several fields, then the whole time.
    #[must_use]
    pub fn judge(&self, now: &Fields<'_>, before: Option<&Fields<'_>>) -> Vec<Finding> {
        let now = self.standard(now);
        let before = before.map(|before| self.standard(before));
        let planes: Vec<Plane<'_>> = now
            .iter()
            .enumerate()
            .filter_map(|(index, field)| Some((index, field.as_ref()?)))
            .flat_map(|(index, field)| {
                (0..field.dim().0).map(move |level| (index, level, field.index_axis(Axis(0), level)))
            })
            .collect();
        let earlier = |index: usize, level: usize| {
            let field = before.as_ref()?.get(index)?.as_ref()?;
            (level < field.dim().0).then(|| field.index_axis(Axis(0), level))
        };
        let judged: Vec<(Vec<Finding>, Alike)> = planes
            .par_iter()
            .map(|(index, level, plane)| self.plane(*index, *level, plane, earlier(*index, *level)))
            .collect();
        let alike: Vec<Alike> = judged.iter().map(|(_, alike)| *alike).collect();
        let mut findings: Vec<Finding> = judged.into_iter().flat_map(|(findings, _)| findings).collect();
        self.placeholders(&planes, &alike, &mut findings);
        findings.par_extend(self.pairs.par_iter().flat_map_iter(|pair| self.together(pair, &now)));
        if !planes.is_empty()
            && alike.iter().all(|alike| alike.same)
            && alike.iter().any(|alike| alike.one.is_none())
        {
            findings.push(Finding {
                check: Check::DuplicatedTime,
                field: String::new(),
                level: None,
                points: planes.iter().map(|plane| plane.2.len() as u64).sum(),
                worst: 1.0,
                rejects: self.rejects.contains(&Check::DuplicatedTime),
            });
        }
        findings
    }

    /// The fields in the plan's order, their rows contiguous; what does not change in time and what has other levels than the plan
    /// says is left out.
    fn standard<'a>(&self, fields: &Fields<'a>) -> Vec<Option<CowArray<'a, f32, Ix3>>> {
        let plain = |field: &Judged| {
            let view = *fields.get(field.name.as_str())?;
            let fits = field.support != SupportPlan::Static && view.dim().0 == field.levels.len();
            fits.then(|| match view.is_standard_layout() {
                true => CowArray::from(view),
                false => CowArray::from(view.as_standard_layout().into_owned()),
            })
        };
        self.fields.iter().map(plain).collect()
    }

    fn found(&self, check: Check, index: usize, level: usize, points: u64, worst: f64) -> Finding {
        let field = &self.fields[index];
        Finding {
            check,
            field: field.name.clone(),
            level: field.levels.get(level).copied().flatten(),
            points,
            // Neither infinity nor what is no number at all is one of JSON.
            worst: if worst.is_finite() { worst } else { f64::MAX },
            rejects: self.rejects.contains(&check),
        }
    }

    /// One plane by itself and beside the time before.
    fn plane(
        &self,
        index: usize,
        level: usize,
        plane: &ArrayView2<'_, f32>,
        before: Option<ArrayView2<'_, f32>>,
    ) -> (Vec<Finding>, Alike) {
        let field = &self.fields[index];
        let (low, high) = field.range;
        let scan = scan(plane, low, high);
        let mut findings = Vec::new();
        let mut found =
            |check, points, worst: f64| findings.push(self.found(check, index, level, points, worst));
        if scan.missing > 0 {
            found(Check::Missing, scan.missing, scan.missing as f64 / scan.values as f64);
        }
        if scan.outside > 0 {
            let beyond = low - scan.least > scan.most - high;
            found(Check::OutsideRange, scan.outside, f64::from(if beyond { scan.least } else { scan.most }));
        }
        if let Some((points, value)) = sentinel(plane, &scan) {
            found(Check::Sentinel, points, f64::from(value));
        }
        let one = (scan.least == scan.most && scan.values >= FEW).then_some(scan.least);
        let same = before.as_ref().is_some_and(|before| same(plane, before));
        let everywhere = scan.values - scan.missing;
        // The strongest updraught of a column may be none.
        let calm = field.quantity == "vertical_wind" && field.support == SupportPlan::Column;
        if let Some(value) = one
            && !(field.period || calm)
            && scan.missing == 0
            && self.of_any_air(index, level)
        {
            found(Check::Constant, everywhere, f64::from(value));
        }
        let slow = SLOW.contains(&field.quantity.as_str())
            // Snow that lies.
            || (field.quantity == "precipitation" && !field.period);
        if same && one.is_none() && everywhere > 0 && !slow {
            found(Check::Frozen, scan.values, 1.0);
        }
        if let Some(before) =
            before.filter(|_| !(same || calm) && one.is_none() && self.of_any_air(index, level))
            && let Some(moves) = leap(plane, &before)
        {
            found(Check::Jump, everywhere, moves);
        }
        (findings, Alike { one, same })
    }

    /// Whether a level of a field differs from place to place in any air.
    fn of_any_air(&self, index: usize, level: usize) -> bool {
        let field = &self.fields[index];
        let thin = field.levels.get(level).copied().flatten().is_some_and(|value| value < STRATOSPHERE);
        let column = field.support == SupportPlan::Column;
        match field.quantity.as_str() {
            "specific_humidity" => !thin,
            // Of clouds and parcels, which may have one height or none.
            "height" | "pressure" => !column,
            quantity => OF_ANY_AIR.contains(&quantity),
        }
    }

    /// Fields over a period that have one value everywhere, if one of them is of what no air has so.
    fn placeholders(&self, planes: &[Plane<'_>], alike: &[Alike], findings: &mut Vec<Finding>) {
        let still: Vec<(usize, usize, f32, u64)> = planes
            .iter()
            .zip(alike)
            .filter(|((index, ..), _)| self.fields[*index].period)
            .filter_map(|((index, level, plane), alike)| {
                Some((*index, *level, alike.one?, plane.len() as u64))
            })
            .collect();
        if still.iter().any(|(index, level, ..)| self.of_any_air(*index, *level)) {
            let found = still.iter().map(|(index, level, value, points)| {
                self.found(Check::Placeholder, *index, *level, *points, f64::from(*value))
            });
            findings.extend(found);
        }
    }

    /// Fields that are judged together.
    fn together(&self, pair: &Pair, now: &[Option<CowArray<'_, f32, Ix3>>]) -> Vec<Finding> {
        let level = |index: usize, level: usize| {
            let field = now.get(index)?.as_ref()?;
            (level < field.dim().0).then(|| field.index_axis(Axis(0), level))
        };
        let ground = self.ground.and_then(|index| level(index, 0));
        let count = |index: usize| self.fields[index].levels.len();
        let of = |check, index: usize, at: usize, failed: Option<Failed>| {
            let failed = failed.filter(|failed| failed.points > 0)?;
            Some(self.found(check, index, at, failed.points, failed.worst))
        };
        match *pair {
            Pair::Air { temperature, humidity, pressure } => (0..count(temperature))
                .into_par_iter()
                .filter_map(|at| {
                    let (t, q) = (level(temperature, at)?, level(humidity, at)?);
                    let known = self.fields[temperature].levels.get(at).copied().flatten();
                    let p = match pressure {
                        Some(index) => Pressure::Field(level(index, if count(index) > 1 { at } else { 0 })?),
                        None => Pressure::Level(known? as f32),
                    };
                    let ground = ground.as_ref().filter(|_| pressure.is_none());
                    of(Check::Supersaturation, humidity, at, Some(column::supersaturation(&t, &q, p, ground)))
                })
                .collect(),
            Pair::Layer { temperature, lower, upper } => {
                let failed = || {
                    let (low, high) = (level(temperature, lower.0)?, level(temperature, upper.0)?);
                    Some(column::superadiabatic((&low, lower.1), (&high, upper.1), ground.as_ref()))
                };
                of(Check::Superadiabatic, temperature, upper.0, failed()).into_iter().collect()
            }
            Pair::Wind { along, across, limit } => (0..count(along))
                .into_par_iter()
                .filter_map(|at| {
                    let other = across.map(|index| level(index, at));
                    if matches!(other, Some(None)) {
                        return None;
                    }
                    let failed = column::windy(&level(along, at)?, other.flatten().as_ref(), limit);
                    of(Check::WindSpeed, along, at, Some(failed))
                })
                .collect(),
        }
    }
}

/// What a plane is like as a whole.
#[derive(Clone, Copy, Debug)]
struct Alike {
    /// The one value it has everywhere.
    one: Option<f32>,
    /// The same bits as at the time before.
    same: bool,
}

/// Finds what is judged together: temperature and humidity of one place, components of one wind, layers.
fn pairs(plan: &DataPlan, fields: &[Judged], ground: Option<usize>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    // Where a field without levels lies, as its archive says it: `2 m above ground`.
    let place = |index: usize| plan.fields.get(index).and_then(|field| Some(field.from.split_once(':')?.1));
    let dewpoint = |index: usize| {
        plan.fields.get(index).is_some_and(|field| field.from.starts_with("DPT") || field.from.contains("2d"))
    };
    let beside = |index: usize, quantity: &str| {
        (0..plan.fields.len()).find(|&other| {
            fields[other].quantity == quantity
                && fields[other].support == fields[index].support
                && fields[other].period == fields[index].period
                && (matches!(fields[index].support, SupportPlan::Levels(_))
                    || (place(index).is_some() && place(other) == place(index)))
        })
    };
    for (index, field) in fields.iter().enumerate().take(plan.fields.len()) {
        let set = match &field.support {
            SupportPlan::Levels(set) => plan.levels.get(set),
            _ => None,
        };
        let isobaric = set.filter(|set| set.coordinate == "pressure");
        match field.quantity.as_str() {
            "temperature" if !field.period && !dewpoint(index) => {
                let pressure = if isobaric.is_some() {
                    Some(None)
                } else if set.is_some() {
                    beside(index, "pressure").map(Some)
                } else {
                    ground.map(Some)
                };
                if let (Some(humidity), Some(pressure)) = (beside(index, "specific_humidity"), pressure) {
                    pairs.push(Pair::Air { temperature: index, humidity, pressure });
                }
                let mut order: Vec<(usize, f32)> = isobaric.map_or_else(Vec::new, |set| {
                    set.values.iter().map(|pressure| *pressure as f32).enumerate().collect()
                });
                order.sort_by(|one, other| other.1.total_cmp(&one.1));
                let layer =
                    |two: &[(usize, f32)]| Pair::Layer { temperature: index, lower: two[0], upper: two[1] };
                pairs.extend(order.windows(2).map(layer));
            }
            along @ ("eastward_wind" | "x_wind") => {
                let across = if along == "x_wind" { "y_wind" } else { "northward_wind" };
                let limit = if field.support == SupportPlan::Surface { GROUND } else { ALOFT };
                if let Some(across) = beside(index, across) {
                    pairs.push(Pair::Wind { along: index, across: Some(across), limit });
                }
            }
            "wind_speed" => pairs.push(Pair::Wind { along: index, across: None, limit: ALOFT }),
            _ => {}
        }
    }
    pairs
}

/// Points that have the plane's end, if that is a number that stands for `missing` and stands apart.
fn sentinel(plane: &ArrayView2<'_, f32>, scan: &Scan) -> Option<(u64, f32)> {
    // Packed and unpacked again, or from another precision: to a few last bits.
    let known = |value: f32| SENTINELS.iter().any(|sentinel| (value.abs() / sentinel - 1.0).abs() < 1e-6);
    [scan.most, scan.least].into_iter().filter(|value| known(*value)).find_map(|value| {
        let mut points = 0u64;
        let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
        for &other in plane.iter().filter(|other| other.is_finite()) {
            if other == value {
                points += 1;
            } else if !known(other) {
                (least, most) = (least.min(other), most.max(other));
            }
        }
        let alone = least > most;
        let apart = f64::from(value) - f64::from(if value > most { most } else { least });
        let apart = alone || apart.abs() > f64::from(most) - f64::from(least);
        (points > 1 && apart && !(alone && value.abs() < 9000.0)).then_some((points, value))
    })
}

/// By how many spreads the median moves, if by too many; or the factor between the spreads.
fn leap(now: &ArrayView2<'_, f32>, before: &ArrayView2<'_, f32>) -> Option<f64> {
    let (centre, spread) = centre_and_spread(now)?;
    let (earlier, width) = centre_and_spread(before)?;
    let (small, large) = (spread.min(width), spread.max(width));
    if small <= 0.0 {
        return None;
    }
    let moves = (centre - earlier).abs() / large;
    let factor = large / small;
    if moves > MOVES { Some(moves) } else { (factor > SPREADS).then_some(factor) }
}
