//! Fusion, on what it is for: everything that std.severe derives, of columns that storms grow in.

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::kernel::fuse::of_plan;
use aurora_compiler::kernel::interpret::Extent;
use aurora_compiler::kernel::ir::{Kernel, Module};
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::measure::{instructions, live, loops};
use aurora_compiler::kernel::optimise::optimise;
use aurora_compiler::kernel::verify::{domains, verify};
use aurora_compiler::plan::derivation::{Derivation, derivable};
use aurora_compiler::site::Nowhere;

const FIELDS: &str = "aurora 1.0\nrecipe fields \"A column\"\n\n\
    levels pl : pressure = [1000, 950, 900, 850, 800, 700, 600, 500, 400, 300, 250, 200, 150, 100] hPa {\n    height  hgt - orog\n}\n\
    variable t    : temperature            on pl             from \"TMP\"\n\
    variable q    : specific_humidity >= 0 on pl             from \"SPFH\"\n\
    variable u    : eastward_wind          on pl             from \"UGRD\"\n\
    variable v    : northward_wind         on pl             from \"VGRD\"\n\
    variable w    : vertical_wind          on pl             from \"DZDT\"\n\
    variable hgt  : height                 on pl             from \"HGT\"\n\
    variable orog : height                 on static         from \"HGT:surface\"\n\
    variable t2m  : temperature            on surface(2 m)   from \"TMP:2 m above ground\"\n\
    variable q2m  : specific_humidity >= 0 on surface(2 m)   from \"SPFH:2 m above ground\"\n\
    variable u10  : eastward_wind          on surface(10 m)  from \"UGRD:10 m above ground\"\n\
    variable v10  : northward_wind         on surface(10 m)  from \"VGRD:10 m above ground\"\n\
    variable sp   : pressure               on surface        from \"PRES:surface\"\n\
    derive z : geopotential on pl = 9.80665 m/s^2 * hgt\n";
const PRESSURES: [f32; 14] =
    [1000.0, 950.0, 900.0, 850.0, 800.0, 700.0, 600.0, 500.0, 400.0, 300.0, 250.0, 200.0, 150.0, 100.0];

/// Everything that std.severe derives, but the constants.
fn severe() -> (Derivation, Module, Vec<String>) {
    let library = aurora_compiler::explain::library::library("std.severe").unwrap();
    // Rotation wants a grid, which fields alone have not.
    let columns = library.derived.iter().filter(|entry| entry.name != "updraught_helicity");
    let names: Vec<String> = columns.map(|entry| entry.name.clone()).collect();
    let text = format!("{FIELDS}use std.severe ({})\n", names.join(", "));
    let made = derivable("fields", &text, &Nowhere, &names);
    let (plan, module) = made.result.unwrap_or_else(|| panic!("{:?}", made.diagnostics));
    let names =
        names.into_iter().filter(|name| plan.derived.iter().any(|field| field.name == *name)).collect();
    (plan, module, names)
}

const EXTENT: Extent = Extent { rows: 9, columns: 23 };
const CELLS: usize = EXTENT.rows * EXTENT.columns;

/// Columns from cold and dry to warm and moist, with wind that turns; some above high ground, one with a hole.
fn given() -> BTreeMap<String, Vec<f32>> {
    let share = |cell: usize, by: usize| (cell * by % CELLS) as f32 / CELLS as f32;
    let column = |of: &dyn Fn(usize, f32, f32) -> f32| -> Vec<f32> {
        let levels = PRESSURES.iter().flat_map(|p| {
            let height = 44_330.0 * (1.0 - (p / 1013.25_f32).powf(0.19));
            (0..CELLS).map(move |cell| (cell, *p, height))
        });
        levels.map(|(cell, p, height)| of(cell, p, height)).collect()
    };
    let cell = |of: &dyn Fn(usize) -> f32| (0..CELLS).map(of).collect::<Vec<f32>>();
    let ground = |cell: usize| 280.0 + 24.0 * share(cell, 1);
    let mut t = column(&|cell, _, z| {
        (ground(cell) - (6.5 + 2.0 * share(cell, 7)) * z / 1000.0).max(205.0 + 5.0 * share(cell, 3))
    });
    t[5 * CELLS + 17] = f32::NAN;
    BTreeMap::from([
        ("t".to_string(), t),
        ("q".into(), column(&|cell, p, _| 0.018 * share(cell, 11) * (p / 1000.0).powi(3))),
        ("u".into(), column(&|cell, _, z| -3.0 + 25.0 * share(cell, 5) * (z / 6000.0).min(1.5))),
        ("v".into(), column(&|cell, _, z| 12.0 * share(cell, 13) * (1.0 - (-z / 1500.0).exp()))),
        ("w".into(), column(&|cell, _, z| 10.0 * share(cell, 17) * (z / 4000.0).sin())),
        ("hgt".into(), column(&|_, _, z| z)),
        ("orog".into(), cell(&|cell| 1800.0 * share(cell, 2).powi(3))),
        ("t2m".into(), cell(&|cell| ground(cell) + 1.5)),
        ("q2m".into(), cell(&|cell| 0.019 * share(cell, 11))),
        ("u10".into(), cell(&|cell| -3.0 - share(cell, 5))),
        ("v10".into(), cell(&|cell| 2.0 * share(cell, 13))),
        (
            "sp".into(),
            cell(&|cell| 101_000.0 * (1.0 - 1800.0 * share(cell, 2).powi(3) / 44_330.0).powf(5.2559)),
        ),
    ])
}

