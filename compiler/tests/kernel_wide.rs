//! What only long bodies and many numbers at once bring about: segments, vectors wider than four lanes, registers that are short.

mod kernel_support;

use aurora_compiler::kernel::jit::{Compiled, Options};
use kernel_support::executors::*;
use kernel_support::{Random, difference};
use ndarray::Array2;

/// A body that is long enough to be cut, with an exponential of an exponential: wide vectors and narrow ones, in tiles that are full
/// and one that is not, give the same bits, and what they give is the interpreter's to a few ulp.
#[test]
fn wide_vectors_change_no_bit() {
    let slope = |n: usize, of: &str| {
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|k| n + k);
        format!(
            "%{a} = mul %{of} %3\n%{b} = exp %{a}\n%{c} = add %{b} %4\n%{d} = log %{c}\n%{e} = sub %{d} %{of}\n"
        )
    };
    let mut body = String::from(
        "%0 = state 0\n%1 = here 0\n%2 = before 0\n%3 = constant -0.25\n%4 = constant 1.5\n%5 = gt %1 %2\n%6 = sub %1 %2\n",
    );
    let mut last = "6".to_owned();
    for step in 0..5 {
        body += &slope(7 + 5 * step, &last);
        last = (11 + 5 * step).to_string();
    }
    body += &format!("%32 = select %5 %{last} %0\n%33 = state 1\n%34 = add %33 %32\nnext [%32 %34]\n");
    let text = format!(
        "kernel k(x: column 9, a: cell) {{
        %0 = input x\n%1 = input a\n%2 = exp %0\n%3 = log %2\n%4 = mul %0 %3
        %5 = scan starts [%1 %1] captures [%4] result 0 {{\n{body}}}
        %6 = scan starts [%1 %1] captures [%4] result 1 {{\n{body}}}
        %7 = sum %5\n%8 = mul %6 %2\noutput sum = %7\noutput state = %6\noutput product = %8\noutput log = %3\n}}"
    );
    let kernel = kernel(&text);
    for lanes in LANES {
        let compiled = Compiled::with(&kernel, Options { lanes }).unwrap();
        assert!(compiled.lanes() <= lanes);
        println!("{} lanes: {} bytes of code", compiled.lanes(), compiled.code_size());
    }
    let mut random = Random(25);
    for cells in [1, 127, 128, 129, 700] {
        let inputs = [column(&mut random, 9, cells), random.array(1, cells)];
        machine(&kernel, &inputs, row(cells));
        // Numbers near 1, of which nothing in the kernel magnifies the errors of a few ulp.
        let mut near_one = |levels| {
            Array2::from_shape_simple_fn((levels, cells), || 0.5 + random.below(1000) as f32 / 1000.0)
        };
        let inputs = [near_one(9), near_one(1)];
        let expected = judge(&kernel, &inputs, row(cells));
        for (found, expected) in machine(&kernel, &inputs, row(cells)).iter().zip(&expected) {
            let off =
                found.iter().zip(expected).map(|(x, y)| (x - y).abs() / y.abs().max(1.0)).fold(0.0, f32::max);
            assert!(off < 1e-5, "{off}");
        }
    }
}

/// Exponentials and logarithms of numbers of every size by wide vectors are those of narrow ones in every bit.
#[test]
fn wide_functions_are_the_narrow_ones() {
    let terms: String = (3..40).map(|k| format!("%{k} = add %{} %1\n", k - 1)).collect();
    let text = format!(
        "kernel k(x: column 2) {{
        %0 = input x\n%1 = exp %0\n%2 = log %0\n{terms}%40 = sqrt %39\n%41 = sum %40\n%42 = div %41 %39\n
        %43 = pow %42 %42\n%44 = pow %43 %42\noutput e = %1\noutput l = %2\noutput rest = %44\n}}"
    );
    let kernel = kernel(&text);
    let mut random = Random(26);
    let cells = 200_000;
    let input = Array2::from_shape_simple_fn((2, cells), || match random.below(3) {
        0 => random.number(),
        1 => f32::from_bits(random.bits() as u32),
        _ => (random.bits() >> 40) as f32 / 65536.0 - 128.0,
    });
    let results = machine(&kernel, std::slice::from_ref(&input), row(cells));
    let expected = input.mapv(|x| f64::from(x).exp() as f32);
    assert_eq!(difference(&results[0], expected.view(), 2), None);
    let expected = input.mapv(|x| f64::from(x).ln() as f32);
    assert_eq!(difference(&results[1], expected.view(), 2), None);
}

