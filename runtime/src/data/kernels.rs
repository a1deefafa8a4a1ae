//! Derived fields by the compiler's kernels, compiled for this machine where that can be done, and interpreted where not.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::{Kernel, Module};
use aurora_compiler::kernel::jit::{Compiled, JitError};
use aurora_compiler::kernel::optimise::optimise;
use aurora_compiler::plan::data::DerivedPlan;
use ndarray::{Array3, ArrayView3};

use super::archive::DataError;
use super::prepare::Deriver;
use super::tiles;
use crate::talk::say;

/// Every kernel of a module with one output, ready to run.
#[derive(Debug)]
pub struct Kernels {
    identity: String,
    executors: BTreeMap<String, (Executor, usize)>,
    plans: Vec<DerivedPlan>,
    wanted: Vec<String>,
}

/// What runs a kernel.
#[derive(Debug)]
enum Executor {
    Machine(Box<Compiled>),
    /// For instructions that there is no machine code for yet.
    Interpreter(Kernel),
}

impl Executor {
    fn new(kernel: &Kernel) -> Result<Self, JitError> {
        match Compiled::new(kernel) {
            Ok(code) => Ok(Self::Machine(Box::new(code))),
            Err(JitError::Unsupported(_)) => Ok(Self::Interpreter(optimise::<f32>(kernel))),
            Err(error) => Err(error),
        }
    }
}

impl Kernels {
    /// Compiles the kernels that these derived fields need; says which ones it cannot.
    ///
    /// # Errors
    /// A kernel that is missing or that this machine cannot run.
    pub fn new(module: &Module, derived: &[DerivedPlan]) -> Result<Kernels, DataError> {
        let mut executors = BTreeMap::new();
        let mut slow: Vec<&str> = Vec::new();
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
            let executor = Executor::new(kernel).map_err(|error| refused(error.to_string()))?;
            if matches!(executor, Executor::Interpreter(_)) {
                slow.push(&plan.name);
            }
            text.push_str(&Module { kernels: vec![kernel.clone()] }.to_string());
            executors.insert(plan.kernel.clone(), (executor, levels));
        }
        if !slow.is_empty() {
            say(&format!(
                "{}: interpreted, since there is no machine code for it yet; this takes longer",
                slow.join(", ")
            ));
        }
        Ok(Kernels {
            identity: blake3::hash(text.as_bytes()).to_hex().to_string(),
            executors,
            plans: derived.to_vec(),
            wanted: Vec::new(),
        })
    }
}

impl Kernels {
    /// Compiles what computes the wanted ones (by name; all if none is named) of these derived fields, and what those are
    /// derived from.
    ///
    /// # Errors
    /// A name that is not derived, a kernel that is missing or that this machine cannot run.
    pub fn of(module: &Module, derived: &[DerivedPlan], wanted: &[String]) -> Result<Kernels, DataError> {
        let mut needed: Vec<&str> = wanted.iter().map(String::as_str).collect();
        for plan in derived.iter().rev() {
            if wanted.is_empty() || needed.contains(&plan.name.as_str()) {
                needed.extend(plan.inputs.iter().map(String::as_str));
                needed.push(&plan.name);
            }
        }
        let plans: Vec<DerivedPlan> =
            derived.iter().filter(|plan| needed.contains(&plan.name.as_str())).cloned().collect();
        let mut kernels = Kernels::new(module, &plans)?;
        kernels.wanted = wanted.to_vec();
        kernels.plans = plans;
        Ok(kernels)
    }

