//! The gradients of a model's parameters under Aurora's names, apart from the graph that they came from.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use super::parameters::Names;
use super::{Aurora, fused};

/// Aurora's name of a parameter → its gradient, flattened as the parameter lies in burn, without a graph.
///
/// Gradients of several backward passes are added here, which burn's own cannot do: of a batch in parts, or of
/// a model in segments.
#[derive(Clone, Debug, Default)]
pub struct ParameterGradients(BTreeMap<String, Tensor<1>>);

impl ParameterGradients {
    /// Those of the parameters that have one; nothing is copied.
    pub fn from_burn(model: &Aurora, gradients: Gradients) -> ParameterGradients {
        ParameterGradients::of_part(model.names(), model, gradients)
    }

    /// Those of a part of a model, under the names of the whole.
    pub fn of_part(names: &Names, part: &impl Module, gradients: Gradients) -> ParameterGradients {
        let mut collector = Collector { names, gradients, list: BTreeMap::new() };
        part.visit(&mut collector);
        ParameterGradients(collector.list)
    }

    /// Adds others, parameter by parameter; what only one of the two has is kept.
    pub fn add(&mut self, other: ParameterGradients) {
        for (name, gradient) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(own) => own + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }

    /// Multiplies all by a factor.
    pub fn scale(&mut self, factor: f32) {
        let scaled = std::mem::take(&mut self.0).into_iter();
        self.0 = scaled.map(|(name, gradient)| (name, gradient.mul_scalar(factor))).collect();
    }

    /// The norm of the whole gradient: the root of the sum of all squares, summed in f64 over pieces.
    pub fn norm(&self) -> f64 {
        let squares = |gradient: &Tensor<1>| {
            let gradient = gradient.clone();
            let sums = match fused::available(&gradient.device()) {
                true => fused::squares(gradient),
                false => gradient.square().sum(),
            };
            let sums = sums.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
            sums.into_iter().map(f64::from).sum::<f64>()
        };
        self.0.values().map(squares).sum::<f64>().sqrt()
    }

    /// Drops those of the parameters that are not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| wanted(name));
    }

    /// Takes one out.
    pub fn take(&mut self, name: &str) -> Option<Tensor<1>> {
        self.0.remove(name)
    }

    /// Name and gradient, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<1>)> {
        self.0.iter().map(|(name, gradient)| (name.as_str(), gradient))
    }
}

/// From names and gradients; the later of two under one name stands.
impl FromIterator<(String, Tensor<1>)> for ParameterGradients {
    fn from_iter<I: IntoIterator<Item = (String, Tensor<1>)>>(list: I) -> ParameterGradients {
        ParameterGradients(list.into_iter().collect())
    }
}

struct Collector<'a> {
    names: &'a Names,
    gradients: Gradients,
    list: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(name) = self.names.of(param.id) else { return };
        let Some(gradient) = param.val().grad_remove(&mut self.gradients) else { return };
        let count = gradient.shape().num_elements();
        self.list.insert(name.to_string(), gradient.reshape([count]));
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn gradients(list: &[(&str, [f32; 2])]) -> ParameterGradients {
        list.iter()
            .map(|(name, values)| (name.to_string(), Tensor::from_floats(*values, &Device::flex())))
            .collect()
    }

    fn values(gradients: &ParameterGradients) -> Vec<(String, Vec<f32>)> {
        let values = |tensor: &Tensor<1>| tensor.to_data().try_into_vec::<f32>().unwrap();
        gradients.iter().map(|(name, tensor)| (name.to_string(), values(tensor))).collect()
    }

    #[test]
    fn sums_scales_and_norms() {
        let mut sum = gradients(&[("a", [1.0, 2.0]), ("b", [3.0, 4.0])]);
        sum.add(gradients(&[("b", [1.0, -4.0]), ("c", [2.0, 1.0])]));
        sum.scale(0.5);
        let expected = [("a", [0.5, 1.0]), ("b", [2.0, 0.0]), ("c", [1.0, 0.5])];
        assert_eq!(values(&sum), expected.map(|(name, list)| (name.to_string(), list.to_vec())));
        assert_eq!(sum.norm(), (0.25 + 1.0 + 4.0 + 1.0 + 0.25f64).sqrt());
        sum.retain(|name| name != "b");
        assert!(sum.take("b").is_none() && sum.take("a").is_some());
    }
}
