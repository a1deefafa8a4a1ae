//! Between physical and normalised values: (x − location)/scale for each variable and level.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{Batch, ModelError};

/// Location and scale in the variable's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    pub location: f64,
    pub scale: f64,
}

/// Location and scale of every variable; atmospheric ones for each level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    pub surface: BTreeMap<String, Scaling>,
    pub statics: BTreeMap<String, Scaling>,
    /// Name → pairs of level in hPa and scaling.
    pub atmosphere: BTreeMap<String, Vec<(f64, Scaling)>>,
}

/// Aurora's own statistics: `name` for surface and static variables, `name_level` for the others.
static TABLE: LazyLock<BTreeMap<String, (f64, f64)>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        statistics: BTreeMap<String, (f64, f64)>,
    }
    // The text is part of the program; a test reads it.
    let file: Result<File, _> = serde_json::from_str(include_str!("normalisation.json"));
    file.map(|file| file.statistics).unwrap_or_default()
});

impl Normalisation {
    /// What Aurora's table has for these variables. Variables it does not know are left out: `missing` names
    /// them, and `set_surface` and its like fill them in.
    pub fn aurora(
        surface: &[String],
        statics: &[String],
        atmosphere: &[String],
        levels: &[f64],
    ) -> Normalisation {
        let mut result = Normalisation::default();
        for name in surface {
            if let Some(scaling) = upstream(name) {
                result.surface.insert(name.clone(), scaling);
            }
        }
        for name in statics {
            if let Some(scaling) = upstream(name) {
                result.statics.insert(name.clone(), scaling);
            }
        }
        for name in atmosphere {
            for &level in levels {
                if let Some(scaling) = upstream(&format!("{name}_{}", level_key(level))) {
                    result.atmosphere.entry(name.clone()).or_default().push((level, scaling));
                }
            }
        }
        result
    }

    /// Sets or replaces a surface variable's statistics.
    pub fn set_surface(&mut self, name: &str, scaling: Scaling) {
        self.surface.insert(name.into(), scaling);
    }

    /// Sets or replaces a static variable's statistics.
    pub fn set_static(&mut self, name: &str, scaling: Scaling) {
        self.statics.insert(name.into(), scaling);
    }

    /// Sets or replaces an atmospheric variable's statistics on one level (hPa).
    pub fn set_atmosphere(&mut self, name: &str, level: f64, scaling: Scaling) {
        let list = self.atmosphere.entry(name.into()).or_default();
        match list.iter_mut().find(|(known, _)| *known == level) {
            Some((_, known)) => *known = scaling,
            None => list.push((level, scaling)),
        }
    }

    /// Variables (with level, where one is lacking) that have no statistics here.
    pub fn missing(
        &self,
        surface: &[String],
        statics: &[String],
        atmosphere: &[String],
        levels: &[f64],
    ) -> Vec<String> {
        let mut list = Vec::new();
        list.extend(surface.iter().filter(|name| !self.surface.contains_key(*name)).cloned());
        list.extend(statics.iter().filter(|name| !self.statics.contains_key(*name)).cloned());
        for name in atmosphere {
            for &level in levels {
                if self.atmosphere_scaling(name, level).is_none() {
                    list.push(format!("{name} at {} hPa", level_key(level).replace('_', ".")));
                }
            }
        }
        list
    }

    /// Physical to normalised.
    pub fn normalise(&self, batch: Batch) -> Result<Batch, ModelError> {
        let mut batch = batch;
        for (name, field) in &mut batch.surface {
            let (location, scale) = constants(find(&self.surface, name)?);
            *field = field.clone().sub_scalar(location).div_scalar(scale);
        }
        for (name, field) in &mut batch.statics {
            let (location, scale) = constants(find(&self.statics, name)?);
            *field = field.clone().sub_scalar(location).div_scalar(scale);
        }
        for (name, field) in &mut batch.atmosphere {
            let (location, scale) = self.level_constants(name, &batch.levels, field)?;
            *field = (field.clone() - location) / scale;
        }
        Ok(batch)
    }

    /// Normalised to physical. Static fields are left as they are.
    pub fn restore(&self, batch: Batch) -> Result<Batch, ModelError> {
        let mut batch = batch;
        for (name, field) in &mut batch.surface {
            let (location, scale) = constants(find(&self.surface, name)?);
            *field = field.clone().mul_scalar(scale).add_scalar(location);
        }
        for (name, field) in &mut batch.atmosphere {
            let (location, scale) = self.level_constants(name, &batch.levels, field)?;
            *field = field.clone() * scale + location;
        }
        Ok(batch)
    }

    fn atmosphere_scaling(&self, name: &str, level: f64) -> Option<Scaling> {
        let list = self.atmosphere.get(name)?;
        list.iter().find(|(known, _)| *known == level).map(|(_, scaling)| *scaling)
    }

    /// Locations and scales of the levels, as (1, 1, A, 1, 1).
    fn level_constants(
        &self,
        name: &str,
        levels: &[f64],
        like: &Tensor<5>,
    ) -> Result<(Tensor<5>, Tensor<5>), ModelError> {
        let mut lists = (Vec::new(), Vec::new());
        for &level in levels {
            let scaling = self
                .atmosphere_scaling(name, level)
                .ok_or_else(|| unknown(&format!("{name} at {level} hPa")))?;
            let (location, scale) = constants(scaling);
            lists.0.push(location);
            lists.1.push(scale);
        }
        let shape = [1, 1, levels.len(), 1, 1];
        let tensor = |list| Tensor::from_data(TensorData::new(list, shape), &like.device());
        Ok((tensor(lists.0), tensor(lists.1)))
    }
}

/// Aurora's spelling of a level in a key: `500`, or `2_5` for 2.5 hPa.
pub fn level_key(level: f64) -> String {
    let rounded = (level * 1000.0).round() / 1000.0;
    format!("{rounded}").replace('.', "_")
}

/// Aurora's own statistics of a variable, on a level (hPa) if it lives on levels; nothing if its table lacks it.
pub fn published(name: &str, level: Option<f64>) -> Option<Scaling> {
    match level {
        None => upstream(name),
        Some(level) => upstream(&format!("{name}_{}", level_key(level))),
    }
}

fn upstream(key: &str) -> Option<Scaling> {
    TABLE.get(key).map(|&(location, scale)| Scaling { location, scale })
}

fn find(list: &BTreeMap<String, Scaling>, name: &str) -> Result<Scaling, ModelError> {
    list.get(name).copied().ok_or_else(|| unknown(name))
}

fn unknown(what: &str) -> ModelError {
    ModelError::Normalisation(format!(
        "no location and scale for {what}; give its statistics, computed from the training data"
    ))
}

/// The constants as Aurora uses them, rounded to f32.
fn constants(scaling: Scaling) -> (f32, f32) {
    (scaling.location as f32, scaling.scale as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_keyed_as_upstream() {
        assert_eq!(TABLE.len(), 244);
        assert_eq!(upstream("2t"), Some(Scaling { location: 278.5140, scale: 21.22036 }));
        assert_eq!((level_key(500.0), level_key(2.5)), ("500".to_string(), "2_5".to_string()));
        let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let (surface, statics) = (names(&["2t", "refc"]), names(&["z"]));
        let atmosphere = names(&["z"]);
        let table = Normalisation::aurora(&surface, &statics, &atmosphere, &[500.0, 2.5]);
        let missing = table.missing(&surface, &statics, &atmosphere, &[500.0, 2.5]);
        assert_eq!(missing, ["refc", "z at 2.5 hPa"]);
    }
}
