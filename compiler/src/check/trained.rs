//! What Aurora itself was trained on, held against what a recipe gives it under the same names.

use aurora_grammar::tree::{Entry, ItemKind, Part};
use aurora_grammar::{Diagnostic, Span};

use super::{Checker, bare_name};
use crate::lower::input_name;
use crate::resolve::{Definition, RECIPE};
use crate::types::{FieldType, Support};

/// The names that Aurora's checkpoints know on levels and near the surface, and the quantity each is.
const ON_LEVELS: [(&str, &str); 5] = [
    ("t", "temperature"),
    ("u", "eastward_wind"),
    ("v", "northward_wind"),
    ("q", "specific_humidity"),
    ("z", "geopotential"),
];
const NEAR_SURFACE: [(&str, &str); 4] =
    [("2t", "temperature"), ("10u", "eastward_wind"), ("10v", "northward_wind"), ("msl", "pressure")];
const STATIC: [(&str, &str); 1] = [("z", "geopotential")];

impl Checker<'_> {
    /// Fields that the model is fed under names of Aurora's own are what Aurora takes them for.
    pub(super) fn quantities_of_roles(&mut self) {
        for (name, span) in self.fields_with_roles() {
            let Some(definition) = self.resolved.lookup(RECIPE, &name).cloned() else { continue };
            let (ty, named) = if let Some(variable) = self.checked.variables.get(&definition.id) {
                (variable.ty.clone(), variable.named.clone())
            } else if let Some(derived) = self.checked.derived.get(&definition.id) {
                (derived.ty.clone(), None)
            } else {
                continue;
            };
            let known = named.unwrap_or_else(|| input_name(&definition.id).to_string());
            let names = match ty.support {
                Support::Levels(_) => &ON_LEVELS[..],
                Support::Static => &STATIC[..],
                _ => &NEAR_SURFACE[..],
            };
            let wanted = names.iter().find(|(own, _)| *own == known).map(|(_, quantity)| *quantity);
            if let (Some(wanted), Some(actual)) = (wanted, ty.quantity.clone())
                && wanted != actual
            {
                self.another_quantity((&name, &known, span), wanted, &ty, &definition);
            }
        }
    }

    fn another_quantity(
        &mut self,
        (name, known, span): (&str, &str, Span),
        wanted: &str,
        ty: &FieldType,
        definition: &Definition,
    ) {
        let actual = ty.quantity.clone().unwrap_or_default();
        let wanted_unit = self.unit_of(wanted).unwrap_or_default();
        let differ = crate::units::parse(&wanted_unit).is_ok_and(|unit| unit.dimension != ty.dimension);
        let frame = ["x_wind", "y_wind"].contains(&actual.as_str());
        let code = match (frame, differ) {
            (true, _) => "frame-mismatch",
            (_, true) => "unit-mismatch",
            _ => "quantity-mismatch",
        };
        let message = format!("Aurora was trained on {wanted} as `{known}`, and `{name}` is {actual}");
        let mut diagnostic =
            Diagnostic::error(code, message).label(span, format!("fed to the model as `{known}`"));
        let written = match &definition.item.kind {
            ItemKind::Variable { ty: Some(ty), .. } | ItemKind::Derive { ty: Some(ty), .. } => {
                ty.quantity.span
            }
            _ => definition.name.span,
        };
        diagnostic = diagnostic.label(written, format!("{name} is {actual}"));
        diagnostic = diagnostic.help(match (wanted, actual.as_str()) {
            ("geopotential", "height") => {
                let stored = if name == "z" { "hgt" } else { name };
                format!(
                    "archives store geopotential height: declare it as {stored} : height, and feed what is derived from \
                     it:\n  derive z : geopotential on {} = g0 * {stored}",
                    ty.support
                )
            }
            ("eastward_wind", _) if frame => {
                format!("turn it to the globe first:\n  derive u : eastward_wind on {} = eastward({name}, vy)", ty.support)
            }
            ("northward_wind", _) if frame => {
                format!("turn it to the globe first:\n  derive v : northward_wind on {} = northward(ux, {name})", ty.support)
            }
            _ => format!("feed a field that is {wanted}, or give this one another name than `{known}`"),
        });
        self.diagnostics.push(diagnostic);
    }

    /// Every name in a role of `model`, with its place.
    fn fields_with_roles(&self) -> Vec<(String, Span)> {
        const ROLES: [&str; 4] = ["prognostic", "diagnostic", "forcing", "static"];
        let Some(model) = self.resolved.blocks_of("model").next() else { return Vec::new() };
        let clauses = model.block.entries.iter().filter_map(|entry| match entry {
            Entry::Clause(clause) if ROLES.contains(&clause.word.text.as_str()) => Some(clause),
            _ => None,
        });
        let values = clauses.flat_map(|clause| &clause.values).filter_map(|chain| match &chain.parts[..] {
            [Part::Value(value)] => bare_name(value),
            _ => None,
        });
        values.map(|name| (name.text, name.span)).collect()
    }
}
