//! Attention within windows of the backbone.
//!
//! A window's tokens are copied once, row by row; its heads then are products of matrices that fit into the cache,
//! and the gradient computes the weights again. All padding of a window is one key, weighed by how many it stands
//! for, and asks nothing: so a window costs what its tokens cost.

use rayon::prelude::*;

use super::super::window::WindowLayout;
use super::matrix::{Matrix, multiply};
use super::wide::{exp, greatest, sum, wide};

/// What attention does, beside its values.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    pub layout: &'a WindowLayout,
    pub width: usize,
    pub heads: usize,
}

/// Window attention: `qkv` (B, N, 3d) and `padding` (3d) → (B, N, d).
pub fn forward(qkv: &[f32], padding: &[f32], sizes: Sizes<'_>) -> Vec<f32> {
    let Sizes { layout, width, .. } = sizes;
    let samples = samples(qkv, sizes);
    let windows = windows(layout);
    let mut placed = vec![0.0; samples * layout.count * width];
    let mut work = rows_of(&mut placed, &windows, samples, width);
    work.par_iter_mut().for_each_init(Scratch::default, |scratch, (sample, window, out)| {
        scratch.load(window, sizes, (qkv, padding), *sample);
        for head in 0..sizes.heads {
            scratch.weigh(window, sizes, head);
            let weights = Matrix::new(&scratch.weights, [window.members.len(), window.keys()], window.keys());
            multiply(&mut out[head * sizes.head()..], width, weights, scratch.part(window, sizes, 2, head));
        }
    });
    drop(work);
    in_order(&placed, &windows, layout, samples, width)
}

/// Gradients of `qkv` and `padding` from that of the output.
pub fn backward(
    (qkv, padding, gradient): (&[f32], &[f32], &[f32]),
    sizes: Sizes<'_>,
) -> (Vec<f32>, Vec<f32>) {
    let Sizes { layout, width, .. } = sizes;
    let (samples, triple) = (samples(qkv, sizes), 3 * width);
    let windows = windows(layout);
    let mut placed = vec![0.0; samples * layout.count * triple];
    let work = rows_of(&mut placed, &windows, samples, triple);
    let paddings: Vec<Option<Vec<f32>>> = work
        .into_par_iter()
        .map_init(Scratch::default, |scratch, (sample, window, out)| {
            scratch.load(window, sizes, (qkv, padding), sample);
            scratch.load_gradient(window, sizes, gradient, sample);
            for head in 0..sizes.heads {
                scratch.weigh(window, sizes, head);
                scratch.head_backward(window, sizes, head);
            }
            let (tokens, rest) = scratch.result.split_at(window.members.len() * triple);
            out.copy_from_slice(tokens);
            (window.padding > 0).then(|| rest[..triple].to_vec())
        })
        .collect();
    let mut d_padding = vec![0.0; triple];
    for part in paddings.into_iter().flatten() {
        d_padding.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    (in_order(&placed, &windows, layout, samples, triple), d_padding)
}

fn samples(qkv: &[f32], sizes: Sizes<'_>) -> usize {
    qkv.len() / (sizes.layout.count * 3 * sizes.width).max(1)
}

impl Sizes<'_> {
    fn head(&self) -> usize {
        self.width / self.heads
    }
}

/// The tokens of one window.
#[derive(Debug)]
struct Window {
    /// Numbers of its tokens.
    members: Vec<u32>,
    /// Groups of its keys; of different groups none sees the other. Absent if all see all.
    groups: Option<Vec<u16>>,
    /// Places without a token.
    padding: usize,
}

impl Window {
    /// Its tokens, and one for all padding.
    fn keys(&self) -> usize {
        self.members.len() + usize::from(self.padding > 0)
    }
}

