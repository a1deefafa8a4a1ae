//! Layouts of published checkpoints, brought to the names of Aurora 2.0.1.
//!
//! What stands here is the one description of them: for each weight its shape and where in the file its values
//! are. The compiler reads the shapes; the runtime follows the same description to the values.

mod air_pollution;

use std::collections::BTreeMap;

use super::model::{Family, ModelPlan};

/// Surface variables, statics and variables on levels of the stacks in the first checkpoints.
const SURFACE: [&str; 4] = ["2t", "10u", "10v", "msl"];
const STATIC: [&str; 3] = ["lsm", "z", "slt"];
const ATMOSPHERE: [&str; 5] = ["z", "u", "v", "t", "q"];

/// Where the values of a weight are in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A tensor as it is.
    Whole(String),
    /// A channel of stacked patch embeddings: (D, V, T, P, P) → (D, 1, T, P, P).
    Channel { stack: String, index: usize },
    /// Each `of`-th row of stacked output layers, from row `index` on: (P²·V, …) → (P², …).
    Rows { stack: String, index: usize, of: usize },
    /// Two tensors of one shape, added.
    Sum(String, String),
}

/// A weight of a file, under its name of 2.0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub shape: Vec<usize>,
    pub source: Source,
}

/// The weights of a file under their names of 2.0.1.
pub type Named = BTreeMap<String, Placed>;

/// How a file is to be understood.
#[derive(Clone, Debug)]
pub struct Layout {
    family: Family,
    /// Variables of stacked embeddings and heads, in their order.
    surface: Vec<String>,
    statics: Vec<String>,
    atmosphere: Vec<String>,
    /// Side of a patch, where the file's embeddings do not say it.
    patch: usize,
    /// In the air pollution model the embedding of `z` on levels becomes that of the static `z`, as upstream
    /// does with every file it loads.
    z_becomes_static: bool,
}

impl Layout {
    /// How Microsoft's loader understands a file: by the class of the file if it is a published one, else by the
    /// class of the model that loads it.
    #[must_use]
    pub fn of(model: &ModelPlan, class: Option<&ModelPlan>) -> Layout {
        let own = class.unwrap_or(model);
        let family = own.options.family;
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_string()).collect();
        let (surface, statics, atmosphere) = match family {
            // Stacked in the order of the constructor's arguments.
            Family::V1p5 => (own.surface.clone(), own.statics.clone(), own.atmosphere.clone()),
            _ => (names(&SURFACE), names(&STATIC), names(&ATMOSPHERE)),
        };
        Layout { family, surface, statics, atmosphere, patch: model.patch, z_becomes_static: true }
    }

    /// The same for a file of ours, whose values are taken as they are.
    #[must_use]
    pub fn exact(self) -> Layout {
        Layout { z_becomes_static: false, ..self }
    }

    /// The file's weights by their names of 2.0.1.
    ///
    /// # Errors
    /// A sentence, if a stack holds another number of variables than the layout says.
    pub fn read(&self, list: impl IntoIterator<Item = (String, Vec<usize>)>) -> Result<Named, String> {
        let mut named = Named::new();
        for (name, shape) in list {
            let plain = name.strip_prefix("net.").unwrap_or(&name);
            // Norms of keys and queries in the wave model's file.
            let plain = plain.replace(".k_ln.", ".ln_k.").replace(".q_ln.", ".ln_q.");
            named.insert(plain, Placed { shape, source: Source::Whole(name) });
        }
        let mut stacks = Stacks { named, patch: self.patch };
        let read: Vec<String> = self.surface.iter().chain(&self.statics).cloned().collect();
        stacks.channels("encoder.surf_token_embeds.weight", &names_of(&read, embedding("surf")))?;
        stacks
            .channels("encoder.atmos_token_embeds.weight", &names_of(&self.atmosphere, embedding("atmos")))?;
        stacks.heads("decoder.surf_head", &names_of(&self.surface, head("surf")))?;
        stacks.heads("decoder.atmos_head", &names_of(&self.atmosphere, head("atmos")))?;
        if self.family == Family::AirPollution {
            air_pollution::adapt(&mut stacks, self.z_becomes_static)?;
        }
        Ok(stacks.named)
    }
}

fn embedding(part: &str) -> impl Fn(&str) -> String {
    move |name| format!("encoder.{part}_token_embeds.weights.{name}")
}

fn head(part: &str) -> impl Fn(&str) -> String {
    move |name| format!("decoder.{part}_heads.{name}")
}

fn names_of(variables: &[impl AsRef<str>], name: impl Fn(&str) -> String) -> Vec<Option<String>> {
    variables.iter().map(|variable| Some(name(variable.as_ref()))).collect()
}

/// Weights of which some are still stacked.
struct Stacks {
    named: Named,
    patch: usize,
}

