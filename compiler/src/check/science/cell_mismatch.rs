//! # cell-mismatch
//!
//! Two values stand for different stretches of time.
//!
//! `APCP` of one archive is rain summed over an hour, of another summed since the start of the forecast; HRRR's
//! `MXUPHL` is the largest value within an hour, while `CAPE` is of the instant. Their units agree, so a sum or a
//! comparison of them is a number, and a wrong one: the sum over 6 hours is not the sixth of anything that
//! happened in the last. A field's cell is part of its type, and is written `max over 1 h`.
//!
//! Wrong:
//!
//! ```aurora
//! variable rain1 : precipitation on surface, sum over 1 h from "APCP:surface:0-1 h"
//! variable rain6 : precipitation on surface, sum over 6 h from "APCP:surface:0-6 h"
//! derive rain : precipitation on surface = rain1 + rain6
//! ```
//!
//! Right: both over the same stretch of time, each by itself otherwise.
//!
//! ```aurora
//! variable large : precipitation on surface, sum over 1 h from "LSP:surface:0-1 h"
//! variable small : precipitation on surface, sum over 1 h from "CP:surface:0-1 h"
//! derive rain : precipitation on surface, sum over 1 h = large + small
//! ```

use aurora_grammar::tree::ItemKind;
use aurora_grammar::{Diagnostic, Span};

use crate::check::Checker;
use crate::typed::{Typed, TypedKind};
use crate::types::{Cell, FieldType, Method, Support};

impl Checker<'_> {
    /// Both sides stand for the same stretch of time; what never changes goes with anything.
    pub(in crate::check) fn same_cell(&mut self, left: &Typed, right: &Typed) -> Option<()> {
        let (a, b) = (left.ty.cell, right.ty.cell);
        if a == b || a.is_none() && is_timeless(left) || b.is_none() && is_timeless(right) {
            return Some(());
        }
        let message = format!("{} and {} are different things", spoken(a), spoken(b));
        let mut diagnostic = Diagnostic::error("cell-mismatch", message)
            .label(left.span, spoken(a))
            .label(right.span, spoken(b));
        for side in [left, right] {
            if let Some((text, span)) = self.cell_declared(side) {
                diagnostic = diagnostic.label(span, text);
            }
        }
        self.diagnostics.push(diagnostic.help(cure(a, b)));
        None
    }

    /// Where a field's cell is declared, or its kind if it has none.
    fn cell_declared(&self, side: &Typed) -> Option<(String, Span)> {
        let TypedKind::Variable(id) = &side.kind else { return None };
        let definition = self.resolved.definitions.get(id)?;
        let ItemKind::Variable { ty: Some(ty), .. } = &definition.item.kind else { return None };
        let span = ty.cell.as_ref().map_or(ty.quantity.span, |cell| cell.method.span.to(cell.over.span));
        Some((format!("{} is {}", definition.name.text, spoken(side.ty.cell)), span))
    }

    /// A declared cell is the value's own; a value cannot become a maximum by being called one.
    pub(in crate::check) fn fits_cell(
        &mut self,
        declared: &FieldType,
        written: Span,
        value: &Typed,
    ) -> Option<()> {
        let (wanted, actual) = (declared.cell, value.ty.cell);
        if wanted.is_none() || wanted == actual || actual.is_none() && is_timeless(value) {
            return Some(());
        }
        let message = format!("declared as {}, but its value is {}", spoken(wanted), spoken(actual));
        self.diagnostics.push(
            Diagnostic::error("cell-mismatch", message)
                .label(written, spoken(wanted))
                .label(value.span, spoken(actual))
                .help(match actual {
                    Some(cell) => {
                        format!("declare it with `, {cell}`, or leave the cell out: it is the value's")
                    }
                    None => "an instant is no stretch of time: leave the cell out".to_string(),
                }),
        );
        None
    }
}

fn is_timeless(value: &Typed) -> bool {
    matches!(value.ty.support, Support::Constant | Support::Static)
        || !value.stateful && value.variables().is_empty()
}

fn spoken(cell: Option<Cell>) -> String {
    cell.map_or_else(|| "an instant".to_string(), |cell| cell.to_string())
}

fn cure(a: Option<Cell>, b: Option<Cell>) -> String {
    match (a, b) {
        (Some(a), Some(b)) if a.method == b.method && a.method == Method::Sum => {
            let (short, long) = if a.seconds <= b.seconds { (a, b) } else { (b, a) };
            format!("bring both to one stretch of time: read both as `{short}`, or both as `{long}`")
        }
        (Some(a), Some(b)) if a.method == b.method => {
            format!("read both over one stretch of time, `{a}` or `{b}`")
        }
        (Some(cell), None) | (None, Some(cell)) => {
            format!("use each by itself, or fields of one kind: both `{cell}`, or both of the instant")
        }
        _ => "use each by itself, or fields of one kind".to_string(),
    }
}
