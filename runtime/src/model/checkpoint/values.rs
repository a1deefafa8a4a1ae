//! Values of a model's weights out of a file, as the compiler's tensor map says where they are.

use aurora_compiler::plan::layout::Source;
use aurora_compiler::plan::tensor_map::{Mapped, Origin};

use super::super::{HostTensor, ModelError};
use super::file::WeightsFile;

/// Reads weights, and keeps the last stack at hand, for its parts follow one another.
pub(super) struct Values<'a> {
    file: &'a mut WeightsFile,
    last: Option<(String, HostTensor)>,
}

impl<'a> Values<'a> {
    pub fn new(file: &'a mut WeightsFile) -> Values<'a> {
        Values { file, last: None }
    }

    /// The weight's values in its own shape; nothing if it is fresh.
    pub fn of(&mut self, weight: &Mapped) -> Result<Option<HostTensor>, ModelError> {
        let (source, times) = match &weight.origin {
            Origin::Fresh => return Ok(None),
            Origin::Kept(source) => (source, None),
            Origin::Grown { source, from, to } => (source, Some((*from, *to))),
            Origin::Broadcast { source, from, to } => (source, Some((*from, *to)).filter(|(a, b)| a != b)),
        };
        let mut tensor = self.source(source)?;
        if let Some((from, to)) = times {
            tensor.values = continued(&tensor.values, weight.shape.iter().skip(3).product(), from, to);
            tensor.shape.clone_from(&weight.shape);
        }
        if tensor.shape != weight.shape || tensor.values.len() != weight.shape.iter().product::<usize>() {
            // The map was made from this file's own header.
            return Err(ModelError::Batch(format!("`{}` is not what the file's header says", weight.name)));
        }
        Ok(Some(tensor))
    }

    fn source(&mut self, source: &Source) -> Result<HostTensor, ModelError> {
        Ok(match source {
            Source::Whole(name) => self.file.read(name)?,
            Source::Channel { stack, index } => channel(self.stack(stack)?, *index),
            Source::Rows { stack, index, of } => rows(self.stack(stack)?, *index, *of),
            Source::Sum(one, two) => {
                let (mut one, two) = (self.file.read(one)?, self.file.read(two)?);
                for (value, more) in one.values.iter_mut().zip(&two.values) {
                    *value += more;
                }
                one
            }
        })
    }

    fn stack(&mut self, name: &str) -> Result<&HostTensor, ModelError> {
        let tensor = match self.last.take() {
            Some((last, tensor)) if last == name => tensor,
            _ => self.file.read(name)?,
        };
        Ok(&self.last.insert((name.to_string(), tensor)).1)
    }
}

/// (D, V, …) → (D, 1, …), channel `index`.
fn channel(stack: &HostTensor, index: usize) -> HostTensor {
    let mut shape = stack.shape.clone();
    let channels = shape.get(1).copied().unwrap_or(1).max(1);
    if let Some(side) = shape.get_mut(1) {
        *side = 1;
    }
    let size: usize = shape.iter().skip(2).product();
    let parts = stack.values.chunks(size.max(1)).skip(index).step_by(channels);
    HostTensor { shape, values: parts.flatten().copied().collect() }
}

/// (P²·V, …) with row = pixel·V + variable → (P², …).
fn rows(stack: &HostTensor, index: usize, of: usize) -> HostTensor {
    let mut shape = stack.shape.clone();
    if let Some(side) = shape.first_mut() {
        *side /= of.max(1);
    }
    let size: usize = stack.shape.iter().skip(1).product();
    let rows = stack.values.chunks(size.max(1)).skip(index).step_by(of.max(1));
    HostTensor { shape, values: rows.flatten().copied().collect() }
}

/// Embeddings (D, 1, `from`, …) with zeros for the times up to `to`; `area` points of a patch.
fn continued(values: &[f32], area: usize, from: usize, to: usize) -> Vec<f32> {
    let added = to.saturating_sub(from) * area;
    let mut longer = Vec::with_capacity(values.len() + values.len() / (from * area).max(1) * added);
    for output in values.chunks((from * area).max(1)) {
        longer.extend_from_slice(output);
        longer.resize(longer.len() + added, 0.0);
    }
    longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacked_tensors_fall_into_their_variables() {
        let values = (0..12).map(|value| value as f32).collect();
        let part = channel(&HostTensor { shape: vec![2, 3, 2, 1, 1], values }, 1);
        assert_eq!(part, HostTensor { shape: vec![2, 1, 2, 1, 1], values: vec![2.0, 3.0, 8.0, 9.0] });
        let values = (0..8).map(|value| value as f32).collect();
        let part = rows(&HostTensor { shape: vec![4, 2], values }, 1, 2);
        assert_eq!(part, HostTensor { shape: vec![2, 2], values: vec![2.0, 3.0, 6.0, 7.0] });
    }

    #[test]
    fn new_times_are_zeros_at_the_end() {
        assert_eq!(continued(&[1.0, 2.0, 3.0, 4.0], 1, 2, 3), [1.0, 2.0, 0.0, 3.0, 4.0, 0.0]);
    }
}
