//! Kernels as burn graphs: the third executor, for losses. It runs on any device and is differentiable
//! where burn's operations are; on ties of `min` and `max` the gradient goes to one side.
//!
//! What is not chosen must not matter for the gradient either. Burn gives it the gradient 0, but times a slope
//! that is no number (of a root below zero, of a quotient by zero) 0 is no number, and would spoil all weights.
//! So in kernels that choose, an operation whose slope is not finite somewhere passes no gradient there.
//!
//! Nothing is missing where losses are taken: comparisons with NaN, which give NaN elsewhere, are false here. Only kernels
//! that interpolate or take layers, and so may ask for what is not in the column, treat NaN as the others do.
//!
//! What is chosen by where something lies (the pair of levels around a height, the levels in a layer) is held
//! constant by the gradient.

mod column;
mod elementwise;

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::{Binary, Instruction, Kernel, Reduce, Value};
use burn::tensor::{Device, Tensor, TensorData};

use elementwise::{Care, common_shape, elementwise, select};

/// A field of a batch: (B, 1, C, H, W), C = 1 for cell values.
pub type Field = Tensor<5>;

/// Why a kernel could not be run on tensors.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error("the kernel `{kernel}` reads `{input}`, which the model does not yield")]
    MissingInput { kernel: String, input: String },
    #[error("the kernel `{kernel}` was not verified: it has the step of a scan outside of one")]
    Misplaced { kernel: String },
}

/// Runs a verified kernel; its outputs in order.
pub fn run(kernel: &Kernel, inputs: &BTreeMap<String, Field>) -> Result<Vec<Field>, GraphError> {
    let mut values: Vec<Field> = Vec::with_capacity(kernel.instructions.len());
    let device = inputs.values().next().map(Tensor::device).unwrap_or_default();
    let [.., height, width] = common_shape(inputs.values());
    let care = Care {
        guards: inputs.values().any(Tensor::is_autodiff) && kernel.instructions.iter().any(chooses),
        misses: kernel.instructions.iter().any(misses),
    };
    let varies = varying(kernel);
    for instruction in &kernel.instructions {
        let of = |value: &Value| values[value.index()].clone();
        let value = match instruction {
            Instruction::Input(number) => {
                let name = &kernel.inputs[*number].name;
                let missing =
                    || GraphError::MissingInput { kernel: kernel.name.clone(), input: name.clone() };
                inputs.get(name).ok_or_else(missing)?.clone()
            }
            Instruction::Constant(number) => levels(&[*number], &device),
            Instruction::Levels(numbers) => levels(numbers, &device),
            Instruction::Reduce { op, value, weights, levels: part } => {
                let mut column = of(value);
                if let Some(weights) = weights {
                    column = column * levels(weights, &device);
                }
                if let Some(part) = part {
                    column = column.narrow(2, part.start, part.len());
                }
                match op {
                    Reduce::Sum => column.sum_dim(2),
                    Reduce::Min => column.min_dim(2),
                    Reduce::Max => column.max_dim(2),
                }
            }
            Instruction::Shift { value, by } => column::shift(of(value), *by),
            Instruction::Interpolate { value, coordinate, at } => {
                column::interpolate(of(value), of(coordinate), of(at))
            }
            Instruction::Layer { op, value, coordinate, from, to } => {
                column::layer(*op, of(value), of(coordinate), of(from), of(to))
            }
            Instruction::Difference { value, axis } => column::difference(of(value), *axis, [height, width]),
            Instruction::Concat { parts } => {
                let parts: Vec<Field> = parts.iter().map(of).collect();
                let [batch, one, _, height, width] = common_shape(&parts);
                let wide = parts.into_iter().map(|part| {
                    let shape = [batch, one, part.dims()[2], height, width];
                    part.expand(shape)
                });
                Tensor::cat(wide.collect(), 2)
            }
            Instruction::Slice { value, levels } => of(value).narrow(2, levels.start, levels.len()),
            Instruction::Each { captures, here, active, body } => {
                let whole: Vec<Field> = captures.iter().map(of).collect();
                let here: Vec<Field> = here.iter().map(of).collect();
                each(body, &whole, &here, active.as_ref().map(of), care)?
            }
            Instruction::Scan { .. } => scan(instruction, &values, &varies, care),
            other => elementwise(other, care, of, |value| varies[value.index()])
                .ok_or_else(|| GraphError::Misplaced { kernel: kernel.name.clone() })?,
        };
        values.push(value);
    }
    Ok(kernel.outputs.iter().map(|output| values[output.value.index()].clone()).collect())
}

