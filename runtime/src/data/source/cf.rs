//! Files of named variables with dimensions, NetCDF or Zarr, understood by the CF conventions where they are followed,
//! else by the names that are common.
//!
//! The last two dimensions of a field are rows and columns; before them may stand a time, a level, and dimensions of
//! one entry. Coordinates are found by their units (`degrees_north`, `Pa`), as CF section 4 has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use ndarray::{Array3, Axis, Ix1, Ix3};

use super::grid::{grid, place};
use super::table::{Table, clocks, reference};
use super::units::{ToSi, WATER, in_si, to_si};
use super::what::{Hint, What, Where, by_name, by_standard_name};
use super::{Offer, Place, Source};
use crate::data::files::Wanted;
use crate::data::netcdf::Variable;

#[derive(Debug)]
pub(super) struct Cf<T> {
    table: T,
    place: Place,
    offers: Vec<Offer>,
    /// For each offer, how its variable is read.
    ways: Vec<Way>,
    /// The file's rows run from south to north, its columns from east to west.
    flipped: (bool, bool),
    reference: Option<Timestamp>,
    notes: Vec<String>,
}

/// How a variable becomes levels, rows and columns.
#[derive(Clone, Debug)]
struct Way {
    variable: String,
    /// The axis of time, and its instants.
    time: Option<(usize, Arc<Vec<Timestamp>>)>,
    /// The axis of levels.
    level: Option<usize>,
    to: ToSi,
    /// What `to` brings values to.
    units: String,
}

impl Way {
    /// The place of a time; nothing for what does not change.
    fn index(&self, time: Option<Timestamp>) -> Result<Option<usize>, String> {
        match (&self.time, time) {
            (Some((_, times)), Some(time)) => {
                let place = times.iter().position(|known| *known == time);
                place.map(Some).ok_or_else(|| "it is not there at that time".into())
            }
            (Some(_), None) => Ok(Some(0)),
            (None, _) => Ok(None),
        }
    }
}

/// Depths of water that files give in metres, by their names: ECMWF's precipitation of each kind, run-off, snow.
const DEPTHS: [&str; 13] = [
    "tp",
    "cp",
    "lsp",
    "sf",
    "sd",
    "ro",
    "sro",
    "ssro",
    "total_precipitation",
    "convective_precipitation",
    "large_scale_precipitation",
    "runoff",
    "snowfall",
];

/// How a variable's values are brought to SI, and its unit there: 1 m of water is 1000 kg/m².
fn in_kernels_units(variable: &Variable) -> Result<(ToSi, String), String> {
    let units = variable.text("units").unwrap_or_default();
    let named = DEPTHS.contains(&variable.name.to_ascii_lowercase().as_str());
    let standard = variable.text("standard_name").is_some_and(|name| name.starts_with("lwe_thickness_of"));
    if matches!(units.trim(), "m" | "metre" | "meter" | "metres" | "meters") && (named || standard) {
        return Ok((WATER, "kg/m^2".into()));
    }
    let to = to_si(units).ok_or_else(|| format!("its unit `{units}` is not known"))?;
    Ok((to, in_si(units)))
}

impl<T: Table> Cf<T> {
    pub(super) fn new(table: T) -> Result<Self, String> {
        let grid = grid(&table)?;
        let (place, flipped) = place(&table, &grid)?;
        let clocks = clocks(&table);
        let mut cf = Cf {
            place,
            offers: Vec::new(),
            ways: Vec::new(),
            flipped,
            reference: reference(&table),
            notes: Vec::new(),
            table,
        };
        let variables: Vec<Variable> = cf.table.variables().to_vec();
        for variable in variables.iter().filter(|variable| variable.numeric) {
            let on_grid = variable.dimensions.ends_with(&[grid.rows.clone(), grid.columns.clone()])
                && variable.dimensions.len() >= 2;
            if !on_grid || [&grid.latitude, &grid.longitude].contains(&&variable.name) {
                continue;
            }
            match cf.understand(variable, &clocks) {
                Ok((offer, way)) => {
                    cf.offers.push(offer);
                    cf.ways.push(way);
                }
                Err(reason) => cf.notes.push(format!("`{}` is left out: {reason}", variable.name)),
            }
        }
        if cf.offers.is_empty() {
            return Err("no variable of it lies on a grid of latitude and longitude".into());
        }
        Ok(cf)
    }

