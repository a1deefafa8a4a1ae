//! The derivative of each instruction, by differences and by hand.

mod kernel_support;

use aurora_compiler::kernel::adjoint::{AdjointError, backward, gradient, value_and_gradient};
use aurora_compiler::kernel::interpret::interpret;
use aurora_compiler::kernel::ir::*;
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::verify;
use kernel_support::Random;
use kernel_support::gradients::{compared, interpreted};
use ndarray::{Array2, array};

const CELLS: usize = 40;

/// A kernel of the inputs `x` and `y`, cells, and `q` and `h`, columns of 5 of which `h` rises, from its lines after those
/// inputs (%0 to %3).
fn kernel(body: &str) -> Kernel {
    let text = format!(
        "kernel k(x: cell, y: cell, q: column 5, h: column 5) {{\n%0 = input x\n%1 = input y\n%2 = input q\n%3 = input h\n\
         {body}\n}}"
    );
    let module = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    verify(&module).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    module.kernels.into_iter().next().unwrap()
}

/// `x` and `y` between 0.5 and 3, `q` between 0.5 and 2, `h` from about 0 to 4.
fn inputs(random: &mut Random) -> Vec<Array2<f64>> {
    let mut unit = || (random.bits() >> 40) as f64 / (1u64 << 24) as f64;
    let rounded = |number: f64| f64::from(number as f32);
    let [x, y] = [(); 2].map(|()| Array2::from_shape_simple_fn((1, CELLS), || rounded(0.5 + 2.5 * unit())));
    let q = Array2::from_shape_simple_fn((5, CELLS), || rounded(0.5 + 1.5 * unit()));
    let h = Array2::from_shape_fn((5, CELLS), |(level, _)| rounded(level as f64 + 0.6 * unit() - 0.3));
    vec![x, y, q, h]
}

/// Judges the gradient of the sum of all outputs, in f64 and in f32. f64's differences are good to about 1e-8 of the
/// value; in f32 the gradient itself is rounded a few times.
#[track_caller]
fn right(body: &str) {
    let (kernel, inputs) = (kernel(body), inputs(&mut Random(17)));
    let [.., most] = compared::<f64>(&kernel, &inputs, CELLS).told("f64");
    let mut rounded = compared::<f32>(&kernel, &inputs, CELLS);
    let [median, .., most_of_f32] = rounded.told("f32");
    assert!(rounded.errors.len() > 6 * CELLS, "{} values", rounded.errors.len());
    assert!(most <= 1e-5, "{most:.1e}");
    assert!(median <= 1e-6 && most_of_f32 <= 1e-3, "{median:.1e}, {most_of_f32:.1e}");
}

#[test]
fn functions_of_one_number() {
    for name in ["neg", "abs", "sqrt", "exp", "log", "sin", "cos"] {
        right(&format!(
            "%4 = sub %2 %0\n%5 = {name} %2\n%6 = {name} %0\n%7 = mul %4 %5\noutput a = %7\noutput b = %6"
        ));
    }
    right("%4 = sub %2 %0\n%5 = abs %4\n%6 = mul %5 %1\noutput a = %6");
}

#[test]
fn functions_of_two_numbers() {
    for name in ["add", "sub", "mul", "div", "min", "max", "pow", "atan2"] {
        right(&format!(
            "%4 = {name} %0 %1\n%5 = {name} %2 %3\n%6 = {name} %2 %0\n%7 = mul %6 %5\noutput a = %4\noutput b = %7"
        ));
    }
    right("%4 = mul %0 %0\n%5 = div %4 %0\n%6 = pow %5 %5\noutput a = %6\noutput b = %2");
}

#[test]
fn choices() {
    right("%4 = lt %2 %0\n%5 = mul %2 %2\n%6 = mul %3 %1\n%7 = select %4 %5 %6\noutput a = %7");
    right("%4 = gt %0 %1\n%5 = select %4 %2 %0\n%6 = select %4 %1 %0\n%7 = mul %5 %6\noutput a = %7");
    // A column's choice under a cell's, and sums across levels under both.
    right(
        "%4 = gt %0 %1\n%5 = gt %2 %0\n%6 = log %2\n%7 = sum %6\n%8 = mul %7 %2\n%9 = select %5 %8 %3\n\
         %10 = mul %9 %3\n%11 = select %4 %10 %2\noutput a = %11",
    );
}

