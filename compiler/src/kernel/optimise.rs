//! The passes in order: a kernel made smaller and faster, without a bit of its results changed.

use super::interpret::Number;
use super::ir::Kernel;
pub use super::passes::dead::remove_dead_code;
pub use super::passes::fold::fold_constants;
pub use super::passes::hoist::hoist_invariants;
pub use super::passes::range::simplify_by_range;
pub use super::passes::rewrite::rewrite;
pub use super::passes::share::share_common_subexpressions;

/// A pass by its name.
pub type Pass = (&'static str, fn(&Kernel) -> Kernel);

/// The passes, in the order in which they help each other.
#[must_use]
pub fn passes<T: Number>() -> [Pass; 6] {
    [
        ("fold", fold_constants::<T>),
        ("rewrite", rewrite::<T>),
        ("range", simplify_by_range::<T>),
        ("hoist", hoist_invariants),
        ("share", share_common_subexpressions),
        ("dead", remove_dead_code),
    ]
}

/// All passes, twice: what the first round shares and hoists, the second can fold and rewrite. Where the first changes nothing
/// there is no second.
///
/// Folding rounds as `T` does, so the result is for executors that work in `T`: results in `T` keep every bit.
#[must_use]
pub fn optimise<T: Number>(kernel: &Kernel) -> Kernel {
    let mut kernel = kernel.clone();
    for _ in 0..2 {
        let before = kernel.clone();
        for (name, pass) in passes::<T>() {
            kernel = pass(&kernel);
            judge(&kernel, name);
        }
        if kernel == before {
            break;
        }
    }
    kernel
}

/// Between passes, wherever it costs nobody anything.
fn judge(kernel: &Kernel, pass: &str) {
    if cfg!(any(test, debug_assertions)) {
        let judged = super::verify::domains(kernel);
        assert!(judged.is_ok(), "after `{pass}`: {:?}\n{kernel}", judged.err());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::ir::Module;
    use super::super::text::parse;
    use super::super::verify::verify;
    use super::*;

    /// The kernel's text after a pass, which must verify: a line for each instruction and output.
    pub(in super::super) fn after(pass: impl Fn(&Kernel) -> Kernel, body: &str) -> String {
        let module = parse(&format!("kernel k(a: cell, b: column 2) {{\n{body}\n}}")).unwrap();
        verify(&module).unwrap();
        let module = Module { kernels: module.kernels.iter().map(pass).collect() };
        verify(&module).unwrap();
        let text = module.to_string();
        text.lines().map(str::trim).filter(|line| line.starts_with(['%', 'o'])).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_depends_on_an_input_stays() {
        let body = "%0 = input a\n%1 = constant 0\n%2 = mul %0 %1\noutput x = %2";
        assert!(after(optimise::<f32>, body).contains("mul"));
    }

    #[test]
    fn a_scan_keeps_what_its_result_needs() {
        let text = "kernel k(a: cell, b: column 2, c: column 2) {
            %0 = input a
            %1 = input b
            %2 = input c
            %3 = constant 3
            %4 = scan starts [%0 %0 %3] captures [%2 %3 %1] result 2 {
                %0 = here 1
                %1 = mul %0 %0
                %2 = state 2
                %3 = here 2
                %4 = here 2
                %5 = add %3 %4
                %6 = mul %5 %1
                %7 = add %2 %6
                %8 = state 0
                %9 = before 0
                next [%8 %9 %7]
            }
            output x = %4
        }";
        let kernel = optimise::<f32>(&parse(text).unwrap().kernels[0]);
        let expected = "\
kernel k(a: cell, b: column 2, c: column 2) {
  %0 = input b
  %1 = constant 3.0
  %2 = scan starts [%1] captures [%0] result 0 {
    %0 = constant 9.0
    %1 = state 0
    %2 = here 0
    %3 = add %2 %2
    %4 = mul %3 %0
    %5 = add %1 %4
    next [%5]
  }
  output x = %2
}
";
        assert_eq!(kernel.to_string(), expected);
    }
}
