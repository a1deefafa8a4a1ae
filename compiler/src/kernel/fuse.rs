//! Fusion: all that is derived, in few kernels.
//!
//! A plan has a kernel for each field that it derives. Run one after the other they would read the same columns again and
//! again, and lift the same parcel for every field that speaks of it. Here kernels with something in common become one with
//! several outputs: an array that both read is read once, a field that one derives and another reads becomes a value
//! within, and what both compute is computed once. No bit of a result changes.
//!
//! What bounds a kernel's size is [`INSTRUCTIONS`] and [`LIVE`]. Loops over levels stay apart within a kernel, each with
//! registers of its own, so three parcels in one kernel cost no more than three kernels.
//!
//! Stencils, which need their neighbours' results, are fused with stencils only: what they read is a whole field then,
//! computed once and not again for every neighbour.

use std::collections::{BTreeMap, BTreeSet};

use super::ir::{Domain, Input, Instruction, Kernel, Module, Output, Value};
use super::measure::{instructions, live, size_of};
use super::optimise::{remove_dead_code, share_common_subexpressions};
use super::passes::{Key, Keys, domain_of};
use super::verify;
use crate::plan::data::DerivedPlan;

/// Instructions of a fused kernel at most, those of bodies included, unless it saves as much as it adds: the time that compiling
/// takes grows faster than the kernel.
pub const INSTRUCTIONS: usize = 3000;

/// Values of a fused kernel that are wanted later, at any point of it, at most, unless fusing saves as much as it adds. A processor has
/// 16 registers for them; what does not fit lies in its first cache, which is still nearer than the field that is
/// read twice.
pub const LIVE: usize = 48;

/// The fields of these kernels, by few kernels.
///
/// An input of a kernel that an earlier kernel has as an output of the same name is that output. The results are in an order in
/// which each needs only earlier ones, and have together the outputs that are `wanted`, and those that a later one of them reads.
/// Kernels must be verified, and names of outputs differ.
#[must_use]
pub fn fuse(kernels: &[Kernel], wanted: &BTreeSet<&str>) -> Vec<Kernel> {
    let needed = needed(kernels, wanted);
    let mut groups: Vec<Group> = Vec::new();
    for kernel in kernels.iter().zip(&needed).filter(|(_, needed)| **needed).map(|(kernel, _)| kernel) {
        let kernel = share_common_subexpressions(kernel);
        if taken_in(&mut groups, &kernel).is_none() {
            let mut group = Group::default();
            group.kernel.name.clone_from(&kernel.name);
            group.join(&kernel);
            groups.push(group);
        }
    }
    // Two groups may have come to read the same since.
    for later in (1..groups.len()).rev() {
        let (kernel, members) = (groups[later].kernel.clone(), groups[later].members);
        if let Some(group) = taken_in(&mut groups[..later], &kernel) {
            group.members += members - 1;
            groups.remove(later);
        }
    }
    finished(groups, wanted)
}

/// The group that the kernel is part of now, if there is one for it: that with which most is saved; among equals the first.
fn taken_in<'a>(groups: &'a mut [Group], kernel: &Kernel) -> Option<&'a mut Group> {
    // A group before one that the kernel reads from would have to run after it.
    let last = groups.iter().rposition(|group| group.makes_any_of(&kernel.inputs)).unwrap_or(0);
    let gains = groups[last..].iter_mut().filter_map(|group| Some((group.gain(kernel)?, group)));
    let mut gains: Vec<(Gain, &mut Group)> = gains.collect();
    gains.sort_by_key(|(gain, _)| std::cmp::Reverse(gain.saved));
    gains.into_iter().find_map(|(gain, group)| group.took_in(kernel, gain).then_some(group))
}

