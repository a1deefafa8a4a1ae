//! A library's parameters of one sounding: its lowest level is the ground, the others are the levels `pl`.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::plan::data::{DerivedPlan, SupportPlan};
use ndarray::{Array3, ArrayView3};

use super::DeriveError;
use super::library::{Made, Shelf, make};
use super::over::Written;
use crate::data::kernels::Kernels;
use crate::data::sounding::Sounding;

/// The parameters of a sounding, in the order of the library.
#[derive(Clone, Debug, Default)]
pub struct Ascent {
    pub parameters: Vec<Parameter>,
    /// What could not be made, and why.
    pub left_out: Vec<(String, String)>,
}

/// One parameter: SI, NaN where it is not defined.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub plan: DerivedPlan,
    pub title: Option<String>,
    /// One value, or one for each level of its set.
    pub values: Vec<f32>,
}

impl Ascent {
    /// The value of a parameter with one value.
    pub fn value(&self, name: &str) -> Option<f64> {
        let parameter = self.parameters.iter().find(|parameter| parameter.plan.name == name)?;
        match parameter.values[..] {
            [value] => Some(f64::from(value)).filter(|value| value.is_finite()),
            _ => None,
        }
    }
}

/// Computes the parameters of a library, or those in `only`.
///
/// # Errors
/// A name that the library does not derive, one that needs what a sounding has not, a kernel that cannot run.
pub fn ascent(shelf: &Shelf, only: &[String], sounding: &Sounding) -> Result<Ascent, DeriveError> {
    let (written, fields) = written(sounding);
    let have = "pressure, height, temperature, dewpoint and wind";
    let Made { plan, module, outputs, left_out } = make(shelf, only, &written, have)?;
    let outputs: Vec<String> = outputs.into_iter().collect();
    let kernels = Kernels::of(&module, &plan.derived, &outputs)?;
    let views: BTreeMap<String, ArrayView3<'_, f32>> =
        fields.iter().map(|(name, values)| (name.clone(), values.view())).collect();
    let mut made = kernels.derive_all(&views)?;
    let mut parameters = Vec::new();
    for (_, entry) in &shelf.offered {
        let name = entry.name.as_str();
        let (Some(values), Some(plan_of)) =
            (made.remove(name), plan.derived.iter().find(|field| field.name == name))
        else {
            continue;
        };
        parameters.push(Parameter {
            plan: plan_of.clone(),
            title: plan.titles.get(name).cloned(),
            values: values.into_iter().collect(),
        });
    }
    // Winds that were not measured say nothing.
    let mut left_out = left_out;
    if !sounding.winds {
        let winds = BTreeSet::from(["u", "v", "u10", "v10"]);
        let (kept, gone): (Vec<_>, Vec<_>) =
            parameters.into_iter().partition(|parameter| !reads(&plan.derived, &parameter.plan.name, &winds));
        parameters = kept;
        left_out.extend(gone.into_iter().map(|one| (one.plan.name, "the sounding has no winds".to_string())));
    }
    Ok(Ascent { parameters, left_out })
}

/// Whether a derived field comes of one of these fields.
fn reads(derived: &[DerivedPlan], name: &str, fields: &BTreeSet<&str>) -> bool {
    let mut needed: BTreeSet<&str> = BTreeSet::from([name]);
    for field in derived.iter().rev() {
        if needed.contains(field.name.as_str()) {
            needed.extend(field.inputs.iter().map(String::as_str));
        }
    }
    fields.iter().any(|field| needed.contains(field))
}

/// The recipe over a sounding, and its fields at one point.
fn written(sounding: &Sounding) -> (Written, BTreeMap<String, Array3<f32>>) {
    let count = sounding.levels.len().saturating_sub(1);
    let mut text = format!(
        "aurora 1.0\nrecipe sounding \"One ascent\"\n\nuse std.physics (g0)\n\nlevels pl : index = 1 .. {count} {{\n    \
         pressure  p\n    height  hgt - orog\n}}\n"
    );
    let mut fields: BTreeMap<String, Array3<f32>> = BTreeMap::new();
    let mut written = Written::default();
    let mut declare = |name: &str, kind: &str, support: &str, values: Vec<f64>| {
        text.push_str(&format!("variable {name} : {kind} on {support} from \"{name}\"\n"));
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        let depth = values.len();
        // One value for each level makes an array of one point.
        if let Ok(array) = Array3::from_shape_vec((depth, 1, 1), values) {
            fields.insert(name.to_string(), array);
            written.bound.insert(
                name.to_string(),
                super::bind::Bound { from: super::bind::Origin::Cosine, levels: None, turn: None },
            );
        }
    };
    let ground = sounding.levels.first().copied();
    let upper = sounding.levels.get(1..).unwrap_or_default();
    let column = |of: fn(&crate::data::sounding::Level) -> f64| upper.iter().map(of).collect::<Vec<f64>>();
    let first = |of: fn(&crate::data::sounding::Level) -> f64| ground.iter().map(of).collect::<Vec<f64>>();
    declare("p", "pressure", "pl", column(|level| level.pressure));
    declare("t", "temperature", "pl", column(|level| level.temperature));
    declare("q", "specific_humidity", "pl", column(specific_humidity));
    declare("u", "eastward_wind", "pl", column(|level| level.u));
    declare("v", "northward_wind", "pl", column(|level| level.v));
    declare("hgt", "height", "pl", column(|level| level.height));
    declare("sp", "pressure", "surface", first(|level| level.pressure));
    declare("t2m", "temperature", "surface(2 m)", first(|level| level.temperature));
    declare("q2m", "specific_humidity", "surface(2 m)", first(specific_humidity));
    declare("u10", "eastward_wind", "surface(10 m)", first(|level| level.u));
    declare("v10", "northward_wind", "surface(10 m)", first(|level| level.v));
    declare("orog", "height", "static", first(|level| level.height));
    text.push_str("derive z : geopotential on pl = g0 * hgt\nvariable w : vertical_wind on pl from \"w\"\n");
    written.absent.insert("w".into(), "vertical wind");
    written.text = text;
    (written, fields)
}

/// kg/kg, from the dewpoint over water: Bolton 1980, equation 10.
fn specific_humidity(level: &crate::data::sounding::Level) -> f64 {
    let vapour = 611.2 * (17.67 * (level.dewpoint - 273.15) / (level.dewpoint - 29.65)).exp();
    let vapour = vapour.min(0.5 * level.pressure);
    0.622 * vapour / (level.pressure - 0.378 * vapour)
}

/// Whether a parameter has one value, not one for each level.
pub fn is_single(parameter: &Parameter) -> bool {
    !matches!(parameter.plan.support, SupportPlan::Levels(_)) && parameter.values.len() == 1
}
