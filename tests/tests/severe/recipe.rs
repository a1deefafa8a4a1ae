//! Columns of any levels through `std.severe`: a recipe whose profile is given level by level, and its kernels run.

#[path = "../world/mod.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use aurora_compiler::compile;
use aurora_compiler::kernel::fuse::fuse;
use aurora_compiler::kernel::interpret::{Extent, Number, interpret, interpret_on};
use aurora_compiler::kernel::ir::{Kernel, Module};
use aurora_compiler::kernel::jit::Compiled;
use ndarray::Array2;
use world::{World, drawn};

/// Where a kernel is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    Double,
    Single,
    MachineCode,
}

/// Columns side by side, each from the ground up; arrays are (levels, columns).
#[derive(Clone, Debug)]
pub struct Columns {
    pub levels: usize,
    pub count: usize,
    /// Pa
    pub p: Vec<f64>,
    /// m above the ground
    pub z: Vec<f64>,
    /// K
    pub t: Vec<f64>,
    /// K; or, if `humid` says so, kg/kg of specific humidity
    pub td: Vec<f64>,
    pub u: Vec<f64>,
    pub v: Vec<f64>,
    /// `td` holds specific humidity.
    pub humid: bool,
}

/// One level of a sounding: Pa, m above the ground, K, K, m/s, m/s.
pub type Level = [f64; 6];

impl Columns {
    /// Soundings of any lengths: shorter ones are filled up with their last level, which adds nothing.
    pub fn of(soundings: &[Vec<Level>]) -> Columns {
        let levels = soundings.iter().map(Vec::len).max().unwrap_or(0);
        let field = |which: usize| -> Vec<f64> {
            let at =
                |k: usize, one: &Vec<Level>| one.get(k).or(one.last()).map_or(f64::NAN, |level| level[which]);
            (0..levels).flat_map(|k| soundings.iter().map(move |one| at(k, one))).collect()
        };
        let [p, z, t, td, u, v] = [0, 1, 2, 3, 4, 5].map(field);
        Columns { levels, count: soundings.len(), p, z, t, td, u, v, humid: false }
    }

    fn field(&self, name: &str) -> Option<&[f64]> {
        Some(match name {
            "p_profile" => &self.p,
            "z_profile" => &self.z,
            "t_profile" => &self.t,
            "given" => &self.td,
            "u_profile" => &self.u,
            "v_profile" => &self.v,
            _ => return None,
        })
    }
}

/// A recipe on a profile of so many levels, with items of its own.
pub fn text(levels: usize, humid: bool, items: &str) -> String {
    let (given, ratio) = if humid {
        ("specific_humidity", "ratio_of_humidity(given)")
    } else {
        ("temperature in 20 .. 350 K", "ratio_of_dewpoint(given, p_profile)")
    };
    format!(
        r#"aurora 1.0
recipe severe "Columns through std.severe"

use std.synthetic (plains, pl, t, u, v, q, z, t2m, orog)
use std.severe.thermodynamics (ratio_of_dewpoint, ratio_of_humidity)

levels profile : index = 0 .. {last} {{
    pressure  p_profile
    height    z_profile
}}
variable p_profile : pressure in 0.01 .. 1200 hPa  on profile  from "P"
variable z_profile : height                        on profile  from "Z"
variable t_profile : temperature in 100 .. 370 K   on profile  from "T"
variable given     : {given}                       on profile  from "D"
variable u_profile : eastward_wind                 on profile  from "U"
variable v_profile : northward_wind                on profile  from "V"
derive r_profile : mixing_ratio on profile = {ratio}

{items}

data {{
    archive  synthetic
    grid     plains
    every    1 h
    train    2021-01-01 .. 2021-03-01
}}
model {{
    architecture  aurora.small
    step          1 h
    prognostic    t, u, v, q, z, t2m
    static        orog
}}
loss l = mae(prognostic)
phase p {{
    for       1 epochs
    batch     1
    train     new
    optimise  adamw(rate = 1e-3)
    minimise  l
}}
"#,
        last = levels.saturating_sub(1),
    )
}

/// The kernels of a recipe.
pub fn module(text: &str) -> Module {
    let compilation = compile("severe.aurora", text, &World::new());
    let drawn = drawn(&compilation);
    compilation.result.unwrap_or_else(|| panic!("{drawn}")).1
}

/// What the compiler says of a recipe that it refuses.
pub fn complaint(text: &str) -> String {
    let compilation = compile("severe.aurora", text, &World::new());
    assert!(compilation.result.is_none(), "compiles");
    drawn(&compilation)
}

/// Fields of `std.severe` by name, one value per column, with the libraries `options` in place of the usual ones.
pub fn fields(
    columns: &Columns,
    options: &[&str],
    names: &[&str],
    executor: Executor,
) -> BTreeMap<String, Vec<f64>> {
    let wanted: Vec<(String, String)> =
        names.iter().map(|name| ((*name).to_string(), expression(name))).collect();
    values(columns, options, &wanted, executor)
}

