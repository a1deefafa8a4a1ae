//! A plan of fields alone: what is read, what is derived from it, and in which order. `aurorac derive` follows it on
//! files that belong to no archive; neither data nor a model nor training is needed.

use std::collections::BTreeMap;

use aurora_grammar::tree::ItemKind;
use aurora_grammar::{Diagnostic, Diagnostics, Severity, SourceMap};

use super::assemble::{derived, fields, levels, name_clash, need};
use super::data::{DerivedPlan, FieldPlan, LevelsPlan};
use crate::check::{Checked, check_fields};
use crate::kernel::ir::Module;
use crate::kernel::verify;
use crate::resolve::{self, RECIPE, Resolved};
use crate::site::Site;

/// What is read and what is derived, by the recipe's names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derivation {
    pub levels: BTreeMap<String, LevelsPlan>,
    /// Fields to be read, each needed by something.
    pub fields: Vec<FieldPlan>,
    /// In an order in which each needs only earlier ones.
    pub derived: Vec<DerivedPlan>,
    /// What the text says of a derived field, where it says something.
    pub titles: BTreeMap<String, String>,
}

/// What came of a text, and what is to be said of it in any case.
#[derive(Debug)]
pub struct Derivable {
    pub sources: SourceMap,
    pub diagnostics: Diagnostics,
    pub result: Option<(Derivation, Module)>,
}

impl Derivable {
    /// The first error; nothing if it has a result.
    pub fn complaint(&self) -> Option<String> {
        let mut errors = self.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let said =
            || errors.next().map_or_else(|| "it does not compile".into(), |error| error.message.clone());
        self.result.is_none().then(said)
    }
}

/// Compiles the recipe `text`, shown in messages under `name`, as far as fields go: what it derives itself, and under
/// the names in `wanted` what its libraries derive. If `wanted` is not empty, only that and what it needs.
pub fn derivable(name: &str, text: &str, site: &dyn Site, wanted: &[String]) -> Derivable {
    let mut sources = SourceMap::new();
    let mut diagnostics = Diagnostics::new();
    let file = sources.add(name, text);
    let resolved = resolve::resolve(file, site, &mut sources, &mut diagnostics);
    let checked = check_fields(&resolved, wanted, &mut diagnostics);
    let mut result = None;
    if !diagnostics.has_errors() {
        result = assemble(&resolved, &checked, wanted, &mut diagnostics);
    }
    if let Some((_, module)) = &result
        && let Err(errors) = verify::verify(module)
    {
        for error in errors {
            diagnostics.push(Diagnostic::error("internal", format!("a kernel is malformed: {error}")));
        }
    }
    if diagnostics.has_errors() {
        result = None;
    }
    diagnostics.sort();
    diagnostics.dedup();
    Derivable { sources, diagnostics, result }
}

/// Names that compile together, and those that do not compile by themselves, each with what is said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    pub kept: Vec<String>,
    pub left_out: Vec<(String, String)>,
}

/// Sifts names that do not compile together, of which it is said `why`; `complaint` is what is said of some of them, if anything.
/// By halves: most compile, and compiling is what takes the time.
pub fn sift(names: &[String], why: String, complaint: &dyn Fn(&[String]) -> Option<String>) -> Sifted {
    if let [name] = names {
        return Sifted { kept: Vec::new(), left_out: vec![(name.clone(), why)] };
    }
    let mut sifted = Sifted::default();
    let (one, two) = names.split_at(names.len() / 2);
    for half in [one, two].into_iter().filter(|half| !half.is_empty()) {
        match complaint(half) {
            None => sifted.kept.extend(half.iter().cloned()),
            Some(why) => {
                let Sifted { kept, left_out } = sift(half, why, complaint);
                sifted.kept.extend(kept);
                sifted.left_out.extend(left_out);
            }
        }
    }
    sifted
}

fn assemble(
    resolved: &Resolved,
    checked: &Checked,
    wanted: &[String],
    diagnostics: &mut Diagnostics,
) -> Option<(Derivation, Module)> {
    let ids: Vec<String> = if wanted.is_empty() {
        checked.derived.keys().filter(|id| !id.contains('.')).cloned().collect()
    } else {
        wanted.iter().filter_map(|name| resolved.lookup(RECIPE, name)).map(|found| found.id.clone()).collect()
    };
    let mut used = Vec::new();
    for id in &ids {
        need(checked, id, &mut used);
    }
    if name_clash(resolved, &used, diagnostics) {
        return None;
    }
    let mut module = Module::default();
    let derived = derived(checked, &used, &|_| true, &mut module);
    let titles = used.iter().filter_map(|id| {
        let definition = resolved.definitions.get(id)?;
        let ItemKind::Derive { title, .. } = &definition.item.kind else { return None };
        Some((definition.name.text.clone(), title.as_ref()?.text.clone()))
    });
    let plan = Derivation {
        levels: levels(checked, &used),
        fields: fields(checked, &used, &|_| true),
        derived,
        titles: titles.collect(),
    };
    Some((plan, module))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Nowhere;

    const FIELDS: &str = "aurora 1.0\nrecipe fields \"Fields alone\"\n\nuse std.physics (speed06)\n\n\
        levels pl : pressure = [1000, 850, 700, 500, 300] hPa {\n    height  hgt - orog\n}\n\
        variable u    : eastward_wind  on pl             from \"UGRD\"\n\
        variable v    : northward_wind on pl             from \"VGRD\"\n\
        variable hgt  : height         on pl             from \"HGT\"\n\
        variable orog : height         on static         from \"HGT:surface\"\n\
        variable u10  : eastward_wind  on surface(10 m)  from \"UGRD:10 m above ground\"\n\
        variable v10  : northward_wind on surface(10 m)  from \"VGRD:10 m above ground\"\n\
        derive gust : wind_speed on surface = 1.4 * hypot(u10, v10)  \"a rule of thumb\"\n";

    fn names(plan: &Derivation) -> (Vec<&str>, Vec<&str>) {
        let derived = plan.derived.iter().map(|field| field.name.as_str()).collect();
        (plan.fields.iter().map(|field| field.name.as_str()).collect(), derived)
    }

    #[test]
    fn a_recipe_of_fields_needs_neither_data_nor_model() {
        let own = derivable("fields", FIELDS, &Nowhere, &[]);
        let (plan, module) = own.result.expect("it compiles");
        assert_eq!(names(&plan), (vec!["u10", "v10"], vec!["gust"]));
        assert_eq!(plan.titles["gust"], "a rule of thumb");
        assert!(module.kernel("gust").is_some());
    }

    #[test]
    fn what_a_library_derives_is_made_if_it_is_wanted() {
        let wanted = derivable("fields", FIELDS, &Nowhere, &["speed06".to_string()]);
        let (plan, module) = wanted.result.expect("it compiles");
        let (fields, derived) = names(&plan);
        assert_eq!(derived, ["speed06"]);
        assert_eq!(fields, ["hgt", "orog", "u", "u10", "v", "v10"]);
        assert_eq!(module.kernels.len(), 1);
    }

    #[test]
    fn mistakes_are_told() {
        let wrong = FIELDS.replace("1.4 * hypot(u10, v10)", "hypot(u10, t2m)");
        let derived = derivable("fields", &wrong, &Nowhere, &[]);
        assert!(derived.result.is_none());
        assert!(derived.diagnostics.iter().any(|diagnostic| diagnostic.code == "unknown-name"));
    }
}
