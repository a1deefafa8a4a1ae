//! The whole way of a recipe, as far as it goes.

use std::collections::BTreeSet;

use aurora_grammar::{Diagnostics, FileId, SourceMap};

use crate::canonical;
use crate::check::{self, Checked};
use crate::kernel::{ir::Module, verify};
use crate::lock::Lock;
use crate::plan::{self, Plan};
use crate::resolve::{self, Resolved};
use crate::site::Site;

/// What came of a recipe: its plan and kernels if it is right, and what is to be said in any case.
#[derive(Debug)]
pub struct Compilation {
    pub sources: SourceMap,
    /// The recipe itself.
    pub file: FileId,
    pub diagnostics: Diagnostics,
    /// The canonical text of the resolved recipe.
    pub canonical: String,
    /// The libraries of which it reaches something.
    pub libraries: BTreeSet<String>,
    pub result: Option<(Plan, Module)>,
    /// What its names stand for, as far as it could be read.
    pub resolved: Resolved,
    pub checked: Checked,
}

/// What leaves a part of the recipe unread.
const UNREAD: [&str; 7] = [
    "syntax",
    "unclosed-brace",
    "too-deep",
    "unknown-library",
    "missing-recipe",
    "extends-cycle",
    "library-as-recipe",
];
/// Complaints that something is absent.
const ABSENT: [&str; 9] = [
    "unknown-name",
    "unknown-quantity",
    "missing-block",
    "missing-clause",
    "missing-split",
    "missing-type",
    "nothing-to-amend",
    "not-predicted",
    "unused-loss",
];

/// While a part of the recipe could not be read, nothing is said of what seems to be absent: it may stand
/// just there. One mistake is one diagnostic.
fn without_consequences(diagnostics: Diagnostics) -> Diagnostics {
    let unread = diagnostics.iter().any(|d| UNREAD.contains(&d.code));
    let mut kept = Diagnostics::new();
    if diagnostics.iter().any(|d| d.code == "missing-header") && !unread {
        kept.extend(
            diagnostics.into_iter().filter(|d| !matches!(d.code, "missing-block" | "missing-edition")),
        );
        return kept;
    }
    let gone = |code: &str| unread && (ABSENT.contains(&code) || code == "missing-header");
    kept.extend(diagnostics.into_iter().filter(|d| !gone(d.code)));
    kept
}

/// Goes the whole way of the recipe `text`, shown in messages under `name`.
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
    diagnostics = without_consequences(diagnostics);
    if let Some((_, module)) = &result
        && let Err(errors) = verify::verify(module)
    {
        // Lowering promises modules that verify; if it breaks that promise, say so instead of running them.
        for error in errors {
            diagnostics.push(aurora_grammar::Diagnostic::error(
                "internal",
                format!("a kernel is malformed: {error}"),
            ));
        }
        result = None;
    }
    if result.is_none() && !diagnostics.has_errors() {
        // Whatever stops a recipe has to say so where it stops it; this is the net below.
        diagnostics.push(aurora_grammar::Diagnostic::error(
            "internal",
            "no plan came of this recipe, and nothing said why",
        ));
    }
    diagnostics.sort();
    diagnostics.dedup();
    let libraries = if result.is_some() { canonical::libraries(&resolved) } else { BTreeSet::new() };
    let canonical = canonical::text(&resolved);
    Compilation { sources, file, canonical, libraries, diagnostics, result, resolved, checked }
}

impl Compilation {
    /// What the recipe was compiled with, if it is right.
    pub fn lock(&self, site: &dyn Site) -> Option<Lock> {
        let (plan, module) = self.result.as_ref()?;
        Some(Lock::new(plan, module, &self.libraries, site.archive(&plan.data.archive).as_ref()))
    }
}
