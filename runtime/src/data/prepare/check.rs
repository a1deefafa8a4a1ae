//! A plan checked against an archive before anything is read.

use std::collections::BTreeSet;

use aurora_compiler::plan::data::{DataPlan, FieldPlan, GridPlan, Projection, SupportPlan, TimeRange};

use crate::data::archive::{Archive, ArchiveField, DataError, Request};
use crate::data::layout::StoredField;
use crate::data::of_grid;
use crate::data::units::same_unit;

/// For each read field which of the archive's levels it has, in the plan's order.
///
/// # Errors
/// Another grid, fields, levels or times the archive does not have, all in one message.
pub(super) fn levels(plan: &DataPlan, archive: &dyn Archive) -> Result<Vec<Option<Vec<usize>>>, DataError> {
    same_grid(&plan.grid, &archive.grid().plan, archive.name())?;
    if plan.every <= 0 {
        return Err(DataError::Plan(format!("`every {} s` is not a step forward in time", plan.every)));
    }
    hourly(plan)?;
    let offered = archive.fields();
    let (levels, wrong): (Vec<_>, Vec<_>) = plan
        .fields
        .iter()
        .map(|field| {
            let levels = select(plan, archive.name(), field, &offered)?;
            suits(plan, archive, field).map(|()| levels)
        })
        .partition(Result::is_ok);
    let wrong: Vec<String> =
        wrong.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    if !wrong.is_empty() {
        let all: Vec<String> = wrong.into_iter().chain(archive.left_out()).collect();
        return Err(DataError::Plan(all.join("\n")));
    }
    Ok(levels.into_iter().filter_map(Result::ok).collect())
}

/// Analyses are of whole hours: what HRRR has between them are forecasts.
///
/// # Errors
/// A recipe that reads analyses only, and oftener.
pub fn hourly(plan: &DataPlan) -> Result<(), DataError> {
    let times = [Some(&plan.train), plan.validate.as_ref(), plan.test.as_ref()].into_iter().flatten();
    let between = |range: &TimeRange| range.from.as_second() % 3600 != 0;
    if plan.sampling.analyses_only && (plan.every % 3600 != 0 || times.into_iter().any(between)) {
        return Err(DataError::Plan(format!(
            "`archive {0}.f00` reads analyses only, and these are of whole hours: write `every 1 h` and splits that begin on \
             the hour, or `archive {0}`, which reads forecasts between the hours",
            plan.archive
        )));
    }
    Ok(())
}

/// Whether the archive has a field as often as the plan reads it; what does not change is read once.
///
/// # Errors
/// What the archive has instead.
pub fn suits(plan: &DataPlan, archive: &dyn Archive, field: &FieldPlan) -> Result<(), DataError> {
    if field.support == SupportPlan::Static || of_grid::units(&field.from).is_some() {
        return Ok(());
    }
    archive.suits(&Request { from: &field.from, cell: field.cell.as_deref(), levels: None }, plan.every)
}

/// Every derived field is derived from what is there before it.
///
/// # Errors
/// One that is not.
pub(super) fn order(plan: &DataPlan) -> Result<(), DataError> {
    let mut there: BTreeSet<&str> = plan.fields.iter().map(|field| field.name.as_str()).collect();
    for derived in &plan.derived {
        if let Some(name) = derived.inputs.iter().find(|name| !there.contains(name.as_str())) {
            let reason = format!("its input `{name}` is not computed before it");
            return Err(DataError::Derive { field: derived.name.clone(), reason });
        }
        there.insert(&derived.name);
    }
    Ok(())
}

/// Corners that lie closer than this, in degrees, are one: GRIB rounds them to a millionth, and HRRR's moved by half a
/// thousandth in 2018.
const CORNER: f64 = 1e-3;

pub(in crate::data) fn same_grid(mine: &GridPlan, theirs: &GridPlan, archive: &str) -> Result<(), DataError> {
    let near = |a: f64, b: f64| ((a - b + 180.0).rem_euclid(360.0) - 180.0).abs() < CORNER;
    let corner = match (mine.southwest, theirs.southwest) {
        (Some(mine), Some(theirs)) => near(mine[0], theirs[0]) && near(mine[1], theirs[1]),
        _ => true,
    };
    let size = |grid: &GridPlan| (grid.width, grid.height);
    let same = match (&mine.projection, &theirs.projection) {
        (Projection::LatLon { .. }, Projection::LatLon { .. }) => same_degrees(mine, theirs),
        _ => mine.spacing == theirs.spacing && mine.projection == theirs.projection && corner,
    };
    if size(mine) == size(theirs) && same {
        return Ok(());
    }
    let said = |grid: &GridPlan| {
        let corner = grid.southwest.map(|[north, east]| format!(", south-western point {north} N {east} E"));
        format!(
            "({} by {} points, {} m apart, {:?}{})",
            grid.width,
            grid.height,
            grid.spacing,
            grid.projection,
            corner.unwrap_or_default()
        )
    };
    Err(DataError::Plan(format!(
        "the recipe's grid `{}` {} is not the grid `{}` of the archive `{archive}` {}",
        mine.name,
        said(mine),
        theirs.name,
        said(theirs)
    )))
}

