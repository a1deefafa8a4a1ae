//! Whether two values may be put together: one quantity, one kind of cell, levels that fit; and what to say if not.

use aurora_grammar::tree::ItemKind;
use aurora_grammar::{Diagnostic, Span};

use super::Checker;
use super::expression::node;
use crate::resolve::ScopeId;
use crate::typed::{Typed, TypedKind};
use crate::types::{FieldType, Support};
use crate::units::{self, Scale};

impl Checker<'_> {
    /// Both sides measure the same thing in the same way.
    pub(super) fn agree(&mut self, left: &Typed, right: &Typed, verb: &str) -> Option<()> {
        self.agree_in(left, right, verb, None)
    }

    /// The same, of the operands of an expression, whose span is the first label.
    pub(super) fn agree_in(
        &mut self,
        left: &Typed,
        right: &Typed,
        verb: &str,
        whole: Option<Span>,
    ) -> Option<()> {
        let (a, b) = (&left.ty, &right.ty);
        let mismatch = match (&a.quantity, &b.quantity) {
            _ if a.dimension != b.dimension => Some("unit-mismatch"),
            (Some(x), Some(y)) if x != y => Some("quantity-mismatch"),
            (Some(_), None) if self.foreign_spelling(a, right) => Some("quantity-mismatch"),
            (None, Some(_)) if self.foreign_spelling(b, left) => Some("quantity-mismatch"),
            _ => None,
        };
        if mismatch.is_some() && self.frames_differ(left, right, whole) {
            return None;
        }
        if let Some(code) = mismatch {
            self.mismatch(code, left, right, (verb, whole));
            return None;
        }
        self.same_cell(left, right)
    }

    /// Whether a number of the right dimension is spelt in a unit that belongs to another kind: `J/kg`
    /// is energy, so 2500 J/kg is no helicity although J/kg = m²/s².
    fn foreign_spelling(&mut self, ty: &FieldType, number: &Typed) -> bool {
        let (Some(quantity), Some(spelt)) = (&ty.quantity, &number.unit) else { return false };
        let Some(definition) = self.resolved.quantities.get(quantity) else { return false };
        let ItemKind::Quantity { unit, .. } = &definition.item.kind else { return false };
        units::spells_energy(spelt) && !units::spells_energy(&unit.text)
    }

    fn mismatch(
        &mut self,
        code: &'static str,
        left: &Typed,
        right: &Typed,
        (verb, whole): (&str, Option<Span>),
    ) {
        let name = |t: &Typed| match &t.unit {
            Some(unit) => format!("a value in {}", units::pretty(unit)),
            None => t.ty.spoken(),
        };
        let (a, b) = (name(left), name(right));
        let same = left.ty.dimension == right.ty.dimension;
        let mut diagnostic = Diagnostic::error(code, format!("{a} cannot be {verb} {b}"));
        let declared = [self.declared_as(left), self.declared_as(right)];
        let (one, other) = (self.unit_shown(left), self.unit_shown(right));
        match whole.filter(|_| same && declared.iter().all(Option::is_some)) {
            Some(whole) => {
                let units = if one == other { one } else { format!("{one} = {other}") };
                diagnostic =
                    diagnostic.label(whole, format!("the units agree ({units}), the quantities do not"));
            }
            None if same => {
                diagnostic = diagnostic
                    .label(left.span, format!("this is {a}"))
                    .label(right.span, format!("this is {b}: the units agree, the quantities do not"));
            }
            None => {
                diagnostic =
                    diagnostic.label(left.span, format!("in {one}")).label(right.span, format!("in {other}"));
            }
        }
        for (text, span) in declared.into_iter().flatten() {
            diagnostic = diagnostic.label(span, text);
        }
        let written = [(left, right), (right, left)].into_iter().find_map(|(field, number)| {
            let unit = number.unit.as_ref().filter(|_| same)?;
            let quantity = field.ty.quantity.as_ref()?;
            let own = self.unit_of(quantity)?;
            let number = number.constant()? / units::parse(&own).ok()?.factor;
            Some(format!("{quantity} is written in {own}, not in {unit}: {number} {own}"))
        });
        diagnostic = match written {
            Some(help) => diagnostic.help(help),
            None if same => diagnostic.help(self.scaled(left, right, verb)),
            None => diagnostic.help(match (left.ty.quantity.as_ref(), right.unit.as_ref()) {
                (Some(_), Some(_)) => format!("write the number in {}", self.units_spoken(&left.ty)),
                _ => "both sides must measure the same thing".to_string(),
            }),
        };
        self.diagnostics.push(diagnostic);
    }

    /// How two quantities are combined all the same: `sbcape / 1000 J/kg + srh3 / 150 m^2/s^2`.
    fn scaled(&self, left: &Typed, right: &Typed, verb: &str) -> String {
        let share = |side: &Typed| {
            let name = self.name_of(side)?;
            let quantity = side.ty.quantity.as_ref()?;
            Some(format!("{name} / {} {}", usual_size(quantity), self.unit_of(quantity)?))
        };
        let sign = if verb.starts_with("subtracted") { "-" } else { "+" };
        match (share(left), share(right)) {
            (Some(a), Some(b)) if verb.starts_with("added") || sign == "-" => {
                format!("to combine them as numbers, give each a scale:\n  {a} {sign} {b}")
            }
            _ => "to combine them as numbers, divide each by a scale of its own".to_string(),
        }
    }

    /// The unit that a quantity is declared with.
    pub(super) fn unit_of(&self, quantity: &str) -> Option<String> {
        match &self.resolved.quantities.get(quantity)?.item.kind {
            ItemKind::Quantity { unit, .. } => Some(unit.text.clone()),
            _ => None,
        }
    }

    /// The unit in which a value is kept, as it is shown.
    pub(super) fn units_spoken(&self, ty: &FieldType) -> String {
        match ty.scale {
            Scale::Logarithmic => return "dBZ".to_string(),
            Scale::Decibel => return "dB".to_string(),
            Scale::Ratio | Scale::Affine => {}
        }
        match ty.quantity.as_ref().and_then(|quantity| self.unit_of(quantity)) {
            Some(unit) if unit != "1" => units::pretty(&unit),
            _ if ty.dimension.is_none() => "plain numbers".to_string(),
            _ => units::pretty(&ty.dimension.to_string()),
        }
    }

    fn unit_shown(&self, value: &Typed) -> String {
        match &value.unit {
            Some(unit) if value.ty.quantity.is_none() => units::pretty(unit),
            _ => self.units_spoken(&value.ty),
        }
    }

    /// The name by which a recipe calls a value.
    pub(super) fn name_of(&self, side: &Typed) -> Option<String> {
        let TypedKind::Variable(id) = &side.kind else { return None };
        Some(self.resolved.definitions.get(id)?.name.text.clone())
    }

    /// Where a variable's kind is declared.
    pub(super) fn declared_as(&self, side: &Typed) -> Option<(String, Span)> {
        let TypedKind::Variable(id) = &side.kind else { return None };
        let definition = self.resolved.definitions.get(id)?;
        match &definition.item.kind {
            ItemKind::Variable { ty: Some(ty), .. } | ItemKind::Derive { ty: Some(ty), .. } => {
                Some((format!("{} is {}", definition.name.text, ty.quantity.text), ty.quantity.span))
            }
            _ => None,
        }
    }

    /// Whether a value fits a type; a diagnostic if not.
    pub(super) fn agree_to(&mut self, ty: &FieldType, value: &Typed) -> bool {
        let ty = FieldType { support: Support::Constant, ..ty.clone() };
        let pattern = node(TypedKind::Constant(0.0), ty, value.span);
        self.agree(&pattern, value, "given as").is_some()
    }

    /// The support of both together.
    pub(super) fn broadcast(&mut self, left: &Typed, right: &Typed) -> Option<Support> {
        let support = left.ty.support.broadcast(&right.ty.support);
        if support.is_none() {
            let count = |support: &Support| {
                support.levels().and_then(|id| self.checked.levels.get(id)).map_or(0, |l| l.values.len())
            };
            let text = |t: &Typed| format!("on `{}`, {} levels", t.ty.support, count(&t.ty.support));
            let shown = |t: &Typed| self.name_of(t).unwrap_or_else(|| "…".to_string());
            let help = format!(
                "bring one to the other: `{} at {}`, or `{} at {}`",
                shown(left),
                right.ty.support,
                shown(right),
                left.ty.support
            );
            self.diagnostics.push(
                Diagnostic::error("level-mismatch", "these two fields live on different levels")
                    .label(left.span, text(left))
                    .label(right.span, text(right))
                    .help(help),
            );
        }
        support
    }

    /// What was declared and what the expression is: the same quantity, on the same or a wider support.
    pub(super) fn fits(
        &mut self,
        scope: ScopeId,
        declared: &FieldType,
        written: Span,
        typed: &Typed,
    ) -> Option<()> {
        self.fits_kind(scope, declared, written, typed)?;
        self.fits_cell(declared, written, typed)?;
        let actual = &typed.ty;
        let wide = declared.support == Support::Constant
            || declared.support.broadcast(&actual.support).as_ref() == Some(&declared.support);
        if !wide {
            self.diagnostics.push(
                Diagnostic::error(
                    "level-mismatch",
                    format!("declared on {}, but its value is on {}", declared.support, actual.support),
                )
                .label(written, format!("on {}", declared.support))
                .label(typed.span, format!("on {}", actual.support))
                .help(match (&declared.support, &actual.support) {
                    (Support::Levels(_), Support::Levels(_)) => {
                        format!("bring it there: `… at {}`", declared.support)
                    }
                    (_, Support::Levels(_)) => {
                        "choose a level (`t at 500 hPa`) or reduce a layer (`mean(t over 500 .. 1000 hPa)`)"
                            .to_string()
                    }
                    (_, actual) => format!("declare it `on {actual}`"),
                }),
            );
            return None;
        }
        self.stays_within(declared, written, typed)
    }

    fn fits_kind(
        &mut self,
        scope: ScopeId,
        declared: &FieldType,
        written: Span,
        typed: &Typed,
    ) -> Option<()> {
        let actual = &typed.ty;
        let quantity = declared.quantity.clone().unwrap_or_default();
        if declared.dimension != actual.dimension {
            let is = match self.name_of(typed) {
                Some(name) => format!("`{name}` is in {}", self.units_spoken(actual)),
                None => format!("this is {}", actual.spoken()),
            };
            let message = format!("{quantity} is measured in {}, but {is}", self.units_spoken(declared));
            let what = match &actual.quantity {
                Some(quantity) => quantity.clone(),
                None => format!("in {}", self.units_spoken(actual)),
            };
            let mut diagnostic = Diagnostic::error("unit-mismatch", message)
                .label(written, "declared here")
                .label(typed.span, what);
            let height = quantity == "geopotential" && actual.quantity.as_deref() == Some("height");
            diagnostic = match self.name_of(typed).filter(|_| height) {
                Some(name) => {
                    let cure = format!("g0 * {name}");
                    let help = format!(
                        "archives store geopotential height, Aurora was trained on geopotential: `{cure}`"
                    );
                    let diagnostic = diagnostic.help(help);
                    if self.resolved.lookup(scope, "g0").is_some() {
                        diagnostic.fix(typed.span, cure)
                    } else {
                        diagnostic
                    }
                }
                None if height => diagnostic.help(
                    "archives store geopotential height, Aurora was trained on geopotential: multiply by `g0`",
                ),
                None => {
                    diagnostic.help("declare the quantity that it is, or bring the expression to these units")
                }
            };
            self.diagnostics.push(diagnostic);
            return None;
        }
        if let (Some(a), Some(b)) = (&declared.quantity, &actual.quantity)
            && a != b
        {
            let pattern = node(TypedKind::Constant(0.0), declared.clone(), written);
            if self.frames_differ(&pattern, typed, None) {
                return None;
            }
            self.diagnostics.push(
                Diagnostic::error("quantity-mismatch", format!("{b} is not {a}"))
                    .label(typed.span, format!("{b}: the units agree, the quantities do not"))
                    .label(written, format!("declared as {a}"))
                    .help(format!(
                        "declare it as {b}, derive it from fields that are {a}, or say that you mean it: `… as {a}`"
                    )),
            );
            return None;
        }
        if declared.scale == Scale::Logarithmic && actual.scale != Scale::Logarithmic {
            self.error_with_help(
                "logarithmic-arithmetic",
                format!("{quantity} is a value in dBZ, and this is {}", actual.spoken()),
                (typed.span, "not on that scale"),
                "a difference in dB is added to a value in dBZ; `decibel(z)` takes mm^6/m^3 to dBZ",
            );
            return None;
        }
        Some(())
    }
}

