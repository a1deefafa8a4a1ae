//! `aurorac explain NAME [RECIPE] --kernel`: what becomes of a derived field, a function or a constraint: its text, its kernel
//! before and after the passes, the machine code of this machine, and which other fields share a kernel with it.

use std::collections::BTreeSet;

use aurora_grammar::Style;
use aurora_grammar::tree::{Item, ItemKind, Parameter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::library;
use super::name::{self, Meaning, Place, meanings, of_library};
use super::page::{Line, Page, Section, Tone};
use super::{bytes, listed};
use crate::kernel::fuse::of_plan;
use crate::kernel::ir::Kernel;
use crate::kernel::jit::Compiled;
use crate::kernel::measure::{instructions, live, loops};
use crate::kernel::optimise::{optimise, passes};
use crate::library::LIBRARIES;
use crate::lower;
use crate::plan::Plan;
use crate::plan::data::{DerivedPlan, SupportPlan};
use crate::plan::derivation::{derivable, sift};
use crate::resolve::{RECIPE, defined_name};
use crate::site::Site;

/// The version of the JSON form.
pub const SCHEMA: &str = "aurora-kernel/1";

/// One derived field, function or constraint as executors see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelPage {
    /// `aurora-kernel/1`
    pub schema: String,
    /// What it is, as without `--kernel`; its kernel stands in `before` and `after`.
    #[serde(flatten)]
    pub meaning: Meaning,
    /// In what it was compiled: a recipe, or a column of the usual fields.
    pub within: String,
    /// The fields it reads.
    pub reads: Vec<String>,
    /// As it is lowered.
    pub before: Shape,
    /// As executors take it.
    pub after: Shape,
    /// What each pass of the first round leaves, in order.
    pub passes: Vec<PassPage>,
    pub machine: MachinePage,
    /// The kernel that computes it together with others; absent if it has a kernel of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fused: Option<FusedPage>,
}

/// A kernel's text and measures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// Those of bodies included; a walk with several results counts once.
    pub instructions: usize,
    /// Values that are wanted later, at the point where they are most.
    pub live: usize,
    /// Loops over levels.
    pub loops: usize,
    /// The kernel as `.kir`; left out of a kernel for several fields.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A pass and how many instructions it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PassPage {
    pub name: String,
    pub instructions: usize,
}

/// Machine code, of the machine on which it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachinePage {
    /// Bytes of code.
    pub bytes: usize,
    /// Values that want a register at the same time.
    pub live: usize,
    /// Loops over levels.
    pub loops: usize,
    /// Bytes of memory that each thread works in.
    pub scratch: usize,
}

/// A kernel for several fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FusedPage {
    pub name: String,
    /// The other fields that it computes.
    pub with: Vec<String>,
    pub shape: Shape,
    pub machine: MachinePage,
}

/// The kernel behind a name of a recipe.
///
/// # Errors
/// A name that is none, or that has no kernel: what to ask for instead.
pub fn in_recipe(name: &str, place: Place<'_>, plan: &Plan, recipe: &str) -> Result<KernelPage, String> {
    let Some(definition) =
        place.resolved.lookup(RECIPE, name).or_else(|| place.resolved.definitions.get(name))
    else {
        return Err(format!("`{name}` is not a name of {recipe}; without a recipe, libraries are searched"));
    };
    let kernel = match (place.checked.derived.get(&definition.id), place.kernels) {
        (Some(derived), _) if derived.value.constant().is_some() => {
            return Err(format!("`{name}` is a constant, which needs no kernel"));
        }
        (Some(derived), _) => Some(lower::kernel(place.checked, &definition.name.text, &derived.value)),
        (None, Some(module)) => module.kernel(&format!("constraint.{}", definition.name.text)).cloned(),
        (None, None) => None,
    };
    let Some(kernel) = kernel else {
        let what = match &definition.item.kind {
            ItemKind::Derive { .. } => "is a function, put in place wherever it is used",
            ItemKind::Constraint { .. } => "is neither minimised nor scored",
            ItemKind::Variable { .. } => "is read, not computed",
            _ => "is not computed",
        };
        return Err(format!("`{name}` has no kernel in {recipe}: it {what}"));
    };
    let meaning = meanings(name, Some(place)).into_iter().next().unwrap_or_default();
    let mut page = page_of(meaning, &kernel, recipe.to_string())?;
    if let Some(module) = place.kernels {
        page.fused = fused(module, &plan.data.derived, &definition.name.text)?;
    }
    Ok(page)
}

