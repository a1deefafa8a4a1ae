//! An archive brought to a recipe's grid and to a better archive's distribution, seen as an archive itself.
//!
//! Where the recipe's grid is another than the archive's, points much farther apart take the mean over their cells, others the four points
//! around; classes the class with most area, or the nearest. Winds along the rows of one map are not winds along those of
//! another, so they are refused unless both grids lie on one map.
//!
//! `debias` maps quantiles of a field over `train` to those that the better archive has there (`quality/correction.rs`). They are taken
//! at up to [`TIMES`] times spread over the split and one point in [`STRIDE`] each way, level by level, and are kept beside the stores.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aurora_compiler::plan::data::{DataPlan, DebiasPlan, FieldPlan, Projection};
use jiff::Timestamp;
use ndarray::{Array3, Axis, s};
use rayon::prelude::*;

use super::archive::{Archive, ArchiveField, Available, DataError, Request};
use super::grid::Grid;
use super::prepare::{selected_times, within};
use super::quality::Correction;
use super::regrid::{Method, Regridder};
use crate::durable;

/// Times from which quantiles are taken, at most.
const TIMES: usize = 200;
/// Of so many rows, and of so many columns, one is looked at.
const STRIDE: usize = 4;
/// A target whose points lie so many times farther apart takes means over its cells.
const COARSER: f64 = 1.5;

/// Opens an archive by its name.
pub type Opener<'a> = &'a dyn Fn(&str) -> Result<Box<dyn Archive>, DataError>;

/// One field at one time, here and in the better archive.
type Pair = (Array3<f32>, Array3<f32>);

/// An archive on another grid, or with corrected fields, or both.
pub struct Brought<'a> {
    archive: &'a dyn Archive,
    grid: Grid,
    regridding: Option<Regridding>,
    /// By what the archive calls the field: one correction for each level, in the order in which the recipe has them.
    corrections: BTreeMap<String, Corrected>,
    identity: String,
}

struct Regridding {
    smooth: Regridder,
    classes: Regridder,
    /// What the archive calls the fields of classes.
    of_classes: BTreeSet<String>,
}

/// A correction, and of which field by which levels.
struct Corrected {
    levels: Option<Vec<usize>>,
    by_level: Vec<Correction>,
}

impl std::fmt::Debug for Brought<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Brought({})", self.identity)
    }
}

impl<'a> Brought<'a> {
    /// Brings an archive, of which `fields` are read, to the plan's grid if it lies on another; `folder` keeps the weights.
    ///
    /// # Errors
    /// Winds along the rows of another map; weights that cannot be kept.
    pub fn to_grid(
        archive: &'a dyn Archive,
        plan: &DataPlan,
        fields: &[FieldPlan],
        folder: &Path,
    ) -> Result<Self, DataError> {
        let (from, identity) = (archive.grid(), archive.identity());
        let plain =
            |grid| Brought { archive, grid, regridding: None, corrections: BTreeMap::new(), identity };
        if super::prepare::same_grid(&plan.grid, &from.plan, archive.name()).is_ok() {
            // Of degrees that a file keeps in single precision the recipe knows more.
            return match plan.grid.projection {
                Projection::LatLon { .. } => Ok(plain(Grid::new(&plan.grid)?)),
                _ => Ok(plain(from)),
            };
        }
        if plan.grid.projection != from.plan.projection
            && let Some(wind) = fields.iter().find(|f| matches!(f.quantity.as_str(), "x_wind" | "y_wind"))
        {
            return Err(DataError::Plan(format!(
                "`{}` blows along the rows of the archive's grid `{}`, which are not those of `{}`: prepare it on a grid of the same \
                 map ({:?})",
                wind.name, from.plan.name, plan.grid.name, from.plan.projection
            )));
        }
        let to = Grid::new(&plan.grid)?;
        let coarser = to.plan.spacing > COARSER * from.plan.spacing;
        let (smooth, classes) = match coarser {
            true => (Method::Conservative, Method::Mode),
            false => (Method::Bilinear, Method::Nearest),
        };
        std::fs::create_dir_all(folder).map_err(|source| DataError::File {
            what: "cannot create",
            path: folder.to_path_buf(),
            source,
        })?;
        let of_classes = fields.iter().filter(|field| field.quantity == "category");
        let regridding = Regridding {
            smooth: Regridder::kept(&from, &to, smooth, folder)?,
            classes: Regridder::kept(&from, &to, classes, folder)?,
            of_classes: of_classes.map(|field| field.from.clone()).collect(),
        };
        let mut brought = plain(to);
        brought.identity = format!("{} brought to {:?} ({smooth:?})", brought.identity, plan.grid);
        brought.regridding = Some(regridding);
        Ok(brought)
    }

    /// Corrects the fields that the recipe debiases, against archives on the same grid; `folder` keeps the quantiles.
    ///
    /// # Errors
    /// A field or an archive that cannot be read, no time that both have.
    pub fn debiased(mut self, plan: &DataPlan, better: Opener<'_>, folder: &Path) -> Result<Self, DataError> {
        for debias in &plan.repair.debias {
            let field = plan.fields.iter().find(|field| field.name == debias.field);
            let field = field.ok_or_else(|| refused(debias, "no such field is read"))?;
            let theirs = FieldPlan { from: debias.against_from.clone(), ..field.clone() };
            let other = better(&debias.against_archive)?;
            let other = Brought::to_grid(&*other, plan, std::slice::from_ref(&theirs), folder)?;
            let corrected = self.fitted(plan, debias, (field, &theirs), &other, folder)?;
            let text = serde_json::to_string(&corrected.by_level).unwrap_or_default();
            self.identity =
                format!("{}, {debias:?} {}", self.identity, blake3::hash(text.as_bytes()).to_hex());
            self.corrections.insert(field.from.clone(), corrected);
        }
        Ok(self)
    }