/// About how large a quantity is when it matters, for a line that can be pasted.
fn usual_size(quantity: &str) -> &'static str {
    match quantity {
        "buoyant_energy" => "1000",
        "helicity" => "150",
        "temperature" => "10",
        "eastward_wind" | "northward_wind" | "wind_speed" | "vertical_wind" | "x_wind" | "y_wind" => "10",
        "pressure" | "geopotential" => "10000",
        "height" => "1000",
        "specific_humidity" | "mixing_ratio" => "0.01",
        _ => "1",
    }
}

impl Checker<'_> {
    /// A spread or a tolerance is a difference: a unit with a zero of its own (°C) would add that zero to it.
    pub(super) fn is_difference(&mut self, what: &str, typed: &Typed) -> Option<()> {
        let unit = typed.unit.as_deref().and_then(|unit| crate::units::parse(unit).ok());
        let (Some(unit), Some(value)) = (unit.filter(|unit| unit.scale == Scale::Affine), typed.constant())
        else {
            return Some(());
        };
        let kelvins = ((value - unit.offset) * 1e9).round() / 1e9;
        let message = format!("{what} is a difference of temperatures, and this unit has a zero of its own");
        self.diagnostics.push(
            Diagnostic::error("affine-arithmetic", message)
                .label(typed.span, format!("{value} K when read as a temperature"))
                .help(format!("differences are written in kelvins: {kelvins} K"))
                .fix(typed.span, format!("{kelvins} K")),
        );
        None
    }
}
