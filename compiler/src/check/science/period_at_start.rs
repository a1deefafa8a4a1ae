//! # period-at-start
//!
//! A field over a period (`max over 1 h`) is read from an archive of analyses.
//!
//! An analysis is the state at the start of a forecast, when no period has passed. HRRR writes such fields
//! into its f00 files all the same, as placeholders: the hourly maximum of updraught helicity at f00 is one
//! number everywhere. A network learns to predict that number within minutes, and the loss looks wonderful.
//! `archive hrrr` reads instantaneous fields from f00 and fields over a period from f01; `archive hrrr.f00`
//! reads f00 only.
//!
//! Wrong:
//!
//! ```aurora
//! data { archive  hrrr.f00 }
//! model { diagnostic  uh }        # max over 1 h
//! ```
//!
//! Right:
//!
//! ```aurora
//! data { archive  hrrr }
//! ```

use aurora_grammar::Diagnostic;
use aurora_grammar::tree::ItemKind;

use crate::check::{Checker, DataChoice, Variable};
use crate::lower::input_name;

impl Checker<'_> {
    pub(super) fn not_at_start(&mut self, variable: &Variable, data: &DataChoice) {
        if !data.sampling.analyses_only || variable.ty.cell.is_none() {
            return;
        }
        let name = input_name(&variable.id);
        let definition = self.resolved.definitions.get(&variable.id);
        let span = match definition.map(|definition| &definition.item.kind) {
            Some(ItemKind::Variable { ty: Some(ty), .. }) => {
                ty.cell.as_ref().map_or(ty.span, |cell| cell.method.span.to(cell.over.span))
            }
            _ => variable.span,
        };
        let message =
            format!("the f00 field of `{name}` is a placeholder: at the start no period has passed");
        self.diagnostics.push(
            Diagnostic::error("period-at-start", message)
                .label(data.archive_span, "analyses only")
                .label(span, "a value over a period")
                .help(format!("read fields over a period from f01: archive  {}", data.archive))
                .fix(data.archive_span, data.archive.clone()),
        );
    }
}
