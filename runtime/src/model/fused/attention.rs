//! Attention over many small sets of tokens: windows of the backbone, columns of the Perceivers.
//!
//! A set's tokens are read where they lie; scores live in the cache and are computed again for the gradient.

use rayon::prelude::*;

use super::super::window::WindowLayout;
use super::head::{Head, Scratch};

/// Sets of a piece of work. A multiple of nothing: it only bounds the cost of starting one.
const SETS: usize = 8;

/// Window attention: `qkv` (B, N, 3d) and `padding` (3d) → (B, N, d).
pub fn windows(qkv: &[f32], padding: &[f32], layout: &WindowLayout, width: usize, heads: usize) -> Vec<f32> {
    let size = layout.size;
    let samples = qkv.len() / (layout.count * 3 * width);
    let mut placed = vec![0.0; samples * layout.windows * size * width];
    let head = Head::new(size, size, width / heads);
    placed.par_chunks_mut(SETS * size * width).enumerate().for_each(|(piece, placed)| {
        let mut scratch = Scratch::new(head);
        for (set, placed) in placed.chunks_exact_mut(size * width).enumerate() {
            let window = Window::new(layout, piece * SETS + set, qkv, padding, width);
            for at in 0..heads {
                window.load(&mut scratch, at * head.width);
                scratch.forward(window.groups);
                for (token, row) in placed.chunks_exact_mut(width).enumerate() {
                    row[at * head.width..][..head.width]
                        .copy_from_slice(&scratch.out[token * head.width..][..head.width]);
                }
            }
        }
    });
    gather(&placed, layout, samples, width)
}

/// Gradients of `qkv` and `padding`; `inputs` are those two and the gradient of the output.
pub fn windows_backward(
    inputs: (&[f32], &[f32], &[f32]),
    layout: &WindowLayout,
    width: usize,
    heads: usize,
) -> (Vec<f32>, Vec<f32>) {
    let (qkv, padding, gradient) = inputs;
    let (size, triple) = (layout.size, 3 * width);
    let samples = qkv.len() / (layout.count * triple);
    let mut placed = vec![0.0; samples * layout.windows * size * triple];
    let head = Head::new(size, size, width / heads);
    placed.par_chunks_mut(SETS * size * triple).enumerate().for_each(|(piece, placed)| {
        let mut scratch = Scratch::new(head);
        for (set, placed) in placed.chunks_exact_mut(size * triple).enumerate() {
            let window = Window::new(layout, piece * SETS + set, qkv, padding, width);
            for at in 0..heads {
                let start = at * head.width;
                window.load(&mut scratch, start);
                window.load_gradient(&mut scratch, gradient, start);
                scratch.backward(window.groups);
                for (token, row) in placed.chunks_exact_mut(triple).enumerate() {
                    let parts = [&scratch.d_query, &scratch.d_key, &scratch.d_value];
                    for (part, from) in parts.into_iter().enumerate() {
                        row[part * width + start..][..head.width]
                            .copy_from_slice(&from[token * head.width..][..head.width]);
                    }
                }
            }
        }
    });
    let mut d_padding = vec![0.0; triple];
    for (place, row) in placed.chunks_exact(triple).enumerate() {
        if layout.tokens[place % layout.tokens.len()] as usize == layout.count {
            d_padding.iter_mut().zip(row).for_each(|(sum, row)| *sum += row);
        }
    }
    (gather(&placed, layout, samples, triple), d_padding)
}

/// From window order to token order.
fn gather(placed: &[f32], layout: &WindowLayout, samples: usize, width: usize) -> Vec<f32> {
    let mut result = vec![0.0; samples * layout.count * width];
    result.par_chunks_mut(64 * width).enumerate().for_each(|(piece, rows)| {
        for (index, row) in rows.chunks_exact_mut(width).enumerate() {
            let token = piece * 64 + index;
            let (sample, token) = (token / layout.count, token % layout.count);
            let place = sample * layout.tokens.len() + layout.places[token] as usize;
            row.copy_from_slice(&placed[place * width..][..width]);
        }
    });
    result
}