/// More numbers at once than there are registers, each wanted again after its last but one use: what is put aside is what comes back.
#[test]
fn more_numbers_than_registers() {
    for count in [10_usize, 14, 15, 16, 17, 24, 31, 32, 33, 40, 60] {
        let (mut text, mut next) = (String::new(), 0);
        let mut line = |instruction: String| {
            text += &format!("%{next} = {instruction}\n");
            next += 1;
            next - 1
        };
        let inputs: Vec<usize> = (0..count).map(|k| line(format!("input x{k}"))).collect();
        let later: Vec<usize> =
            (0..count).map(|k| line(format!("add %{} %{}", inputs[k], inputs[(k + 1) % count]))).collect();
        // Each root is of what nobody else wants any more.
        let roots: Vec<usize> = inputs.iter().map(|x| line(format!("sqrt %{x}"))).collect();
        let differences: Vec<usize> =
            (0..count).map(|k| line(format!("sub %{} %{}", later[k], roots[(k + 3) % count]))).collect();
        let products: Vec<usize> = (0..count)
            .rev()
            .map(|k| line(format!("mul %{} %{}", differences[k], later[count - 1 - k])))
            .collect();
        let sum =
            products[1..].iter().fold(products[0], |sum, product| line(format!("add %{sum} %{product}")));
        let parameters: Vec<String> = (0..count).map(|k| format!("x{k}: cell")).collect();
        let kernel = kernel(&format!("kernel k({}) {{\n{text}output o = %{sum}\n}}", parameters.join(", ")));
        let mut random = Random(7 + count as u64);
        let cells = 300;
        let inputs: Vec<Array2<f32>> = (0..count)
            .map(|_| Array2::from_shape_simple_fn((1, cells), || random.below(1000) as f32 / 16.0))
            .collect();
        agree(&kernel, &inputs, row(cells));
    }
}

/// Two states of one walk, kept for a later loop, with a segment's end between the walk and the second.
#[test]
fn both_states_of_a_cut_walk_are_kept() {
    let terms: String = (5..60)
        .map(|k| format!("%{k} = {} %{} %1\n", if k % 2 == 0 { "mul" } else { "sub" }, k - 1))
        .collect();
    let body = format!(
        "%0 = state 0\n%1 = here 0\n%2 = state 1\n%3 = add %0 %2\n%4 = exp %3\n{terms}%60 = mul %59 %2\nnext [%59 %60]\n"
    );
    let kernel = kernel(&format!(
        "kernel k(x: column 6, a: cell) {{
        %0 = input x\n%1 = input a
        %2 = scan starts [%1 %1] captures [%0] result 0 {{\n{body}}}
        %3 = exp %0\n%4 = exp %3\n%5 = exp %4\n%6 = exp %5\n%7 = exp %6\n%8 = exp %7
        %9 = scan starts [%1 %1] captures [%0] result 1 {{\n{body}}}
        %10 = sum %8\n%11 = shift %2 by 2\n%12 = shift %9 by 2\n%13 = add %11 %10\n%14 = add %12 %10
        output first = %13\noutput second = %14\n}}"
    ));
    let mut random = Random(31);
    for cells in [1, 128, 700] {
        let mut number = |levels| {
            Array2::from_shape_simple_fn((levels, cells), || random.below(100) as f32 / 1000.0 - 0.1)
        };
        let inputs = [number(6), number(1)];
        let expected = judge(&kernel, &inputs, row(cells));
        for (found, expected) in machine(&kernel, &inputs, row(cells)).iter().zip(&expected) {
            let off =
                found.iter().zip(expected).map(|(x, y)| (x - y).abs() / y.abs().max(1.0)).fold(0.0, f32::max);
            assert!(off < 1e-4, "{off}");
        }
    }
}
