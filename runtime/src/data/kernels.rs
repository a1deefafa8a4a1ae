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
        Ok(Kernels { identity: blake3::hash(text.as_bytes()).to_hex().to_string(), executors })
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
