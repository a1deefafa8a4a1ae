//! Attention of one head over one set of tokens, which fits into the cache.

use super::wide::{exp, greatest, sum, wide};

/// Scores are kept in rows of a multiple of this.
const STEP: usize = 8;

/// Sizes of one head's attention.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    queries: usize,
    keys: usize,
    pub width: usize,
    /// `keys`, rounded up to `STEP`.
    row: usize,
}

impl Head {
    pub fn new(queries: usize, keys: usize, width: usize) -> Head {
        Head { queries, keys, width, row: keys.next_multiple_of(STEP) }
    }
}

/// One head's tokens and gradients, gathered.
#[derive(Debug)]
pub struct Scratch {
    pub head: Head,
    /// (queries, width), times 1/√width.
    query: Vec<f32>,
    /// (keys, width).
    key: Vec<f32>,
    value: Vec<f32>,
    /// (width, row).
    key_turned: Vec<f32>,
    value_turned: Vec<f32>,
    /// (queries, width): the output, or its gradient.
    pub out: Vec<f32>,
    pub d_query: Vec<f32>,
    pub d_key: Vec<f32>,
    pub d_value: Vec<f32>,
    /// Two rows of scores.
    scores: Vec<f32>,
}

impl Scratch {
    pub fn new(head: Head) -> Scratch {
        let (queries, keys) = (vec![0.0; head.queries * head.width], vec![0.0; head.keys * head.width]);
        let turned = vec![0.0; head.row * head.width];
        Scratch {
            head,
            query: queries.clone(),
            key: keys.clone(),
            value: keys.clone(),
            key_turned: turned.clone(),
            value_turned: turned,
            out: queries.clone(),
            d_query: queries,
            d_key: keys.clone(),
            d_value: keys,
            scores: vec![0.0; 2 * head.row],
        }
    }

    pub fn load_query(&mut self, index: usize, from: &[f32]) {
        let scale = (self.head.width as f32).powf(-0.5);
        let to = &mut self.query[index * self.head.width..][..self.head.width];
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
    }

    pub fn load_key_value(&mut self, index: usize, key: &[f32], value: &[f32]) {
        let Head { width, row, .. } = self.head;
        self.key[index * width..][..width].copy_from_slice(key);
        self.value[index * width..][..width].copy_from_slice(value);
        for feature in 0..width {
            self.key_turned[feature * row + index] = key[feature];
            self.value_turned[feature * row + index] = value[feature];
        }
    }

    pub fn forward(&mut self) {
        let Scratch { head, query, value, key_turned, out, scores, .. } = self;
        forward_head(*head, query, key_turned, value, scores, out);
    }

    /// From the gradient in `out` to those in `d_query`, `d_key` and `d_value`.
    pub fn backward(&mut self) {
        let Scratch { head, query, key, key_turned, value_turned, out, scores, .. } = self;
        let (d_query, d_key, d_value) = (&mut self.d_query, &mut self.d_key, &mut self.d_value);
        backward_head(*head, query, key, key_turned, value_turned, scores, out, d_query, d_key, d_value);
    }
}

/// out[j] = Σ_c x[c]·turned[c, j], in blocks that stay in registers.
#[inline(always)]
fn products(x: &[f32], turned: &[f32], row: usize, out: &mut [f32]) {
    let mut start = 0;
    while start + 4 * STEP <= row {
        block::<{ 4 * STEP }>(x, &turned[start..], row, &mut out[start..]);
        start += 4 * STEP;
    }
    while start < row {
        block::<STEP>(x, &turned[start..], row, &mut out[start..]);
        start += STEP;
    }
}

/// The first `N` of the sums of rows, each weighed: out[j] = Σ_i weight[i]·rows[i, j].
#[inline(always)]
fn block<const N: usize>(weights: &[f32], rows: &[f32], stride: usize, out: &mut [f32]) {
    let mut sums = [0f32; N];
    for (weight, row) in weights.iter().zip(rows.chunks(stride)) {
        let row: &[f32; N] = match row.first_chunk() {
            Some(row) => row,
            None => return,
        };
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += weight * value;
        }
    }
    if let Some(out) = out.first_chunk_mut() {
        *out = sums;
    }
}

/// out[c] = Σ_i weight[i]·rows[i, c] for rows of any width.
#[inline(always)]
fn weighted_sum(weights: &[f32], rows: &[f32], out: &mut [f32]) {
    match out.len() {
        8 => block::<8>(weights, rows, 8, out),
        16 => block::<16>(weights, rows, 16, out),
        32 => block::<32>(weights, rows, 32, out),
        64 => block::<64>(weights, rows, 64, out),
        width => {
            out.fill(0.0);
            for (weight, row) in weights.iter().zip(rows.chunks_exact(width)) {
                for (out, value) in out.iter_mut().zip(row) {
                    *out += weight * value;
                }
            }
        }
    }
}

/// Scores to probabilities.
#[inline(always)]
fn softmax(scores: &mut [f32], keys: usize) {
    let (used, unused) = scores.split_at_mut(keys);
    unused.fill(0.0);
    let most = greatest(used);
    for score in used.iter_mut() {
        // What is below 1e-30 of the greatest cannot be seen beside it, and denormal numbers are slow.
        let below = *score - most;
        *score = if below < -69.0 { 0.0 } else { exp(below) };
    }
    let inverse = 1.0 / sum(keys, |index| used[index]);
    used.iter_mut().for_each(|score| *score *= inverse);
}

wide! {
    /// out = softmax(query·keyᵀ)·value; the query is scaled.
    pub fn forward_head(
        head: Head,
        query: &[f32],
        key_turned: &[f32],
        value: &[f32],
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let Head { keys, width, row, .. } = head;
        let scores = &mut scores[..row];
        let rows = query.chunks_exact(width).zip(out.chunks_exact_mut(width));
        for (query, out) in rows {
            products(query, key_turned, row, scores);
            softmax(scores, keys);
            weighted_sum(&scores[..keys], value, out);
        }
    }
}

wide! {
    /// Gradients from that of the output; the query is scaled, its gradient is that of the unscaled one.
    pub fn backward_head(
        head: Head,
        query: &[f32],
        key: &[f32],
        key_turned: &[f32],
        value_turned: &[f32],
        scores: &mut [f32],
        gradient: &[f32],
        d_query: &mut [f32],
        d_key: &mut [f32],
        d_value: &mut [f32],
    ) {
        let Head { keys, width, row, .. } = head;
        let scale = (width as f32).powf(-0.5);
        let (weights, d_scores) = scores.split_at_mut(row);
        d_key.fill(0.0);
        d_value.fill(0.0);
        let rows = query.chunks_exact(width).zip(gradient.chunks_exact(width)).zip(d_query.chunks_exact_mut(width));
        for ((query, gradient), d_query) in rows {
            products(query, key_turned, row, weights);
            softmax(weights, keys);
            products(gradient, value_turned, row, d_scores);
            let mean = sum(keys, |index| weights[index] * d_scores[index]);
            for (d_score, weight) in d_scores.iter_mut().zip(weights.iter()) {
                *d_score = weight * (*d_score - mean);
            }
            weighted_sum(&d_scores[..keys], key, d_query);
            let tokens = d_key.chunks_exact_mut(width).zip(d_value.chunks_exact_mut(width));
            for ((d_key, d_value), (weight, d_score)) in tokens.zip(weights.iter().zip(d_scores.iter())) {
                for feature in 0..width {
                    d_key[feature] += d_score * query[feature];
                    d_value[feature] += weight * gradient[feature];
                }
            }
            d_query.iter_mut().for_each(|value| *value *= scale);
        }
    }
}