/// Whether each kernel is wanted or read, directly or not, by one that is.
fn needed(kernels: &[Kernel], wanted: &BTreeSet<&str>) -> Vec<bool> {
    let mut names: BTreeSet<&str> = wanted.clone();
    let mut needed = vec![false; kernels.len()];
    for (kernel, needed) in kernels.iter().zip(&mut needed).rev() {
        *needed = kernel.outputs.iter().any(|output| names.contains(output.name.as_str()));
        if *needed {
            names.extend(kernel.inputs.iter().map(|input| input.name.as_str()));
        }
    }
    needed
}

/// Kernels that have become one, and what each of its values is.
#[derive(Default)]
struct Group {
    kernel: Kernel,
    domains: Vec<Domain>,
    keys: Keys,
    first: BTreeMap<Key, Value>,
    /// The first scan of each walk.
    walks: BTreeMap<Key, Value>,
    /// As [`instructions`] counts them.
    size: usize,
    members: usize,
}

/// Instructions of a kernel that a group has already, and those that it has not.
#[derive(Clone, Copy)]
struct Gain {
    saved: usize,
    added: usize,
}

impl Group {
    fn makes_any_of(&self, inputs: &[Input]) -> bool {
        inputs.iter().any(|input| self.made(&input.name).is_some())
    }

    fn made(&self, name: &str) -> Option<Value> {
        self.kernel.outputs.iter().find(|output| output.name == name).map(|output| output.value)
    }

    /// What is saved if the kernel joins; nothing if they have nothing in common, or should not be one.
    fn gain(&mut self, kernel: &Kernel) -> Option<Gain> {
        if self.kernel.is_stencil() != kernel.is_stencil() {
            return None;
        }
        let read_by_both = |input: &Input| self.kernel.inputs.iter().any(|own| own.name == input.name);
        if !kernel.inputs.iter().any(read_by_both) && !self.makes_any_of(&kernel.inputs) {
            return None;
        }
        // The two may have different ideas of how many levels a field has.
        let fits = |input: &Input| match (self.made(&input.name), self.input(&input.name)) {
            (Some(value), _) => self.domains[value.index()] == input.domain,
            (None, Some(place)) => self.kernel.inputs[place].domain == input.domain,
            (None, None) => true,
        };
        if !kernel.inputs.iter().all(fits) {
            return None;
        }
        let added = self.added(kernel);
        let saved = instructions(kernel).saturating_sub(added);
        (saved >= added || self.size + added <= INSTRUCTIONS).then_some(Gain { saved, added })
    }

    /// Takes the kernel in, unless too much would be live at once and too little saved.
    fn took_in(&mut self, kernel: &Kernel, gain: Gain) -> bool {
        let Kernel { inputs, instructions, outputs, .. } = &self.kernel;
        let (inputs, own, outputs) = (inputs.len(), instructions.len(), outputs.len());
        let (size, members) = (self.size, self.members);
        self.join(kernel);
        let stays = gain.saved >= gain.added || live(&self.kernel) <= LIVE;
        if !stays {
            self.kernel.inputs.truncate(inputs);
            self.kernel.instructions.truncate(own);
            self.kernel.outputs.truncate(outputs);
            self.domains.truncate(own);
            self.first.retain(|_, value| value.index() < own);
            self.walks.retain(|_, value| value.index() < own);
            (self.size, self.members) = (size, members);
        }
        stays
    }

