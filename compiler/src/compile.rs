//! The whole way of a recipe, as far as it goes.

use aurora_grammar::{Diagnostics, SourceMap};

use crate::canonical;
use crate::check;
use crate::kernel::{ir::Module, verify};
use crate::plan::{self, Plan};
use crate::resolve;
use crate::site::Site;

/// What came of a recipe: its plan and kernels if it is right, and what is to be said in any case.
#[derive(Debug)]
pub struct Compilation {
    pub sources: SourceMap,
    pub diagnostics: Diagnostics,
    /// The canonical text of the resolved recipe.
    pub canonical: String,
    pub result: Option<(Plan, Module)>,
}

/// Compiles the recipe `text`, shown in messages under `name`.
pub fn compile(name: &str, text: &str, site: &dyn Site) -> Compilation {
    let mut sources = SourceMap::new();
    let mut diagnostics = Diagnostics::new();
    let file = sources.add(name, text);
    let resolved = resolve::resolve(file, site, &mut sources, &mut diagnostics);
    let checked = check::check(&resolved, site, &mut diagnostics);
    let mut result = None;
    if !diagnostics.has_errors() {
        let hash = canonical::hash(&resolved);
        result = plan::assemble(&resolved, &checked, &hash, &mut diagnostics);
    }
    if diagnostics.has_errors() {
        result = None;
    }
    if let Some((_, module)) = &result
        && let Err(errors) = verify::verify(module)
    {
        // Lowering promises modules that verify; if it breaks that promise, say so instead of running them.
        for error in errors {
            diagnostics.push(aurora_grammar::Diagnostic::error("internal", format!("a kernel is malformed: {error}")));
        }
        result = None;
    }
    diagnostics.sort();
    diagnostics.dedup();
    Compilation { canonical: canonical::text(&resolved), sources, diagnostics, result }
}
