//! Recomputation of activations (Chen et al. 2016): of a segment of the model only the inputs are kept; its
//! backward pass computes the segment once more, with a graph of its own.
//!
//! A segment is one operation of burn's graph, so that skips, roll-outs and losses around it need no care. What
//! its backward pass gives the parameters is collected beside burn's gradients, in a [`Recomputation`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId, checkpoint::strategy::NoCheckpointing};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, BackendTensor, DispatchKindConversion, DispatchTensor, Flex};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::ModelError;
use super::gradients::ParameterGradients;
use super::parameters::Names;

/// Collects the gradients of parameters inside segments, for one backward pass.
#[derive(Clone, Debug)]
pub struct Recomputation {
    names: Names,
    gradients: Arc<Mutex<ParameterGradients>>,
}

impl Recomputation {
    /// Of the model whose parameters have these names.
    pub fn new(names: &Names) -> Recomputation {
        Recomputation { names: names.clone(), gradients: Arc::default() }
    }

    /// What the segments gave since the last time, to be added to the gradients that burn has.
    pub fn take(&self) -> ParameterGradients {
        std::mem::take(&mut *self.gradients.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, gradients: ParameterGradients) {
        self.gradients.lock().unwrap_or_else(PoisonError::into_inner).add(gradients);
    }
}

/// `compute(module, x, condition)`. With a recomputation, and where a graph is recorded, only `x` and `condition`
/// are kept for the backward pass. All that a gradient is asked of must go through the two or be a parameter of
/// `module`; `compute` must give the same each time.
pub(super) fn segment<M, F, const A: usize, const C: usize, const D: usize>(
    recomputation: Option<&Recomputation>,
    module: &M,
    x: Tensor<A>,
    condition: Tensor<C>,
    compute: F,
) -> Result<Tensor<D>, ModelError>
where
    M: Module + 'static,
    F: Fn(&M, Tensor<A>, Tensor<C>) -> Result<Tensor<D>, ModelError> + Send + 'static,
{
    let Some(recomputation) = recomputation.filter(|_| x.is_autodiff() && recorded(&x)) else {
        return compute(module, x, condition);
    };
    let y = compute(&module.valid(), x.clone().inner(), condition.clone().inner())?;
    let mut learning = Learning(false);
    module.visit(&mut learning);
    let learns = learning.0;
    let work = Work { module: module.clone(), compute, recomputation: recomputation.clone() };
    let work = Segment(Arc::new(Mutex::new(Box::new(work))));
    Ok(on_backend(x, condition.autodiff(), y, (work, learns)))
}

/// As `segment`, of one input.
pub(super) fn segment_of<M, F, const A: usize, const D: usize>(
    recomputation: Option<&Recomputation>,
    module: &M,
    x: Tensor<A>,
    compute: F,
) -> Result<Tensor<D>, ModelError>
where
    M: Module + 'static,
    F: Fn(&M, Tensor<A>) -> Result<Tensor<D>, ModelError> + Send + 'static,
{
    if recomputation.is_none() {
        return compute(module, x);
    }
    let none = Tensor::<1>::zeros([1], &x.device());
    segment(recomputation, module, x, none, move |module, x, _| compute(module, x))
}

/// Whether segments can be recorded on the backend that holds a tensor.
fn recorded<const A: usize>(x: &Tensor<A>) -> bool {
    #[cfg(any(feature = "cuda", feature = "gpu-test"))]
    if x.clone().try_into_primitive::<Autodiff<burn::backend::Cube>>().is_ok() {
        return true;
    }
    x.clone().try_into_primitive::<Autodiff<Flex>>().is_ok()
}

/// Records the segment on the backend that holds the tensors.
fn on_backend<const A: usize, const C: usize, const D: usize>(
    x: Tensor<A>,
    condition: Tensor<C>,
    y: Tensor<D>,
    (work, learns): (Segment, bool),
) -> Tensor<D> {
    #[cfg(any(feature = "cuda", feature = "gpu-test"))]
    if x.clone().try_into_primitive::<Autodiff<burn::backend::Cube>>().is_ok() {
        return record::<burn::backend::Cube, A, C, D>(x, condition, y, (work, learns));
    }
    record::<Flex, A, C, D>(x, condition, y, (work, learns))
}

fn record<B: Backend, const A: usize, const C: usize, const D: usize>(
    x: Tensor<A>,
    condition: Tensor<C>,
    y: Tensor<D>,
    (work, learns): (Segment, bool),
) -> Tensor<D>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    // A leaf that nobody asks about: the segment is recorded even where no input has a gradient, if its parameters
    // have.
    let anchor = Tensor::<1>::zeros([1], &x.device()).set_require_grad(learns);
    let primitives = (
        x.try_into_primitive::<Autodiff<B>>(),
        condition.try_into_primitive::<Autodiff<B>>(),
        anchor.try_into_primitive::<Autodiff<B>>(),
        y.clone().try_into_primitive::<B>(),
    );
    let (Ok(x), Ok(condition), Ok(anchor), Ok(output)) = primitives else { return y.autodiff() };
    let nodes = [x.node(), condition.node(), anchor.node()];
    let output = match Step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((x.into_primitive(), condition.into_primitive(), work), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Autodiff<B>>(output)
}

/// The backward pass of a segment.
#[derive(Debug)]
struct Step;

impl<B: Backend> Backward<B, 3> for Step
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = (FloatTensor<B>, FloatTensor<B>, Segment);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let (x, condition, segment) = ops.state;
        let erased = |tensor: FloatTensor<B>| {
            <DispatchTensor as DispatchKindConversion<B>>::from_backend(BackendTensor::Float(tensor))
        };
        let inputs = [erased(x), erased(condition)];
        let results = {
            let work = segment.0.lock().unwrap_or_else(PoisonError::into_inner);
            work.backward(inputs, erased(gradient))
        };
        let parents: [Option<NodeId>; 3] = ops.parents.map(|parent| parent.map(|parent| parent.id));
        for (parent, result) in parents.into_iter().zip(results) {
            let result = result.map(<DispatchTensor as DispatchKindConversion<B>>::try_into_backend);
            if let (Some(parent), Some(Ok(BackendTensor::Float(result)))) = (parent, result) {
                grads.register::<B>(parent, result);
            }
        }
    }
}