#[test]
fn reductions() {
    right("%4 = mul %2 %3\n%5 = sum %4\n%6 = mul %5 %0\noutput a = %6");
    right("%4 = mul %2 %3\n%5 = sum %4 weights [1 -2 0.5 3 0] levels 1..4\n%6 = mul %5 %0\noutput a = %6");
    right(
        "%4 = mul %2 %3\n%5 = sum %4 levels 2..5\n%6 = highest %4 levels 0..4\n%7 = mul %5 %6\noutput a = %7",
    );
    right("%4 = mul %2 %3\n%5 = lowest %4\n%6 = highest %2\n%7 = mul %5 %6\n%8 = mul %7 %2\noutput a = %8");
    // Of a cell on every level.
    right(
        "%4 = levels [1 1 1 1 1]\n%5 = add %4 %0\n%6 = mul %5 %1\n%7 = sum %6\n%8 = add %7 %2\noutput a = %8",
    );
}

#[test]
fn displaced_columns_and_parts_of_them() {
    for by in [-9, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 9] {
        right(&format!("%4 = shift %2 by {by}\n%5 = mul %4 %3\n%6 = mul %5 %0\noutput a = %6"));
    }
    right(
        "%4 = slice %2 levels 1..3\n%5 = mul %4 %0\n%6 = concat [%1 %5 %3 %1]\n%7 = mul %6 %6\noutput a = %7\noutput b = %2",
    );
    right(
        "%4 = slice %2 levels 0..4\n%5 = sum %4\n%6 = concat [%3 %5]\n%7 = sum %6\n%8 = slice %3 levels 4..5\noutput a = %7\noutput b = %8\noutput c = %2",
    );
}

#[test]
fn interpolation() {
    right("%4 = interpolate %2 on %3 at %0\n%5 = mul %4 %1\noutput a = %5");
    right("%4 = neg %3\n%5 = neg %1\n%6 = interpolate %2 on %4 at %5\n%7 = mul %6 %0\noutput a = %7");
    // At a column of places, some of them outside, where something else is taken.
    right(
        "%4 = levels [0.5 1.5 2.5]\n%5 = mul %4 %0\n%6 = interpolate %2 on %3 at %5\n%7 = constant 3.5\n%8 = lt %5 %7\n\
         %9 = select %8 %6 %5\n%10 = mul %9 %9\noutput a = %10",
    );
}

#[test]
fn layers() {
    for op in ["integral", "mean", "highest", "lowest"] {
        right(&format!("%4 = layer {op} %2 on %3 from %0 to %1\n%5 = mul %4 %4\noutput a = %5"));
        right(&format!(
            "%4 = neg %3\n%5 = neg %1\n%6 = constant -9\n%7 = layer {op} %2 on %4 from %6 to %5\noutput a = %7"
        ));
    }
}

#[test]
fn walks() {
    let body = "%0 = state 0\n%1 = state 1\n%2 = here 0\n%3 = before 0\n%4 = here 1\n%5 = before 1\n%6 = here 2\n\
                %7 = sub %2 %3\n%8 = mul %7 %0\n%9 = constant 0.3\n%10 = mul %8 %9\n%11 = exp %10\n%12 = div %11 %6\n\
                %13 = add %5 %4\n%14 = mul %13 %12\n%15 = add %1 %14\n%16 = add %0 %12\n%17 = sqrt %16\n\
                next [%17 %15]";
    for reverse in ["", "reverse "] {
        for active in ["", "active %5 "] {
            for results in
                ["%7 = mul %6 %2", "%7 = sum %6 levels 0..1", "%7 = sum %6 levels 4..5", "%7 = sum %6"]
            {
                for result in [0, 1] {
                    right(&format!(
                        "%4 = constant 1.1\n%5 = gt %2 %4\n%6 = scan {reverse}starts [%0 %1] captures [%3 %2 %1] \
                         {active}result {result} {{\n{body}\n}}\n{results}\n%8 = add %2 %3\noutput a = %7\noutput b = %8"
                    ));
                }
            }
        }
    }
}

