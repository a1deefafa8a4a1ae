//! Kernels as burn graphs: the third executor, for losses. It runs on any device and is differentiable
//! where burn's operations are; on ties of `min` and `max` the gradient goes to one side.
//!
//! What is not chosen must not matter for the gradient either. Burn gives it the gradient 0, but times a slope
//! that is no number (of a root below zero, of a quotient by zero) 0 is no number, and would spoil all weights.
//! So in kernels that choose, an operation whose slope is not finite somewhere passes no gradient there.
//!
//! Nothing is missing where losses are taken: comparisons with NaN, which give NaN elsewhere, are false here.

use std::collections::BTreeMap;

use aurora_compiler::kernel::ir::{Binary, Compare, Instruction, Kernel, Reduce, Unary};
use burn::tensor::{Device, Tensor, TensorData};

/// A field of a batch: (B, 1, C, H, W), C = 1 for cell values.
pub type Field = Tensor<5>;

/// Why a kernel could not be run on tensors.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error("the kernel `{kernel}` reads `{input}`, which the model does not yield")]
    MissingInput { kernel: String, input: String },
    #[error("the kernel `{kernel}` has instructions that losses cannot use yet")]
    Unsupported { kernel: String },
}

/// Runs a verified kernel; its outputs in order.
pub fn run(kernel: &Kernel, inputs: &BTreeMap<String, Field>) -> Result<Vec<Field>, GraphError> {
    let mut values: Vec<Field> = Vec::with_capacity(kernel.instructions.len());
    let device = inputs.values().next().map(Tensor::device).unwrap_or_default();
    let chooses = inputs.values().any(Tensor::is_autodiff) && kernel.instructions.iter().any(chooses);
    let varies = varying(kernel);
    for instruction in &kernel.instructions {
        let value = match instruction {
            Instruction::Input(number) => {
                let name = &kernel.inputs[*number].name;
                let missing =
                    || GraphError::MissingInput { kernel: kernel.name.clone(), input: name.clone() };
                inputs.get(name).ok_or_else(missing)?.clone()
            }
            Instruction::Constant(number) => levels(&[*number], &device),
            Instruction::Levels(numbers) => levels(numbers, &device),
            Instruction::Unary { op, value } if chooses => guarded_unary(*op, values[value.index()].clone()),
            Instruction::Unary { op, value } => unary(*op, values[value.index()].clone()),
            Instruction::Binary { op: op @ (Binary::Mul | Binary::Div | Binary::Pow), left, right }
                if chooses =>
            {
                let operands = [left, right].map(|value| values[value.index()].clone());
                guarded_binary(*op, operands, varies[right.index()])
            }
            Instruction::Binary { op, left, right } => {
                binary(*op, values[left.index()].clone(), values[right.index()].clone())
            }
            Instruction::Compare { op, left, right } => {
                compare(*op, values[left.index()].clone(), values[right.index()].clone())
            }
            Instruction::Select { mask, then, otherwise } => {
                let shape = [mask, then, otherwise].map(|v| values[v.index()].dims());
                let wide: [usize; 5] =
                    std::array::from_fn(|axis| shape.iter().map(|s| s[axis]).max().unwrap_or(1));
                let chosen = values[mask.index()].clone().expand(wide).not_equal_elem(0.0);
                let otherwise = values[otherwise.index()].clone().expand(wide);
                otherwise.mask_where(chosen, values[then.index()].clone().expand(wide))
            }
            Instruction::Reduce { op, value, weights, levels: part } => {
                let mut column = values[value.index()].clone();
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
            _ => return Err(GraphError::Unsupported { kernel: kernel.name.clone() }),
        };
        values.push(value);
    }
    Ok(kernel.outputs.iter().map(|output| values[output.value.index()].clone()).collect())
}

fn chooses(instruction: &Instruction) -> bool {
    matches!(
        instruction,
        Instruction::Select { .. }
            | Instruction::Binary { op: Binary::Min | Binary::Max, .. }
            | Instruction::Reduce { op: Reduce::Min | Reduce::Max, .. }
    )
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

/// As [`unary`], but without a gradient where the slope is not finite.
fn guarded_unary(op: Unary, value: Field) -> Field {
    let bare = value.clone().detach();
    let odd = match op {
        Unary::Neg => return unary(op, value),
        Unary::Abs => bare.clone().is_finite().bool_not(),
        Unary::Sqrt | Unary::Log => {
            bare.clone().is_finite().bool_not().bool_or(bare.clone().lower_equal_elem(0.0))
        }
        Unary::Exp => unary(op, bare.clone()).is_finite().bool_not(),
        Unary::Sin | Unary::Cos => bare.clone().is_finite().bool_not(),
    };
    unary(op, value.mask_fill(odd.clone(), 1.0)).mask_where(odd, unary(op, bare))
}

/// As [`binary`], but without a gradient where a slope is not finite. `varies`: whether the right operand
/// has a gradient, which for a power of a constant exponent it has not.
fn guarded_binary(op: Binary, [left, right]: [Field; 2], varies: bool) -> Field {
    let (a, b) = (left.dims(), right.dims());
    let wide: [usize; 5] = std::array::from_fn(|axis| a[axis].max(b[axis]));
    let (left, right) = (left.expand(wide), right.expand(wide));
    let (bare_left, bare_right) = (left.clone().detach(), right.clone().detach());
    let bare = binary(op, bare_left.clone(), bare_right.clone());
    let slope_left = match op {
        Binary::Div => bare_right.clone().recip(),
        Binary::Pow => bare_left.clone().powf(bare_right.clone() - 1.0) * bare_right.clone(),
        _ => bare_right.clone(),
    };
    let slope_right = match op {
        Binary::Div => bare.clone() / bare_right,
        Binary::Pow if varies => bare.clone() * bare_left.log(),
        Binary::Pow => bare.clone(),
        _ => bare_left,
    };
    let fine = bare.clone().is_finite().bool_and(slope_left.is_finite()).bool_and(slope_right.is_finite());
    let odd = fine.bool_not();
    binary(op, left.mask_fill(odd.clone(), 1.0), right.mask_fill(odd.clone(), 1.0)).mask_where(odd, bare)
}

/// One number per level, the same everywhere else.
fn levels(numbers: &[f64], device: &Device) -> Field {
    let values: Vec<f32> = numbers.iter().map(|n| *n as f32).collect();
    let shape = [1, 1, values.len(), 1, 1];
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn unary(op: Unary, value: Field) -> Field {
    match op {
        Unary::Neg => value.neg(),
        Unary::Abs => value.abs(),
        Unary::Sqrt => value.sqrt(),
        Unary::Exp => value.exp(),
        Unary::Log => value.log(),
        Unary::Sin => value.sin(),
        Unary::Cos => value.cos(),
    }
}

fn binary(op: Binary, left: Field, right: Field) -> Field {
    match op {
        Binary::Add => left + right,
        Binary::Sub => left - right,
        Binary::Mul => left * right,
        Binary::Div => left / right,
        Binary::Min | Binary::Max => {
            let (a, b) = (left.dims(), right.dims());
            let wide: [usize; 5] = std::array::from_fn(|axis| a[axis].max(b[axis]));
            let (left, right) = (left.expand(wide), right.expand(wide));
            if op == Binary::Min { left.min_pair(right) } else { left.max_pair(right) }
        }
        Binary::Pow => left.powf(right),
        Binary::Atan2 => left.atan2(right),
    }
}

fn compare(op: Compare, left: Field, right: Field) -> Field {
    let (a, b) = (left.dims(), right.dims());
    let wide: [usize; 5] = std::array::from_fn(|axis| a[axis].max(b[axis]));
    let (left, right) = (left.expand(wide), right.expand(wide));
    let mask = match op {
        Compare::Lt => left.lower(right),
        Compare::Le => left.lower_equal(right),
        Compare::Gt => left.greater(right),
        Compare::Ge => left.greater_equal(right),
        Compare::Eq => left.equal(right),
    };
    mask.float()
}