/// A segment without its types.
#[derive(Clone)]
struct Segment(Arc<Mutex<Box<dyn Recomputable>>>);

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Segment")
    }
}

trait Recomputable: Send {
    /// The gradients of the inputs, from the inputs and the gradient of the output.
    fn backward(&self, inputs: [DispatchTensor; 2], gradient: DispatchTensor) -> [Option<DispatchTensor>; 2];
}

struct Work<M, F, const A: usize, const C: usize, const D: usize> {
    module: M,
    compute: F,
    recomputation: Recomputation,
}

impl<M, F, const A: usize, const C: usize, const D: usize> Recomputable for Work<M, F, A, C, D>
where
    M: Module + 'static,
    F: Fn(&M, Tensor<A>, Tensor<C>) -> Result<Tensor<D>, ModelError> + Send + 'static,
{
    fn backward(
        &self,
        [x, condition]: [DispatchTensor; 2],
        gradient: DispatchTensor,
    ) -> [Option<DispatchTensor>; 2] {
        // All of it in a graph of its own: burn holds the outer one for itself during its backward pass.
        let x = Tensor::<A>::from_dispatch(x).autodiff().require_grad();
        let condition = Tensor::<C>::from_dispatch(condition).autodiff().require_grad();
        let module = self.module.clone().map(&mut Leaves);
        let gradient = Tensor::<D>::from_dispatch(gradient);
        // What was computed once can be computed again.
        let Ok(y) = (self.compute)(&module, x.clone(), condition.clone()) else { return [None, None] };
        let mut gradients = (y * gradient.autodiff()).sum().backward();
        let results = [
            x.grad_remove(&mut gradients).map(Tensor::into_dispatch),
            condition.grad_remove(&mut gradients).map(Tensor::into_dispatch),
        ];
        let names = &self.recomputation.names;
        self.recomputation.add(ParameterGradients::of_part(names, &module, gradients));
        results
    }
}

/// Whether a gradient is asked of any parameter.
struct Learning(bool);

impl ModuleVisitor for Learning {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 |= param.val().is_require_grad();
    }
}

/// The same parameters, as leaves of another graph.
struct Leaves;

impl ModuleMapper for Leaves {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let asked = tensor.is_require_grad();
            tensor.inner().autodiff().set_require_grad(asked)
        })
    }
}