/// The kernels behind a name of the libraries, over the usual fields of a column; one for each library that has it.
///
/// # Errors
/// A name that no library derives, or that needs fields which only a recipe has: which.
pub fn in_libraries(name: &str, site: &dyn Site) -> Result<Vec<KernelPage>, String> {
    let mut pages = Vec::new();
    let mut refused = Vec::new();
    for (library, _) in LIBRARIES {
        let plain = name.strip_prefix(library).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        let items = library::items(library);
        let named = |item: &&Item| defined_name(item).is_some_and(|own| own.text == plain);
        for item in items.iter().filter(named) {
            match of_item(item, plain, library, items, site) {
                Some(Ok(page)) => pages.push(page),
                Some(Err(why)) => refused.push(format!("`{plain}` of {library} {why}")),
                None => {}
            }
        }
    }
    match (pages.is_empty(), refused.is_empty()) {
        (false, _) => Ok(pages),
        (true, false) => Err(refused.join("; ")),
        (true, true) => Err(format!("no library derives anything called `{name}`")),
    }
}

/// The usual fields on the usual levels, under the names that libraries expect.
const FIELDS: &str = "aurora 1.0
recipe column \"The usual fields of a column\"

levels pl : pressure = [1000, 950, 925, 900, 850, 800, 750, 700, 650, 600, 550, 500, 450, 400, 350, 300, 250, 200, 150, 100] hPa {
    height  hgt - orog
}

variable t    : temperature                 on pl             from \"TMP\"
variable q    : specific_humidity >= 0      on pl             from \"SPFH\"
variable u    : eastward_wind               on pl             from \"UGRD\"
variable v    : northward_wind              on pl             from \"VGRD\"
variable w    : vertical_wind               on pl             from \"DZDT\"
variable hgt  : height                      on pl             from \"HGT\"
variable orog : height                      on static         from \"HGT:surface\"
variable t2m  : temperature                 on surface(2 m)   from \"TMP:2 m above ground\"
variable td2m : temperature                 on surface(2 m)   from \"DPT:2 m above ground\"
variable q2m  : specific_humidity >= 0      on surface(2 m)   from \"SPFH:2 m above ground\"
variable u10  : eastward_wind               on surface(10 m)  from \"UGRD:10 m above ground\"
variable v10  : northward_wind              on surface(10 m)  from \"VGRD:10 m above ground\"
variable sp   : pressure in 400 .. 1100 hPa on surface        from \"PRES:surface\"

derive z : geopotential on pl = 9.80665 m/s^2 * hgt
";

/// What the usual fields are called, for people.
const WITHIN: &str = "the usual fields of a column on 20 pressure levels";

