//! Kernels that all executors are given, and inputs for them.

use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::text::parse;
use aurora_runtime::site::Site;
use aurora_tests::Random;
use ndarray::{Array2, Axis as Axis0};

use crate::run::CELLS;

/// What recipes write: powers, guarded roots, thresholds, parts of columns, ties kept apart.
const WRITTEN: &str = "\
kernel potential(t: column 4, p: column 4) {
  %0 = input t
  %1 = input p
  %2 = constant 2.0
  %3 = div %2 %1
  %4 = constant 0.2857
  %5 = pow %3 %4
  %6 = mul %0 %5
  output theta = %6
}
kernel guarded(x: cell, y: cell) {
  %0 = input x
  %1 = input y
  %2 = sub %0 %1
  %3 = constant 0.0
  %4 = gt %2 %3
  %5 = sqrt %2
  %6 = log %2
  %7 = mul %5 %6
  %8 = select %4 %7 %3
  %9 = constant 0.5
  %10 = pow %2 %9
  %11 = select %4 %10 %2
  output root = %8
  output power = %11
}
kernel divided(x: cell, y: cell) {
  %0 = input x
  %1 = input y
  %2 = constant 0.0
  %3 = constant 1.0
  %4 = gt %0 %3
  %5 = select %4 %0 %2
  %6 = div %1 %5
  %7 = select %4 %6 %1
  output ratio = %7
}
kernel column(q: column 4, s: cell) {
  %0 = input q
  %1 = input s
  %2 = sum %0 weights [1.0 2.0 3.0 4.0]
  %3 = sum %0 levels 1..3
  %4 = highest %0
  %5 = lowest %0 levels 0..2
  %6 = mul %0 %1
  %7 = exp %6
  %8 = highest %7
  %9 = abs %2
  %10 = neg %3
  %11 = add %9 %10
  %12 = div %4 %5
  %13 = min %11 %12
  %14 = max %13 %8
  %15 = le %4 %2
  %16 = mul %14 %15
  output mixed = %16
  output levels = %7
}
";

/// What looks along a column with heights `h`, rising, or walks along it.
const ALONG: &str = "\
kernel at(q: column 4, h: column 4, x: cell) {
  %0 = input q
  %1 = input h
  %2 = input x
  %3 = interpolate %0 on %1 at %2
  %4 = neg %1
  %5 = neg %2
  %6 = interpolate %0 on %4 at %5
  %7 = mul %6 %2
  %8 = levels [0.55 1.0 1.75]
  %9 = interpolate %0 on %1 at %8
  output here = %3
  output falling = %7
  output heights = %9
}
kernel layers(q: column 4, h: column 4, x: cell, y: cell) {
  %0 = input q
  %1 = input h
  %2 = input x
  %3 = input y
  %4 = layer integral %0 on %1 from %2 to %3
  %5 = layer mean %0 on %1 from %2 to %3
  %6 = layer highest %0 on %1 from %2 to %3
  %7 = layer lowest %0 on %1 from %3 to %2
  %8 = constant -5.0
  %9 = layer integral %0 on %1 from %8 to %2
  output integral = %4
  output mean = %5
  output highest = %6
  output lowest = %7
  output clipped = %9
}
kernel slope(q: column 4, h: column 4) {
  %0 = input q
  %1 = input h
  %2 = shift %0 by 1
  %3 = shift %0 by -1
  %4 = sub %2 %3
  %5 = shift %1 by 1
  %6 = shift %1 by -1
  %7 = sub %5 %6
  %8 = div %4 %7
  output slope = %8
}
kernel ascent(h: column 4, x: cell, y: cell) {
  %0 = input h
  %1 = input x
  %2 = input y
  %3 = gt %0 %1
  %4 = scan starts [%2 %1] captures [%0 %2] active %3 result 0 {
    %0 = state 0
    %1 = here 0
    %2 = before 0
    %3 = sub %1 %2
    %4 = neg %0
    %5 = exp %4
    %6 = mul %5 %3
    %7 = sub %0 %6
    %8 = state 1
    %9 = here 1
    %10 = mul %8 %9
    next [%7 %10]
  }
  %5 = scan reverse starts [%2] captures [%0] result 0 {
    %0 = state 0
    %1 = here 0
    %2 = max %0 %1
    %3 = mul %0 %1
    %4 = sqrt %3
    %5 = lt %1 %0
    %6 = select %5 %4 %2
    next [%6]
  }
  output parcel = %4
  output down = %5
}
kernel angles(x: cell, y: cell) {
  %0 = input x
  %1 = input y
  %2 = atan2 %0 %1
  %3 = sin %0
  %4 = cos %1
  %5 = mul %3 %4
  output direction = %2
  output waves = %5
}
";