/// The windows of a layout that hold a token.
fn windows(layout: &WindowLayout) -> Vec<Window> {
    let size = layout.size.max(1);
    let groups = |at: usize| layout.groups.as_ref().map(|groups| &groups[at * size..(at + 1) * size]);
    let window = |(at, tokens): (usize, &[u32])| {
        let inside = |token: &u32| (*token as usize) < layout.count;
        let members: Vec<u32> = tokens.iter().copied().filter(inside).collect();
        let groups = groups(at).map(|groups| {
            let own = tokens.iter().zip(groups).filter(|(token, _)| inside(token)).map(|(_, group)| *group);
            // Padding is a group of its own, and comes last.
            let padding =
                tokens.iter().zip(groups).find(|(token, _)| !inside(token)).map(|(_, group)| *group);
            own.chain(padding).collect()
        });
        Window { padding: tokens.len() - members.len(), members, groups }
    };
    let all = layout.tokens.chunks(size).enumerate().map(window);
    all.filter(|window| !window.members.is_empty()).collect()
}

/// Each sample's windows with their rows of a result in the order of windows.
fn rows_of<'a>(
    mut placed: &'a mut [f32],
    windows: &'a [Window],
    samples: usize,
    width: usize,
) -> Vec<(usize, &'a Window, &'a mut [f32])> {
    let mut list = Vec::with_capacity(samples * windows.len());
    for sample in 0..samples {
        for window in windows {
            let (rows, rest) = placed.split_at_mut(window.members.len() * width);
            list.push((sample, window, rows));
            placed = rest;
        }
    }
    list
}

/// From the order of windows to that of tokens.
fn in_order(
    placed: &[f32],
    windows: &[Window],
    layout: &WindowLayout,
    samples: usize,
    width: usize,
) -> Vec<f32> {
    let mut places = vec![0u32; layout.count];
    for (place, token) in windows.iter().flat_map(|window| &window.members).enumerate() {
        places[*token as usize] = place as u32;
    }
    let mut result = vec![0.0; samples * layout.count * width];
    result.par_chunks_mut(64 * width).enumerate().for_each(|(piece, rows)| {
        for (index, row) in rows.chunks_exact_mut(width).enumerate() {
            let (sample, token) = ((piece * 64 + index) / layout.count, (piece * 64 + index) % layout.count);
            let place = sample * layout.count + places[token] as usize;
            row.copy_from_slice(&placed[place * width..][..width]);
        }
    });
    result
}

/// One window's values, used again for the next. n tokens, k keys.
#[derive(Debug, Default)]
struct Scratch {
    /// (k, 3d).
    rows: Vec<f32>,
    /// (n, k): attention's weights, those of a padding key for all that it stands for.
    weights: Vec<f32>,
    /// (n, d): the gradient of the output.
    gradient: Vec<f32>,
    /// (n, k): gradients of the weights, then of the products of queries and keys.
    d_weights: Vec<f32>,
    /// (k, 3d): gradients of `rows`.
    result: Vec<f32>,
}

impl Scratch {
    fn load(&mut self, window: &Window, sizes: Sizes<'_>, (qkv, padding): (&[f32], &[f32]), sample: usize) {
        let triple = 3 * sizes.width;
        let tokens = &qkv[sample * sizes.layout.count * triple..];
        self.rows.clear();
        for token in &window.members {
            self.rows.extend_from_slice(&tokens[*token as usize * triple..][..triple]);
        }
        if window.padding > 0 {
            self.rows.extend_from_slice(&padding[..triple]);
        }
        self.weights.resize(window.members.len() * window.keys(), 0.0);
    }

    fn load_gradient(&mut self, window: &Window, sizes: Sizes<'_>, gradient: &[f32], sample: usize) {
        let width = sizes.width;
        let tokens = &gradient[sample * sizes.layout.count * width..];
        self.gradient.clear();
        for token in &window.members {
            self.gradient.extend_from_slice(&tokens[*token as usize * width..][..width]);
        }
        self.d_weights.resize(window.members.len() * window.keys(), 0.0);
        self.result.clear();
        self.result.resize(window.keys() * 3 * width, 0.0);
    }