impl Stacks {
    /// Takes a stack of patch embeddings apart: channel i becomes the i-th name, or is dropped.
    fn channels(&mut self, stack: &str, names: &[Option<String>]) -> Result<(), String> {
        let Some(Placed { shape, source }) = self.named.remove(stack) else { return Ok(()) };
        let ([outputs, channels, times, rows, columns], Source::Whole(file)) = (&shape[..], source) else {
            return Err(format!("`{stack}` has shape {shape:?}, which is no patch embedding's"));
        };
        counted(stack, *channels, names.len())?;
        let shape = vec![*outputs, 1, *times, *rows, *columns];
        for (index, name) in names.iter().enumerate() {
            let source = Source::Channel { stack: file.clone(), index };
            self.place(name.as_ref(), &shape, source);
        }
        Ok(())
    }

    /// Takes `NAME.weight` and `NAME.bias` of stacked output layers apart. Row = pixel·V + variable.
    fn heads(&mut self, stack: &str, names: &[Option<String>]) -> Result<(), String> {
        let (weight, bias) = (format!("{stack}.weight"), format!("{stack}.bias"));
        if !self.named.contains_key(&weight) {
            return Ok(());
        }
        if !self.named.contains_key(&bias) {
            return Err(format!("it has `{weight}`, but no `{bias}`"));
        }
        let area = self.area();
        for kind in ["weight", "bias"] {
            let full = format!("{stack}.{kind}");
            let Some(Placed { shape, source: Source::Whole(file) }) = self.named.remove(&full) else {
                return Err(format!("`{full}` is there twice"));
            };
            let rows = shape.first().copied().unwrap_or_default();
            if area == 0 || !rows.is_multiple_of(area) {
                return Err(format!(
                    "`{full}` has {rows} rows, which are no multiple of a patch's {area} points"
                ));
            }
            counted(&full, rows / area, names.len())?;
            let mut part = shape.clone();
            part[0] = area;
            for (index, name) in names.iter().enumerate() {
                let source = Source::Rows { stack: file.clone(), index, of: names.len() };
                let name = name.as_ref().map(|name| format!("{name}.{kind}"));
                self.place(name.as_ref(), &part, source);
            }
        }
        Ok(())
    }

    fn place(&mut self, name: Option<&String>, shape: &[usize], source: Source) {
        if let Some(name) = name {
            self.named.insert(name.clone(), Placed { shape: shape.to_vec(), source });
        }
    }

    /// Points of a patch: those of the file's surface embeddings.
    fn area(&self) -> usize {
        let surface = self.named.iter().find_map(|(name, placed)| match placed.shape[..] {
            [_, 1, _, rows, columns] if name.starts_with("encoder.surf_token_embeds.weights.") => {
                rows.checked_mul(columns)
            }
            _ => None,
        });
        surface.or_else(|| self.patch.checked_mul(self.patch)).unwrap_or_default()
    }
}

fn counted(stack: &str, found: usize, expected: usize) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("`{stack}` stacks {found} variables where this class of model stacks {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(list: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        list.iter().map(|(name, shape)| ((*name).to_string(), shape.to_vec())).collect()
    }

    #[test]
    fn stacks_fall_into_their_variables() {
        let layout = Layout::of(&ModelPlan::small(), None);
        let named = layout
            .read(tensors(&[
                ("net.encoder.surf_token_embeds.weight", &[8, 7, 2, 4, 4]),
                ("net.decoder.atmos_head.weight", &[80, 16]),
                ("net.decoder.atmos_head.bias", &[80]),
                ("net.a.k_ln.weight", &[3]),
            ]))
            .unwrap();
        let slt = &named["encoder.surf_token_embeds.weights.slt"];
        assert_eq!(slt.shape, [8, 1, 2, 4, 4]);
        let stack = "net.encoder.surf_token_embeds.weight".to_string();
        assert_eq!(slt.source, Source::Channel { stack, index: 6 });
        let q = &named["decoder.atmos_heads.q.bias"];
        assert_eq!(q.shape, [16]);
        let stack = "net.decoder.atmos_head.bias".to_string();
        assert_eq!(q.source, Source::Rows { stack, index: 4, of: 5 });
        assert_eq!(named["a.ln_k.weight"].source, Source::Whole("net.a.k_ln.weight".to_string()));
        assert_eq!(named.len(), 7 + 10 + 1);
    }

    #[test]
    fn other_numbers_of_variables_are_refused() {
        let layout = Layout::of(&ModelPlan::small(), None);
        for (name, shape, said) in [
            ("encoder.surf_token_embeds.weight", &[8, 9, 2, 4, 4][..], "stacks 9 variables"),
            ("encoder.surf_token_embeds.weight", &[8, 9], "no patch embedding"),
            ("decoder.surf_head.weight", &[65, 8], "no `decoder.surf_head.bias`"),
        ] {
            let error = layout.read(tensors(&[(name, shape)])).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let rows = [("decoder.surf_head.weight", &[65, 8][..]), ("decoder.surf_head.bias", &[65])];
        let error = layout.read(tensors(&rows)).unwrap_err();
        assert!(error.contains("no multiple"), "{error}");
    }
}