/// One window of one sample.
struct Window<'a> {
    tokens: &'a [u32],
    groups: Option<&'a [u16]>,
    count: usize,
    /// The sample's tokens.
    qkv: &'a [f32],
    padding: &'a [f32],
    width: usize,
    sample: usize,
}

impl<'a> Window<'a> {
    fn new(
        layout: &'a WindowLayout,
        set: usize,
        qkv: &'a [f32],
        padding: &'a [f32],
        width: usize,
    ) -> Window<'a> {
        let (sample, window) = (set / layout.windows, set % layout.windows);
        let places = window * layout.size..(window + 1) * layout.size;
        let stride = layout.count * 3 * width;
        Window {
            tokens: &layout.tokens[places.clone()],
            groups: layout.groups.as_ref().map(|groups| &groups[places]),
            count: layout.count,
            qkv: &qkv[sample * stride..(sample + 1) * stride],
            padding,
            width,
            sample,
        }
    }

    /// Gathers one head, which starts at the given feature.
    fn load(&self, scratch: &mut Scratch, start: usize) {
        let (width, size) = (self.width, scratch.head.width);
        for (index, &token) in self.tokens.iter().enumerate() {
            let row = match token as usize {
                token if token < self.count => &self.qkv[token * 3 * width..][..3 * width],
                _ => self.padding,
            };
            scratch.load_query(index, &row[start..][..size]);
            scratch.load_key_value(index, &row[width + start..][..size], &row[2 * width + start..][..size]);
        }
    }

    /// Gathers the gradient of the output, which has none in padding.
    fn load_gradient(&self, scratch: &mut Scratch, gradient: &[f32], start: usize) {
        let size = scratch.head.width;
        let gradient = &gradient[self.sample * self.count * self.width..];
        for (index, &token) in self.tokens.iter().enumerate() {
            let to = &mut scratch.out[index * size..][..size];
            match token as usize {
                token if token < self.count => {
                    to.copy_from_slice(&gradient[token * self.width + start..][..size]);
                }
                _ => to.fill(0.0),
            }
        }
    }
}

/// Sizes of attention in groups.
#[derive(Clone, Copy, Debug)]
pub struct Cross {
    pub groups: usize,
    pub queries: usize,
    keys: usize,
    pub width: usize,
    heads: usize,
    /// All groups ask the same.
    shared: bool,
}

impl Cross {
    /// From the shapes (G or 1, M, d) and (G, N, 2d).
    pub fn new(query: &[usize], key_value: &[usize], heads: usize) -> Cross {
        let (groups, keys) = (key_value[0], key_value[1]);
        Cross { groups, queries: query[1], keys, width: query[2], heads, shared: query[0] == 1 && groups > 1 }
    }

    fn head(&self) -> Head {
        Head::new(self.queries, self.keys, self.width / self.heads)
    }

    fn load(&self, scratch: &mut Scratch, query: &[f32], key_value: &[f32], group: usize, start: usize) {
        let (width, size) = (self.width, scratch.head.width);
        let query = if self.shared { query } else { &query[group * self.queries * width..] };
        for index in 0..self.queries {
            scratch.load_query(index, &query[index * width + start..][..size]);
        }
        let rows = key_value[group * self.keys * 2 * width..].chunks_exact(2 * width);
        for (index, row) in rows.take(self.keys).enumerate() {
            scratch.load_key_value(index, &row[start..][..size], &row[width + start..][..size]);
        }
    }
}

