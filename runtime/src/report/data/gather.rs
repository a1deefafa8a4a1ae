//! From a store to what its report says.

use std::collections::BTreeMap;

use aurora_compiler::plan::data::{DataPlan, GridPlan, Projection, SupportPlan};
use jiff::tz::TimeZone;
use ndarray::{Array2, Axis};

use super::{Change, DataReport, FieldReport, LevelReport, Published, against};
use crate::data::archive::DataError;
use crate::data::journal::{Status, TimeRecord};
use crate::data::layout::StoredField;
use crate::data::prepare::Month;
use crate::data::quality::Check;
use crate::data::statistics::{FieldStatistics, SHARES};
use crate::data::store::Store;
use crate::report::{MapField, MapRow, Panel};

/// Points of a map along its longer side, at most.
const POINTS: usize = 360;
/// Exceptions that are told one by one.
const TOLD: usize = 2000;

impl DataReport {
    /// Of a whole store. `named` holds what the recipe's model calls its fields in Aurora's words; what it does not hold goes by its own
    /// name.
    ///
    /// # Errors
    /// A field that cannot be read for its map.
    pub fn of(store: &Store, title: &str, named: &BTreeMap<String, String>) -> Result<DataReport, DataError> {
        let (plan, inventory) = (store.plan(), store.inventory());
        let fields =
            store.fields().map(|field| of_field(store, field, named)).collect::<Result<Vec<_>, _>>()?;
        let mut report = DataReport {
            title: title.into(),
            archive: inventory.archive.clone(),
            digest: inventory.digest.clone(),
            content: inventory.content.clone(),
            span: inventory.times.first().zip(inventory.times.last()).map(|(one, two)| (one.time, two.time)),
            grid: spoken(&plan.grid),
            times: Month::default(),
            days: BTreeMap::new(),
            exceptions: Vec::new(),
            checks: Check::all().iter().map(|check| (*check, check.says())).collect(),
            // Those of a whole time are kept under no name.
            findings: inventory.fields.get("").map(|whole| whole.findings.clone()).unwrap_or_default(),
            fields,
            warnings: Vec::new(),
        };
        for record in &inventory.times {
            let day = record.time.to_zoned(TimeZone::UTC).date();
            count(&mut report.times, record);
            count(report.days.entry(day).or_default(), record);
            if record.status != Status::Present && report.exceptions.len() < TOLD {
                report.exceptions.push(record.clone());
            }
        }
        report.warn();
        Ok(report)
    }

    fn warn(&mut self) {
        let mut warnings = Vec::new();
        let Month { present, absent, rejected, filled } = self.times;
        let all = present + absent + rejected + filled;
        let gone = absent + rejected;
        if gone * 10 > all {
            let share = 100.0 * gone as f64 / all.max(1) as f64;
            warnings.push(format!("{gone} of {all} times ({share:.0} %) are absent or rejected."));
        }
        for field in &self.fields {
            let told = |count: u64, what: &str| {
                (count > 0).then(|| format!("`{}`: {count} of {} values {what}.", field.name, field.values))
            };
            warnings.extend(told(field.missing, "are missing"));
            warnings.extend(told(field.outside, "lie outside the range of the variable"));
            warnings.extend(far(field));
        }
        self.warnings = warnings;
    }
}

/// One sentence about the level that is farthest from Aurora's statistics, if one is far.
fn far(field: &FieldReport) -> Option<String> {
    let far: Vec<(&LevelReport, &Published)> = field
        .levels
        .iter()
        .filter_map(|level| Some((level, level.aurora.as_ref().filter(|aurora| aurora.far)?)))
        .collect();
    let (level, aurora) = far.iter().max_by(|one, two| one.1.off.abs().total_cmp(&two.1.off.abs()))?;
    let place = level.level.map(|value| format!(", farthest at {}", spoken_level(value))).unwrap_or_default();
    let many = if field.levels.len() > 1 {
        format!("{} of {} levels are", far.len(), field.levels.len())
    } else {
        "it is".to_string()
    };
    Some(format!(
        "`{}`: {many} far from what Aurora was trained with as `{}`{place}: the mean is off by {:+.1} of its spreads, the spread is {:.2} \
         times as large. Is it in {}, and the same quantity?",
        field.name, aurora.named, aurora.off, aurora.ratio, field.units
    ))
}

fn count(month: &mut Month, record: &TimeRecord) {
    match record.status {
        Status::Present => month.present += 1,
        Status::Absent { .. } => month.absent += 1,
        Status::Rejected => month.rejected += 1,
        Status::Filled { .. } => month.filled += 1,
    }
}