    /// The names of the fields that must be given: what the kernels read and do not compute themselves.
    #[must_use]
    pub fn reads(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.plans.iter().flat_map(|plan| &plan.inputs) {
            if !names.contains(name) && !self.plans.iter().any(|plan| plan.name == *name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The wanted fields of one state of the atmosphere, (levels, rows, columns) each, by name. `fields` holds at least
    /// what [`Self::reads`] names, in the same form.
    ///
    /// # Errors
    /// A field that is missing or has another shape than its kernel expects.
    pub fn derive_all(
        &self,
        fields: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError> {
        let mut done: BTreeMap<String, Array3<f32>> = BTreeMap::new();
        for plan in &self.plans {
            let mut inputs = Vec::new();
            for name in &plan.inputs {
                let given = fields.get(name).map(|field| field.view());
                let field = done.get(name).map(|field| field.view()).or(given);
                inputs.push(field.ok_or_else(|| DataError::Derive {
                    field: plan.name.clone(),
                    reason: format!("its input `{name}` is missing"),
                })?);
            }
            let result = self.derive(plan, &inputs)?;
            done.insert(plan.name.clone(), result);
        }
        done.retain(|name, _| self.wanted.is_empty() || self.wanted.contains(name));
        Ok(done)
    }
}

impl Deriver for Kernels {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn derive(&self, plan: &DerivedPlan, inputs: &[ArrayView3<'_, f32>]) -> Result<Array3<f32>, DataError> {
        let refused = |reason: String| DataError::Derive { field: plan.name.clone(), reason };
        let Some((executor, levels)) = self.executors.get(&plan.kernel) else {
            return Err(refused(format!("there is no kernel `{}`", plan.kernel)));
        };
        let Some(first) = inputs.first() else { return Err(refused("it has no inputs".to_string())) };
        let (_, height, width) = first.dim();
        let code = match executor {
            Executor::Machine(code) => code,
            Executor::Interpreter(kernel) => {
                return tiles::interpret(kernel, inputs, *levels, [height, width])
                    .map_err(|error| refused(error.to_string()));
            }
        };
        let whole: Vec<_> = inputs.iter().map(|input| input.as_standard_layout()).collect();
        let slices: Vec<&[f32]> = whole.iter().filter_map(|array| array.as_slice()).collect();
        let mut result = Array3::zeros((*levels, height, width));
        let output = result.as_slice_mut().ok_or_else(|| refused("no room for its values".to_string()))?;
        code.run(&slices, &mut [output], height * width).map_err(|error| refused(error.to_string()))?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use aurora_compiler::kernel::text::parse;
    use aurora_compiler::plan::data::SupportPlan;

    use super::*;

    /// The same field by machine code and, with an instruction that it lacks, by the interpreter.
    #[test]
    fn what_has_no_machine_code_is_interpreted() {
        let module = parse(
            "kernel fast(a: cell) {\n%0 = input a\n%1 = mul %0 %0\noutput fast = %1\n}
            kernel slow(a: cell) {
                %0 = input a
                %1 = levels [0.0 1.0]
                %2 = interpolate %1 on %1 at %0
                %3 = constant 0.0
                %4 = mul %2 %3
                %5 = mul %0 %0
                %6 = add %5 %4
                output slow = %6
            }",
        )
        .unwrap();
        let plan = |name: &str| DerivedPlan {
            name: name.to_string(),
            kernel: name.to_string(),
            inputs: vec!["a".to_string()],
            quantity: "index".to_string(),
            units: "1".to_string(),
            support: SupportPlan::Column,
            range: (None, None),
        };
        let plans = [plan("fast"), plan("slow")];
        let kernels = Kernels::new(&module, &plans).unwrap();
        assert!(matches!(kernels.executors["fast"].0, Executor::Machine(_)));
        assert!(matches!(kernels.executors["slow"].0, Executor::Interpreter(_)));
        let a = Array3::from_shape_fn((1, 50, 301), |(_, i, j)| ((i * 7 + j * 3) % 97) as f32 / 97.0);
        let [fast, slow] = plans.each_ref().map(|plan| kernels.derive(plan, &[a.view()]).unwrap());
        assert_eq!(fast, slow);
        assert!(kernels.derive(&plans[1], &[Array3::zeros((2, 50, 301)).view()]).is_err());
    }
}