fn of_item(
    item: &Item,
    name: &str,
    library: &str,
    items: &[Item],
    site: &dyn Site,
) -> Option<Result<KernelPage, String>> {
    let ItemKind::Derive { parameters, ty, value, .. } = &item.kind else { return None };
    let (wanted, extra) = if parameters.is_empty() {
        (name.to_string(), String::new())
    } else {
        // A function of fields that are given.
        let names: Vec<String> = parameters.iter().map(|p| format!("given_{}", p.name.text)).collect();
        let given: String = parameters.iter().map(given).collect();
        ("value".to_string(), format!("{given}derive value = {name}({})\n", names.join(", ")))
    };
    if parameters.is_empty() && ty.is_none() && value.to_string().parse::<f64>().is_ok() {
        return Some(Err("is a constant, which needs no kernel".to_string()));
    }
    let all: Vec<String> = items.iter().filter_map(derived_name).collect();
    let compiled = |names: &[String]| {
        let text = format!("{FIELDS}\nuse {library} ({})\n{extra}", names.join(", "));
        derivable(library, &text, site, if extra.is_empty() { names } else { std::slice::from_ref(&wanted) })
    };
    let own = [name.to_string()];
    let alone = compiled(&own);
    let said = alone.complaint().unwrap_or_default();
    let Some((plan, module)) = alone.result else {
        return Some(Err(format!(
            "wants more than {WITHIN}: {said}; name a recipe that has it: aurorac explain {name} RECIPE.aurora --kernel"
        )));
    };
    let Some(field) = plan.derived.iter().find(|field| field.name == wanted) else {
        return Some(Err("is a constant, which needs no kernel".to_string()));
    };
    let Some(kernel) = module.kernel(&field.kernel) else {
        return Some(Err("has no kernel".to_string()));
    };
    let meaning = of_library(name, library).into_iter().next().unwrap_or_default();
    let page = page_of(meaning, kernel, WITHIN.to_string()).and_then(|mut page| {
        if extra.is_empty() {
            // With what the library derives beside it, as far as that can be had.
            let mut whole = compiled(&all);
            if let Some(why) = whole.complaint() {
                whole = compiled(&sift(&all, why, &|names| compiled(names).complaint()).kept);
            }
            if let Some((plan, module)) = whole.result {
                page.fused = fused(&module, &plan.derived, name)?;
            }
        }
        Ok(page)
    });
    Some(page)
}

/// A parameter as a field.
fn given(parameter: &Parameter) -> String {
    let support = if parameter.ty.support.is_some() { "" } else { " on surface" };
    format!("variable given_{0} : {1}{support} from \"{0}\"\n", parameter.name.text, parameter.ty)
}

/// The name of a field that an item derives.
fn derived_name(item: &Item) -> Option<String> {
    match &item.kind {
        ItemKind::Derive { name, parameters, .. } if parameters.is_empty() => Some(name.text.clone()),
        _ => None,
    }
}

fn page_of(meaning: Meaning, kernel: &Kernel, within: String) -> Result<KernelPage, String> {
    let mut left = kernel.clone();
    let mut steps = Vec::new();
    for (name, pass) in passes::<f32>() {
        left = pass(&left);
        steps.push(PassPage { name: name.to_string(), instructions: instructions(&left) });
    }
    Ok(KernelPage {
        schema: SCHEMA.to_string(),
        meaning: Meaning { kernel: None, ..meaning },
        within,
        reads: kernel.inputs.iter().map(|input| input.name.clone()).collect(),
        before: shape(kernel, true),
        after: shape(&optimise::<f32>(kernel), true),
        passes: steps,
        machine: machine(kernel)?,
        fused: None,
    })
}

fn shape(kernel: &Kernel, with_text: bool) -> Shape {
    Shape {
        instructions: instructions(kernel),
        live: live(kernel),
        loops: loops(kernel),
        text: if with_text { kernel.to_string().trim_end().to_string() } else { String::new() },
    }
}

fn machine(kernel: &Kernel) -> Result<MachinePage, String> {
    let code = Compiled::new(kernel).map_err(|error| error.to_string())?;
    Ok(MachinePage {
        bytes: code.code_size(),
        live: code.live_values(),
        loops: code.loops(),
        scratch: code.scratch_bytes(),
    })
}

/// The kernel that computes a field with others, when all are derived.
fn fused(
    module: &crate::kernel::ir::Module,
    derived: &[DerivedPlan],
    name: &str,
) -> Result<Option<FusedPage>, String> {
    let Some(field) = derived.iter().find(|field| field.name == name) else { return Ok(None) };
    // What does not change in time is computed once, apart.
    let fixed = |plan: &DerivedPlan| plan.support == SupportPlan::Static;
    let plans: Vec<DerivedPlan> =
        derived.iter().filter(|plan| fixed(plan) == fixed(field)).cloned().collect();
    let wanted: BTreeSet<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    let kernels = of_plan(module, &plans, &wanted).map_err(|(field, why)| format!("`{field}`: {why}"))?;
    let computes = |kernel: &&Kernel| kernel.outputs.iter().any(|output| output.name == name);
    let Some(kernel) = kernels.iter().find(computes).filter(|kernel| kernel.outputs.len() > 1) else {
        return Ok(None);
    };
    let others = kernel.outputs.iter().map(|output| output.name.clone()).filter(|other| other != name);
    Ok(Some(FusedPage {
        name: kernel.name.clone(),
        with: others.collect(),
        shape: shape(&optimise::<f32>(kernel), false),
        machine: machine(kernel)?,
    }))
}