    /// How many instructions of the kernel the group has not.
    fn added(&mut self, kernel: &Kernel) -> usize {
        let mut added = 0;
        let mut walks = BTreeSet::new();
        let mut moved: Vec<Option<Value>> = Vec::with_capacity(kernel.instructions.len());
        for instruction in &kernel.instructions {
            let there = instruction.all_operands(|operand| moved[operand.index()].is_some());
            let known = |value: Value| moved[value.index()].unwrap_or(value);
            let value = match instruction {
                Instruction::Input(input) => {
                    let name = &kernel.inputs[*input].name;
                    self.made(name).or_else(|| {
                        let read = Instruction::Input(self.input(name)?);
                        self.first.get(&self.keys.of(&read)).copied()
                    })
                }
                other if there => self.first.get(&self.keys.of(&other.clone().map_operands(known))).copied(),
                _ => None,
            };
            if value.is_none() {
                added += match instruction {
                    Instruction::Scan { .. } if !walks.insert(self.keys.of_walk(instruction)) => 1,
                    Instruction::Scan { .. } if there => {
                        let walk = self.keys.of_walk(&instruction.clone().map_operands(known));
                        if self.walks.contains_key(&walk) { 1 } else { size_of(instruction) }
                    }
                    other => size_of(other),
                };
            }
            moved.push(value);
        }
        added
    }

    fn input(&self, name: &str) -> Option<usize> {
        self.kernel.inputs.iter().position(|input| input.name == name)
    }

    /// Puts the kernel behind. What it reads and the group reads or makes is not read again, what it computes and the group
    /// computes is not computed again.
    fn join(&mut self, kernel: &Kernel) {
        let mut moved: Vec<Value> = Vec::with_capacity(kernel.instructions.len());
        for instruction in &kernel.instructions {
            let value = match instruction {
                Instruction::Input(input) => {
                    let input = &kernel.inputs[*input];
                    self.made(&input.name).unwrap_or_else(|| {
                        let place = self.input(&input.name).unwrap_or_else(|| {
                            self.kernel.inputs.push(input.clone());
                            self.kernel.inputs.len() - 1
                        });
                        self.value(Instruction::Input(place))
                    })
                }
                other => self.value(other.clone().map_operands(|value| moved[value.index()])),
            };
            moved.push(value);
        }
        let outputs = kernel.outputs.iter();
        self.kernel.outputs.extend(
            outputs.map(|output| Output { name: output.name.clone(), value: moved[output.value.index()] }),
        );
        self.members += 1;
    }

    /// The value that is this already, or is from now on.
    fn value(&mut self, instruction: Instruction) -> Value {
        let next = Value::new(self.kernel.instructions.len());
        let value = *self.first.entry(self.keys.of(&instruction)).or_insert(next);
        if value == next {
            let again = matches!(instruction, Instruction::Scan { .. })
                && *self.walks.entry(self.keys.of_walk(&instruction)).or_insert(next) != next;
            self.size += if again { 1 } else { size_of(&instruction) };
            self.domains.push(domain_of(&instruction, &self.kernel.inputs, &self.domains));
            self.kernel.instructions.push(instruction);
        }
        value
    }
}

/// Outputs that nobody wants are left out, and inputs that nothing reads; then the names.
fn finished(groups: Vec<Group>, wanted: &BTreeSet<&str>) -> Vec<Kernel> {
    let mut kept: BTreeSet<String> = wanted.iter().map(|name| (*name).to_string()).collect();
    let mut kernels = Vec::new();
    for mut group in groups.into_iter().rev() {
        group.kernel.outputs.retain(|output| kept.contains(&output.name));
        let mut kernel = without_unread_inputs(remove_dead_code(&group.kernel));
        kept.extend(kernel.inputs.iter().map(|input| input.name.clone()));
        if group.members > 1 {
            kernel.name = format!("fused.{}", kernel.outputs.first().map_or("", |output| &output.name));
        }
        kernels.push(kernel);
    }
    kernels.reverse();
    kernels
}

/// A kernel that reads nothing keeps its first input, which says how many cells there are.
fn without_unread_inputs(mut kernel: Kernel) -> Kernel {
    let mut read: Vec<usize> = (0..kernel.inputs.len())
        .filter(|input| kernel.instructions.contains(&Instruction::Input(*input)))
        .collect();
    if read.is_empty() {
        read.extend((!kernel.inputs.is_empty()).then_some(0));
    }
    for instruction in &mut kernel.instructions {
        if let Instruction::Input(input) = instruction {
            *input = read.iter().position(|place| place == input).unwrap_or(0);
        }
    }
    kernel.inputs = read.iter().filter_map(|place| kernel.inputs.get(*place).cloned()).collect();
    kernel
}