/// Two results of one walk, one of them its last level, and a state that nothing wants.
#[test]
fn a_walk_with_several_results() {
    let scan = |reverse: &str, result| {
        format!(
            "scan {reverse} starts [%0 %1 %0] captures [%3 %2 %1] result {result} {{\n%0 = state 0\n%1 = state 1\n%2 = here 0\n\
             %3 = before 1\n%4 = mul %0 %3\n%5 = max %4 %2\n%6 = sub %1 %5\n%7 = state 2\n%8 = here 2\n%9 = sin %8\n\
             %10 = mul %9 %7\nnext [%5 %6 %10]\n}}"
        )
    };
    for (reverse, last) in [("", "4..5"), ("reverse", "0..1")] {
        right(&format!(
            "%4 = {}\n%5 = {}\n%6 = sum %4 levels {last}\n%7 = mul %6 %5\n%8 = mul %7 %2\noutput a = %8\noutput b = %6",
            scan(reverse, 0),
            scan(reverse, 1)
        ));
    }
}

/// Nothing that is not taken spoils the gradient of what is.
#[test]
fn what_is_not_chosen_does_not_matter() {
    // In turn: a root of a negative number times a logarithm of one; a quotient by zero; an overflow; sums and walks of such;
    // a function without slope there; what is outside a column.
    let bodies = [
        "%4 = neg %0\n%5 = sqrt %4\n%6 = log %4\n%7 = mul %5 %6\n%8 = mul %7 %2\n%9 = constant 0\n%10 = gt %4 %9\n\
         %11 = select %10 %8 %2\noutput a = %11",
        "%4 = sub %0 %0\n%5 = div %1 %4\n%6 = constant 3\n%7 = min %5 %6\n%8 = mul %7 %2\noutput a = %8",
        "%4 = constant 1e30\n%5 = mul %0 %4\n%6 = exp %5\n%7 = constant 1\n%8 = add %6 %7\n%9 = div %2 %8\n\
         %10 = add %9 %2\noutput a = %10",
        "%4 = neg %2\n%5 = log %4\n%6 = sum %5\n%7 = scan starts [%6] captures [%5] result 0 {\n%0 = state 0\n%1 = here 0\n\
         %2 = mul %0 %1\nnext [%2]\n}\n%8 = mul %7 %1\n%9 = constant 9\n%10 = gt %0 %9\n%11 = select %10 %8 %2\noutput a = %11",
        "%4 = sub %0 %0\n%5 = sqrt %4\n%6 = mul %5 %2\n%7 = add %6 %2\n%8 = constant 0.5\n%9 = pow %4 %8\n%10 = add %7 %9\n\
         %11 = atan2 %4 %4\n%12 = add %10 %11\noutput a = %12",
        "%4 = constant 50\n%5 = add %0 %4\n%6 = interpolate %2 on %3 at %5\n%7 = layer mean %2 on %3 from %4 to %5\n\
         %8 = mul %6 %7\n%9 = lt %5 %4\n%10 = select %9 %8 %2\noutput a = %10",
    ];
    for body in bodies {
        let (kernel, inputs) = (kernel(body), inputs(&mut Random(18)));
        for (number, found) in
            kernel_support::gradients::gradients::<f64>(&kernel, &inputs, CELLS).iter().enumerate()
        {
            assert!(found.iter().all(|slope| slope.is_finite()), "input {number}\n{body}\n{found}");
        }
        let [.., most] = compared::<f64>(&kernel, &inputs, CELLS).told("f64");
        assert!(most < 1e-5, "{body}");
    }
}

