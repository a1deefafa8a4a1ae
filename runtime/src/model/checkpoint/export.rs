//! Out again: a checkpoint that Microsoft's package loads strictly.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use aurora_compiler::plan::model::{Family, ModelPlan};

use super::super::{Aurora, HostTensor, ModelError};
use super::torch;

impl Aurora {
    /// Writes the weights for microsoft-aurora 2.0.1: torch's format, or safetensors where the file is called so.
    /// First to a temporary file, then in place.
    ///
    /// # Errors
    /// A model with parts that the package does not have; a file that cannot be written.
    pub fn export(&self, path: &Path) -> Result<(), ModelError> {
        let fail = |message: String| ModelError::Unwritable { path: path.to_path_buf(), message };
        let foreign = foreign(self.plan());
        if !foreign.is_empty() {
            return Err(fail(format!("microsoft-aurora has no {}", foreign.join(", no "))));
        }
        let mut tensors = self.parameters();
        if self.plan().options.family == Family::AirPollution {
            share_static_z(&mut tensors, self.plan().options.simulate_indexing_bug).map_err(&fail)?;
        }
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            return super::write_safetensors(path, &tensors);
        }
        let told = |error: std::io::Error| fail(error.to_string());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(told)?;
        let mut writer = BufWriter::new(temporary.as_file_mut());
        torch::write(&mut writer, &tensors).map_err(told)?;
        writer.flush().map_err(told)?;
        drop(writer);
        temporary.as_file().sync_all().map_err(told)?;
        temporary.persist(path).map_err(|error| told(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(told)
    }
}

/// Parts of a model that only we have.
fn foreign(plan: &ModelPlan) -> Vec<String> {
    let options = &plan.options;
    let mut list: Vec<String> = options.heads.iter().map(|head| format!("head `{}`", head.name)).collect();
    let fed = options.forcing_surface.iter().chain(&options.forcing_atmosphere);
    list.extend(fed.map(|name| format!("variable that is fed only (`{name}`)")));
    if options.family != Family::V1p5 && !options.output_only.is_empty() {
        list.push("variables that are predicted only, without an embedding".to_string());
    }
    list
}

/// The package gives the embedding of `z` the values of the static `z` whenever it loads an air pollution model. With
/// the indexing error both read the same field, so that their mean in both places is the same model; without it
/// there is no such file.
fn share_static_z(tensors: &mut BTreeMap<String, HostTensor>, same_field: bool) -> Result<(), String> {
    let names: Vec<(String, String)> = tensors
        .keys()
        .filter_map(|name| {
            let level = name.strip_suffix(".weights.static_z")?;
            Some((format!("{level}.weights.z"), name.clone()))
        })
        .collect();
    for (own, fixed) in names {
        let (Some(one), Some(two)) = (tensors.get(&own), tensors.get(&fixed)) else { continue };
        if one == two {
            continue;
        }
        if !same_field || one.shape != two.shape {
            return Err(format!(
                "microsoft-aurora would put `{fixed}` in place of `{own}` when it loads the file"
            ));
        }
        let values = one.values.iter().zip(&two.values).map(|(one, two)| 0.5 * (one + two)).collect();
        let mean = HostTensor { shape: one.shape.clone(), values };
        tensors.insert(own, mean.clone());
        tensors.insert(fixed, mean);
    }
    Ok(())
}