    fn understand(
        &self,
        variable: &Variable,
        clocks: &BTreeMap<String, Arc<Vec<Timestamp>>>,
    ) -> Result<(Offer, Way), String> {
        let leading = variable.dimensions.len() - 2;
        let (mut time, mut level) = (None, None);
        for (axis, dimension) in variable.dimensions.iter().take(leading).enumerate() {
            let size = variable.shape.get(axis).copied().unwrap_or(0);
            if let Some(instants) = clocks.get(dimension)
                && time.is_none()
            {
                time = Some((axis, Arc::clone(instants)));
            } else if let Some(found) = self.levels(dimension)
                && level.is_none()
            {
                level = Some((axis, found));
            } else if size != 1 {
                return Err(format!("its dimension `{dimension}` of {size} is neither time nor levels"));
            }
        }
        let named = by_name(&variable.name);
        let standard = variable.text("standard_name").and_then(by_standard_name);
        let units = variable.text("units").unwrap_or_default();
        // `w` is the one vertical wind to some and the other to others.
        let by_unit = |what: What| match what {
            What::Vertical if units.starts_with("Pa") => What::Omega,
            other => other,
        };
        let what = standard.or(named).map(|(what, _)| by_unit(what));
        let hint = named.map_or(Hint::None, |(_, hint)| hint);
        let hint = if hint == Hint::None { standard.map_or(Hint::None, |(_, hint)| hint) } else { hint };
        let place = match (&level, hint, self.scalar_height(variable)) {
            (Some((_, place)), ..) => place.clone(),
            (None, _, Some(metres)) => Where::Above(metres),
            (None, Hint::Above(metres), None) => Where::Above(metres),
            (None, Hint::Surface, None) => Where::Surface,
            (None, Hint::None, None) => match what {
                // A map without any word of a level: the ground, for what is only of interest there.
                Some(What::Height | What::Pressure | What::Geopotential) => Where::Surface,
                _ => Where::Other(variable.name.clone()),
            },
        };
        let (to, si) = in_kernels_units(variable)?;
        let along_grid = match variable.text("standard_name") {
            Some("x_wind" | "y_wind" | "grid_eastward_wind" | "grid_northward_wind") => true,
            Some("eastward_wind" | "northward_wind") | None => false,
            Some(_) => false,
        };
        let offer = Offer {
            name: variable.name.clone(),
            what,
            place,
            cell: variable.text("cell_methods").filter(|text| interval(text)).map(str::to_string),
            along_grid,
            times: time.as_ref().map(|(_, times)| Arc::clone(times)).unwrap_or_default(),
        };
        let way = Way {
            variable: variable.name.clone(),
            time,
            level: level.and_then(|(axis, place)| place.on_levels().then_some(axis)),
            to,
            units: si,
        };
        Ok((offer, way))
    }

    /// What a dimension says of the vertical: levels of pressure, of a model, or one height above the ground.
    fn levels(&self, dimension: &str) -> Option<Where> {
        let coordinate = self.table.variable(dimension).filter(|variable| variable.numeric);
        let Some(coordinate) = coordinate else {
            let lower = dimension.to_ascii_lowercase();
            let model =
                ["bottom_top", "lev", "level", "hybrid", "levels", "model_level", "num_metgrid_levels"];
            let size = self.table.variables().iter().find_map(|variable| {
                let axis = variable.dimensions.iter().position(|name| name == dimension)?;
                variable.shape.get(axis).copied()
            })?;
            return (model.contains(&lower.as_str()) && size > 1)
                .then(|| Where::Model((1..=size).map(|level| level as f64).collect()));
        };
        let values: Vec<f64> =
            self.table.read(dimension).ok()?.into_dimensionality::<Ix1>().ok()?.iter().copied().collect();
        let units = coordinate.text("units").unwrap_or_default();
        let standard = coordinate.text("standard_name").unwrap_or_default();
        let of_pressure = ["pa", "hpa", "mb", "mbar", "millibar", "millibars"];
        if of_pressure.contains(&units.to_ascii_lowercase().as_str()) || standard == "air_pressure" {
            let to = to_si(units)?;
            let levels: Vec<f64> =
                values.iter().map(|value| (to.apply(*value) * 100.0).round() / 100.0).collect();
            return levels.iter().all(|level| *level > 0.0).then_some(Where::Pressure(levels));
        }
        let name = dimension.to_ascii_lowercase();
        if name.starts_with("height_above_ground") || standard == "height" {
            let to = to_si(units)?;
            return match values[..] {
                [metres] => Some(Where::Above(to.apply(metres))),
                _ => None,
            };
        }
        if name.starts_with("isobaric") || name.starts_with("plev") || name.starts_with("pressure") {
            // Without a unit, numbers up to 1100 are hPa.
            let most = values.iter().copied().fold(0.0, f64::max);
            let factor = if most <= 1100.0 { 100.0 } else { 1.0 };
            return Some(Where::Pressure(values.iter().map(|value| value * factor).collect()));
        }
        // ARCO's ERA5 had its levels of pressure without a unit for years: no model has a level 850 among so few.
        let known = |level: f64| values.contains(&level);
        if name == "level"
            && units.is_empty()
            && values.iter().all(|value| *value <= 1100.0)
            && known(500.0)
            && known(850.0)
        {
            return Some(Where::Pressure(values.iter().map(|value| value * 100.0).collect()));
        }
        let model = ["level", "lev", "hybrid", "model_level", "bottom_top", "sigma", "eta"];
        let is_model = model.iter().any(|word| name.starts_with(word)) || standard.starts_with("atmosphere_");
        (is_model && values.len() > 1).then_some(Where::Model(values))
    }