    /// Queries (0), keys (1) or values (2) of one head: of queries there are as many as tokens.
    fn part(&self, window: &Window, sizes: Sizes<'_>, part: usize, head: usize) -> Matrix<'_> {
        let count = if part == 0 { window.members.len() } else { window.keys() };
        let start = part * sizes.width + head * sizes.head();
        Matrix::new(&self.rows[start..], [count, sizes.head()], 3 * sizes.width)
    }

    /// softmax(q·kᵀ/√width + mask) into `weights`.
    fn weigh(&mut self, window: &Window, sizes: Sizes<'_>, head: usize) {
        let keys = window.keys();
        let mut weights = std::mem::take(&mut self.weights);
        let (query, key) = (self.part(window, sizes, 0, head), self.part(window, sizes, 1, head));
        multiply(&mut weights, keys, query, key.turned());
        let last = window.padding.max(1) as f32;
        softmax_rows(&mut weights, keys, scale(sizes), window.groups.as_deref(), last);
        self.weights = weights;
    }

    /// Gradients of one head's queries, keys and values into `result`.
    fn head_backward(&mut self, window: &Window, sizes: Sizes<'_>, head: usize) {
        let (count, keys, width) = (window.members.len(), window.keys(), sizes.width);
        let start = head * sizes.head();
        let mut d_weights = std::mem::take(&mut self.d_weights);
        let mut result = std::mem::take(&mut self.result);
        let gradient = Matrix::new(&self.gradient[start..], [count, sizes.head()], width);
        let [query, key, value] = [0, 1, 2].map(|part| self.part(window, sizes, part, head));
        let weights = Matrix::new(&self.weights, [count, keys], keys);
        multiply(&mut result[2 * width + start..], 3 * width, weights.turned(), gradient);
        multiply(&mut d_weights, keys, gradient, value.turned());
        softmax_backward_rows(&mut d_weights, &self.weights, keys, scale(sizes));
        let d_scores = Matrix::new(&d_weights, [count, keys], keys);
        multiply(&mut result[start..], 3 * width, d_scores, key);
        multiply(&mut result[width + start..], 3 * width, d_scores.turned(), query);
        (self.d_weights, self.result) = (d_weights, result);
    }
}

fn scale(sizes: Sizes<'_>) -> f32 {
    (sizes.head() as f32).powf(-0.5)
}

wide! {
    /// Products to weights, row by row: times `scale`, lowered by 100 where the groups differ, the last key standing
    /// for `last` equal ones.
    pub fn softmax_rows(scores: &mut [f32], keys: usize, scale: f32, groups: Option<&[u16]>, last: f32) {
        for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
            match groups {
                Some(groups) => {
                    let own = groups[index];
                    for (score, group) in row.iter_mut().zip(groups) {
                        *score = *score * scale + if *group == own { 0.0 } else { -100.0 };
                    }
                }
                None => row.iter_mut().for_each(|score| *score *= scale),
            }
            let most = greatest(row);
            for score in row.iter_mut() {
                // What is below 1e-30 of the greatest cannot be seen beside it, and denormal numbers are slow.
                let below = *score - most;
                *score = if below < -69.0 { 0.0 } else { exp(below) };
            }
            row[keys - 1] *= last;
            let inverse = 1.0 / sum(keys, |index| row[index]);
            row.iter_mut().for_each(|score| *score *= inverse);
        }
    }
}

wide! {
    /// From the gradient of the weights to that of the products.
    pub fn softmax_backward_rows(gradient: &mut [f32], weights: &[f32], keys: usize, scale: f32) {
        for (gradient, weights) in gradient.chunks_exact_mut(keys).zip(weights.chunks_exact(keys)) {
            let mean = sum(keys, |index| weights[index] * gradient[index]);
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - mean) * scale;
            }
        }
    }
}