/// Parts of a step by which the first points of two grids of degrees may differ: files keep them in single precision.
const FIRST: f64 = 1e-3;
/// The same of the last points, to which a step that was rounded adds up.
const LAST: f64 = 1e-2;

/// Whether two grids of latitude and longitude of one size are one.
fn same_degrees(mine: &GridPlan, theirs: &GridPlan) -> bool {
    let of = |grid: &GridPlan| match grid.projection {
        Projection::LatLon { north, west, step } => Some((north, west, step)),
        _ => None,
    };
    let (Some((north, west, step)), Some((other_north, other_west, other_step))) = (of(mine), of(theirs))
    else {
        return false;
    };
    let apart = |a: f64, b: f64| ((a - b + 180.0).rem_euclid(360.0) - 180.0).abs();
    let count = mine.width.max(mine.height) as f64;
    apart(north, other_north) < FIRST * step
        && apart(west, other_west) < FIRST * step
        && (step - other_step).abs() * count < LAST * step
}

/// Two fields of one name, or a name the store itself uses.
pub(super) fn names(plan: &DataPlan, fields: &[StoredField]) -> Result<(), DataError> {
    let mut names: BTreeSet<String> =
        ["time", "level", "latitude", "longitude", "x", "y", "status"].map(String::from).into();
    names.extend(plan.levels.keys().map(|set| format!("level_{set}")));
    for field in fields {
        let plain = field.name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !plain || field.name.is_empty() || !names.insert(field.name.clone()) {
            return Err(DataError::Plan(format!(
                "a store cannot hold a field `{}`: the name is taken or no name",
                field.name
            )));
        }
    }
    Ok(())
}

/// Finds a field in the archive and the places of its levels there.
pub(in crate::data) fn select(
    plan: &DataPlan,
    archive: &str,
    field: &FieldPlan,
    offered: &[ArchiveField],
) -> Result<Option<Vec<usize>>, DataError> {
    if let Some(units) = of_grid::units(&field.from) {
        return match (&field.support, same_unit(&field.units, units)) {
            (SupportPlan::Static, true) => Ok(None),
            _ => Err(DataError::Plan(format!(
                "`{}` belongs to the grid: `{}` is static and in {units}",
                field.name, field.from
            ))),
        };
    }
    let Some(found) = offered.iter().find(|candidate| candidate.from == field.from) else {
        let names: Vec<String> = offered.iter().map(|field| format!("`{}`", field.from)).collect();
        return Err(DataError::UnknownField {
            archive: archive.into(),
            field: field.from.clone(),
            offered: names.join(", "),
        });
    };
    if !same_unit(&field.units, &found.units) {
        return Err(DataError::Plan(format!(
            "`{}` is kept in {}, but the archive `{archive}` has `{}` in {}",
            field.name, field.units, field.from, found.units
        )));
    }
    match (&field.support, &found.levels) {
        (SupportPlan::Levels(set), Some(levels)) => {
            let wanted = plan.levels.get(set).map(|set| set.values.as_slice()).unwrap_or_default();
            let places = wanted.iter().map(|value| {
                levels.iter().position(|level| (level - value).abs() <= 1e-6 * value.abs()).ok_or_else(|| {
                    let offered: Vec<String> = levels.iter().map(f64::to_string).collect();
                    DataError::UnknownLevel {
                        archive: archive.into(),
                        field: field.name.clone(),
                        wanted: *value,
                        offered: offered.join(", "),
                    }
                })
            });
            places.collect::<Result<_, _>>().map(Some)
        }
        (SupportPlan::Levels(set), None) => Err(DataError::Plan(format!(
            "`{}` is on the levels `{set}`, but `{}` of the archive `{archive}` has no levels",
            field.name, field.from
        ))),
        (_, Some(_)) => Err(DataError::Plan(format!(
            "`{}` has no levels, but `{}` of the archive `{archive}` has; write `on` a level set",
            field.name, field.from
        ))),
        (_, None) => Ok(None),
    }
}