// ---- for people ------------------------------------------------------------------------------------

/// All pages, one after another.
#[must_use]
pub fn pages(kernels: &[KernelPage], style: Style) -> String {
    kernels.iter().map(|kernel| page(kernel).draw(style)).collect::<Vec<_>>().join("\n")
}

fn page(kernel: &KernelPage) -> Page {
    let steps: Vec<String> =
        kernel.passes.iter().map(|pass| format!("{} {}", pass.name, pass.instructions)).collect();
    let mut page = name::page(&kernel.meaning);
    page.sections.extend([
        Section::new("within", vec![Line::new(kernel.within.clone()).hanging(4)]),
        Section::new("reads", vec![Line::new(listed(&kernel.reads)).hanging(4)]),
        Section::new("before", measured(&kernel.before)),
        Section::new(
            "passes",
            vec![Line::new(format!("instructions after each: {}", steps.join(", "))).hanging(4)],
        ),
        Section::new("after", measured(&kernel.after)),
        Section::new("machine code", vec![Line::new(code(&kernel.machine)).hanging(4)]),
    ]);
    if let Some(fused) = &kernel.fused {
        page.sections.push(Section::new(
            "fused with",
            vec![
                Line::new(listed(&fused.with)).hanging(4),
                Line::new(format!("{}: {}", fused.name, counts(&fused.shape))).hanging(4),
                Line::new(code(&fused.machine)).hanging(4),
            ],
        ));
    }
    page
}

fn measured(shape: &Shape) -> Vec<Line> {
    let mut lines = vec![Line::default().with(Tone::Faint, counts(shape))];
    lines.extend(shape.text.lines().map(|line| Line::new(line).hanging(6)));
    lines
}

fn counts(shape: &Shape) -> String {
    let Shape { instructions, live, loops, .. } = shape;
    format!("{instructions} instructions, at most {live} values alive, {}", plural(*loops, "loop"))
}

fn code(machine: &MachinePage) -> String {
    let scratch = match machine.scratch {
        0 => String::new(),
        scratch => format!(", {} of memory for each thread", bytes(scratch as u64)),
    };
    format!(
        "{}, at most {} values alive, {}{scratch}",
        bytes(machine.bytes as u64),
        machine.live,
        plural(machine.loops, "loop")
    )
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Nowhere;

    #[test]
    fn a_library_is_compiled_over_the_usual_fields() {
        let pages = in_libraries("std.severe.stp", &Nowhere).unwrap();
        let [page] = &pages[..] else { panic!("{}", pages.len()) };
        assert_eq!(page.meaning.kind, "derive of std.severe");
        assert!(page.meaning.definition.as_ref().is_some_and(|text| text.contains("tornado(")), "{page:?}");
        assert!(page.after.instructions < page.before.instructions && page.after.loops > 0);
        assert_eq!(page.passes.len(), passes::<f32>().len());
        assert!(page.machine.bytes > 1000);
        let fused = page.fused.as_ref().unwrap();
        assert!(fused.with.contains(&"sbcape".to_string()), "{:?}", fused.with);
        let said = super::pages(&pages, Style::default());
        assert!(said.contains("kernel stp(") && said.contains("fused with"), "{said}");
    }

    #[test]
    fn a_function_is_compiled_over_its_parameters() {
        let pages = in_libraries("std.physics.saturation", &Nowhere).unwrap();
        assert_eq!(pages[0].reads, ["given_t", "given_p"]);
        assert!(pages[0].fused.is_none());
    }

    #[test]
    fn what_is_missing_is_said() {
        let missing = in_libraries("std.severe.updraught_helicity", &Nowhere).unwrap_err();
        assert!(
            missing.contains("how far the points") && missing.contains("RECIPE.aurora --kernel"),
            "{missing}"
        );
        assert!(in_libraries("nothing_at_all", &Nowhere).is_err());
        assert!(in_libraries("g0", &Nowhere).unwrap_err().contains("constant"));
    }
}