    fn fitted(
        &self,
        plan: &DataPlan,
        debias: &DebiasPlan,
        (field, renamed): (&FieldPlan, &FieldPlan),
        other: &Brought<'_>,
        folder: &Path,
    ) -> Result<Corrected, DataError> {
        let ours = super::prepare::select(plan, self.name(), field, &self.fields())?;
        let theirs = super::prepare::select(plan, other.name(), renamed, &other.fields())?;
        // All that the quantiles depend on.
        let key = format!(
            "{} {:?} {ours:?} {} {:?} {theirs:?} {debias:?} {:?} {} {:?}",
            self.identity,
            (&field.from, &field.cell),
            other.identity,
            plan.levels,
            plan.train,
            plan.every,
            plan.sampling.months
        );
        let path = folder.join(format!("debias-{}.json", &blake3::hash(key.as_bytes()).to_hex()[..16]));
        let kept = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(by_level) = kept {
            return Ok(Corrected { levels: ours, by_level });
        }
        let mine = Request { from: &field.from, cell: field.cell.as_deref(), levels: ours.as_deref() };
        let better =
            Request { from: &debias.against_from, cell: field.cell.as_deref(), levels: theirs.as_deref() };
        let both = |time: &Timestamp| {
            within(&plan.train, *time)
                && self.absence(&[mine], *time).is_none()
                && other.absence(&[better], *time).is_none()
        };
        let times: Vec<Timestamp> = selected_times(plan).into_iter().filter(both).collect();
        if times.is_empty() {
            return Err(refused(debias, &format!("`train` has no time that `{}` has too", other.name())));
        }
        let step = times.len().div_ceil(TIMES);
        let pairs: Vec<Pair> = times
            .par_iter()
            .step_by(step)
            .map(|time| Ok((thinned(self.fetch(&mine, *time)?), thinned(other.fetch(&better, *time)?))))
            .collect::<Result<_, DataError>>()?;
        let levels = pairs.first().map_or(0, |(ours, _)| ours.dim().0);
        let level = |level: usize| {
            let quantiles = |of: fn(&Pair) -> &Array3<f32>| {
                let values = pairs.iter().flat_map(|pair| of(pair).index_axis(Axis(0), level).to_owned());
                quantiles(values.collect(), debias.quantiles)
            };
            Correction::fit(&quantiles(|pair| &pair.0), &quantiles(|pair| &pair.1))
        };
        let by_level: Vec<Correction> = (0..levels).map(level).collect();
        let text = serde_json::to_vec(&by_level).map_err(|error| DataError::Archive(error.to_string()))?;
        durable::write(&path, &text).map_err(DataError::Unwritten)?;
        Ok(Corrected { levels: ours, by_level })
    }
}

fn refused(debias: &DebiasPlan, why: &str) -> DataError {
    DataError::Plan(format!("`debias {}`: {why}", debias.field))
}

/// Some points of a field.
fn thinned(values: Array3<f32>) -> Array3<f32> {
    let step = if values.dim().1 < 256 { 1 } else { STRIDE as isize };
    values.slice(s![.., ..;step, ..;step]).to_owned()
}

/// So many quantiles, at the middles of equal shares.
fn quantiles(mut values: Vec<f32>, count: usize) -> Vec<f32> {
    values.retain(|value| value.is_finite());
    values.sort_by(f32::total_cmp);
    let at = |index: usize| {
        let rank = (index as f64 + 0.5) / count as f64 * values.len() as f64;
        values.get((rank as usize).min(values.len().saturating_sub(1))).copied()
    };
    (0..count).filter_map(at).collect()
}

impl Archive for Brought<'_> {
    fn name(&self) -> &str {
        self.archive.name()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn fields(&self) -> Vec<ArchiveField> {
        self.archive.fields()
    }

    fn left_out(&self) -> Vec<String> {
        self.archive.left_out()
    }

    fn grid(&self) -> Grid {
        self.grid.clone()
    }

    fn times(&self) -> Available {
        self.archive.times()
    }

    fn has(&self, time: Timestamp) -> bool {
        self.archive.has(time)
    }

    fn read(&self, from: &str, time: Timestamp) -> Result<Array3<f32>, DataError> {
        self.fetch(&Request { from, cell: None, levels: None }, time)
    }

    fn absence(&self, wanted: &[Request<'_>], time: Timestamp) -> Option<String> {
        self.archive.absence(wanted, time)
    }

    fn suits(&self, wanted: &Request<'_>, every: i64) -> Result<(), DataError> {
        self.archive.suits(wanted, every)
    }

    fn fetch(&self, wanted: &Request<'_>, time: Timestamp) -> Result<Array3<f32>, DataError> {
        let mut values = self.archive.fetch(wanted, time)?;
        if let Some(regridding) = &self.regridding {
            let classes = regridding.of_classes.contains(wanted.from);
            let regridder = if classes { &regridding.classes } else { &regridding.smooth };
            values = regridder.apply(values.view())?;
        }
        let corrected = self.corrections.get(wanted.from);
        if let Some(corrected) = corrected.filter(|corrected| corrected.levels.as_deref() == wanted.levels) {
            for (plane, correction) in values.axis_chunks_iter_mut(Axis(0), 1).zip(&corrected.by_level) {
                let mut one = plane.to_owned();
                correction.apply(&mut one);
                let mut plane = plane;
                plane.assign(&one);
            }
        }
        Ok(values)
    }
}