/// What looks at neighbouring points, times another field, so that its sum over the grid is more than its edges.
const ACROSS: &str = "\
kernel vorticity(a: cell, b: cell, w: cell) {
  %0 = input a
  %1 = input b
  %2 = input w
  %3 = difference %1 x
  %4 = difference %0 y
  %5 = sub %3 %4
  %6 = mul %5 %2
  %7 = constant 3.0
  %8 = difference %7 x
  %9 = add %6 %8
  output vorticity = %9
}
kernel laplacian(b: column 3, w: cell) {
  %0 = input b
  %1 = input w
  %2 = difference %0 x
  %3 = difference %2 x
  %4 = difference %0 y
  %5 = difference %4 y
  %6 = add %3 %5
  %7 = mul %6 %1
  output laplacian = %7
}
";

pub fn written() -> Vec<Kernel> {
    parse(WRITTEN).expect("kernels").kernels
}

pub fn along() -> Vec<Kernel> {
    parse(ALONG).expect("kernels").kernels
}

pub fn across() -> Vec<Kernel> {
    parse(ACROSS).expect("kernels").kernels
}

/// The kernels of every recipe that the command ships.
pub fn shipped() -> Vec<Kernel> {
    let text = include_str!("../../../recipes/quickstart.aurora");
    let site = Site::find(None).expect("no site.toml here");
    let (_, module) =
        aurora_compiler::compile("quickstart", text, &site).result.expect("the quickstart compiles");
    assert!(!module.kernels.is_empty());
    module.kernels
}

/// Inputs a kernel of that name would see.
pub fn inputs(kernel: &Kernel, random: &mut Random) -> Vec<Array2<f32>> {
    let range = |name: &str| match name {
        "t" | "t2m" => (220.0, 305.0),
        "q" | "q2m" => (1e-5, 0.02),
        "z" | "hgt" => (1e3, 1e5),
        "u" | "v" | "u10" | "v10" => (-40.0, 40.0),
        "refc" => (-10.0, 60.0),
        _ => (0.5, 2.0),
    };
    let array = |input: &Input, random: &mut Random| {
        let (low, high) = range(&input.name);
        Array2::from_shape_simple_fn((input.domain.levels(), CELLS), || {
            (low + (high - low) * random.unit()) as f32
        })
    };
    // Heights rise and span all places between 0.5 and 2.
    let heights = |input: &Input, random: &mut Random| {
        let mut heights = Array2::from_shape_simple_fn((input.domain.levels(), CELLS), || {
            (0.7 + 0.5 * random.unit()) as f32
        });
        heights.row_mut(0).mapv_inplace(|height| height - 0.65);
        heights.accumulate_axis_inplace(Axis0(0), |below, height| *height += below);
        heights
    };
    if let Some(position) = kernel.inputs.iter().position(|input| input.name == "h") {
        let risen = heights(&kernel.inputs[position], random);
        let mut all: Vec<_> = kernel.inputs.iter().map(|input| array(input, random)).collect();
        all[position] = risen;
        return all;
    }
    kernel.inputs.iter().map(|input| array(input, random)).collect()
}
