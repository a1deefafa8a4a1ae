//! The cases of `tests/kernels/*.kir`: a kernel, and in its comments what goes in and what must come out.
//!
//! ```text
//! # cells 2
//! # in q = 1 2 | 3 4      levels are parted by `|`, cells by spaces
//! # out total = 4 6
//! # within 2 ulp          absent: equal in every bit, all NaN being one
//! # rows 2                absent: 1; cells are row by row
//! # interpreted           there is no machine code for it yet
//! ```

mod kernel_support;

use std::collections::BTreeMap;
use std::path::Path;

use aurora_compiler::kernel::interpret::{Extent, interpret_on};
use aurora_compiler::kernel::jit::Compiled;
use aurora_compiler::kernel::text::parse;
use aurora_compiler::kernel::verify::verify;
use kernel_support::{difference, run_on};
use ndarray::Array2;

#[derive(Default)]
struct Case {
    cells: usize,
    inputs: BTreeMap<String, Array2<f32>>,
    outputs: BTreeMap<String, Array2<f32>>,
    ulps: u64,
    rows: usize,
    interpreted: bool,
}

impl Case {
    fn read(text: &str) -> Self {
        let mut case = Self { rows: 1, ..Self::default() };
        case.interpreted = text.lines().any(|line| line == "# interpreted");
        for line in text.lines().filter_map(|line| line.strip_prefix("# ")) {
            match line.split_once(' ') {
                Some(("cells", count)) => case.cells = count.trim().parse().expect(line),
                Some(("rows", count)) => case.rows = count.trim().parse().expect(line),
                Some(("within", limit)) => {
                    case.ulps = limit.trim_end_matches(" ulp").parse().expect(line);
                }
                Some(("in", rest)) if rest.contains(" = ") => case.inputs.extend([array(rest, case.cells)]),
                Some(("out", rest)) if rest.contains(" = ") => case.outputs.extend([array(rest, case.cells)]),
                _ => {}
            }
        }
        case
    }
}

fn array(line: &str, cells: usize) -> (String, Array2<f32>) {
    let (name, numbers) = line.split_once('=').expect(line);
    let levels: Vec<&str> = numbers.split('|').collect();
    let numbers: Vec<f32> = numbers
        .split_whitespace()
        .filter(|word| *word != "|")
        .map(|word| word.parse().expect(line))
        .collect();
    (name.trim().to_owned(), Array2::from_shape_vec((levels.len(), cells), numbers).expect(line))
}

#[test]
fn kernel_files_give_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kernels");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "kir") {
            check(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
            count += 1;
        }
    }
    println!("{count} kernel files");
    assert!(count >= 12, "only {count} files were found");
}

fn check(path: &str, text: &str) {
    let module = parse(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    verify(&module).unwrap_or_else(|errors| panic!("{path}: {}", errors[0]));
    let [kernel] = &module.kernels[..] else { panic!("{path}: a case has one kernel") };
    let case = Case::read(text);
    assert_eq!(case.outputs.len(), kernel.outputs.len(), "{path}: each output needs its `# out`");
    let inputs: Vec<_> = kernel.inputs.iter().map(|input| case.inputs[&input.name].clone()).collect();
    let views: Vec<_> = inputs.iter().map(|array| array.view()).collect();
    let levels: Vec<_> = kernel.outputs.iter().map(|output| case.outputs[&output.name].nrows()).collect();

    let extent = Extent { rows: case.rows, columns: case.cells / case.rows };
    let mut results = vec![("interpreter", interpret_on(kernel, &views, extent).unwrap())];
    match Compiled::new(kernel) {
        Ok(code) => {
            assert!(!case.interpreted, "{path}: there is machine code for it");
            results.push(("machine code", run_on(&code, &inputs, &levels, extent)));
        }
        Err(error) => assert!(case.interpreted, "{path}: {error}"),
    }
    for (executor, results) in results {
        for (output, result) in kernel.outputs.iter().zip(results) {
            let difference = difference(&result, case.outputs[&output.name].view(), case.ulps);
            assert_eq!(difference, None, "{path}: {executor}: {}", output.name);
        }
    }
}