/// The fields that a plan derives, by few kernels with the names of the plan: for each of `derived` that is wanted, or needed
/// for one that is, its kernel's inputs and output are called what the plan calls them. All are in an order in which
/// each needs only earlier ones, as [`fuse`] says.
///
/// # Errors
/// A field whose kernel is missing or does not fit the plan: its name and what is wrong.
pub fn of_plan(
    module: &Module,
    derived: &[DerivedPlan],
    wanted: &BTreeSet<&str>,
) -> Result<Vec<Kernel>, (String, String)> {
    let named = derived.iter().map(|plan| of_field(module, plan).map_err(|why| (plan.name.clone(), why)));
    Ok(fuse(&named.collect::<Result<Vec<_>, _>>()?, wanted))
}

fn of_field(module: &Module, plan: &DerivedPlan) -> Result<Kernel, String> {
    let kernel =
        module.kernel(&plan.kernel).ok_or_else(|| format!("there is no kernel `{}`", plan.kernel))?;
    let mut kernel = kernel.clone();
    verify::domains(&kernel).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("its kernel is malformed: {}", errors.join("; "))
    })?;
    if kernel.inputs.len() != plan.inputs.len() {
        return Err("its kernel reads other fields than the plan says".to_string());
    }
    for (input, name) in kernel.inputs.iter_mut().zip(&plan.inputs) {
        input.name.clone_from(name);
    }
    kernel.outputs.truncate(1);
    kernel.outputs[0].name.clone_from(&plan.name);
    Ok(kernel)
}

#[cfg(test)]
mod tests {
    use super::super::interpret::{Extent, interpret_on};
    use super::super::measure::loops;
    use super::super::text::parse;
    use super::super::verify::verify;
    use super::*;
    use ndarray::Array2;

    fn kernels(text: &str) -> Vec<Kernel> {
        let module = parse(text).unwrap();
        verify(&module).unwrap();
        module.kernels
    }

    /// Wind shear from a column, a composite of it and of a cell; a gradient of the composite; something of other fields.
    const FAMILY: &str = "
        kernel shear(u: column 3, v: column 3) {
            %0 = input u
            %1 = input v
            %2 = sum %0 weights [-1 0 1]
            %3 = sum %1 weights [-1 0 1]
            %4 = mul %2 %2
            %5 = mul %3 %3
            %6 = add %4 %5
            %7 = sqrt %6
            output shear = %7
        }
        kernel mean(u: column 3) {
            %0 = input u
            %1 = sum %0 weights [0.25 0.5 0.25]
            output mean = %1
        }
        kernel scp(cape: cell, shear: cell) {
            %0 = input cape
            %1 = input shear
            %2 = mul %0 %1
            output scp = %2
        }
        kernel front(scp: cell, u: column 3) {
            %0 = input scp
            %1 = input u
            %2 = difference %0 x
            %3 = highest %1
            %4 = mul %2 %3
            output front = %4
        }
        kernel apart(other: cell) {
            %0 = input other
            %1 = exp %0
            output apart = %1
        }
        kernel after(front: cell, mean: cell) {
            %0 = input front
            %1 = input mean
            %2 = sub %0 %1
            output after = %2
        }";

