//! Kernels in losses as machine code, on the CPU: one operation of burn's graph, whose backward pass is the kernel that the
//! compiler makes of it ([`adjoint`]).
//!
//! On other devices, and where a kernel has no such derivative (it looks at neighbouring points, or does something for each
//! level, of which the compiler's derivative takes the result as a choice), the kernel runs as a burn [`graph`], which gives the
//! same but for rounding.
//!
//! Tensors are read where they lie if their numbers lie in order, and copied into order if not; what comes out is written
//! once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aurora_compiler::kernel::adjoint::{self, PREFIX};
use aurora_compiler::kernel::ir::{Instruction, Kernel};
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::verify::domains;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData};

use super::graph::{self, Field, GraphError};

/// Inputs of a kernel, at most, of which gradients are asked.
const MOST: usize = 16;

/// A kernel of one output, ready for losses on any device.
#[derive(Clone, Debug)]
pub struct LossKernel {
    kernel: Kernel,
    /// Nothing where it always runs as a graph.
    machine: Option<Arc<Machine>>,
}

impl LossKernel {
    /// A verified kernel.
    #[must_use]
    pub fn new(kernel: Kernel) -> LossKernel {
        let machine = Machine::new(&kernel).map(Arc::new);
        LossKernel { kernel, machine }
    }

    /// The kernel itself.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Whether there is machine code for it and for its gradient.
    #[must_use]
    pub fn is_compiled(&self) -> bool {
        self.machine.is_some()
    }

    /// Its first output, (B, 1, C, H, W), of the inputs it names.
    ///
    /// # Errors
    /// An input that is not there.
    pub fn run(&self, inputs: &BTreeMap<String, Field>) -> Result<Field, GraphError> {
        if let Some(machine) = &self.machine
            && let Some(field) = machine.run(inputs)
        {
            return Ok(field);
        }
        Ok(graph::run(&self.kernel, inputs)?.swap_remove(0))
    }
}

/// Machine code of a kernel, and of its derivative by those of its inputs that it was asked for.
#[derive(Debug)]
struct Machine {
    kernel: Kernel,
    code: Compiled,
    /// Levels of each input, and of the output.
    levels: Vec<usize>,
    out: usize,
    /// By which inputs have a gradient; nothing where that could not be compiled.
    backward: Mutex<BTreeMap<Vec<bool>, Option<Arc<Compiled>>>>,
}

/// What an operation of the graph was recorded with.
#[derive(Clone, Debug)]
struct Call {
    machine: Arc<Machine>,
    backward: Arc<Compiled>,
    /// The kernel's inputs, in order of numbers.
    inputs: Vec<FlexTensor>,
    /// Which of them have a gradient, in the order of the graph's parents.
    tracked: Vec<usize>,
    size: Size,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    samples: usize,
    height: usize,
    width: usize,
}

impl Machine {
    fn new(kernel: &Kernel) -> Option<Machine> {
        let each = |instruction: &Instruction| matches!(instruction, Instruction::Each { .. });
        if kernel.is_stencil() || kernel.outputs.len() != 1 || kernel.instructions.iter().any(each) {
            return None;
        }
        let out = domains(kernel).ok()?.get(kernel.outputs[0].value.index())?.levels();
        let levels = kernel.inputs.iter().map(|input| input.domain.levels()).collect();
        let code = Compiled::new(kernel).ok()?;
        Some(Machine { kernel: kernel.clone(), code, levels, out, backward: Mutex::default() })
    }

    /// The derivative by these inputs.
    fn backward(&self, tracked: &[bool]) -> Option<Arc<Compiled>> {
        let mut known = self.backward.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(tracked.to_vec()).or_insert_with(|| self.derivative(tracked)).clone()
    }

    fn derivative(&self, tracked: &[bool]) -> Option<Arc<Compiled>> {
        let names = self.kernel.inputs.iter().map(|input| input.name.as_str());
        let by: Vec<&str> =
            names.zip(tracked).filter(|(_, tracked)| **tracked).map(|(name, _)| name).collect();
        let derivative = adjoint::backward(&self.kernel, &[&self.kernel.outputs[0].name], &by).ok()?;
        debug_assert!(derivative.outputs.iter().all(|output| output.name.starts_with(PREFIX)));
        Compiled::new(&derivative).ok().map(Arc::new)
    }

    /// The output on the CPU; nothing where the tensors lie elsewhere or are not what the kernel reads.
    fn run(self: &Arc<Self>, fields: &BTreeMap<String, Field>) -> Option<Field> {
        let fields: Vec<&Field> =
            self.kernel.inputs.iter().map(|input| fields.get(&input.name)).collect::<Option<_>>()?;
        let size = self.size(&fields)?;
        if fields.iter().any(|field| field.is_autodiff()) {
            return self.record(&fields, size);
        }
        let inputs: Option<Vec<FlexTensor>> = fields
            .into_iter()
            .map(|field| ordered(field.clone().try_into_primitive::<Flex>().ok()?))
            .collect();
        Some(Tensor::from_primitive::<Flex>(self.forward(&inputs?, size)?))
    }

    /// How large the output is, if all fields fit together.
    fn size(&self, fields: &[&Field]) -> Option<Size> {
        let of = |axis: usize| fields.iter().map(|field| field.dims()[axis]).max();
        let size = Size { samples: of(0)?, height: of(3)?, width: of(4)? };
        let fits = |(field, levels): (&&Field, &usize)| {
            let [samples, times, count, height, width] = field.dims();
            (samples == 1 || samples == size.samples)
                && [times, count, height, width] == [1, *levels, size.height, size.width]
        };
        fields.iter().zip(&self.levels).all(fits).then_some(size)
    }

