//! Names and shapes of weights as they are listed, module by module, in torch's layout.

use super::model::ModelPlan;

/// The list, in the order of construction.
#[derive(Debug, Default)]
pub struct Tensors(pub Vec<(String, Vec<usize>)>);

impl Tensors {
    pub fn add<const D: usize>(&mut self, name: impl Into<String>, shape: [usize; D]) {
        self.0.push((name.into(), shape.to_vec()));
    }

    /// A matrix of (out, in), and a bias.
    pub fn linear(&mut self, name: &str, input: usize, output: usize, bias: bool) {
        self.add(format!("{name}.weight"), [output, input]);
        if bias {
            self.add(format!("{name}.bias"), [output]);
        }
    }

    /// A square filter of (out, in, side, side), and a bias.
    pub fn convolution(&mut self, name: &str, input: usize, output: usize, side: usize) {
        self.add(format!("{name}.weight"), [output, input, side, side]);
        self.add(format!("{name}.bias"), [output]);
    }

    /// A filter that spreads one point over `side`×`side`: (in, out, side, side), and a bias.
    pub fn transposed(&mut self, name: &str, input: usize, output: usize, side: usize) {
        self.add(format!("{name}.weight"), [input, output, side, side]);
        self.add(format!("{name}.bias"), [output]);
    }

    pub fn norm(&mut self, name: &str, width: usize) {
        self.add(format!("{name}.weight"), [width]);
        self.add(format!("{name}.bias"), [width]);
    }

    pub fn mlp(&mut self, name: &str, width: usize, hidden: usize) {
        self.linear(&format!("{name}.net.0"), width, hidden, true);
        self.linear(&format!("{name}.net.2"), hidden, width, true);
    }

    /// Low-rank matrices A of (rank, in) and B of (out, rank) beside both matrices of a block's attention, a
    /// pair for each adapted step.
    pub fn adapters(&mut self, block: &str, width: usize, rank: usize, steps: usize) {
        for (name, output) in [("lora_proj", width), ("lora_qkv", 3 * width)] {
            for step in 0..steps {
                self.add(format!("{block}.attn.{name}.loras.{step}.lora_A"), [rank, width]);
                self.add(format!("{block}.attn.{name}.loras.{step}.lora_B"), [output, rank]);
            }
        }
    }

    pub fn perceiver(&mut self, name: &str, width: usize, ratio: f64, depth: usize, stabilise: bool) {
        for layer in 0..depth {
            let prefix = format!("{name}.layers.{layer}");
            self.linear(&format!("{prefix}.0.to_q"), width, width, false);
            self.linear(&format!("{prefix}.0.to_kv"), width, 2 * width, false);
            self.linear(&format!("{prefix}.0.to_out"), width, width, false);
            if stabilise && layer == 0 {
                self.norm(&format!("{prefix}.0.ln_k"), width);
                self.norm(&format!("{prefix}.0.ln_q"), width);
            }
            self.mlp(&format!("{prefix}.1"), width, ModelPlan::hidden(width, ratio));
            self.norm(&format!("{prefix}.2"), width);
            self.norm(&format!("{prefix}.3"), width);
        }
    }
}