/// Runs kernels one after the other on machine code; all that they make by name, with the bits of its numbers.
fn run(kernels: &[Kernel]) -> BTreeMap<String, Vec<u32>> {
    let mut fields = given();
    for kernel in kernels {
        let domains = domains(kernel).unwrap();
        let code = Compiled::new(kernel).unwrap();
        let inputs: Vec<&[f32]> = kernel.inputs.iter().map(|input| fields[&input.name].as_slice()).collect();
        let mut results: Vec<Vec<f32>> =
            kernel.outputs.iter().map(|o| vec![0.0; domains[o.value.index()].levels() * CELLS]).collect();
        let mut outputs: Vec<&mut [f32]> = results.iter_mut().map(Vec::as_mut_slice).collect();
        code.run_on(&inputs, &mut outputs, EXTENT).unwrap();
        fields.extend(kernel.outputs.iter().map(|output| output.name.clone()).zip(results));
    }
    let bits = |number: &f32| if number.is_nan() { f32::NAN.to_bits() } else { number.to_bits() };
    fields.into_iter().map(|(name, numbers)| (name, numbers.iter().map(bits).collect())).collect()
}

/// One kernel for each field, as the module has them.
fn alone(plan: &Derivation, module: &Module) -> Vec<Kernel> {
    let one = |field: &aurora_compiler::plan::data::DerivedPlan| {
        of_plan(module, std::slice::from_ref(field), &BTreeSet::from([field.name.as_str()]))
            .unwrap()
            .remove(0)
    };
    plan.derived.iter().map(one).collect()
}

#[test]
fn fusing_changes_no_bit_of_what_std_severe_derives() {
    let (plan, module, names) = severe();
    assert!(names.len() > 50, "{names:?}");
    let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let fused = of_plan(&module, &plan.derived, &wanted).unwrap();
    verify(&Module { kernels: fused.clone() }).unwrap();
    let (before, after) = (run(&alone(&plan, &module)), run(&fused));
    let mut there = 0;
    for name in &names {
        assert_eq!(before[name], after[name], "{name}");
        there += usize::from(before[name].iter().any(|bits| !f32::from_bits(*bits).is_nan() && *bits != 0));
    }
    // The columns are such that nearly everything has something to say.
    assert!(there > names.len() * 3 / 4, "{there} of {}", names.len());
}

/// What makes it worth while: parcels are lifted once, the winds are walked once.
#[test]
fn std_severe_is_few_kernels() {
    let (plan, module, names) = severe();
    let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let start = std::time::Instant::now();
    let fused = of_plan(&module, &plan.derived, &wanted).unwrap();
    let fusing = start.elapsed();
    let alone = alone(&plan, &module);
    let count = |kernels: &[Kernel], of: fn(&Kernel) -> usize| -> usize {
        kernels.iter().map(|kernel| of(&optimise::<f32>(kernel))).sum()
    };
    println!("{} fields in {} kernels, fused in {fusing:?}", names.len(), fused.len());
    for kernel in &fused {
        let start = std::time::Instant::now();
        let optimised = optimise::<f32>(kernel);
        let passes = start.elapsed();
        let start = std::time::Instant::now();
        let code = Compiled::new(kernel).unwrap();
        println!(
            "{}: {} outputs, {} inputs, {} instructions, {} live, {} loops, {} bytes; passes {passes:?}, all {:?}",
            kernel.name,
            kernel.outputs.len(),
            kernel.inputs.len(),
            instructions(&optimised),
            live(&optimised),
            loops(&optimised),
            code.code_size(),
            start.elapsed()
        );
    }
    assert!(fused.len() <= 12, "{} kernels", fused.len());
    assert!(count(&fused, loops) * 2 < count(&alone, loops));
    assert!(count(&fused, instructions) * 2 < count(&alone, instructions));
}