/// At ties the gradient goes to one side, whole.
#[test]
fn ties_go_to_one_side() {
    let gradients = |body: &str, q: Array2<f64>| {
        let kernel = kernel(body);
        let derivative = value_and_gradient(&kernel, &["a"], &["x", "y", "q"]).unwrap();
        let inputs = [array![[1.0]], array![[1.0]], q, array![[0.0], [1.0], [2.0], [3.0], [4.0]]];
        let outputs = interpreted::<f64>(&derivative, &inputs, 1);
        outputs[1..].iter().flatten().copied().collect::<Vec<f64>>()
    };
    let q = || array![[2.0], [5.0], [5.0], [0.0], [0.0]];
    assert_eq!(gradients("%4 = min %0 %1\noutput a = %4", q())[..2], [0.0, 1.0]);
    assert_eq!(gradients("%4 = max %0 %1\noutput a = %4", q())[..2], [0.0, 1.0]);
    assert_eq!(gradients("%4 = highest %2\noutput a = %4", q())[2..], [0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(gradients("%4 = lowest %2\noutput a = %4", q())[2..], [0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(gradients("%4 = sub %0 %1\n%5 = abs %4\noutput a = %5", q())[..2], [1.0, -1.0]);
    // On a level, the slope is that of the pair above it; on the last level there is none.
    assert_eq!(gradients("%4 = interpolate %2 on %3 at %0\noutput a = %4", q())[..1], [0.0]);
    assert_eq!(
        gradients("%4 = interpolate %2 on %3 at %0\noutput a = %4", q())[2..],
        [0.0, 1.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn masks_and_what_is_done_for_each_level_have_no_gradient() {
    let kernel = kernel(
        "%4 = each captures [%0] here [%2] kernel each(x: cell, q: cell) {\n%0 = input x\n%1 = input q\n%2 = mul %0 %1\n\
         output a = %2\n}\n%5 = gt %2 %0\n%6 = mul %4 %5\n%7 = mul %6 %1\noutput a = %7",
    );
    let derivative = value_and_gradient(&kernel, &["a"], &["x", "y", "q", "h"]).unwrap();
    let inputs = inputs(&mut Random(19));
    let outputs = interpreted::<f64>(&derivative, &inputs, CELLS);
    let sum = |array: &Array2<f64>| array.iter().map(|x| x.abs()).sum::<f64>();
    assert_eq!([sum(&outputs[1]), sum(&outputs[3]), sum(&outputs[4])], [0.0; 3]);
    assert!(sum(&outputs[2]) > 0.0);
}

/// Sensitivities are given from outside, and the outputs can be left out.
#[test]
fn sensitivities_are_inputs() {
    let kernel =
        kernel("%4 = mul %2 %0\n%5 = sum %4\n%6 = add %0 %1\noutput a = %4\noutput b = %5\noutput c = %6");
    let all = gradient(&kernel, &["a", "c"], &["q", "x"]).unwrap();
    let names = |kernel: &Kernel| {
        let inputs = kernel.inputs.iter().map(|i| i.name.clone()).collect::<Vec<_>>().join(" ");
        (inputs, kernel.outputs.iter().map(|o| o.name.clone()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(names(&all), ("x y q h d.a d.c".into(), "a b c d.q d.x".into()));
    let bare = backward(&kernel, &["a", "c"], &["q", "x"]).unwrap();
    assert_eq!(names(&bare), ("x y q h d.a d.c".into(), "d.q d.x".into()));
    let column = array![[1.0], [2.0], [3.0], [4.0], [5.0]];
    let sensitivity = array![[1.0], [0.0], [-1.0], [0.0], [2.0]];
    let inputs = [array![[3.0]], array![[4.0]], column.clone(), column, sensitivity, array![[10.0]]];
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    let found = interpret::<f64>(&bare, &views, 1).unwrap();
    assert_eq!(found[0], array![[3.0], [0.0], [-3.0], [0.0], [6.0]]);
    assert_eq!(found[1], array![[1.0 - 3.0 + 10.0 + 10.0]]);
}

#[test]
fn what_has_no_derivative_is_refused() {
    let plain = kernel("%4 = difference %2 x\n%5 = mul %4 %0\noutput a = %5\noutput b = %0");
    let of = |outputs: &[&str], inputs: &[&str]| value_and_gradient(&plain, outputs, inputs);
    assert!(matches!(of(&["a"], &["q"]), Err(AdjointError::Stencil { .. })));
    assert!(of(&["a"], &["x"]).is_ok() && of(&["b"], &["q"]).is_ok());
    assert_eq!(of(&["c"], &["q"]).unwrap_err().to_string(), "the kernel `k` has no output `c`");
    assert_eq!(of(&["a"], &["z"]).unwrap_err().to_string(), "the kernel `k` has no input `z`");
}
