//! The sizes of patches as the reference computed them.

use aurora_runtime::model::position::{self, GridEncoding};
use aurora_runtime::model::{Aurora, Batch, HostTensor, fourier};

/// How many units in the last place a patch's size may be off. A unit of a sine is one of the difference of two
/// sines too, which over the few kilometres of a small patch is itself small: at 3 km, 230 units of the size.
const NEAR: u32 = 2048;

/// Gives the model the reference's own patch sizes, and counts those that are not ours.
///
/// Sine and square root of the CPU library behind the reference err by up to 0.6 units in the last place (ours
/// are rounded correctly), and the shortest wavelength of the expansion, 1e-4 km, is so short that the last
/// bit decides its sine. Each size may thus be ours or one near it: the one that reproduces `expected`, the
/// embedded sizes (L, D). `batch` is cropped.
pub fn pin(model: &Aurora, batch: &Batch, expected: &HostTensor) -> usize {
    let parameters = model.parameters();
    let weight = &parameters["encoder.scale_embed.weight"].values;
    let bias = &parameters["encoder.scale_embed.bias"].values;
    let (width, patch) = (bias.len(), model.plan().patch);
    let mut sizes = position::root_areas(&batch.latitude, &batch.longitude, patch);
    assert_eq!(sizes.len(), expected.values.len() / width);
    let mut pinned = 0;
    for (size, expected) in sizes.iter_mut().zip(expected.values.chunks(width)) {
        let reproduces = |size: &f32| {
            let features = fourier::SCALE.expand(&[*size], width).unwrap();
            weight.chunks(width).zip(bias).zip(expected).all(|((row, bias), expected)| {
                let dot: f32 = row.iter().zip(&features).map(|(one, two)| one * two).sum();
                (dot + bias - expected).abs() < 1e-4
            })
        };
        let near = (0..=NEAR)
            .flat_map(|step| [f32::from_bits(size.to_bits() + step), f32::from_bits(size.to_bits() - step)]);
        let found = near.into_iter().find(reproduces);
        let found = found.unwrap_or_else(|| panic!("no size near {size} fits"));
        pinned += usize::from(found != *size);
        *size = found;
    }
    let (latitude, longitude) = (&batch.latitude, &batch.longitude);
    let mut encoding = GridEncoding::new(latitude, longitude, patch, width).unwrap();
    encoding.scale = fourier::SCALE.expand(&sizes, width).unwrap();
    model.set_grid(latitude.clone(), longitude.clone(), encoding);
    pinned
}