fn of_field(
    store: &Store,
    field: &StoredField,
    named: &BTreeMap<String, String>,
) -> Result<FieldReport, DataError> {
    let plan = store.plan();
    let counts = store.inventory().fields.get(&field.name).cloned().unwrap_or_default();
    let values: Vec<Option<f64>> = match &field.support {
        SupportPlan::Levels(set) => {
            plan.levels.get(set).map_or_else(Vec::new, |set| set.values.iter().copied().map(Some).collect())
        }
        _ => vec![None],
    };
    let isobaric = match &field.support {
        SupportPlan::Levels(set) => plan.levels.get(set).is_some_and(|set| set.coordinate == "pressure"),
        _ => true,
    };
    let statistics = store.statistics().get(&field.name);
    let name = named.get(&field.name).unwrap_or(&field.name);
    let levels = statistics.map_or_else(Vec::new, |statistics| {
        values
            .iter()
            .enumerate()
            .filter_map(|(index, level)| level_report(statistics, index, *level, name, isobaric))
            .collect()
    });
    Ok(FieldReport {
        name: field.name.clone(),
        quantity: quantity(plan, &field.name),
        units: field.units.clone(),
        values: counts.values,
        outside: counts.outside,
        missing: counts.missing,
        mended: counts.mended,
        months: counts.months,
        findings: counts.findings,
        levels,
        map: map(store, field, &values)?,
    })
}

fn quantity(plan: &DataPlan, name: &str) -> String {
    let read = plan.fields.iter().find(|field| field.name == name).map(|field| &field.quantity);
    let derived = || plan.derived.iter().find(|field| field.name == name).map(|field| &field.quantity);
    read.or_else(derived).cloned().unwrap_or_default()
}

fn level_report(
    statistics: &FieldStatistics,
    index: usize,
    level: Option<f64>,
    named: &str,
    isobaric: bool,
) -> Option<LevelReport> {
    let moments = statistics.levels.get(index)?;
    let curve = statistics.quantiles.get(index).cloned().unwrap_or_default();
    let at = |share: f64| {
        let place = SHARES.iter().position(|known| *known == share)?;
        curve.get(place).copied()
    };
    let quantiles = at(0.01).zip(at(0.5)).zip(at(0.99)).map(|((low, middle), high)| [low, middle, high]);
    let change = statistics
        .changes
        .get(index)
        .filter(|change| change.count > 0)
        .map(|change| Change { mean: change.mean, spread: change.deviation() });
    let aurora = (isobaric && moments.count > 0)
        .then(|| against(named, level, moments.mean, moments.deviation()))
        .flatten();
    Some(LevelReport {
        level,
        count: moments.count,
        mean: moments.mean,
        spread: moments.deviation(),
        minimum: moments.minimum,
        maximum: moments.maximum,
        quantiles,
        change,
        aurora,
        curve,
    })
}

/// The field at the middle one of the store's times, on its level nearest to 500 hPa, every so manieth point.
fn map(store: &Store, field: &StoredField, levels: &[Option<f64>]) -> Result<Option<MapRow>, DataError> {
    let number = store.times().len() / 2;
    let Some(time) = store.times().get(number) else { return Ok(None) };
    let distance = |level: &Option<f64>| level.map_or(0.0, |value| (value - 50_000.0).abs());
    let level = (0..levels.len())
        .min_by(|one, two| distance(&levels[*one]).total_cmp(&distance(&levels[*two])))
        .unwrap_or(0);
    let values = store.read(&field.name, number)?;
    if level >= values.dim().0 {
        return Ok(None);
    }
    let plane = values.index_axis(Axis(0), level);
    let step = plane.nrows().max(plane.ncols()).div_ceil(POINTS).max(1);
    let thin: Array2<f32> = plane.slice(ndarray::s![..;step, ..;step]).to_owned();
    let echo = quantity(store.plan(), &field.name) == "reflectivity";
    let when = match field.support {
        SupportPlan::Static => "does not change".to_string(),
        _ => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    };
    let label = match levels.get(level).copied().flatten() {
        Some(value) => format!("{when}, {}", spoken_level(value)),
        None => when,
    };
    Ok(Some(MapRow {
        caption: field.name.clone(),
        panels: vec![Panel { label, values: thin }],
        field: match echo {
            true => MapField::Reflectivity,
            false => MapField::Continuous { units: field.units.clone(), label: field.name.clone() },
        },
    }))
}

/// `500 hPa`, or the number itself.
pub(super) fn spoken_level(value: f64) -> String {
    if value >= 1000.0 { format!("{} hPa", value / 100.0) } else { format!("{value}") }
}

fn spoken(grid: &GridPlan) -> String {
    let projection = match grid.projection {
        Projection::Lambert { .. } => "Lambert conformal",
        Projection::Mercator { .. } => "Mercator",
        Projection::Stereographic { .. } => "polar stereographic",
        Projection::LatLon { .. } => "latitude and longitude",
    };
    format!("{} by {} points, {projection}, {} km", grid.width, grid.height, grid.spacing / 1000.0)
}
