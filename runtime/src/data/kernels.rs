//! Derived fields by the compiler's kernels, compiled for this machine.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::Module;
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::plan::data::DerivedPlan;
use ndarray::{Array3, ArrayView3};

use super::archive::DataError;
use super::prepare::Deriver;

/// Every kernel of a module with one output, ready to run.
#[derive(Debug)]
pub struct Kernels {
    identity: String,
    compiled: BTreeMap<String, (Compiled, usize)>,
}

impl Kernels {
    /// Compiles the kernels that these derived fields need.
    ///
    /// # Errors
    /// A kernel that is missing or that this machine cannot run.
    pub fn new(module: &Module, derived: &[DerivedPlan]) -> Result<Kernels, DataError> {
        let mut compiled = BTreeMap::new();
        let mut text = String::new();
        for plan in derived {
            let refused = |reason: String| DataError::Derive { field: plan.name.clone(), reason };
            let kernel = module
                .kernel(&plan.kernel)
                .ok_or_else(|| refused(format!("there is no kernel `{}`", plan.kernel)))?;
            let output =
                kernel.outputs.first().ok_or_else(|| refused("its kernel yields nothing".to_string()))?;
            let domains = aurora_compiler::kernel::verify::domains(kernel)
                .map_err(|errors| refused(format!("its kernel is malformed: {errors:?}")))?;
            let levels = domains[output.value.index()].levels();
            let code = Compiled::new(kernel).map_err(|error| refused(error.to_string()))?;
            text.push_str(&Module { kernels: vec![kernel.clone()] }.to_string());
            compiled.insert(plan.kernel.clone(), (code, levels));
        }
        Ok(Kernels { identity: blake3::hash(text.as_bytes()).to_hex().to_string(), compiled })
    }
}

impl Deriver for Kernels {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn derive(&self, plan: &DerivedPlan, inputs: &[ArrayView3<'_, f32>]) -> Result<Array3<f32>, DataError> {
        let refused = |reason: String| DataError::Derive { field: plan.name.clone(), reason };
        let Some((code, levels)) = self.compiled.get(&plan.kernel) else {
            return Err(refused(format!("there is no kernel `{}`", plan.kernel)));
        };
        let Some(first) = inputs.first() else { return Err(refused("it has no inputs".to_string())) };
        let (_, height, width) = first.dim();
        let whole: Vec<_> = inputs.iter().map(|input| input.as_standard_layout()).collect();
        let slices: Vec<&[f32]> = whole.iter().filter_map(|array| array.as_slice()).collect();
        let mut result = Array3::zeros((*levels, height, width));
        let output = result.as_slice_mut().ok_or_else(|| refused("no room for its values".to_string()))?;
        code.run(&slices, &mut [output], height * width).map_err(|error| refused(error.to_string()))?;
        Ok(result)
    }
}
