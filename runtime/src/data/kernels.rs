//! Derived fields by the compiler's kernels, fused into few and compiled for this machine.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::kernel::fuse::of_plan;
use aurora_compiler::kernel::interpret::Extent;
use aurora_compiler::kernel::ir::{Kernel, Module};
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::verify::domains;
use aurora_compiler::plan::data::{DerivedPlan, SupportPlan};
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use super::archive::DataError;
use super::prepare::Deriver;

/// All kernels that some derived fields need, ready to run.
#[derive(Debug)]
pub struct Kernels {
    identity: String,
    /// In an order in which each needs only earlier ones.
    groups: Vec<Group>,
    wanted: BTreeSet<String>,
}

/// One kernel for several fields.
#[derive(Debug)]
struct Group {
    code: Compiled,
    inputs: Vec<String>,
    /// The fields it yields, each with its number of levels.
    outputs: Vec<(String, usize)>,
}

impl Kernels {
    /// Compiles the kernels that these derived fields need.
    ///
    /// # Errors
    /// A kernel that is missing or that this machine cannot run.
    pub fn new(module: &Module, derived: &[DerivedPlan]) -> Result<Kernels, DataError> {
        Self::of(module, derived, &[])
    }

    /// Compiles what computes the wanted ones (by name; all if none is named) of these derived fields, and what those are
    /// derived from. What does not change in time has kernels of its own.
    ///
    /// # Errors
    /// A kernel that is missing or that this machine cannot run.
    pub fn of(module: &Module, derived: &[DerivedPlan], wanted: &[String]) -> Result<Kernels, DataError> {
        let all: BTreeSet<String> = match wanted {
            [] => derived.iter().map(|plan| plan.name.clone()).collect(),
            wanted => wanted.iter().cloned().collect(),
        };
        let (fixed, moving): (Vec<DerivedPlan>, Vec<DerivedPlan>) =
            derived.iter().cloned().partition(|plan| plan.support == SupportPlan::Static);
        let fused = |plans: &[DerivedPlan], wanted: &BTreeSet<&str>| {
            of_plan(module, plans, wanted).map_err(|(field, reason)| DataError::Derive { field, reason })
        };
        let mut needed: BTreeSet<&str> = all.iter().map(String::as_str).collect();
        let moving = fused(&moving, &needed)?;
        needed.extend(moving.iter().flat_map(|kernel| &kernel.inputs).map(|input| input.name.as_str()));
        let mut kernels = fused(&fixed, &needed)?;
        kernels.extend(moving.iter().cloned());
        let groups: Vec<Group> = kernels.par_iter().map(Group::new).collect::<Result<_, _>>()?;
        Ok(Kernels { identity: identity(module, derived), groups, wanted: all })
    }