    /// Metres above the ground by a scalar coordinate (`height`, CF section 5.7).
    fn scalar_height(&self, variable: &Variable) -> Option<f64> {
        let listed = variable.text("coordinates")?;
        listed.split_whitespace().find_map(|name| {
            let coordinate =
                self.table.variable(name).filter(|held| held.shape.iter().all(|size| *size == 1))?;
            let height = coordinate.text("standard_name") == Some("height") || name.starts_with("height");
            let value = height.then(|| self.table.read(name).ok()).flatten()?;
            let to = to_si(coordinate.text("units").unwrap_or("m"))?;
            value.iter().next().map(|value| to.apply(*value))
        })
    }

    /// Levels, rows and columns as in the file.
    fn raw(&self, way: &Way, index: Option<usize>) -> Result<Array3<f64>, String> {
        let variable = self.table.variable(&way.variable).ok_or("it is gone")?;
        let mut level = way.level;
        let mut values = match (&way.time, index) {
            (Some((0, _)), Some(index)) => {
                level = level.map(|axis| axis - 1);
                self.table.read_at(&way.variable, index as u64)?
            }
            (Some((axis, _)), Some(index)) => {
                let whole = self.table.read(&way.variable)?;
                level = level.map(|at| if at > *axis { at - 1 } else { at });
                if index >= whole.len_of(Axis(*axis)) {
                    return Err("it has fewer times than its coordinate".into());
                }
                whole.index_axis_move(Axis(*axis), index)
            }
            _ => self.table.read(&way.variable)?,
        };
        // Levels come first, all other leading dimensions have one entry.
        let mut leading = values.ndim().saturating_sub(2);
        while leading > 0 {
            let axis = leading - 1;
            if level != Some(axis) {
                values = values.index_axis_move(Axis(axis), 0);
                level = level.map(|at| if at > axis { at - 1 } else { at });
            }
            leading -= 1;
        }
        if level.is_none() {
            values.insert_axis_inplace(Axis(0));
        }
        values
            .into_dimensionality::<Ix3>()
            .map_err(|_| format!("its shape {:?} is not understood", variable.shape))
    }
}

impl<T: Table> Source for Cf<T> {
    fn format(&self) -> String {
        self.table.format()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn offers(&self) -> &[Offer] {
        &self.offers
    }

    fn units(&self, offer: usize) -> Option<String> {
        self.ways.get(offer).map(|way| way.units.clone())
    }

    fn reference(&self) -> Option<Timestamp> {
        self.reference
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn stretches(&self, offer: usize, time: Option<Timestamp>) -> Result<Vec<Wanted>, String> {
        let way = &self.ways[offer];
        let index = match (&way.time, way.index(time)?) {
            (Some((0, _)), Some(index)) => Some(index as u64),
            _ => None,
        };
        self.table.stretches(&way.variable, index)
    }

    fn read(&self, offer: usize, time: Option<Timestamp>) -> Result<Array3<f32>, String> {
        let way = &self.ways[offer];
        let raw = self.raw(way, way.index(time)?)?;
        let mut values = raw.mapv(|value| way.to.apply(value) as f32);
        if self.flipped.0 {
            values.invert_axis(Axis(1));
        }
        if self.flipped.1 {
            values.invert_axis(Axis(2));
        }
        Ok(values.as_standard_layout().into_owned())
    }
}

/// Whether `cell_methods` speak of time otherwise than of a point in it.
fn interval(methods: &str) -> bool {
    methods.split_once("time:").is_some_and(|(_, rest)| !rest.trim_start().starts_with("point"))
}