/// Attention in groups: (G or 1, M, d) and (G, N, 2d) → (G, M, d).
pub fn cross(query: &[f32], key_value: &[f32], sizes: Cross) -> Vec<f32> {
    let Cross { groups, queries, width, heads, .. } = sizes;
    let head = sizes.head();
    let mut out = vec![0.0; groups * queries * width];
    let pieces = out.par_chunks_mut(4 * SETS * queries * width);
    pieces.enumerate().for_each(|(piece, out)| {
        let mut scratch = Scratch::new(head);
        for (set, out) in out.chunks_exact_mut(queries * width).enumerate() {
            for start in (0..heads).map(|at| at * head.width) {
                sizes.load(&mut scratch, query, key_value, piece * 4 * SETS + set, start);
                scratch.forward(None);
                for (row, from) in out.chunks_exact_mut(width).zip(scratch.out.chunks_exact(head.width)) {
                    row[start..][..head.width].copy_from_slice(from);
                }
            }
        }
    });
    out
}

/// Gradients of the queries and of the keys and values.
pub fn cross_backward(
    query: &[f32],
    key_value: &[f32],
    gradient: &[f32],
    sizes: Cross,
) -> (Vec<f32>, Vec<f32>) {
    let Cross { queries, keys, width, .. } = sizes;
    let sets = 4 * SETS;
    let mut d_key_value = vec![0.0; key_value.len()];
    let (rows, pieces) = (queries * width, sets * keys * 2 * width);
    if sizes.shared {
        let parts: Vec<Vec<f32>> = d_key_value
            .par_chunks_mut(pieces)
            .enumerate()
            .map(|(piece, d_key_value)| {
                let mut d_query = vec![0.0; rows];
                let mut sum = vec![0.0; rows];
                let mut scratch = Scratch::new(sizes.head());
                for (set, d_key_value) in d_key_value.chunks_exact_mut(keys * 2 * width).enumerate() {
                    let group = piece * sets + set;
                    group_backward(
                        &mut scratch,
                        (query, key_value, gradient),
                        sizes,
                        group,
                        &mut d_query,
                        d_key_value,
                    );
                    sum.iter_mut().zip(&d_query).for_each(|(sum, part)| *sum += part);
                }
                sum
            })
            .collect();
        let mut d_query = vec![0.0; rows];
        for part in parts {
            d_query.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        return (d_query, d_key_value);
    }
    let mut d_query = vec![0.0; query.len()];
    let both = d_key_value.par_chunks_mut(pieces).zip(d_query.par_chunks_mut(sets * rows));
    both.enumerate().for_each(|(piece, (d_key_value, d_query))| {
        let mut scratch = Scratch::new(sizes.head());
        let each = d_key_value.chunks_exact_mut(keys * 2 * width).zip(d_query.chunks_exact_mut(rows));
        for (set, (d_key_value, d_query)) in each.enumerate() {
            let group = piece * sets + set;
            group_backward(&mut scratch, (query, key_value, gradient), sizes, group, d_query, d_key_value);
        }
    });
    (d_query, d_key_value)
}

fn group_backward(
    scratch: &mut Scratch,
    (query, key_value, gradient): (&[f32], &[f32], &[f32]),
    sizes: Cross,
    group: usize,
    d_query: &mut [f32],
    d_key_value: &mut [f32],
) {
    let Cross { queries, width, heads, .. } = sizes;
    let size = scratch.head.width;
    let gradient = &gradient[group * queries * width..][..queries * width];
    for start in (0..heads).map(|at| at * size) {
        sizes.load(scratch, query, key_value, group, start);
        for (to, row) in scratch.out.chunks_exact_mut(size).zip(gradient.chunks_exact(width)) {
            to.copy_from_slice(&row[start..][..size]);
        }
        scratch.backward(None);
        for (row, from) in d_query.chunks_exact_mut(width).zip(scratch.d_query.chunks_exact(size)) {
            row[start..][..size].copy_from_slice(from);
        }
        let from = scratch.d_key.chunks_exact(size).zip(scratch.d_value.chunks_exact(size));
        for (row, (key, value)) in d_key_value.chunks_exact_mut(2 * width).zip(from) {
            row[start..][..size].copy_from_slice(key);
            row[width + start..][..size].copy_from_slice(value);
        }
    }
}
