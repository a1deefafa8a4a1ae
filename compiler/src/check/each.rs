//! `each(EXPR, when = CONDITION)`: a value for every level of a column, in which `here(x)` is `x` on the level at hand and a bare
//! `x` the whole column. So a parcel is lifted from every level: `each(cape(t, q, here(t), here(q)))`.

use aurora_grammar::Span;
use aurora_grammar::tree::Input;

use super::Checker;
use super::expression::{Locals, node};
use crate::resolve::ScopeId;
use crate::typed::{Typed, TypedKind};
use crate::types::{FieldType, Support};

/// An `each` that is being written.
pub(super) struct Open {
    number: usize,
    /// The set of levels, once something is `here`.
    set: Option<String>,
}

const EXAMPLE: &str = "for instance: each(parcel_cape(t, q, here(t), here(q)))";

impl Checker<'_> {
    pub(super) fn each(
        &mut self,
        scope: ScopeId,
        locals: &Locals,
        inputs: &[Input],
        span: Span,
    ) -> Option<Typed> {
        let (value, condition) = match inputs {
            [Input { label: None, value }] => (value, None),
            [Input { label: None, value }, Input { label: Some(label), value: condition }]
                if label.text == "when" =>
            {
                (value, Some(condition))
            }
            _ => {
                let message = "`each` takes what is wanted of a level, and on which levels";
                let help = "for instance: each(lifted(t, here(t)), when = pressure(pl) > 700 hPa)";
                self.error_with_help("wrong-argument", message, (span, "called here"), help);
                return None;
            }
        };
        if !self.eaches.is_empty() {
            let message = "an `each` cannot stand in another";
            let help = "give the inner one a name of its own: derive x on pl = each(…)";
            self.error_with_help("wrong-argument", message, (span, "within another"), help);
            return None;
        }
        let active = match condition {
            Some(condition) => Some(self.expression_with(scope, locals, condition)?),
            None => None,
        };
        self.walks += 1;
        self.eaches.push(Open { number: self.walks, set: None });
        let typed = self.expression_with(scope, locals, value);
        let open = self.eaches.pop()?;
        let typed = typed?;
        let Some(set) = open.set else {
            let message = "nothing in it depends on the level";
            self.error_with_help("wrong-argument", message, (value.span, "no `here(…)`"), EXAMPLE);
            return None;
        };
        self.is_whole(&typed)?;
        self.is_one_per_column(&typed, "what is wanted of a level")?;
        let support = Support::Levels(set);
        if let Some(active) = &active {
            self.is_whole(active)?;
            let on_set = FieldType { support: support.clone(), ..FieldType::number() };
            self.broadcast(active, &node(TypedKind::Constant(0.0), on_set, span))?;
        }
        let ty = FieldType { support, layer: None, ..typed.ty.clone() };
        Some(node(TypedKind::Each { each: open.number, value: typed, active }, ty, span))
    }

    /// `here(x)`
    pub(super) fn here(&mut self, column: &Typed, span: Span) -> Option<Typed> {
        self.is_whole(column)?;
        let set = self.set_of(column)?;
        let Some(open) = self.eaches.last_mut() else {
            let message = "`here` stands inside `each`";
            self.error_with_help("wrong-argument", message, (span, "not inside one"), EXAMPLE);
            return None;
        };
        let (each, first) = (open.number, open.set.get_or_insert_with(|| set.clone()).clone());
        if first != set {
            let (first, set) = (super::place::short(&first), super::place::short(&set));
            let message = format!("an `each` goes along one set of levels: `{first}` and `{set}` are two");
            self.error_with_help(
                "level-mismatch",
                message,
                (span, "on another"),
                "bring one to the other with `at`",
            );
            return None;
        }
        let ty = FieldType { support: Support::Column, layer: None, ..column.ty.clone() };
        Some(node(TypedKind::Here { each, column: column.clone() }, ty, span))
    }
}