    fn record(self: &Arc<Self>, fields: &[&Field], size: Size) -> Option<Field> {
        let mut inputs = Vec::with_capacity(fields.len());
        let mut nodes = Vec::new();
        let mut tracked = Vec::new();
        for (number, field) in fields.iter().enumerate() {
            let tensor = match (*field).clone().try_into_primitive::<Autodiff<Flex>>() {
                Ok(recorded) => {
                    if recorded.is_tracked() {
                        nodes.push(recorded.node());
                        tracked.push(number);
                    }
                    recorded.into_primitive()
                }
                Err(_) => (*field).clone().try_into_primitive::<Flex>().ok()?,
            };
            inputs.push(ordered(tensor)?);
        }
        let result = self.forward(&inputs, size)?;
        if nodes.is_empty() {
            return Some(Tensor::from_primitive::<Flex>(result).autodiff());
        }
        let asked: Vec<bool> = (0..inputs.len()).map(|number| tracked.contains(&number)).collect();
        let backward = self.backward(&asked)?;
        let call = Call { machine: self.clone(), backward, inputs, tracked, size };
        macro_rules! recorded {
            ($($count:literal)*) => {
                match nodes.len() {
                    $($count => {
                        let Ok(nodes) = <[_; $count]>::try_from(nodes) else { return None };
                        match Step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                            OpsKind::Tracked(prep) => prep.finish(call, result),
                            OpsKind::UnTracked(prep) => prep.finish(result),
                        }
                    })*
                    _ => return None,
                }
            };
        }
        const { assert!(MOST == 16) };
        let output = recorded!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
        Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
    }

    /// Sample after sample, for a sample's levels lie one behind the other.
    fn forward(&self, inputs: &[FlexTensor], size: Size) -> Option<FlexTensor> {
        let cells = size.height * size.width;
        let mut values = vec![0.0; size.samples * self.out * cells];
        for (sample, part) in values.chunks_exact_mut((self.out * cells).max(1)).enumerate() {
            let slices = self.slices(inputs, sample, cells)?;
            self.code.run(&slices, &mut [part], cells).ok()?;
        }
        let shape = vec![size.samples, 1, self.out, size.height, size.width];
        Some(FlexTensor::from_data(TensorData::new(values, shape)))
    }

    /// Each input of one sample; of what all samples share, the same.
    fn slices<'a>(&self, inputs: &'a [FlexTensor], sample: usize, cells: usize) -> Option<Vec<&'a [f32]>> {
        let of_one = |(tensor, levels): (&'a FlexTensor, &usize)| {
            let (all, length) = (tensor.as_slice::<f32>()?, levels * cells);
            let start = if all.len() > length { sample * length } else { 0 };
            all.get(start..start + length)
        };
        inputs.iter().zip(&self.levels).map(of_one).collect()
    }
}

impl Call {
    /// The gradient of each tracked input, from that of the output.
    fn gradients(&self, gradient: &FlexTensor) -> Option<Vec<FlexTensor>> {
        let Size { samples, height, width } = self.size;
        let (cells, out) = (height * width, self.machine.out);
        let lengths: Vec<usize> =
            self.tracked.iter().map(|number| self.machine.levels[*number] * cells).collect();
        let gradient = gradient.as_slice::<f32>()?;
        let shared = |number: usize| self.inputs[number].layout().shape()[0] == 1;
        let mut sums: Vec<Vec<f32>> = self
            .tracked
            .iter()
            .zip(&lengths)
            .map(|(number, length)| vec![0.0; if shared(*number) { *length } else { samples * length }])
            .collect();
        for sample in 0..samples {
            let mut slices = self.machine.slices(&self.inputs, sample, cells)?;
            slices.push(gradient.get(sample * out * cells..(sample + 1) * out * cells)?);
            // What all samples share gets a sum.
            let mut apart: Vec<Vec<f32>> = Vec::new();
            for (number, length) in self.tracked.iter().zip(&lengths) {
                apart.push(vec![0.0; if shared(*number) && samples > 1 { *length } else { 0 }]);
            }
            let mut outputs: Vec<&mut [f32]> = Vec::new();
            for ((sum, part), length) in sums.iter_mut().zip(&mut apart).zip(&lengths) {
                let start = if sum.len() > *length { sample * length } else { 0 };
                outputs.push(match part.is_empty() {
                    true => sum.get_mut(start..start + length)?,
                    false => part,
                });
            }
            self.backward.run(&slices, &mut outputs, cells).ok()?;
            for (sum, part) in sums.iter_mut().zip(&apart) {
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        let tensor = |(values, number): (Vec<f32>, &usize)| {
            let shape: Vec<usize> = self.inputs[*number].layout().shape().iter().copied().collect();
            FlexTensor::from_data(TensorData::new(values, shape))
        };
        Some(sums.into_iter().zip(&self.tracked).map(tensor).collect())
    }
}

/// The same tensor with its numbers in order; nothing if they are not `f32`.
fn ordered(tensor: FlexTensor) -> Option<FlexTensor> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    Some(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() })
}

/// The backward pass.
#[derive(Debug)]
struct Step;

impl<const N: usize> Backward<Flex, N> for Step {
    type State = Call;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient: FloatTensor<Flex> = grads.consume::<Flex>(&ops.node);
        let Some(gradient) = ordered(gradient) else { return };
        // What was computed with these tensors once has a gradient of the same shapes.
        let Some(results) = ops.state.gradients(&gradient) else { return };
        for (parent, result) in ops.parents.into_iter().zip(results) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, result);
            }
        }
    }
}