    /// Runs kernels one after the other; the fields by name.
    fn fields(kernels: &[Kernel]) -> BTreeMap<String, Array2<f32>> {
        let extent = Extent { rows: 3, columns: 5 };
        let number = |seed: usize| {
            move |(k, c): (usize, usize)| ((seed * 7 + k * 31 + c * 13) % 97) as f32 / 9.7 - 3.0
        };
        let mut fields: BTreeMap<String, Array2<f32>> = BTreeMap::new();
        for (seed, name) in ["u", "v"].iter().enumerate() {
            fields.insert((*name).into(), Array2::from_shape_fn((3, 15), number(seed)));
        }
        for (seed, name) in ["cape", "other"].iter().enumerate() {
            fields.insert((*name).into(), Array2::from_shape_fn((1, 15), number(seed + 2)));
        }
        for kernel in kernels {
            let inputs: Vec<_> = kernel.inputs.iter().map(|input| fields[&input.name].view()).collect();
            let results = interpret_on(kernel, &inputs, extent).unwrap();
            let names = kernel.outputs.iter().map(|output| output.name.clone());
            let more: Vec<_> = names.zip(results).collect();
            fields.extend(more);
        }
        fields
    }

    #[test]
    fn what_has_something_in_common_is_one_kernel() {
        let family = kernels(FAMILY);
        let all: BTreeSet<&str> = family.iter().map(|kernel| kernel.name.as_str()).collect();
        let fused = fuse(&family, &all);
        verify(&Module { kernels: fused.clone() }).unwrap();
        let groups: Vec<Vec<&str>> =
            fused.iter().map(|kernel| kernel.outputs.iter().map(|o| o.name.as_str()).collect()).collect();
        assert_eq!(groups, [vec!["shear", "mean", "scp"], vec!["front"], vec!["apart"], vec!["after"]]);
        // The shear is not read again, the wind once only.
        assert_eq!(fused[0].inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["u", "v", "cape"]);
        let (before, after) = (fields(&family), fields(&fused));
        assert_eq!(before, after);
    }

    #[test]
    fn what_nobody_wants_is_not_computed() {
        let family = kernels(FAMILY);
        let fused = fuse(&family, &BTreeSet::from(["scp"]));
        assert_eq!(fused.len(), 1);
        assert_eq!(fused[0].outputs.len(), 1);
        assert_eq!(fields(&fused)["scp"], fields(&family)["scp"]);
        // The stencil reads a whole field, so that is written though it is not wanted.
        let fused = fuse(&family, &BTreeSet::from(["front"]));
        assert_eq!(
            fused.iter().map(|kernel| kernel.outputs[0].name.as_str()).collect::<Vec<_>>(),
            ["scp", "front"]
        );
        assert_eq!(fields(&fused)["front"], fields(&family)["front"]);
    }

    /// One walk that two fields speak of, each of another state of it.
    #[test]
    fn one_walk_for_all_who_ask_for_it() {
        let walk = |name: &str, result: usize| {
            format!(
                "kernel {name}(t: column 4) {{
                    %0 = input t
                    %1 = constant 0.0
                    %2 = scan starts [%1 %1] captures [%0] result {result} {{
                        %0 = state 0\n%1 = state 1\n%2 = here 0\n%3 = exp %2\n%4 = add %0 %3\n%5 = max %1 %4\nnext [%4 %5]
                    }}
                    %3 = highest %2
                    output {name} = %3
                }}"
            )
        };
        let family = kernels(&format!("{}\n{}", walk("cape", 0), walk("el", 1)));
        let fused = fuse(&family, &BTreeSet::from(["cape", "el"]));
        assert_eq!((fused.len(), loops(&fused[0])), (1, 1));
        assert_eq!(loops(&family[0]) + loops(&family[1]), 2);
    }

    #[test]
    fn kernels_stay_small_enough() {
        let big = |name: &str| {
            let mut text = format!("kernel {name}(a: cell) {{\n%0 = input a\n");
            for k in 1..2000 {
                text.push_str(&format!("%{k} = {} %{}\n", if name == "one" { "exp" } else { "log" }, k - 1));
            }
            format!("{text}output {name} = %1999\n}}")
        };
        let family = kernels(&format!("{}\n{}", big("one"), big("two")));
        assert_eq!(fuse(&family, &BTreeSet::from(["one", "two"])).len(), 2);
    }
}
