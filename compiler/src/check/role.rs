//! The roles of `model`: which fields are fed, which are predicted.

use aurora_grammar::Diagnostic;
use aurora_grammar::tree::{Chain, Expr, ExprKind, Name};

use super::numbers::only_value;
use super::{Checker, bare_name};
use crate::plan::Part;
use crate::resolve::{Definition, RECIPE};
use crate::types::Support;

/// A field in a role, and where the role names it.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Id of a variable or a derived field.
    pub id: String,
    pub part: Part,
    pub name: Name,
}

impl Checker<'_> {
    /// The fields of one role, each known, with a place where this role may live, and in no other role.
    pub(super) fn role(&mut self, values: &[Chain], part: Part, cast: &mut Vec<Cast>) {
        for chain in values {
            let Some(name) = self.role_name(chain) else { continue };
            let Some(definition) = self.resolved.lookup(RECIPE, &name.text).cloned() else {
                self.unknown(RECIPE, &name.text, name.span, "");
                continue;
            };
            if !self.has_place(&definition, &name, part == Part::Static) {
                continue;
            }
            if let Some(other) = cast.iter().find(|other| other.id == definition.id) {
                self.cast_twice(&name, part, &other.clone());
                continue;
            }
            cast.push(Cast { id: definition.id, part, name });
        }
    }

    fn role_name(&mut self, chain: &Chain) -> Option<Name> {
        let Some(value) = only_value(chain) else {
            self.error_with_help(
                "wrong-argument",
                "names are wanted here",
                (chain.span, "more than a name"),
                "separate names by commas: t, u, v",
            );
            return None;
        };
        let name = bare_name(value);
        if name.is_none() {
            self.error_with_help(
                "wrong-argument",
                "a name is wanted here",
                (value.span, "this is something else"),
                "give it one: derive NAME = …",
            );
        }
        name
    }

    fn cast_twice(&mut self, name: &Name, part: Part, other: &Cast) {
        if part == other.part {
            let message = format!("`{}` stands here twice", name.text);
            self.error_with_help("repeated-name", message, (name.span, "again"), "take one of them out");
            return;
        }
        let message = format!("`{}` has two roles", name.text);
        self.diagnostics.push(
            Diagnostic::error("repeated-name", message)
                .label(name.span, format!("{} here", part.word()))
                .label(other.name.span, format!("{} here", other.part.word()))
                .help(
                    "prognostic is predicted and fed back, diagnostic predicted only, forcing fed only: keep one \
                     of them",
                ),
        );
    }

    fn has_place(&mut self, definition: &Definition, name: &Name, is_static: bool) -> bool {
        let Some(expr) =
            self.expression(RECIPE, &Expr { kind: ExprKind::Path(name.text.clone()), span: name.span })
        else {
            return false;
        };
        let support = expr.ty.support.clone();
        let fits = match support {
            Support::Static => is_static,
            Support::Constant => false,
            _ => !is_static,
        };
        if !fits {
            let message = if is_static {
                format!("`{}` changes with time", name.text)
            } else {
                format!("`{}` does not change with time", name.text)
            };
            self.diagnostics.push(
                Diagnostic::error("wrong-role", message)
                    .label(name.span, format!("on {support}"))
                    .label(definition.name.span, "defined here")
                    .help(if is_static { "name it in `prognostic`" } else { "name it in `static`" }),
            );
        }
        fits
    }
}
