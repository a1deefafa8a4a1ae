//! Levels with the ground below them: `levels profile : index = above_ground(pl)`, and `join(t2m, t)`, a field on them. The ground
//! is 0, the levels are counted from 1 upwards, and all are stored in the order in which those of `pl` are.

use aurora_grammar::tree::{Expr, ExprKind, Input, ItemKind, Name};
use aurora_grammar::{Diagnostic, Span};

use super::Checker;
use super::expression::node;
use super::walk::stored_upward;
use crate::plan::data::LevelsPlan;
use crate::resolve::{Definition, RECIPE};
use crate::typed::{Typed, TypedKind};
use crate::types::{FieldType, Support};

impl Checker<'_> {
    /// The name in `above_ground(pl)`, if that is what a set of levels is.
    pub(super) fn grounded(value: &Expr) -> Option<Option<&Expr>> {
        let ExprKind::Call { function, inputs } = &value.kind else { return None };
        if function.text != "above_ground" {
            return None;
        }
        Some(match &inputs[..] {
            [Input { label: None, value }] => Some(value),
            _ => None,
        })
    }

    /// Whether a library's set of levels gives way to one of the same name that the recipe has: then the levels that it is
    /// made of need not be there.
    pub(super) fn gives_way(&self, definition: &Definition) -> bool {
        let own = self.resolved.scopes[RECIPE].names.get(&definition.name.text);
        definition.library.is_some() && own.is_some_and(|id| *id != definition.id)
    }

    /// A set of levels that is another with the ground below it. The other is known already.
    pub(super) fn levels_above_ground(
        &mut self,
        definition: &Definition,
        coordinate: &Name,
        (value, below): (&Expr, Option<&Expr>),
    ) -> Option<LevelsPlan> {
        let below = below.and_then(|below| self.named(definition.scope, below));
        let below = below.filter(|below| matches!(below.item.kind, ItemKind::Levels { .. }));
        let Some(below) = below else {
            let message = "`above_ground` takes the name of a set of levels";
            let help = "for instance: levels profile : index = above_ground(pl), and levels pl : pressure = [1000, 850, 500] hPa";
            self.error_with_help("wrong-argument", message, (value.span, "this is none"), help);
            return None;
        };
        if coordinate.text != "index" {
            self.diagnostics.push(
                Diagnostic::error("wrong-argument", "levels above the ground are counted")
                    .label(coordinate.span, "not in this")
                    .help("write `index`; where they lie its block says: { pressure  p_profile }")
                    .fix(coordinate.span, "index"),
            );
            return None;
        }
        let levels = self.checked.levels.get(&below.id)?;
        let count = levels.values.len();
        let Some(upward) = stored_upward(levels) else {
            let message = "these levels are in no order";
            let help = "write the set of levels in ascending or descending order";
            self.error_with_help("wrong-argument", message, (value.span, "nothing is below"), help);
            return None;
        };
        let mut values: Vec<f64> = (0..=count).map(|k| k as f64).collect();
        if !upward {
            values.reverse();
        }
        self.grounds.insert(definition.id.clone(), below.id);
        Some(LevelsPlan { coordinate: coordinate.text.clone(), values })
    }

    /// `join(t2m, t)`
    pub(super) fn join(&mut self, ground: &Typed, above: &Typed, span: Span) -> Option<Typed> {
        self.is_whole(ground)?;
        self.is_whole(above)?;
        self.is_one_per_column(ground, "the ground")?;
        let set = self.set_of(above)?;
        self.agree(ground, above, "joined with")?;
        let mut whole =
            self.grounds.iter().filter(|(_, below)| **below == set).map(|(whole, _)| whole.clone());
        let name = super::place::short(&set);
        let Some(joined) = whole.next() else {
            let message = format!("no set of levels is `{name}` with the ground below it");
            let help = format!("levels profile : index = above_ground({name})");
            self.error_with_help("level-mismatch", message, (span, "on what?"), help);
            return None;
        };
        if let Some(other) = whole.next() {
            let (one, other) = (super::place::short(&joined), super::place::short(&other));
            let message = format!("`{one}` and `{other}` are both `{name}` with the ground below it");
            self.error_with_help("level-mismatch", message, (span, "on which?"), "keep one of them");
            return None;
        }
        let first = self.checked.levels.get(&joined)?.values.first() == Some(&0.0);
        let ty = FieldType {
            quantity: above.ty.quantity.clone().or_else(|| ground.ty.quantity.clone()),
            support: Support::Levels(joined),
            layer: None,
            ..above.ty.clone()
        };
        let kind = TypedKind::Join { ground: ground.clone(), above: above.clone(), first };
        Some(node(kind, ty, span))
    }

    /// `pressure(pl)`, `height(pl)`, `index(pl)`: a coordinate of a set of levels, or of the levels of a field.
    pub(super) fn coordinate_of(&mut self, name: &str, levels: &Typed, span: Span) -> Option<Typed> {
        let set = self.set_of(levels)?;
        let mut known = self.coordinates(&set);
        if let Some(coordinate) = known.remove(name) {
            return Some(coordinate.field);
        }
        let own = self.checked.levels.get(&set)?.coordinate.clone();
        let short = super::place::short(&set);
        let message = format!("nothing says what the {name} of `{short}` is");
        let help = format!("say it of the levels: levels {short} : {own} = … {{ {name}  FIELD }}");
        self.error_with_help("level-mismatch", message, (span, &format!("counted in {own}")), help);
        None
    }
}