/// A kernel for each level, one level after the other.
fn each(
    body: &Kernel,
    whole: &[Field],
    here: &[Field],
    active: Option<Field>,
    care: Care,
) -> Result<Field, GraphError> {
    let count = here.iter().map(|column| column.dims()[2]).max().unwrap_or(1);
    let at = |field: &Field, level: usize| match field.dims()[2] {
        1 => field.clone(),
        _ => field.clone().narrow(2, level, 1),
    };
    let mut levels = Vec::with_capacity(count);
    for level in 0..count {
        let values = whole.iter().cloned().chain(here.iter().map(|column| at(column, level)));
        let inputs = body.inputs.iter().map(|input| input.name.clone()).zip(values).collect();
        for value in run(body, &inputs)? {
            levels.push(match &active {
                None => value,
                Some(active) => {
                    let missing = value.full_like(f32::NAN);
                    select(at(active, level), value, missing, care)
                }
            });
        }
    }
    let shape = common_shape(&levels);
    Ok(Tensor::cat(levels.into_iter().map(|level| level.expand(shape)).collect(), 2))
}

/// A scan, one level after the other.
fn scan(scan: &Instruction, values: &[Field], varies: &[bool], care: Care) -> Field {
    let of = |value: &Value| values[value.index()].clone();
    let Instruction::Scan { reverse, starts, captures, active, body, result } = scan else {
        return levels(&[f64::NAN], &Device::default());
    };
    let columns: Vec<Field> = captures.iter().map(of).collect();
    let count = columns.iter().map(|column| column.dims()[2]).max().unwrap_or(1);
    let at = |field: &Field, level: usize| match field.dims()[2] {
        1 => field.clone(),
        _ => field.clone().narrow(2, level, 1),
    };
    // A state may get its gradient on any level.
    let inside: Vec<bool> = varying_body(&body.instructions, |capture| varies[captures[capture].index()]);
    let mut states: Vec<Field> = starts.iter().map(of).collect();
    let mut after: Vec<Field> = Vec::with_capacity(count);
    let mut previous = None;
    for step in 0..count {
        let level = if *reverse { count - 1 - step } else { step };
        let mut steps: Vec<Field> = Vec::with_capacity(body.instructions.len());
        for instruction in &body.instructions {
            let value = match instruction {
                Instruction::State(state) => Some(states[*state].clone()),
                Instruction::Here(capture) => Some(at(&columns[*capture], level)),
                Instruction::Before(capture) => Some(at(&columns[*capture], previous.unwrap_or(level))),
                Instruction::Constant(number) => Some(levels(&[*number], &columns[0].device())),
                other => elementwise(other, care, |v| steps[v.index()].clone(), |v| inside[v.index()]),
            };
            // The verifier lets nothing else into a body.
            steps.extend(value);
        }
        let next = body.next.iter().map(|value| steps[value.index()].clone());
        states = match active {
            None => next.collect(),
            Some(active) => {
                let mask = at(&values[active.index()], level);
                next.zip(states).map(|(next, state)| select(mask.clone(), next, state, care)).collect()
            }
        };
        after.push(states[*result].clone());
        previous = Some(level);
    }
    if *reverse {
        after.reverse();
    }
    let shape = common_shape(&after);
    Tensor::cat(after.into_iter().map(|level| level.expand(shape)).collect(), 2)
}

fn chooses(instruction: &Instruction) -> bool {
    match instruction {
        Instruction::Select { .. }
        | Instruction::Binary { op: Binary::Min | Binary::Max | Binary::Atan2, .. }
        | Instruction::Reduce { op: Reduce::Min | Reduce::Max, .. }
        | Instruction::Interpolate { .. }
        | Instruction::Layer { .. } => true,
        Instruction::Each { active, body, .. } => active.is_some() || body.instructions.iter().any(chooses),
        Instruction::Scan { active, body, .. } => active.is_some() || body.instructions.iter().any(chooses),
        _ => false,
    }
}

fn misses(instruction: &Instruction) -> bool {
    match instruction {
        Instruction::Interpolate { .. } | Instruction::Layer { .. } => true,
        Instruction::Each { active, body, .. } => active.is_some() || body.instructions.iter().any(misses),
        _ => false,
    }
}

/// For each value, whether it depends on an input.
fn varying(kernel: &Kernel) -> Vec<bool> {
    let mut varies = Vec::with_capacity(kernel.instructions.len());
    for instruction in &kernel.instructions {
        let varying = matches!(instruction, Instruction::Input(_))
            || instruction.operands().iter().any(|operand| varies[operand.index()]);
        varies.push(varying);
    }
    varies
}

fn varying_body(instructions: &[Instruction], captured: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut varies: Vec<bool> = Vec::with_capacity(instructions.len());
    for instruction in instructions {
        varies.push(match instruction {
            Instruction::State(_) => true,
            Instruction::Here(capture) | Instruction::Before(capture) => captured(*capture),
            other => other.operands().iter().any(|operand| varies[operand.index()]),
        });
    }
    varies
}

/// One number per level, the same everywhere else.
fn levels(numbers: &[f64], device: &Device) -> Field {
    let values: Vec<f32> = numbers.iter().map(|n| *n as f32).collect();
    let shape = [1, 1, values.len(), 1, 1];
    Tensor::from_data(TensorData::new(values, shape), device)
}
