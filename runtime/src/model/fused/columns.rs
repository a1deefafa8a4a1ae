//! Attention in many small groups of tokens: the columns of the Perceivers.
//!
//! Scores live in the cache and are computed again for the gradient.

use rayon::prelude::*;

use super::head::{Head, Scratch};

/// Groups of a piece of work: it only bounds the cost of starting one.
const GROUPS: usize = 32;

/// Sizes of attention in groups.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    pub groups: usize,
    pub queries: usize,
    keys: usize,
    pub width: usize,
    heads: usize,
    /// All groups ask the same.
    shared: bool,
}

impl Columns {
    /// From the shapes (G or 1, M, d) and (G, N, 2d).
    pub fn new(query: &[usize], key_value: &[usize], heads: usize) -> Columns {
        let (groups, keys) = (key_value[0], key_value[1]);
        Columns {
            groups,
            queries: query[1],
            keys,
            width: query[2],
            heads,
            shared: query[0] == 1 && groups > 1,
        }
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
pub fn forward(query: &[f32], key_value: &[f32], sizes: Columns) -> Vec<f32> {
    let Columns { groups, queries, width, heads, .. } = sizes;
    let head = sizes.head();
    let mut out = vec![0.0; groups * queries * width];
    let pieces = out.par_chunks_mut(GROUPS * queries * width);
    pieces.enumerate().for_each(|(piece, out)| {
        let mut scratch = Scratch::new(head);
        for (set, out) in out.chunks_exact_mut(queries * width).enumerate() {
            for start in (0..heads).map(|at| at * head.width) {
                sizes.load(&mut scratch, query, key_value, piece * GROUPS + set, start);
                scratch.forward();
                for (row, from) in out.chunks_exact_mut(width).zip(scratch.out.chunks_exact(head.width)) {
                    row[start..][..head.width].copy_from_slice(from);
                }
            }
        }
    });
    out
}

/// Gradients of the queries and of the keys and values.
pub fn backward(query: &[f32], key_value: &[f32], gradient: &[f32], sizes: Columns) -> (Vec<f32>, Vec<f32>) {
    let Columns { queries, keys, width, .. } = sizes;
    let sets = GROUPS;
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
    sizes: Columns,
    group: usize,
    d_query: &mut [f32],
    d_key_value: &mut [f32],
) {
    let Columns { queries, width, heads, .. } = sizes;
    let size = scratch.head.width;
    let gradient = &gradient[group * queries * width..][..queries * width];
    for start in (0..heads).map(|at| at * size) {
        sizes.load(scratch, query, key_value, group, start);
        for (to, row) in scratch.out.chunks_exact_mut(size).zip(gradient.chunks_exact(width)) {
            to.copy_from_slice(&row[start..][..size]);
        }
        scratch.backward();
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