    /// The names of the fields that must be given: what the kernels read and do not compute themselves.
    #[must_use]
    pub fn reads(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let made = |name: &str| self.groups.iter().any(|group| group.names().any(|own| own == name));
        for name in self.groups.iter().flat_map(|group| &group.inputs) {
            if !names.contains(name) && !made(name) {
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
        let mut done = self.run(fields, |_| true)?;
        done.retain(|name, _| self.wanted.contains(name));
        Ok(done)
    }

    /// What those kernels yield that `chosen` says, and all before them.
    fn run(
        &self,
        fields: &BTreeMap<String, ArrayView3<'_, f32>>,
        chosen: impl Fn(&Group) -> bool,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError> {
        let mut done: BTreeMap<String, Array3<f32>> = BTreeMap::new();
        for group in self.groups.iter().filter(|group| chosen(group)) {
            let mut inputs = Vec::with_capacity(group.inputs.len());
            for name in &group.inputs {
                let given = || fields.get(name).map(|field| field.view());
                let field = done.get(name).map(|field| field.view()).or_else(given);
                inputs.push(field.ok_or_else(|| group.refused(&format!("its input `{name}` is missing")))?);
            }
            let results = group.run(&inputs)?;
            done.extend(group.names().map(str::to_string).zip(results));
        }
        Ok(done)
    }
}

/// A digest of the fields' own kernels. Which of them are run as one does not matter, for it does not change a bit.
fn identity(module: &Module, derived: &[DerivedPlan]) -> String {
    let mut text = String::new();
    for kernel in derived.iter().filter_map(|plan| module.kernel(&plan.kernel)) {
        text.push_str(&Module { kernels: vec![kernel.clone()] }.to_string());
    }
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

impl Group {
    fn new(kernel: &Kernel) -> Result<Self, DataError> {
        let field = kernel.outputs.first().map_or_else(|| kernel.name.clone(), |output| output.name.clone());
        let refused = |reason: String| DataError::Derive { field: field.clone(), reason };
        let domains =
            domains(kernel).map_err(|errors| refused(format!("its kernel is malformed: {errors:?}")))?;
        let outputs = kernel
            .outputs
            .iter()
            .map(|output| (output.name.clone(), domains.get(output.value.index()).map_or(1, |d| d.levels())))
            .collect();
        let code = Compiled::new(kernel).map_err(|error| refused(error.to_string()))?;
        Ok(Self { code, inputs: kernel.inputs.iter().map(|input| input.name.clone()).collect(), outputs })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|(name, _)| name.as_str())
    }

    fn refused(&self, reason: &str) -> DataError {
        DataError::Derive { field: self.names().collect::<Vec<_>>().join(", "), reason: reason.to_string() }
    }

    /// The fields it yields, in order.
    fn run(&self, inputs: &[ArrayView3<'_, f32>]) -> Result<Vec<Array3<f32>>, DataError> {
        let Some(first) = inputs.first() else { return Err(self.refused("it has no inputs")) };
        let (_, height, width) = first.dim();
        let mut results: Vec<Array3<f32>> =
            self.outputs.iter().map(|(_, levels)| Array3::zeros((*levels, height, width))).collect();
        let whole: Vec<_> = inputs.iter().map(|input| input.as_standard_layout()).collect();
        let slices: Vec<&[f32]> = whole.iter().filter_map(|array| array.as_slice()).collect();
        let mut outputs: Vec<&mut [f32]> =
            results.iter_mut().filter_map(|result| result.as_slice_mut()).collect();
        self.code
            .run_on(&slices, &mut outputs, Extent { rows: height, columns: width })
            .map_err(|error| self.refused(&error.to_string()))?;
        Ok(results)
    }
}

impl Deriver for Kernels {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn derive(
        &self,
        derived: &[&DerivedPlan],
        fields: &BTreeMap<String, ArrayView3<'_, f32>>,
    ) -> Result<BTreeMap<String, Array3<f32>>, DataError> {
        let asked = |name: &str| derived.iter().any(|plan| plan.name == name);
        if let Some(unknown) = derived.iter().find(|plan| !self.wanted.contains(&plan.name)) {
            let reason = "no kernel computes it".to_string();
            return Err(DataError::Derive { field: unknown.name.clone(), reason });
        }
        let mut done = self.run(fields, |group| group.names().any(asked))?;
        done.retain(|name, _| asked(name));
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use aurora_compiler::kernel::text::parse;

    use super::*;

    fn plan(name: &str, inputs: &[&str]) -> DerivedPlan {
        DerivedPlan {
            name: name.to_string(),
            kernel: name.to_string(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            quantity: "index".to_string(),
            units: "1".to_string(),
            support: SupportPlan::Column,
            range: (None, None),
            kept: true,
        }
    }

    /// A square, what is made of it and of the field itself, and a difference of that between neighbours.
    fn kernels(wanted: &[&str]) -> Kernels {
        let module = parse(
            "kernel square(a: cell) {\n%0 = input a\n%1 = mul %0 %0\noutput square = %1\n}
            kernel more(x: cell, b: cell) {
                %0 = input x
                %1 = input b
                %2 = constant 1.0
                %3 = add %0 %2
                %4 = div %3 %1
                output more = %4
            }
            kernel front(more: cell) {\n%0 = input more\n%1 = difference %0 x\noutput front = %1\n}",
        )
        .unwrap();
        // `more` reads under the name `x` what the plan calls `square`.
        let plans = [plan("square", &["a"]), plan("more", &["square", "a"]), plan("front", &["more"])];
        Kernels::of(&module, &plans, &wanted.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn field() -> Array3<f32> {
        Array3::from_shape_fn((1, 50, 301), |(_, i, j)| ((i * 7 + j * 3) % 97) as f32 / 97.0 - 0.4)
    }

    #[test]
    fn fields_are_derived_together() {
        let kernels = kernels(&[]);
        assert_eq!(kernels.reads(), ["a"]);
        assert_eq!(kernels.groups.len(), 2);
        let a = field();
        let done = kernels.derive_all(&BTreeMap::from([("a".to_string(), a.view())])).unwrap();
        let square = a.mapv(|a| a * a);
        assert_eq!(done["square"], square);
        let more = (&square + 1.0) / &a;
        assert_eq!(done["more"], more);
        assert_eq!(done["front"][[0, 3, 7]], (more[[0, 3, 8]] - more[[0, 3, 6]]) * 0.5);
        assert!(kernels.derive_all(&BTreeMap::new()).is_err());
        let other = Array3::zeros((2, 50, 301));
        assert!(kernels.derive_all(&BTreeMap::from([("a".to_string(), other.view())])).is_err());
    }

    #[test]
    fn only_what_is_wanted_comes_out() {
        let kernels = kernels(&["front"]);
        let a = field();
        let fields = BTreeMap::from([("a".to_string(), a.view())]);
        let done = kernels.derive_all(&fields).unwrap();
        assert_eq!(done.keys().collect::<Vec<_>>(), ["front"]);
        assert!(kernels.derive(&[&plan("square", &["a"])], &fields).is_err());
    }
}
