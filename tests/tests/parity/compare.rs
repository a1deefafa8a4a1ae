//! Tensors of a fixture and of ours, side by side.

use std::collections::BTreeMap;

use aurora_runtime::model::{Batch, HostTensor};
use burn::tensor::{Device, Tensor, TensorData};

pub fn activation_tolerance(greatest: f32) -> f32 {
    1e-4 * (greatest / 10.0).max(1.0)
}

pub fn close(
    what: &str,
    have: &BTreeMap<String, HostTensor>,
    want: &BTreeMap<String, HostTensor>,
    tolerance: impl Fn(f32) -> f32,
) -> f32 {
    assert_eq!(have.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "{what}");
    let compared =
        want.iter().map(|(name, want)| compare(&format!("{what}.{name}"), &have[name], want, &tolerance));
    compared.fold(0.0, f32::max)
}

/// The greatest difference over the tolerance, which is given the greatest absolute value expected. Values that
/// are not finite must be so in both.
pub fn compare(what: &str, have: &HostTensor, want: &HostTensor, tolerance: impl Fn(f32) -> f32) -> f32 {
    compare_as(what, have, want, |one, two| (one - two).abs(), tolerance)
}

/// As `compare`, for angles in degrees: 359.9 is near 0.1.
pub fn compare_angles(
    what: &str,
    have: &HostTensor,
    want: &HostTensor,
    tolerance: impl Fn(f32) -> f32,
) -> f32 {
    let difference = |one: f32, two: f32| {
        let apart = (one - two).rem_euclid(360.0);
        apart.min(360.0 - apart)
    };
    compare_as(what, have, want, difference, tolerance)
}

fn compare_as(
    what: &str,
    have: &HostTensor,
    want: &HostTensor,
    apart: impl Fn(f32, f32) -> f32,
    tolerance: impl Fn(f32) -> f32,
) -> f32 {
    assert_eq!(have.values.len(), want.values.len(), "{what}: {:?} against {:?}", have.shape, want.shape);
    let finite = want.values.iter().filter(|value| value.is_finite());
    let greatest = finite.fold(0f32, |most, value| most.max(value.abs()));
    let mut difference = 0f32;
    for (one, two) in have.values.iter().zip(&want.values) {
        assert_eq!(one.is_finite(), two.is_finite(), "{what}: {one} against {two}");
        if two.is_finite() {
            difference = difference.max(apart(*one, *two));
        }
    }
    let limit = tolerance(greatest);
    assert!(
        difference <= limit,
        "{what}: off by {difference:e}, allowed {limit:e} (values up to {greatest})"
    );
    difference / limit
}

pub fn fields(batch: &Batch) -> BTreeMap<String, HostTensor> {
    let surface = batch.surface.iter().map(|(name, field)| (format!("surf.{name}"), host(field.clone())));
    let atmosphere =
        batch.atmosphere.iter().map(|(name, field)| (format!("atmos.{name}"), host(field.clone())));
    surface.chain(atmosphere).collect()
}

pub fn bits(tensors: BTreeMap<String, HostTensor>) -> BTreeMap<String, Vec<u32>> {
    let bits = |tensor: HostTensor| tensor.values.iter().map(|value| value.to_bits()).collect();
    tensors.into_iter().map(|(name, tensor)| (name, bits(tensor))).collect()
}

pub fn host<const D: usize>(tensor: Tensor<D>) -> HostTensor {
    let shape = tensor.dims().to_vec();
    HostTensor { shape, values: tensor.into_data().try_into_vec::<f32>().unwrap() }
}

pub fn tensor<const D: usize>(value: &HostTensor, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(value.values.clone(), value.shape.clone()), device)
}

/// (B·L, A, D) to (B·A, L, D).
pub fn swap(tensor: &HostTensor, samples: usize) -> HostTensor {
    let [groups, levels, width] = tensor.shape[..] else { panic!("three axes") };
    let patches = groups / samples;
    let mut values = Vec::with_capacity(tensor.values.len());
    for sample in 0..samples {
        for level in 0..levels {
            for patch in 0..patches {
                let start = ((sample * patches + patch) * levels + level) * width;
                values.extend_from_slice(&tensor.values[start..start + width]);
            }
        }
    }
    HostTensor { shape: vec![samples * levels, patches, width], values }
}

pub fn l2(tensor: &HostTensor) -> f64 {
    tensor.values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}
