//! What heads look at: the latent state and the newest input, in the shapes that they want them in.

use burn::tensor::Tensor;

use super::Outline;
use crate::model::batch::Sizes;
use crate::model::{Batch, ModelError};

/// The latent state of a forward pass and the input it came from.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The backbone's output, (B, C·L, 2D): latent level by latent level, the surface first.
    pub latent: &'a Tensor<3>,
    /// Of the cropped input.
    pub sizes: Sizes,
    pub patch: usize,
    /// The normalised input, cropped.
    pub batch: &'a Batch,
    /// What Aurora's decoder asks for each pressure level, (1, A, 2D).
    pub queries: Tensor<3>,
}

impl Scene<'_> {
    /// Rows and columns of patches.
    pub fn patch_grid(&self) -> [usize; 2] {
        [self.sizes.height / self.patch, self.sizes.width / self.patch]
    }

    /// The latent state of each patch whole, (B, L, C·2D).
    pub fn patches(&self) -> Tensor<3> {
        let ([samples, count, width], [rows, columns]) = (self.latent.dims(), self.patch_grid());
        let patches = rows * columns;
        let latents = count / patches;
        self.latent.clone().reshape([samples, latents, patches, width]).swap_dims(1, 2).reshape([
            samples,
            patches,
            latents * width,
        ])
    }

    /// The latent levels above the surface's, patch by patch, (B·L, C − 1, 2D).
    pub fn context(&self) -> Tensor<3> {
        let ([samples, count, width], [rows, columns]) = (self.latent.dims(), self.patch_grid());
        let patches = rows * columns;
        let above = count / patches - 1;
        self.latent
            .clone()
            .narrow(1, patches, count - patches)
            .reshape([samples, above, patches, width])
            .swap_dims(1, 2)
            .reshape([samples * patches, above, width])
    }

    /// The fields of the newest input that a head reads, their levels side by side: (B, H, W, F). None reads none.
    ///
    /// # Errors
    /// An input that lacks one of them.
    pub fn fields(&self, outline: &Outline) -> Result<Option<Tensor<4>>, ModelError> {
        let Sizes { samples, height, width, .. } = self.sizes;
        let mut channels = Vec::new();
        for field in &outline.reads {
            if field.levels {
                channels.push(self.newest_levels(&outline.name, &field.named)?.permute([0, 2, 3, 1]));
            } else if let Some(values) = self.batch.surface.get(&field.named) {
                let newest = values.dims()[1] - 1;
                channels.push(values.clone().narrow(1, newest, 1).permute([0, 2, 3, 1]));
            } else if let Some(values) = self.batch.statics.get(&field.named) {
                let one: Tensor<4> = values.clone().reshape([1, height, width, 1]);
                channels.push(one.expand([samples, height, width, 1]));
            } else {
                return Err(lacking(&outline.name, &field.named));
            }
        }
        Ok((!channels.is_empty()).then(|| Tensor::cat(channels, 3)))
    }

    /// A field on levels of the newest input, (B, A, H, W).
    ///
    /// # Errors
    /// An input that lacks it.
    pub fn newest_levels(&self, head: &str, named: &str) -> Result<Tensor<4>, ModelError> {
        let values = self.batch.atmosphere.get(named).ok_or_else(|| lacking(head, named))?;
        let newest = values.dims()[1] - 1;
        Ok(values.clone().narrow(1, newest, 1).squeeze_dim(1))
    }

    /// Points gathered by patch: (B, H, W, F) → (B, L, F·P²), features (channel, row, column).
    pub fn by_patch(&self, fields: Tensor<4>) -> Tensor<3> {
        let ([samples, _, _, channels], [rows, columns], patch) =
            (fields.dims(), self.patch_grid(), self.patch);
        fields
            .reshape([samples, rows, patch, columns, patch, channels])
            .permute([0, 1, 3, 5, 2, 4])
            .reshape([samples, rows * columns, channels * patch * patch])
    }

    /// Patches laid out on the grid: (B·L, A, N·P²), features (number, row, column) → (N, B, A, H, W).
    pub fn by_level(&self, numbers: Tensor<3>, count: usize) -> Tensor<5> {
        let Sizes { samples, height, width, .. } = self.sizes;
        let (levels, [rows, columns], patch) = (numbers.dims()[1], self.patch_grid(), self.patch);
        numbers
            .reshape([samples, rows, columns, levels, count, patch, patch])
            .permute([4, 0, 3, 1, 5, 2, 6])
            .reshape([count, samples, levels, height, width])
    }
}

fn lacking(head: &str, named: &str) -> ModelError {
    ModelError::Batch(format!("the head `{head}` reads `{named}`, which the input lacks"))
}
