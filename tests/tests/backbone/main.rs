//! The backbone by itself and in training: against fixtures made with microsoft-aurora 2.0.1 (low-rank updates,
//! noise, the newer lead-time expansion), chance, recomputation, and numbers of 16 bits.
//!
//! Fixtures lie in `$AURORAC_TEST_DATA/fixtures/aurora`. Tolerances are those of `parity`.

mod command;
mod fixture;
mod mode;

use burn::tensor::Tensor;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

/// The greatest difference, and the greatest value of the second.
fn difference(have: &[f32], want: &[f32]) -> (f32, f32) {
    assert_eq!(have.len(), want.len());
    let greatest = want.iter().fold(0f32, |most, value| most.max(value.abs()));
    let off = have.iter().zip(want).fold(0f32, |most, (one, two)| {
        let off = (one - two).abs();
        if off.is_nan() { f32::INFINITY } else { most.max(off) }
    });
    (off, greatest)
}