/// What a tool gives only of the ground, and `std.severe` on every level.
fn expression(name: &str) -> String {
    match name {
        "theta_e_sfc" => "theta_e_of(t_profile at 0, given at 0, p_sfc)".to_string(),
        field => field.to_string(),
    }
}

/// Expressions over `std.severe` by a name for each.
pub fn values(
    columns: &Columns,
    options: &[&str],
    wanted: &[(String, String)],
    executor: Executor,
) -> BTreeMap<String, Vec<f64>> {
    let mut items: String = options.iter().map(|option| format!("use {option}\n")).collect();
    items += "use std.severe\n";
    for (name, value) in wanted {
        items += &format!("derive out_{name} = {value}\n");
    }
    let module = module(&text(columns.levels, columns.humid, &items));
    // As a store derives them: what many have in common, such as the parcels lifted from every level, is computed once.
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let kernels: Vec<Kernel> = names.iter().map(|name| of_field(&module, name)).collect();
    let run = |kernel: &Kernel| match executor {
        Executor::Double => interpreted::<f64>(kernel, columns),
        Executor::Single => interpreted::<f32>(kernel, columns),
        Executor::MachineCode => compiled(kernel, columns),
    };
    fuse(&kernels, &names)
        .iter()
        .flat_map(|kernel| kernel.outputs.iter().map(|output| output.name.clone()).zip(run(kernel)))
        .collect()
}

/// The kernel of `out_NAME`, whose output is called NAME.
fn of_field(module: &Module, name: &str) -> Kernel {
    let kernel = module.kernel(&format!("out_{name}")).unwrap_or_else(|| panic!("no kernel of {name}"));
    let mut kernel = kernel.clone();
    kernel.outputs.truncate(1);
    kernel.outputs[0].name = name.to_string();
    kernel
}

fn input<'a>(kernel: &Kernel, columns: &'a Columns, name: &str) -> &'a [f64] {
    columns.field(name).unwrap_or_else(|| panic!("{} wants {name}", kernel.name))
}

/// Each output of a kernel.
fn interpreted<T: Number>(kernel: &Kernel, columns: &Columns) -> Vec<Vec<f64>> {
    let arrays: Vec<Array2<T>> = kernel
        .inputs
        .iter()
        .map(|one| {
            let numbers = input(kernel, columns, &one.name).iter().map(|x| T::from_f64(*x)).collect();
            Array2::from_shape_vec((columns.levels, columns.count), numbers).expect("as many as there are")
        })
        .collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    let found =
        interpret(kernel, &views, columns.count).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
    found.iter().map(|output| output.iter().map(|x| x.to_f64()).collect()).collect()
}

/// A kernel that sees its neighbours, of inputs in its own order.
pub fn on_grid(kernel: &Kernel, inputs: &[Vec<f64>], extent: Extent, executor: Executor) -> Vec<f64> {
    let cells = extent.rows * extent.columns;
    if executor == Executor::MachineCode {
        let code = Compiled::new(kernel).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
        let arrays: Vec<Vec<f32>> =
            inputs.iter().map(|array| array.iter().map(|x| *x as f32).collect()).collect();
        let views: Vec<&[f32]> = arrays.iter().map(Vec::as_slice).collect();
        let mut found = vec![0.0; cells];
        code.run_on(&views, &mut [&mut found], extent)
            .unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
        return found.into_iter().map(f64::from).collect();
    }
    let arrays: Vec<Array2<f64>> = inputs
        .iter()
        .map(|array| {
            Array2::from_shape_vec((array.len() / cells, cells), array.clone()).expect("levels by cells")
        })
        .collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    let found = interpret_on(kernel, &views, extent);
    found.unwrap_or_else(|error| panic!("{}: {error}", kernel.name))[0].iter().copied().collect()
}

fn compiled(kernel: &Kernel, columns: &Columns) -> Vec<Vec<f64>> {
    let code = Compiled::new(kernel).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
    let arrays: Vec<Vec<f32>> = kernel
        .inputs
        .iter()
        .map(|one| input(kernel, columns, &one.name).iter().map(|x| *x as f32).collect())
        .collect();
    let views: Vec<&[f32]> = arrays.iter().map(Vec::as_slice).collect();
    let mut found = vec![vec![0.0; columns.count]; kernel.outputs.len()];
    let mut outputs: Vec<&mut [f32]> = found.iter_mut().map(Vec::as_mut_slice).collect();
    code.run(&views, &mut outputs, columns.count).unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
    found.into_iter().map(|output| output.into_iter().map(f64::from).collect()).collect()
}
